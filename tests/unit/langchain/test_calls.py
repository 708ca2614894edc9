"""Each call goes to its model and comes back as that model gave it, but for the record."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_core.runnables import ConfigurableField, RunnableBinding, RunnableBranch
from numpy.typing import NDArray

from langchain_router import RoutedChatModel, RoutingRecorder, routing_decision, routing_outcome
from pointsman import Candidate, Pool, PromptLength, Router, Threshold
from pointsman.errors import ConfigurationError, NoCandidateError, PointsmanError
from tests.support.langchain import HARD, FakeChat, Movie, add, routed


class Counting(PromptLength):
    """Notes how many texts each pass scored."""

    passes: list[int] = []  # noqa: RUF012  # shared by the router's copies of the scorer

    def quality(self, texts: Sequence[str]) -> NDArray[np.float64]:
        self.passes.append(len(texts))
        return super().quality(texts)


@pytest.fixture
def counting() -> Router:
    Counting.passes.clear()
    return Router(Pool.pair("strong", "weak"), Counting(("strong", "weak")), Threshold(0.5))


def without_record(message: AIMessage) -> dict[str, Any]:
    dump = message.model_dump(exclude={"id"})
    dump["response_metadata"] = {k: v for k, v in dump["response_metadata"].items() if k != "routing"}
    return dump


def test_the_answer_is_the_models_own() -> None:
    routed_, bare = routed().invoke(HARD), FakeChat(model="big").invoke(HARD)
    assert without_record(routed_) == without_record(bare)


async def test_streams_are_the_models_own_chunk_by_chunk() -> None:
    bare = list(FakeChat(model="big").stream(HARD))
    for chunks in (list(routed().stream(HARD)), [chunk async for chunk in routed().astream(HARD)]):
        assert [without_record(chunk) for chunk in chunks] == [without_record(chunk) for chunk in bare]
        assert [routing_decision(c) is not None for c in chunks] == [True] + [False] * (len(chunks) - 1)
        assert [routing_outcome(c) is not None for c in chunks] == [False] * (len(chunks) - 1) + [True]


def test_a_stream_does_not_wait_for_the_next_chunk() -> None:
    given = threading.Semaphore(0)

    class Waiting(FakeChat):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            for chunk in super()._stream(*args, **kwargs):
                assert given.acquire(timeout=5), "asked for a chunk before the one before it was read"
                yield chunk

    given.release()
    for _ in routed(weak=Waiting()).stream("hi"):
        given.release()


def test_merged_chunks_are_one_record() -> None:
    chunks = list(routed().stream("hi"))
    whole = sum(chunks[1:], chunks[0])
    assert isinstance(whole, AIMessageChunk)
    assert routing_decision(whole) is not None
    assert routing_outcome(whole) is not None


def test_messages_of_others_have_no_record() -> None:
    assert routing_decision(AIMessage("hi")) is None
    assert routing_outcome(HumanMessage("hi")) is None


def test_the_models_message_is_not_touched() -> None:
    cache = InMemoryCache()
    model = routed(cache=cache)
    first, again = model.invoke("hi"), model.invoke("hi")
    ((kept,),) = ([generation.message for generation in value] for value in cache._cache.values())
    assert "routing" not in kept.response_metadata
    assert routing_decision(first) != routing_decision(again)
    outcome = routing_outcome(again)
    assert outcome is not None
    assert (outcome.cost_usd, outcome.input_tokens) == (0.0, 0), "a cached answer costs nothing"


async def test_a_batch_is_scored_in_one_pass(counting: Router) -> None:
    model, prompts = routed(router=counting), ["hi", HARD, "yes?", HARD]
    wanted = ["weak", "strong", "weak", "strong"]
    batches = [model.batch(prompts), await model.abatch(prompts)]
    batches.append([answer for _, answer in sorted(model.batch_as_completed(prompts))])
    batches.append([a for _, a in sorted([item async for item in model.abatch_as_completed(prompts)])])
    generated = [model.generate([[HumanMessage(p)] for p in prompts])]
    generated.append(await model.agenerate([[HumanMessage(p)] for p in prompts]))
    batches += [[row[0].message for row in result.generations] for result in generated]
    for answers in batches:
        decisions = [routing_decision(answer) for answer in answers]
        assert [decision and decision.candidate for decision in decisions] == wanted
    assert Counting.passes == [4] * 6


def test_a_batch_with_overrides_takes_one_pass_for_each_rule(counting: Router) -> None:
    model = routed(router=counting)
    answers = model.batch(["hi"] * 3, {"configurable": {"router_threshold": 0.001}})
    assert [routing_decision(answer).candidate for answer in answers] == ["strong"] * 3
    model.batch(["hi"] * 3, [{"configurable": {"router_policy": Threshold(at)}} for at in (0.3, 0.001, 0.3)])
    assert Counting.passes == [3, 2, 1]


def test_a_batch_honours_max_concurrency_and_returns_exceptions() -> None:
    busy, most, lock = [0], [0], threading.Lock()

    class Busy(FakeChat):
        def _generate(self, *args: Any, **kwargs: Any) -> Any:
            with lock:
                busy[0] += 1
                most[0] = max(most[0], busy[0])
            threading.Event().wait(0.02)
            with lock:
                busy[0] -= 1
            return super()._generate(*args, **kwargs)

    model = routed(weak=Busy(), strong=Busy(fails="no"))
    answers = model.batch(["hi", HARD, "hi", "hi"], {"max_concurrency": 2}, return_exceptions=True)
    assert [type(answer) for answer in answers] == [AIMessage, RuntimeError, AIMessage, AIMessage]
    assert most[0] == 2
    with pytest.raises(RuntimeError, match="no"):
        model.batch(["hi", HARD])


def test_one_prompt_that_nobody_can_serve_does_not_spoil_its_batch() -> None:
    small = {name: Candidate(name, context_window=600) for name in ("strong", "weak")}
    answers = routed(candidates=small).batch(["hi", "word " * 3000, 7, "yes"], return_exceptions=True)
    assert [type(answer) for answer in answers] == [AIMessage, NoCandidateError, ValueError, AIMessage]


def test_a_threshold_or_a_candidate_for_one_call() -> None:
    model = routed()

    def chosen(**configurable: Any) -> Any:
        decision = routing_decision(model.invoke("hi", {"configurable": configurable}))
        assert decision is not None
        return decision.candidate, decision.threshold, decision.forced

    assert chosen() == ("weak", 0.5, False)
    assert chosen(router_threshold=0.001) == ("strong", 0.001, False)
    assert chosen(router_candidate="strong") == ("strong", None, True)
    assert chosen(router_policy=Threshold(0.002)) == ("strong", 0.002, False)
    assert chosen(router_policy="Threshold(0.002)") == ("strong", 0.002, False), "as JSON can hold it"
    assert {spec.id for spec in model.config_specs} == {
        "router_threshold",
        "router_candidate",
        "router_policy",
        "router_query",
    }


@pytest.mark.parametrize(
    ("configurable", "wrong"),
    [
        ({"router_threshold": float("nan")}, "the threshold is nan"),
        ({"router_threshold": 1.5}, "the threshold is 1.5"),
        ({"router_threshold": "high"}, "router_threshold is 'high'"),
        ({"router_candidate": "medium"}, "no candidate named 'medium'; this pool has strong, weak"),
        ({"router_candidate": 2}, "router_candidate is 2"),
        ({"router_policy": "Thresh(0.4)"}, r"'Thresh\(0.4\)' names no policy; write it as in code"),
        ({"router_policy": "Threshold(high)"}, "needs a number in its brackets"),
        ({"router_policy": 0.4}, "router_policy is 0.4; give a policy"),
        ({"router_policy": "Utility(0.1)", "router_threshold": 0.4}, "each is a rule; keep one"),
    ],
)
def test_a_wrong_override_is_refused(configurable: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=wrong):
        routed().invoke("hi", {"configurable": configurable})


def test_model_names_a_candidate_or_goes_to_the_chosen_one() -> None:
    model = routed()
    forced = model.invoke("hi", model="strong")
    assert forced.response_metadata["model_name"] == "big"
    other = model.invoke("hi", model="gpt-4o")
    decision, outcome = routing_decision(other), routing_outcome(other)
    assert other.response_metadata["model_name"] == "gpt-4o"
    assert decision is not None
    assert outcome is not None
    assert (decision.candidate, decision.model) == ("weak", "gpt-4o")
    assert outcome.cost_usd is None, "the price of the model that it replaced says nothing of it"


def test_a_model_name_that_langchain_drops_is_not_in_the_record() -> None:
    raw = routed().with_structured_output(Movie, include_raw=True).invoke("hi", model="another")["raw"]
    assert routing_decision(raw).model == raw.response_metadata["model_name"] == "small"
    forced = routed().with_structured_output(Movie, include_raw=True).invoke("hi", model="strong")["raw"]
    assert routing_decision(forced).forced


def test_tools_are_replayed_on_the_chosen_model() -> None:
    model = routed().bind_tools([add], tool_choice="add")
    assert isinstance(model, RunnableBinding)
    answer = model.invoke("hi")
    assert answer.tool_calls[0]["args"] == {"a": 3, "b": 3}
    turns = [HumanMessage("hi"), answer, ToolMessage("6", tool_call_id="call_1")]
    assert model.invoke(turns).content == "small says: an answer of several words"


def test_a_model_without_tools_is_not_chosen_for_them() -> None:
    class Toolless(FakeChat):
        bind_tools = RoutedChatModel.__mro__[3].bind_tools  # BaseChatModel's, which raises

    model = routed(weak=Toolless())
    decision = routing_decision(model.bind_tools([add]).invoke("hi"))
    assert decision is not None
    assert decision.candidate == "strong"
    assert decision.gated == {"weak": "no tools"}
    with pytest.raises(NoCandidateError, match="strong: no tools; weak: no tools"):
        routed(strong=Toolless(), weak=Toolless()).bind_tools([add]).invoke("hi")


def test_bound_calls_survive_fallbacks_retries_branches_and_pipes() -> None:
    broken = routed(strong=FakeChat(fails="no"), weak=FakeChat(fails="no"))
    both = broken.with_fallbacks([routed()])
    assert both.with_structured_output(Movie).invoke("'Alien'?") == Movie(title="Alien", year=3)
    assert both.bind_tools([add]).invoke("hi").tool_calls[0]["name"] == "add"
    assert routed().with_structured_output(Movie).with_retry().invoke("'Alien'?") == Movie(title="Alien", year=3)
    assert routed().bind_tools([add]).with_retry().invoke("hi").tool_calls
    branch = RunnableBranch((lambda text: len(text) > 5, routed().bind_tools([add])), routed())
    assert branch.invoke("hello there").tool_calls
    chain = ChatPromptTemplate.from_messages([("system", "Be brief."), ("user", "{x}")]) | routed()
    assert routing_decision(chain.invoke({"x": HARD})).candidate == "strong"


def test_bound_calls_survive_configurable_fields_and_take_overrides() -> None:
    model = routed().configurable_fields(threshold=ConfigurableField(id="cut"))
    tools, schema = model.bind_tools([add]), model.with_structured_output(Movie, include_raw=True)
    config = {"configurable": {"router_threshold": 0.001}}
    assert routing_decision(tools.invoke("hi", config)).candidate == "strong"
    assert tools.with_config(config).invoke("hi").tool_calls[0]["args"] == {"a": 3, "b": 3}
    assert routing_decision(schema.invoke("'Alien'?", config)["raw"]).candidate == "strong"
    piped = ChatPromptTemplate.from_messages([("user", "{x}")]) | tools | (lambda message: message.tool_calls)
    assert piped.batch([{"x": "hi"}, {"x": HARD}])[1][0]["name"] == "add"


def test_only_the_users_words_are_scored_and_the_whole_prompt_is_paid() -> None:
    seen = RoutingRecorder()
    routed().invoke([SystemMessage(HARD * 3), HumanMessage("hi")], {"callbacks": [seen]})
    (decision,) = seen.decisions
    assert decision.candidate == "weak"
    assert decision.estimated_cost_usd["weak"] > len(HARD) * 3 / 4 * 1e-6


def test_settings_of_the_router_act_on_its_models() -> None:
    limiter = InMemoryRateLimiter(requests_per_second=1000, max_bucket_size=5)
    limiter.available_tokens = 3.0
    routed(rate_limiter=limiter).invoke("hi")
    assert limiter.available_tokens < 3.0
    (whole,) = routed(disable_streaming=True).stream("hi")
    assert routing_decision(whole) is not None
    assert routing_outcome(whole) is not None
    assert isinstance(routed(output_version="v1").invoke("hi").content, list)
    weak = FakeChat(model="small", disable_streaming=True)
    with pytest.raises(ConfigurationError, match="disable_streaming is 'tool_calling' on the router and True on weak"):
        routed(weak=weak, disable_streaming="tool_calling")


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("", "no words to score"),
        (" \n\t ", "no words to score"),
        ([("user", [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])], "no words to score"),
        ([SystemMessage("Translate to French: hello")], "win rate"),
        ([("user", [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}])], "win rate 0.0"),
        ([("user", ["hi", {"type": "image", "url": "http://example.invalid/a.png"}])], "win rate 0.0"),
        ("x" * 200_000, "win rate 0.99"),
        ("half a pair \ud83d here", "win rate"),
        ([AIMessage("I spoke first")], "win rate"),
    ],
    ids=["empty", "blank", "image only", "no user", "blocks", "image and words", "long", "surrogate", "only the model"],
)
def test_odd_prompts_are_routed_with_a_reason(prompt: Any, reason: str) -> None:
    decision = routing_decision(routed().invoke(prompt))
    assert decision is not None
    assert reason in decision.reason


def test_a_prompt_without_messages_is_refused() -> None:
    with pytest.raises(PointsmanError, match="the prompt has no messages; give at least one"):
        routed().invoke([])


def test_attachments_rule_out_models_that_cannot_read_them() -> None:
    blind = FakeChat(model="small", profile={"image_inputs": False, "max_input_tokens": 1000})
    image = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
    decision = routing_decision(routed(weak=blind).invoke([("user", [{"type": "text", "text": "hi"}, image])]))
    assert decision is not None
    assert (decision.candidate, decision.gated) == ("strong", {"weak": "no images"})
    long = routing_decision(routed(weak=blind, threshold=1.0).invoke("word " * 2000))
    assert long is not None
    assert "exceed its window of 1000" in long.gated["weak"]


def test_a_call_without_usage_is_estimated() -> None:
    outcome = routing_outcome(routed(weak=FakeChat(model="small", usage=False)).invoke("hi"))
    assert outcome is not None
    assert outcome.estimated
    assert outcome.output_tokens is not None
    assert outcome.output_tokens > 3
