"""When a model fails: another answers, as long as the caller has seen nothing; and the one that failed has its rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableLambda

from langchain_router import RoutedChatModel, RoutingRecorder, routing_decision, routing_outcome
from pointsman import Candidate
from pointsman.failover import Failover
from tests.support.langchain import HARD, FakeChat, Movie, Recording, add, priced, routed

Drive = Callable[[RoutedChatModel, dict[str, Any]], Any]


class RateLimitError(Exception):
    """As the clients of OpenAI and Anthropic raise it."""

    status_code = 429


class BadRequestError(Exception):
    status_code = 400


class Silent(FakeChat):
    """Ends its answers without a word; `chunks` of a stream come before the end."""

    chunks: int = 1
    answer: str | None = ""

    def _stream(self, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(args[0])
        for _ in range(self.chunks):
            usage = {"input_tokens": 100, "output_tokens": 0, "total_tokens": 100}
            yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage))


async def _astream(model: RoutedChatModel, config: dict[str, Any]) -> AIMessageChunk:
    chunks = [chunk async for chunk in model.astream("hi", config)]
    return sum(chunks[1:], chunks[0])


def _stream(model: RoutedChatModel, config: dict[str, Any]) -> AIMessageChunk:
    chunks = list(model.stream("hi", config))
    return sum(chunks[1:], chunks[0])


async def _events(model: RoutedChatModel, config: dict[str, Any]) -> AIMessage:
    return await (await model.astream_events("hi", config, version="v3"))


DRIVES: dict[str, Drive] = {
    "invoke": lambda model, config: model.invoke("hi", config),
    "ainvoke": lambda model, config: asyncio.run(model.ainvoke("hi", config)),
    "stream": _stream,
    "astream": lambda model, config: asyncio.run(_astream(model, config)),
    "batch": lambda model, config: model.batch(["hi"], config)[0],
    "abatch": lambda model, config: asyncio.run(model.abatch(["hi"], config))[0],
    "generate": lambda model, config: model.generate([[HumanMessage("hi")]], **config).generations[0][0].message,
    "agenerate": lambda m, c: asyncio.run(m.agenerate([[HumanMessage("hi")]], **c)).generations[0][0].message,
    "stream_events v3": lambda model, config: model.stream_events("hi", config, version="v3").output,
    "astream_events v3": lambda model, config: asyncio.run(_events(model, config)),
}


@pytest.fixture(params=DRIVES)
def drive(request: pytest.FixtureRequest) -> Drive:
    return DRIVES[request.param]


def broken(error: Exception | None = None, **settings: Any) -> RoutedChatModel:
    """A router whose weak model, the one for short prompts, always fails."""
    return routed(weak=FakeChat(model="small", fails=error or RateLimitError("slow down")), **settings)


def test_another_model_answers_for_one_that_fails(drive: Drive) -> None:
    seen = Recording()
    answer = drive(broken(), {"callbacks": [seen]})
    decision, outcome = routing_decision(answer), routing_outcome(answer)
    assert answer.text == "big says: an answer of several words"
    assert decision is not None
    assert outcome is not None
    assert (decision.candidate, decision.fallback_from, outcome.attempts) == ("strong", "weak", 2)
    assert "weak failed: rate limit (RateLimitError)" in decision.reason
    assert outcome.error is None
    assert outcome.cost_usd == outcome.baseline_cost_usd, "what the provider refused costs nothing"
    (chain,) = (run for run, _, _ in seen.named("chain_start"))
    assert [parent for _, parent, _ in seen.named("chat_model_start")] == [chain, chain]
    assert [data["metadata"]["router_candidate"] for _, _, data in seen.named("chat_model_start")] == ["weak", "strong"]
    assert seen.order[-1] == "chain_end"
    assert "chain_error" not in seen.order


def test_the_callers_own_mistake_is_the_callers(drive: Drive) -> None:
    strong = FakeChat(model="big")
    with pytest.raises(BadRequestError):
        drive(broken(BadRequestError("no such parameter"), strong=strong), {})
    assert strong.calls == []


def test_silence_is_a_failure(drive: Drive) -> None:
    for chunks in (0, 1, 3):
        answer = drive(routed(weak=Silent(model="small", chunks=chunks)), {})
        decision = routing_decision(answer)
        assert decision is not None
        assert (decision.candidate, decision.fallback_from) == ("strong", "weak")


def test_silence_is_paid_for() -> None:
    model = routed(weak=Silent(model="small"), strong=FakeChat(model="big"))
    chunks = list(model.stream("hi"))
    outcome = routing_outcome(sum(chunks[1:], chunks[0]))
    assert outcome is not None
    assert outcome.saved_usd == pytest.approx(-100e-6), "a hundred tokens of the weak model, at a dollar a million"


def test_where_all_are_silent_silence_is_the_answer(drive: Drive) -> None:
    answer = drive(routed(weak=Silent(model="small"), strong=Silent(model="big")), {})
    assert answer.text == ""
    outcome = routing_outcome(answer)
    assert outcome is not None
    assert outcome.attempts == 2


def test_where_all_fail_the_last_error_is_the_callers(drive: Drive) -> None:
    with RoutingRecorder() as recorder, pytest.raises(RateLimitError, match="me too"):
        drive(broken(strong=FakeChat(fails=RateLimitError("me too"))), {})
    (outcome,) = recorder.outcomes
    assert outcome.error == "RateLimitError"


def test_after_the_first_words_nobody_else_is_asked() -> None:
    strong = FakeChat(model="big")
    stream = routed(weak=FakeChat(model="small", fails_after=2), strong=strong).stream("hi")
    assert [next(stream).content, next(stream).content] == ["small", " says:"]
    with pytest.raises(ConnectionError):
        next(stream)
    assert strong.calls == []


async def test_a_stream_that_breaks_before_its_first_words_begins_again_elsewhere() -> None:
    model = routed(weak=FakeChat(model="small", fails_after=0))
    assert "".join(str(chunk.content) for chunk in model.stream("hi")).startswith("big")
    assert "".join([str(chunk.content) async for chunk in model.astream("hi")]).startswith("big")


async def test_a_cancelled_call_asks_nobody_else() -> None:
    class Slow(FakeChat):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(30)

    strong = FakeChat(model="big")
    task = asyncio.create_task(routed(weak=Slow(), strong=strong).ainvoke("hi"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert strong.calls == []


def test_a_candidate_asked_for_by_name_is_the_only_one_asked() -> None:
    with pytest.raises(RateLimitError):
        broken().invoke("hi", {"configurable": {"router_candidate": "weak"}})


def test_no_failover_no_second_call() -> None:
    strong = FakeChat(model="big")
    model = broken(strong=strong, failover=None)
    for _ in range(2):
        with pytest.raises(RateLimitError):
            model.invoke("hi")
    assert strong.calls == []


def test_one_that_failed_has_its_rest_and_is_then_tried_again() -> None:
    weak = FakeChat(model="small", fails=RateLimitError("slow down"))
    model = routed(weak=weak, failover=Failover(cool_down_s=0.05))
    model.invoke("hi")
    decision = routing_decision(model.invoke("hi"))
    assert decision is not None
    assert len(weak.calls) == 1, "it was left alone"
    assert (decision.candidate, decision.fallback_from) == ("strong", None)
    assert "left alone" in decision.gated["weak"]
    weak.fails = None
    asyncio.run(asyncio.sleep(0.06))
    assert [routing_decision(model.invoke("hi")).candidate for _ in range(2)] == ["weak", "weak"]


class Late(FakeChat):
    """Takes its time, in which others may come."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0.05)
        return self._generate(*args, **kwargs)


