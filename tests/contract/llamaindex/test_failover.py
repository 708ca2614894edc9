"""A model that fails before the first word of its answer is replaced; after that its error is the caller's."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import ClassVar

import pytest
from llama_index.core.llms import ChatMessage, ChatResponse
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool

from llamaindex_router import (
    RouterLLM,
    RoutingDecisionEvent,
    RoutingOutcomeEvent,
    RoutingRecorder,
    routing_decision,
    routing_outcome,
)
from llamaindex_router.testing import listening
from pointsman.failover import Failover
from tests.contract.llamaindex.test_methods import CALLS, pair_for, plain, run
from tests.support.llamaindex import Keyword, ScriptedLLM, keyword_router, scripted_pair
from tests.support.llamaindex_books import kept

PROMPT = PromptTemplate("Context. {query_str}")
DOWN = ConnectionError("down")


def failing(method, error=DOWN, **settings):
    pair = pair_for(method)
    args = pair.weak.tool_args
    return scripted_pair(strong={"tool_args": args}, weak={"tool_args": args, "error": error}, **settings)


@pytest.mark.parametrize("method", CALLS)
def test_every_method_asks_the_next_model(method):
    pair = failing(method)
    with RoutingRecorder() as recorder, listening() as heard:
        result = run(pair.llm, method, "an easy one")

    assert plain(result) == plain(run(pair_for(method).strong, method, "an easy one")), "its answer, and all of it"
    assert pair.scored == ["an easy one"], "the same scores serve again"
    (decision,), (outcome,) = recorder.decisions, recorder.outcomes
    assert (decision.candidate, decision.model, decision.fallback_from) == ("strong", "big", "weak")
    assert decision.reason == "weak failed: connection (ConnectionError)"
    assert (outcome.attempts, outcome.error, outcome.estimated) == (2, None, False)
    assert [event.candidate for event in heard.of(RoutingDecisionEvent)] == ["weak", "strong"]
    assert {event.id for event in heard.of(RoutingDecisionEvent)} == {decision.id}, "one call, one id"
    assert [event.attempts for event in heard.of(RoutingOutcomeEvent)] == [2]
    assert recorder.totals.tokens == {"big": pair.strong.billed[0]}


def test_an_answer_tells_of_both():
    pair = failing("chat")
    response = pair.llm.chat([ChatMessage(content="an easy one")])
    assert routing_decision(response).fallback_from == "weak"
    assert routing_outcome(response).decision_id == routing_decision(response).id


class Cut(ScriptedLLM):
    """Begins with nothing, as providers do that send the role first, and breaks off after some pieces."""

    pieces: int = 1

    def stream_chat(self, messages, **kwargs):
        def broken():
            yield SILENCE
            yield from list(super(Cut, self).stream_chat(messages, **kwargs))[: self.pieces]
            raise DOWN

        return broken()

    async def astream_chat(self, messages, **kwargs):
        chunks = [chunk async for chunk in await super().astream_chat(messages, **kwargs)][: self.pieces]

        async def broken():
            for chunk in (SILENCE, *chunks):
                yield chunk
            raise DOWN

        return broken()


SILENCE = ChatResponse(message=ChatMessage(role="assistant", content=""), delta="")


def cut_after(pieces, **settings):
    pair = scripted_pair()
    return RouterLLM(strong=pair.strong, weak=Cut(name="small", pieces=pieces), router=pair.llm.router, **settings)


async def read(llm, asynchronous):
    text = ""
    messages = [ChatMessage(content="an easy one")]
    try:
        if asynchronous:
            async for chunk in await llm.astream_chat(messages):
                text += chunk.delta
        else:
            for chunk in llm.stream_chat(messages):
                text += chunk.delta
    except ConnectionError:
        text += "<error>"
    return text


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize(("pieces", "text"), [(0, "the strong answer is long"), (1, "an<error>")])
async def test_a_stream_is_taken_over_before_its_first_piece_and_never_after(pieces, text, asynchronous):
    with RoutingRecorder() as recorder:
        assert await read(cut_after(pieces), asynchronous) == text
    (outcome,) = recorder.outcomes
    assert (outcome.attempts, outcome.error) == ((1, "ConnectionError") if pieces else (2, None))


def test_what_is_the_callers_mistake_goes_through():
    pair = failing("complete", TypeError("a mistake in the caller's code"))
    with RoutingRecorder() as recorder, pytest.raises(TypeError, match="a mistake"):
        pair.llm.complete("easy")
    assert not pair.strong.heard
    assert recorder.outcomes[0].error == "TypeError"


def test_the_last_error_is_raised_where_everybody_fails():
    pair = scripted_pair(strong={"error": TimeoutError("slow")}, weak={"error": DOWN})
    with RoutingRecorder() as recorder, pytest.raises(TimeoutError, match="slow"):
        pair.llm.complete("easy")
    assert (recorder.outcomes[0].attempts, recorder.outcomes[0].error) == (2, "TimeoutError")


def test_it_can_be_switched_off_and_limited():
    for settings in ({"failover": None}, {"failover": Failover(attempts=1)}, {"failover": Failover(on=frozenset())}):
        pair = failing("complete", **settings)
        with pytest.raises(ConnectionError):
            pair.llm.complete("easy")
        assert not pair.strong.heard


def test_a_model_that_failed_is_left_alone_for_a_while_and_then_tried_again():
    pair = failing("complete", failover=Failover(cool_down_s=0.05))
    assert routing_decision(pair.llm.complete("easy")).candidate == "strong"
    second = routing_decision(pair.llm.complete("easy"))
    assert (second.candidate, second.fallback_from) == ("strong", None)
    assert "left alone" in second.gated["weak"]
    assert len(pair.weak.heard) == 1, "it was not asked"
    pair.weak.error = None
    pair.llm._desk.chooser._breaker._clock = lambda: float("inf")  # the cool-down is over
    assert routing_decision(pair.llm.complete("easy")).candidate == "weak"
    assert routing_decision(pair.llm.complete("easy")).gated == {}


def test_copies_have_breakers_of_their_own():
    pair = failing("complete")
    pair.llm.complete("easy")
    pair.weak.error = None
    for other in (copy.deepcopy(pair.llm), pickle.loads(pickle.dumps(pair.llm))):  # noqa: S301  # our own bytes
        assert routing_decision(other.complete("easy")).candidate == "weak"
    assert routing_decision(pair.llm.complete("easy")).candidate == "strong", "still left alone here"


async def test_calls_at_once_fail_over_on_their_own():
    pair = failing("acomplete")
    responses = await asyncio.gather(*(pair.llm.acomplete("easy") for _ in range(10)))
    assert {routing_decision(response).candidate for response in responses} == {"strong"}


@pytest.mark.parametrize("failover", [Failover(), None])
def test_pieces_with_nothing_in_them_come_before_the_first_word(failover):
    stream = cut_after(9, failover=failover).stream_chat([ChatMessage(content="an easy one")])
    assert [next(stream).delta for _ in range(3)] == ["", "an", " answer"]
    with pytest.raises(ConnectionError):
        next(stream)


class Waiting(ScriptedLLM):
    """Answers or fails once something has come to pass."""

    ready: Callable[[], bool]
    calls: int = 0

    async def acomplete(self, prompt, formatted=False, **kwargs):
        self.calls += 1
        for _ in iter(self.ready, True):
            await asyncio.sleep(0.001)
        return await super().acomplete(prompt, formatted, **kwargs)


class Thinking(Keyword):
    """Takes a thread, so that calls that come together are decided before any of them is made."""

    instant: ClassVar[bool] = False


async def test_of_calls_at_once_one_tries_a_model_again_and_those_that_fail_together_are_one_failure():
    strong = ScriptedLLM(name="big")
    weak = Waiting(name="small", error=DOWN, ready=lambda: weak.calls == 10)
    llm = RouterLLM(strong=strong, weak=weak, router=keyword_router(Thinking()))
    breaker = llm._desk.chooser._breaker
    breaker._clock = lambda: 100.0

    async def ten():
        responses = await asyncio.gather(*(llm.acomplete("easy") for _ in range(10)))
        return [routing_decision(response) for response in responses]

    assert [decision.candidate for decision in await ten()] == ["strong"] * 10
    for decision in await ten():
        assert decision.gated["weak"] == "left alone for 10 s more after connection"
    assert weak.calls == 10
    weak.error, weak.ready = None, lambda: len(strong.heard) == 29
    breaker._clock = lambda: 110.0
    assert sorted(decision.candidate for decision in await ten()) == ["strong"] * 9 + ["weak"]


TALKING = [name for name in CALLS if not any(word in name for word in ("tools", "structured", "call"))]


@pytest.mark.parametrize("method", TALKING)
def test_an_answer_with_nothing_in_it_is_left_for_the_next_models_and_paid_for(method):
    pair = scripted_pair(weak={"answer": ""})
    with RoutingRecorder() as recorder:
        result = run(pair.llm, method, "an easy one")
    assert plain(result) == plain(run(scripted_pair().strong, method, "an easy one"))
    (decision,), (outcome,) = recorder.decisions, recorder.outcomes
    assert decision.fallback_from == "weak"
    assert decision.reason == "weak failed: empty (EmptyAnswerError)"
    ((asked, _),) = pair.weak.billed
    ((_, answered),) = pair.strong.billed
    assert (outcome.input_tokens, outcome.output_tokens, outcome.attempts) == (2 * asked, answered, 2)
    assert outcome.cost_usd == pytest.approx((asked * 1 + asked * 10 + answered * 100) / 1e6)
    assert outcome.saved_usd == pytest.approx(-asked * 1 / 1e6), "the strong model alone would have taken one call"


def test_an_empty_answer_is_an_answer_where_nobody_has_a_better_one():
    pair = scripted_pair(strong={"answer": ""}, weak={"answer": ""})
    assert pair.llm.complete("an easy one").text == ""
    alone = scripted_pair(weak={"answer": ""}, failover=None)
    assert alone.llm.complete("an easy one").text == ""
    assert routing_decision(alone.llm.complete("an easy one")).candidate == "weak"


def test_housekeeping_fails_over_too():
    """A stage's model is a preference: selectors ask the weak model, and the strong one where that is down."""
    pair = failing("complete")
    prompt = PromptTemplate("{query_str}", prompt_type="single_select")
    with kept(pair) as books:
        assert pair.llm.predict(prompt, query_str="easy") == pair.strong.answer
    assert books.calls == [("easy", "template", "selector", "strong")]
    assert books.recorder.decisions[0].fallback_from == "weak"


def test_tools_are_offered_to_the_next_model_only_if_it_calls_them():
    pair = scripted_pair(strong={"calls_tools": False}, weak={"error": DOWN})

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    with pytest.raises(ConnectionError):
        pair.llm.chat_with_tools([FunctionTool.from_defaults(add)], user_msg="easy")
    assert not pair.strong.heard
