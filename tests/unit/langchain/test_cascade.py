"""The weak model answers first and a judge reads it; the caller sees the answer that counts, and the whole bill."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langgraph.graph import START, MessagesState, StateGraph

from langchain_router import RoutedChatModel, RoutingRecorder, routing_decision, routing_outcome
from pointsman import Always, Candidate, QualityFloor
from pointsman.cascade import Cascade, ChatJudge, LogprobJudge
from pointsman.chat import Answer
from pointsman.costs.prices import Price
from pointsman.errors import JudgeError, UnknownPriceError
from tests.support.langchain import FakeChat, Movie, Recording, add, routed

Drive = Callable[[RoutedChatModel, dict[str, Any]], Any]
SMALL, BIG = "small says: an answer of several words", "big says: an answer of several words"


def _stream(model: RoutedChatModel, config: dict[str, Any]) -> AIMessageChunk:
    chunks = list(model.stream("hi", config))
    return sum(chunks[1:], chunks[0])


async def _astream(model: RoutedChatModel, config: dict[str, Any]) -> AIMessageChunk:
    chunks = [chunk async for chunk in model.astream("hi", config)]
    return sum(chunks[1:], chunks[0])


async def _events(model: RoutedChatModel, config: dict[str, Any]) -> AIMessage:
    return await (await model.astream_events("hi", config, version="v3"))


DRIVES: dict[str, Drive] = {
    "invoke": lambda model, config: model.invoke("hi", config),
    "ainvoke": lambda model, config: asyncio.run(model.ainvoke("hi", config)),
    "stream": _stream,
    "astream": lambda model, config: asyncio.run(_astream(model, config)),
    "batch": lambda model, config: model.batch(["hi"], config)[0],
    "generate": lambda model, config: model.generate([[HumanMessage("hi")]], **config).generations[0][0].message,
    "stream_events v3": lambda model, config: model.stream_events("hi", config, version="v3").output,
    "astream_events v3": lambda model, config: asyncio.run(_events(model, config)),
}


@pytest.fixture(params=DRIVES)
def drive(request: pytest.FixtureRequest) -> Drive:
    return DRIVES[request.param]


def judged(score: float, **settings: Any) -> RoutedChatModel:
    """Every answer gets this score, and half is enough."""
    return routed(cascade=Cascade(lambda question, answer: score, cut=0.5), **settings)


def test_an_answer_that_is_good_enough_is_the_answer(drive: Drive) -> None:
    strong, seen = FakeChat(model="big"), Recording()
    answer = drive(judged(0.9, strong=strong), {"callbacks": [seen]})
    decision, outcome = routing_decision(answer), routing_outcome(answer)
    assert (answer.text, strong.calls) == (SMALL, [])
    assert decision is not None
    assert outcome is not None
    assert (decision.candidate, decision.escalated_from, outcome.attempts) == ("weak", None, 1)
    assert "judged 0.900 >= 0.5" in decision.reason
    assert outcome.cost_usd < outcome.baseline_cost_usd
    assert seen.order.count("chat_model_start") == 1, "the accepted answer is not made twice"


def test_one_that_is_not_goes_to_the_next_and_both_are_paid_for(drive: Drive) -> None:
    seen = Recording()
    answer = drive(judged(0.1), {"callbacks": [seen]})
    decision, outcome = routing_decision(answer), routing_outcome(answer)
    assert answer.text == BIG
    assert decision is not None
    assert outcome is not None
    assert (decision.candidate, decision.escalated_from, outcome.attempts) == ("strong", "weak", 2)
    small = FakeChat(model="small").invoke("hi").usage_metadata
    assert outcome.saved_usd == pytest.approx(
        -(small["input_tokens"] * 1.0 + small["output_tokens"] * 2.0) * 1e-6, rel=0.2
    )
    (chain,) = (run for run, _, _ in seen.named("chain_start"))
    starts = seen.named("chat_model_start")
    assert [parent for _, parent, _ in starts] == [chain, chain]
    assert [data["metadata"]["router_candidate"] for _, _, data in starts] == ["weak", "strong"]
    assert ["nostream" in data["tags"] for _, _, data in starts] == [True, False]
    assert seen.order.count("custom_event") == 1


async def test_only_the_accepted_answer_is_streamed() -> None:
    for score, text in ((0.9, SMALL), (0.1, BIG)):
        chunks = list(judged(score).stream("hi"))
        assert "".join(str(chunk.content) for chunk in chunks) == text
        assert len(chunks) > 5, "in pieces"
        assert [routing_decision(c) is not None for c in chunks] == [True] + [False] * (len(chunks) - 1)
        assert "".join([str(chunk.content) async for chunk in judged(score).astream("hi")]) == text


def test_what_was_spent_is_what_was_counted() -> None:
    counter = UsageMetadataCallbackHandler()
    outcome = routing_outcome(judged(0.1).invoke("hi", {"callbacks": [counter]}))
    assert outcome is not None
    assert outcome.input_tokens == sum(usage["input_tokens"] for usage in counter.usage_metadata.values())
    assert outcome.output_tokens == sum(usage["output_tokens"] for usage in counter.usage_metadata.values())


def test_a_judge_that_is_a_model_has_a_run_of_its_own_and_its_price_counts(drive: Drive) -> None:
    seen, judge = Recording(), FakeChat(model="judge", answer="Good enough. Score: 9")
    model = routed(cascade=Cascade(ChatJudge(judge, Price(1.0, 1.0)), cut=0.5))
    answer = drive(model, {"callbacks": [seen]})
    plain = routing_outcome(drive(judged(0.9), {}))
    outcome = routing_outcome(answer)
    assert answer.text == SMALL
    assert outcome is not None
    assert outcome.cost_usd > plain.cost_usd
    assert outcome.attempts == 1
    (chain,) = (run for run, _, _ in seen.named("chain_start"))
    _, (_, parent, data) = seen.named("chat_model_start")
    assert parent == chain
    assert "nostream" in data["tags"]
    assert data["metadata"]["ls_message_view_exclude"] is True
    assert "hi" in str(judge.calls[0][0].content)


def test_a_graph_streams_neither_drafts_nor_the_judge() -> None:
    judge = FakeChat(model="judge", answer="Score: 1")
    model = routed(cascade=Cascade(ChatJudge(judge), cut=0.5))
    builder = StateGraph(MessagesState)
    builder.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_edge(START, "ask")
    parts = list(builder.compile().stream({"messages": [("user", "hi")]}, stream_mode="messages"))
    assert "".join(str(message.content) for message, _ in parts) == BIG


def test_logprobs_are_asked_of_the_draft_alone() -> None:
    class Sure(FakeChat):
        asked: list[Any] = []  # noqa: RUF012  # pydantic copies it for each model

        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            self.asked.append(kwargs.get("logprobs"))
            result = super()._generate(*args, **kwargs)
            content = [{"token": "a", "logprob": -3.0}]
            result.generations[0].message.response_metadata["logprobs"] = {"content": content}
            return result

    weak, strong = Sure(model="small"), Sure(model="big")
    answer = routed(weak=weak, strong=strong, cascade=Cascade(LogprobJudge("minimum"), cut=0.5)).invoke("hi")
    assert routing_decision(answer).escalated_from == "weak"
    assert (weak.asked, strong.asked) == ([True], [None])


def test_a_draft_that_fails_is_passed_over() -> None:
    class RateLimitError(Exception):
        status_code = 429

    failing = FakeChat(model="small", fails=RateLimitError("slow down"))
    answer = judged(0.9, weak=failing).invoke("hi")
    decision, outcome = routing_decision(answer), routing_outcome(answer)
    assert decision is not None
    assert outcome is not None
    assert (decision.candidate, decision.escalated_from, outcome.attempts) == ("strong", "weak", 2)
    with pytest.raises(RuntimeError, match="my own fault"):
        judged(0.9, weak=FakeChat(model="small", fails="my own fault")).invoke("hi")
    silent = judged(0.9, weak=FakeChat(model="small", answer="")).invoke("hi")
    assert silent.text == BIG


def test_a_judge_that_cannot_tell_does_as_it_was_told(caplog: pytest.LogCaptureFixture) -> None:
    def lost(question: str, answer: Answer) -> float:
        raise JudgeError("no idea")

    told = {"escalate": BIG, "accept": SMALL}
    for undecided, text in told.items():
        model = routed(cascade=Cascade(lost, cut=0.5, undecided=undecided))
        assert model.invoke("hi").text == text
    with RoutingRecorder(), pytest.raises(JudgeError, match="no idea"):
        routed(cascade=Cascade(lost, cut=0.5, undecided="raise")).invoke("hi")


def test_tools_and_schemas_are_drafted_too() -> None:
    seen: list[str] = []

    def judge(question: str, answer: Answer) -> float:
        seen.append(answer.text)
        return 0.9

    model = routed(cascade=Cascade(judge, cut=0.5))
    assert model.bind_tools([add]).invoke("hi").tool_calls[0]["args"] == {"a": 3, "b": 3}
    assert model.with_structured_output(Movie).invoke("'Alien'?") == Movie(title="Alien", year=3)
    assert seen[0] == 'add {"a": 3, "b": 3}'
    assert "Alien" in seen[1]


def test_a_call_that_names_its_model_is_not_judged() -> None:
    def never(question: str, answer: Answer) -> float:
        raise AssertionError

    model = routed(cascade=Cascade(never, cut=0.5))
    assert model.invoke("hi", {"configurable": {"router_candidate": "weak"}}).text == SMALL
    assert model.invoke("hi", model="another").response_metadata["model_name"] == "another"


def test_a_tool_loop_is_handed_up_and_never_down() -> None:
    call: Any = {"name": "add", "args": {}, "id": "call_1", "type": "tool_call"}
    asked = judged(0.1).invoke("hi").model_copy(update={"tool_calls": [call]})
    loop = [HumanMessage("hi"), asked, ToolMessage("6", tool_call_id="call_1")]
    weak = FakeChat(model="small")
    assert judged(0.9, weak=weak).invoke(loop).text == BIG
    assert weak.calls == []


def test_three_models_go_up_by_price() -> None:
    prices = {name: Candidate(name, input_price=p, output_price=p) for name, p in {"a": 9, "b": 3, "c": 1}.items()}
    models = {name: FakeChat(model=name) for name in prices}
    scores = iter([0.1, 0.9])
    model = RoutedChatModel(
        models=models,
        candidates=prices,
        router=routed().router,
        policy=QualityFloor(0.0),
        cascade=Cascade(lambda question, answer: next(scores), cut=0.5),
    )
    decision = routing_decision(model.invoke("hi"))
    assert decision is not None
    assert (decision.candidate, decision.escalated_from) == ("b", "c")
    with pytest.raises(UnknownPriceError, match=r"Cascade\(order=\.\.\.\)"):
        RoutedChatModel(
            models=models,
            router=routed().router,
            policy=Always("a"),
            cascade=Cascade(lambda question, answer: 1.0, cut=0.5),
        )