async def test_of_many_calls_at_once_one_tries_it_again() -> None:
    for ask in (
        lambda model: model.abatch(["hi"] * 20),
        lambda model: asyncio.gather(*[model.ainvoke("hi") for _ in range(20)]),
    ):
        weak = Late(model="small", fails=RateLimitError("slow down"))
        model = routed(weak=weak, failover=Failover(cool_down_s=0.3))
        await model.ainvoke("hi")
        await asyncio.sleep(0.35)
        weak.fails = None
        decisions = [routing_decision(answer) for answer in await ask(model)]
        assert len(weak.calls) == 2
        others = [decision for decision in decisions if decision.candidate == "strong"]
        assert len(others) == 19
        assert all(decision.gated["weak"] == "being tried again after rate limit" for decision in others)
        assert all(decision.fallback_from is None for decision in others)


def test_a_batch_that_was_decided_before_a_failure_leaves_it_alone() -> None:
    weak = FakeChat(model="small", fails=RateLimitError("slow down"))
    answers = routed(weak=weak).batch(["hi"] * 10, {"max_concurrency": 1})
    assert len(weak.calls) == 1
    assert [routing_decision(answer).fallback_from for answer in answers] == ["weak"] + [None] * 9
    assert "strong instead of weak, which is left alone for" in routing_decision(answers[-1]).reason


def test_a_batch_leaves_it_alone_too_and_another_model_object_does_not() -> None:
    weak = FakeChat(model="small", fails=RateLimitError("slow down"))
    model = routed(weak=weak)
    model.invoke("hi")
    model.batch(["hi", "yes"])
    assert len(weak.calls) == 1
    routed(weak=weak).invoke("hi")
    assert len(weak.calls) == 2


def test_a_prompt_too_long_for_one_goes_to_a_larger_window() -> None:
    windows = {
        "weak": Candidate("weak", context_window=1_000, input_price=1, output_price=1),
        "middle": Candidate("middle", context_window=1_000, input_price=2, output_price=2),
        "strong": Candidate("strong", context_window=9_000, input_price=9, output_price=9),
    }
    models = {name: FakeChat(model=name) for name in windows}
    models["weak"].fails = ContextOverflowError("too long")
    model = RoutedChatModel(models=models, candidates=windows, router=routed().router, policy=_cheapest())
    decision = routing_decision(model.invoke("hi"))
    assert decision is not None
    assert (decision.candidate, models["middle"].calls) == ("strong", [])


