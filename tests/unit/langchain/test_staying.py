"""A conversation keeps its model while leaving does not pay, and its history is made fit for whoever is asked next."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langchain_router import RoutedChatModel, routing_decision, routing_outcome
from langchain_router.conduct import last_turn
from langchain_router.history import fit_for
from pointsman import Candidate, Pool, PromptLength, Router, Threshold
from pointsman.cascade import Cascade
from pointsman.decision import Decision
from pointsman.experiments import SplitRouter
from pointsman.staying import Stay, Turn
from tests.support.langchain import HARD, FakeChat, priced, routed, router

CALL = {"name": "search", "args": {"q": "x"}, "id": "call_1", "type": "tool_call"}
HARDER = HARD * 3


def decided(answer: Any) -> Decision:
    decision = routing_decision(answer)
    assert decision is not None
    return decision


def talk(model: RoutedChatModel, *prompts: str, thread: str | None = None) -> list[tuple[str, bool]]:
    """One conversation, its history handed on; who answered each turn, and whether because it had the turn before."""
    config: Any = {"configurable": {"thread_id": thread}} if thread else {}
    history: list[BaseMessage] = []
    met = []
    for prompt in prompts:
        history.append(HumanMessage(prompt))
        answer = model.invoke(history, config)
        history.append(answer)
        met.append((decided(answer).candidate, decided(answer).sticky))
    return met


def cached_cheaply() -> dict[str, Candidate]:
    """The strong model costs half as much again, and a tenth of that where its cache holds the prompt."""
    return {"strong": Candidate("strong", model="gpt-4.1"), "weak": Candidate("weak", model="gpt-4o")}


def test_a_conversation_stays_where_its_prompt_is_cached() -> None:
    model = routed(candidates=cached_cheaply())
    met = talk(model, HARDER, "thanks, and now?")
    assert met == [("strong", False), ("strong", True)]


def test_it_leaves_where_that_saves_more_than_the_cache() -> None:
    assert talk(routed(candidates=priced()), HARDER, "thanks, and now?") == [("strong", False), ("weak", False)]


def test_it_leaves_upwards_where_the_win_rate_is_above_the_threshold_by_the_margin() -> None:
    assert talk(routed(), "hi", HARDER) == [("weak", False), ("strong", False)]
    assert talk(routed(stay=Stay(margin=0.9)), "hi", HARDER) == [("weak", False), ("weak", True)]


def test_no_stay_no_memory() -> None:
    model = routed(candidates=cached_cheaply(), stay=None)
    assert talk(model, HARDER, "thanks, and now?") == [("strong", False), ("weak", False)]


def test_what_a_cascade_has_spent_is_not_in_the_answering_models_cache() -> None:
    def judge(question: str, answer: str) -> float:
        return 0.0

    model = routed(cascade=Cascade(judge, cut=0.5))
    answer = model.invoke(HARDER, {"configurable": {"thread_id": "one"}})
    (outcome, used) = routing_outcome(answer), answer.usage_metadata
    assert outcome.input_tokens == 2 * used["input_tokens"], "the draft's and the answer's"
    turn = Turn("strong", used["total_tokens"])
    assert model.conduct._conversations.last("one") == last_turn([answer]) == turn


def test_a_conversation_without_a_thread_stays_in_its_arm() -> None:
    split = SplitRouter({"a": router(), "b": router(0.4)})
    model, seen = routed(router=split), set()
    for opening in ("hello", "good day", "hi there", "well"):
        example, history = [HumanMessage("1 + 1?"), AIMessage("2")], [HumanMessage(opening)]
        arms = set()
        for prompt in ("and", "so", "what"):
            answer = model.invoke([*example, *history])
            arms.add(decided(answer).arm)
            history += [answer, HumanMessage(prompt)]
        assert len(arms) == 1
        seen |= arms
    assert seen == {"a", "b"}, "the same examples before every prompt are no conversation"


def test_in_a_tool_loop_the_model_does_not_change() -> None:
    model = routed(candidates=priced())
    asks = model.invoke(HARDER)
    asks = asks.model_copy(update={"tool_calls": [CALL]})
    loop = [HumanMessage("hi"), asks, ToolMessage("found", tool_call_id="call_1")]
    decision = decided(model.invoke(loop))
    assert (decision.candidate, decision.sticky) == ("strong", True)
    assert "in the middle of a tool loop" in decision.reason
    assert decided(model.invoke(loop, {"configurable": {"router_candidate": "weak"}})).candidate == "weak"


def test_a_thread_is_remembered_where_the_history_is_not_handed_on() -> None:
    model = routed(candidates=cached_cheaply())
    one, other = ({"configurable": {"thread_id": name}} for name in ("one", "other"))
    assert decided(model.invoke(HARDER, one)).candidate == "strong"
    assert decided(model.invoke("hi", one)).sticky
    assert decided(model.invoke("hi", other)).candidate == "weak"
    assert decided(model.invoke("hi")).candidate == "weak"


async def test_streams_and_batches_stay_too() -> None:
    model = routed(candidates=cached_cheaply())
    config = {"configurable": {"thread_id": "one"}}
    _ = [chunk async for chunk in model.astream(HARDER, config)]
    assert decided(model.batch(["hi"], config)[0]).sticky
    assert decided(next(iter(model.stream("hi", config)))).sticky


def test_a_checkpoint_carries_the_conversation_to_another_process() -> None:
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "one"}}

    def graph() -> Any:
        model = routed(candidates=cached_cheaply())
        builder = StateGraph(MessagesState)
        builder.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
        builder.add_edge(START, "ask")
        return builder.compile(checkpointer=saver)

    graph().invoke({"messages": [("user", HARDER)]}, config)
    last = graph().invoke({"messages": [("user", "and now?")]}, config)["messages"][-1]
    assert (decided(last).candidate, decided(last).sticky) == ("strong", True)


# -- the history for another provider

POOL = Pool([Candidate(name, provider=name) for name in ("anthropic", "openai", "mistral", "google_genai", "ollama")])
THOUGHT = [
    {"type": "thinking", "thinking": "let me see", "signature": "EqQBCkYIA...=="},
    {"type": "text", "text": "I will ", "citations": []},
    {"type": "text", "text": "search."},
    {"type": "tool_use", "id": "toolu_01AbCdEf.g", "name": "search", "input": {"q": "x"}},
]


def written(by: str, content: Any, **settings: Any) -> AIMessage:
    """An answer with the record of a router that chose this candidate."""
    record = Decision(id="d", candidate=by, model=by).as_dict()
    return AIMessage(content, response_metadata={"routing": record, "id": "msg_1"}, id="msg_01", **settings)


def loop(by: str = "anthropic", call_id: str = "toolu_01AbCdEf.g") -> list[BaseMessage]:
    call: Any = {**CALL, "id": call_id}
    marked = {"type": "text", "text": "long and stable", "cache_control": {"type": "ephemeral"}}
    return [
        SystemMessage([marked, {"cachePoint": {"type": "default"}}]),
        HumanMessage("hi"),
        written(by, THOUGHT, tool_calls=[call], additional_kwargs={"reasoning": {"id": "rs_1"}}),
        ToolMessage("found", tool_call_id=call_id),
    ]


@pytest.mark.parametrize("target", ["openai", "mistral", "google_genai", "ollama"])
def test_what_one_provider_wrote_is_words_and_calls_for_another(target: str) -> None:
    messages = loop()
    before = copy.deepcopy(messages)
    system, human, answer, result = fit_for(messages, target, POOL)
    assert messages == before, "the caller's messages are not touched"
    assert human is messages[1]
    assert system.content == [{"type": "text", "text": "long and stable"}]
    assert isinstance(answer, AIMessage)
    assert isinstance(result, ToolMessage)
    assert (answer.content, answer.additional_kwargs, answer.response_metadata) == ("I will search.", {}, {})
    assert answer.id is None, "OpenAI takes an id that begins with msg_ for one of its own"
    (call,) = answer.tool_calls
    assert (call["name"], call["args"], call["id"]) == ("search", {"q": "x"}, result.tool_call_id)


def test_the_author_gets_its_own_words_back() -> None:
    messages = loop()
    assert fit_for(messages, "anthropic", POOL) is messages


def test_a_pool_of_one_provider_is_left_alone() -> None:
    messages = loop()
    one = Pool([Candidate("a", provider="openai"), Candidate("b", provider="azure")])
    assert fit_for(messages, "b", one) is messages


@pytest.mark.parametrize(
    ("target", "call_id", "kept"),
    [
        ("openai", "call_" + "x" * 35, True),
        ("openai", "call_" + "x" * 36, False),
        ("anthropic", "call_abc-DEF_1", True),
        ("anthropic", "chatcmpl.tool:1", False),
        ("mistral", "abcDEF123", True),
        ("mistral", "call_1", False),
        ("ollama", "anything at all", True),
    ],
)
def test_tool_ids_are_such_as_the_provider_takes(target: str, call_id: str, kept: bool) -> None:
    rules = {"openai": 40, "anthropic": 64, "mistral": 9, "ollama": 99}
    *_, answer, result = fit_for(loop("google_genai", call_id), target, POOL)
    assert answer.tool_calls[0]["id"] == result.tool_call_id
    assert (result.tool_call_id == call_id) is kept
    assert len(result.tool_call_id) <= rules[target]
    if target == "mistral":
        assert result.tool_call_id.isalnum()


def test_a_broken_call_keeps_its_result() -> None:
    broken: Any = {"name": "search", "args": "{", "id": "call_1", "error": None, "type": "invalid_tool_call"}
    messages = [HumanMessage("hi"), written("openai", "", invalid_tool_calls=[broken])]
    messages.append(ToolMessage("cannot be read", tool_call_id="call_1", status="error"))
    _, answer, result = fit_for(messages, "mistral", POOL)
    assert answer.invalid_tool_calls[0]["id"] == result.tool_call_id


def test_a_message_of_which_nothing_is_left_is_left_out() -> None:
    messages = [HumanMessage("hi"), written("anthropic", THOUGHT[:1]), HumanMessage("well?")]
    assert [message.type for message in fit_for(messages, "openai", POOL)] == ["human", "human"]


def test_a_message_without_a_record_tells_its_provider_itself() -> None:
    foreign = AIMessage(THOUGHT, response_metadata={"model_provider": "anthropic"})
    _, answer = fit_for([HumanMessage("hi"), foreign], "openai", POOL)
    assert answer.content == "I will search."
    unknown = [HumanMessage("hi"), AIMessage("my own words")]
    assert fit_for(unknown, "openai", POOL) is unknown


@pytest.mark.parametrize(
    ("block", "author"),
    [
        (THOUGHT[0], "anthropic"),
        ({"type": "redacted_thinking", "data": "EqQB"}, "anthropic"),
        ({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}, "openai"),
        ({"type": "reasoning", "reasoning": "let me see", "extras": {"signature": "EqQB"}}, None),
    ],
)
def test_a_message_that_has_lost_its_metadata_is_known_by_its_blocks(block: dict[str, Any], author: str | None) -> None:
    messages = [HumanMessage("hi"), AIMessage([block, {"type": "text", "text": "so"}]), HumanMessage("and?")]
    before = copy.deepcopy(messages)
    for target in ("openai", "anthropic"):
        content = fit_for(messages, target, POOL)[1].content
        assert content == (messages[1].content if target == author else "so")
    assert messages == before


def test_cache_marks_on_words_of_nobody_knows_whom_go_too() -> None:
    marked = AIMessage([{"type": "text", "text": "so", "cache_control": {"type": "ephemeral"}}])
    messages = [HumanMessage("hi"), marked, HumanMessage("and?")]
    assert fit_for(messages, "openai", POOL)[1].content == [{"type": "text", "text": "so"}]
    assert fit_for(messages, "anthropic", POOL) is messages


def test_the_chosen_model_gets_the_fitted_history() -> None:
    class Anthropic(FakeChat):
        def _get_ls_params(self, *args: Any, **kwargs: Any) -> Any:
            return super()._get_ls_params(*args, **kwargs) | {"ls_provider": "anthropic"}

    weak = FakeChat(model="small")
    model = RoutedChatModel(
        strong=Anthropic(model="big"),
        weak=weak,
        router=Router(Pool.pair("strong", "weak"), PromptLength(), Threshold(0.5)),
        candidates=priced(),
    )
    messages = [*loop()[:1], HumanMessage(HARD), written("strong", THOUGHT[:3]), HumanMessage("ok")]
    assert decided(model.invoke(messages)).candidate == "weak"
    assert [message.content for message in weak.calls[0]][2] == "I will search."