def _cheapest() -> Any:
    from pointsman import QualityFloor

    return QualityFloor(0.0)


def test_tools_and_schemas_go_with_the_call() -> None:
    assert broken().bind_tools([add]).invoke("hi").tool_calls[0]["args"] == {"a": 3, "b": 3}
    assert broken().with_structured_output(Movie).invoke("'Alien'?") == Movie(title="Alien", year=3)
    raw = broken().with_structured_output(Movie, include_raw=True).invoke("'Alien'?")
    assert routing_decision(raw["raw"]).fallback_from == "weak"
    pieces = list(broken().with_structured_output(Movie).stream("'Alien'?"))
    assert pieces[-1] == Movie(title="Alien", year=3)


def test_a_recorder_hears_of_one_call() -> None:
    with RoutingRecorder() as recorder:
        broken().invoke("hi")
    assert [decision.fallback_from for decision in recorder.decisions] == ["weak"]
    assert recorder.totals.by_candidate == {"strong": 1}


def test_a_refusal_is_passed_on_if_asked() -> None:
    class ModelRefusalError(Exception):
        """LangChain's, from langchain-core 1.8."""

    refuses = FakeChat(model="small", fails=ModelRefusalError("I would rather not"))
    with pytest.raises(ModelRefusalError):
        routed(weak=refuses).invoke("hi")
    asked = routed(weak=refuses, failover=Failover(on={*Failover().on, "refusal"}))
    assert routing_decision(asked.invoke("hi")).candidate == "strong"


class Declining(FakeChat):
    """Declines in its message, as its provider does."""

    refusal: AIMessage

    def _reply(self, *args: Any) -> AIMessage:
        usage = {"input_tokens": 100, "output_tokens": 5, "total_tokens": 105}
        said = super()._reply(*args).model_copy(update={"usage_metadata": usage, "content": self.refusal.content})
        fields = {"response_metadata": self.refusal.response_metadata}
        return said.model_copy(update=fields | {"additional_kwargs": self.refusal.additional_kwargs})

    def _stream(self, *args: Any, **kwargs: Any) -> Any:
        said = self._reply(args[0], None, {})
        fields = {name: getattr(said, name) for name in ("content", "response_metadata", "additional_kwargs")}
        yield ChatGenerationChunk(message=AIMessageChunk(**fields, usage_metadata=said.usage_metadata))


REFUSALS = {
    "openai": AIMessage("", additional_kwargs={"refusal": "I would rather not"}),
    "openai responses": AIMessage([{"type": "refusal", "refusal": "I would rather not"}]),
    "anthropic": AIMessage([], response_metadata={"stop_reason": "refusal"}),
    "google": AIMessage("", response_metadata={"finish_reason": "SAFETY"}),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=list(REFUSALS))
def test_a_refusal_that_comes_as_a_message_too(
    drive: Drive, refusal: AIMessage, request: pytest.FixtureRequest
) -> None:
    if version("langchain-core") in ("1.4.0", "1.4.1") and "v3-openai]" in request.node.name:
        pytest.skip("langchain-core loses additional_kwargs in v3 streams before 1.4.2, of the bare model too")
    asked = Failover(on={*Failover().on, "refusal"})
    refuses = Declining(model="small", refusal=refusal)
    answer = drive(routed(weak=refuses, failover=asked), {})
    decision, outcome = routing_decision(answer), routing_outcome(answer)
    assert (decision.candidate, decision.fallback_from) == ("strong", "weak")
    assert decision.reason == "weak failed: refusal (RefusedAnswerError)"
    assert outcome.saved_usd == pytest.approx(-110e-6), "a refusal has its price"
    assert routing_decision(drive(routed(weak=refuses), {})).candidate == "weak", "nobody asked for another"
    nobody = drive(routed(weak=refuses, strong=refuses, failover=asked), {})
    assert (routing_decision(nobody).candidate, nobody.text) == ("strong", ""), "where all decline, that is the answer"


def test_the_easy_way_costs_nothing_more() -> None:
    assert routing_outcome(routed(candidates=priced()).invoke(HARD)).attempts == 1


async def test_tokens_that_a_graph_has_streamed_cannot_be_taken_back() -> None:
    """LangGraph and stream_events have a model stream in `invoke`, too: its tokens are out before it fails."""
    strong, seen = FakeChat(model="big"), Recording()
    model = routed(weak=FakeChat(model="small", fails_after=2), strong=strong)
    events = RunnableLambda(model.ainvoke).astream_events("hi", {"callbacks": [seen]}, version="v2")
    with pytest.raises(ConnectionError):
        _ = [event async for event in events]
    assert [data["token"] for _, _, data in seen.named("token")] == ["small", " says:"]
    assert strong.calls == []
