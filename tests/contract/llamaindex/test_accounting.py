"""On the record, once: LlamaIndex's own counters and events beside a bare model, ours, errors and abandoned streams."""

import asyncio
import gc

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.mock import MockLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool

from llamaindex_router import (
    RouterLLM,
    RoutingDecisionEvent,
    RoutingOutcomeEvent,
    RoutingRecorder,
    routing_decision,
    routing_outcome,
    routing_totals,
)
from llamaindex_router.testing import listening
from tests.support.llamaindex import Keyword, PlainLLM, keyword_router, scripted_pair

PROMPT = PromptTemplate("Context. Question: {query_str}")
MODEL_EVENTS = (LLMChatStartEvent, LLMChatEndEvent, LLMCompletionStartEvent, LLMCompletionEndEvent)
USES = {
    "predict": lambda llm: llm.predict(PROMPT, query_str="easy"),
    "apredict": lambda llm: asyncio.run(llm.apredict(PROMPT, query_str="easy")),
    "stream": lambda llm: list(llm.stream(PROMPT, query_str="easy")),
    "chat": lambda llm: llm.chat([ChatMessage(content="easy")]),
    "stream_chat": lambda llm: list(llm.stream_chat([ChatMessage(content="easy")])),
    "complete": lambda llm: llm.complete("easy"),
    "stream_complete": lambda llm: list(llm.stream_complete("easy")),
}


def counter():
    handler = TokenCountingHandler(tokenizer=str.split)
    return handler, CallbackManager([handler])


@pytest.mark.parametrize("use", USES)
def test_legacy_counters_and_events_see_what_they_see_of_the_bare_model(use):
    pair = scripted_pair()
    counts, events = [], []
    for llm in (pair.weak, pair.llm):
        handler, llm.callback_manager = counter()
        with listening() as heard:
            USES[use](llm)
        counts.append(
            (handler.prompt_llm_token_count, handler.completion_llm_token_count, len(handler.llm_token_counts))
        )
        events.append([type(event).__name__ for event in heard.events if isinstance(event, MODEL_EVENTS)])
    assert counts[0] == counts[1]
    assert counts[0][2] == 1
    assert events[0] == events[1]


@pytest.mark.parametrize("use", USES)
def test_both_events_go_out_once_and_in_order(use):
    pair = scripted_pair()
    with listening() as heard:
        USES[use](pair.llm)
    ours = [event for event in heard.events if isinstance(event, RoutingDecisionEvent | RoutingOutcomeEvent)]
    decided, ended = ours
    assert (decided.candidate, decided.model, decided.threshold) == ("weak", "small", 0.5)
    assert decided.decision().id == ended.decision_id == ended.outcome().decision_id
    assert ended.cost_usd == pytest.approx((ended.input_tokens + 10 * ended.output_tokens) / 1e6)


def test_events_name_their_span_apart_and_hold_no_prompt():
    """With a `span_id`, OpenInference would log a warning for each event; it does not know ours."""
    pair = scripted_pair()
    with listening() as heard:
        pair.llm.predict(PROMPT, query_str="a secret")
        pair.llm.predict(PROMPT, query_str="a secret")
    first, second = heard.of(RoutingDecisionEvent)
    outcome, _ = heard.of(RoutingOutcomeEvent)
    assert first.span_id is outcome.span_id is None
    assert first.parent_span_id.startswith("RouterLLM.predict-")
    assert first.parent_span_id == outcome.parent_span_id
    assert "secret" not in first.model_dump_json() + outcome.model_dump_json()
    assert first.query_hash == second.query_hash
    assert len(first.query_hash) == 16


def test_a_completion_model_makes_two_events_of_a_chat_and_is_counted_once():
    plain = PlainLLM(name="small")
    llm = RouterLLM(strong=PlainLLM(name="big"), weak=plain, router=keyword_router(Keyword()))
    with listening() as heard, RoutingRecorder() as recorder:
        llm.predict(PROMPT, query_str="easy")  # not a chat model: predict completes
        llm.chat([ChatMessage(content="easy")])
    assert len(heard.of(LLMChatEndEvent)) == 1
    assert len(heard.of(LLMCompletionEndEvent)) == 2
    assert [outcome.output_tokens for outcome in recorder.outcomes] == [3, 3]


class QuietLLM(MockLLM):
    """LlamaIndex's own mock, as a chat model that streams and reports no usage."""

    def __init__(self):
        super().__init__(max_tokens=4, is_chat_model=True)


@pytest.mark.parametrize("use", USES)
def test_usage_that_nobody_reports_is_counted_and_flagged(use):
    llm = RouterLLM(strong=QuietLLM(), weak=QuietLLM(), router=keyword_router(Keyword()))
    with RoutingRecorder() as recorder:
        USES[use](llm)
    (outcome,) = recorder.outcomes
    assert outcome.estimated
    assert recorder.totals.estimated
    assert outcome.input_tokens >= 1
    assert 3 <= outcome.output_tokens <= 5
    assert outcome.cost_usd > 0


@pytest.mark.parametrize("use", USES)
def test_errors_go_through_unchanged_and_end_the_call(use):
    error = RuntimeError("no connection")
    pair = scripted_pair(weak={"error": error})
    with listening() as heard, RoutingRecorder() as recorder, pytest.raises(RuntimeError) as raised:
        USES[use](pair.llm)
    assert raised.value is error
    (event,) = heard.of(RoutingOutcomeEvent)
    (outcome,) = recorder.outcomes
    assert event.error == outcome.error == "RuntimeError"
    assert outcome.cost_usd is None, "what a failed call cost is not known, which is not nothing"


class Broken(QuietLLM):
    """Fails in the middle of a stream."""

    def stream_complete(self, prompt, formatted=False, **kwargs):
        def stream():
            yield from list(super(Broken, self).stream_complete(prompt))[:2]
            raise ConnectionError("cut off")

        return stream()


def test_a_stream_that_breaks_costs_what_came_before():
    llm = RouterLLM(strong=Broken(), weak=Broken(), router=keyword_router(Keyword()))
    seen = []
    with RoutingRecorder() as recorder, pytest.raises(ConnectionError):
        seen.extend(llm.stream_complete("easy"))
    (outcome,) = recorder.outcomes
    assert len(seen) == 2
    assert (outcome.error, outcome.estimated) == ("ConnectionError", True)
    assert outcome.output_tokens >= 1


def test_an_abandoned_stream_is_settled_with_an_estimate():
    pair = scripted_pair()
    with RoutingRecorder() as recorder, listening() as heard:
        stream = pair.llm.stream_chat([ChatMessage(content="easy")])
        first = next(stream)
        assert recorder.outcomes == []
        stream.close()
    (outcome,) = recorder.outcomes
    assert (outcome.estimated, outcome.error) == (True, None)
    assert outcome.output_tokens == 1, "the one word that was read"
    assert routing_outcome(first) == outcome
    assert len(heard.of(RoutingOutcomeEvent)) == 1


def test_a_stream_left_by_its_reader_is_settled_too():
    pair = scripted_pair()
    with RoutingRecorder() as recorder:
        for _ in pair.llm.stream(PROMPT, query_str="easy"):
            break
        gc.collect()
    assert [outcome.estimated for outcome in recorder.outcomes] == [True]


def test_a_stream_that_nobody_reads_is_settled_too():
    pair = scripted_pair()
    with RoutingRecorder() as recorder:
        pair.llm.stream_chat([ChatMessage(content="easy")])
        gc.collect()
    assert [(o.estimated, o.output_tokens, o.error) for o in recorder.outcomes] == [(True, 0, None)]


async def test_an_async_stream_that_nobody_reads():
    pair = scripted_pair()
    with RoutingRecorder() as recorder:
        await pair.llm.astream_chat([ChatMessage(content="easy")])
        gc.collect()
    assert [(o.estimated, o.output_tokens, o.error) for o in recorder.outcomes] == [(True, 0, None)]


async def test_an_abandoned_async_stream():
    pair = scripted_pair()
    with RoutingRecorder() as recorder:
        stream = await pair.llm.astream(PROMPT, query_str="easy")
        assert await anext(stream) == "the"
        await stream.aclose()
    assert [(o.estimated, o.output_tokens) for o in recorder.outcomes] == [(True, 1)]


async def test_concurrent_calls_keep_their_own_books():
    pair = scripted_pair()
    questions = ["easy"] * 10 + ["hard one"] * 10
    with RoutingRecorder() as recorder:
        await asyncio.gather(*(pair.llm.apredict(PROMPT, query_str=question) for question in questions))
    assert recorder.totals.by_candidate == {"weak": 10, "strong": 10}
    assert recorder.totals.tokens == {"small": (30, 30), "big": (40, 50)}


async def test_two_streams_read_in_turns_keep_their_own_books():
    pair = scripted_pair()
    with RoutingRecorder() as recorder:
        easy = await pair.llm.astream(PROMPT, query_str="easy")
        hard = await pair.llm.astream(PROMPT, query_str="hard one")
        for _ in range(6):
            await anext(easy, None)
            await anext(hard, None)
    assert [(o.output_tokens, o.estimated) for o in recorder.outcomes] == [(3, False), (5, False)]


def test_recorders_nest():
    pair = scripted_pair()
    with RoutingRecorder() as outer:
        pair.llm.complete("easy")
        with RoutingRecorder() as inner:
            pair.llm.complete("hard")
        pair.llm.complete("easy")
    assert [d.candidate for d in inner.decisions] == ["strong"]
    assert [d.candidate for d in outer.decisions] == ["weak", "strong", "weak"]


def test_responses_that_no_router_made_have_no_decision():
    pair = scripted_pair()
    assert routing_decision(pair.weak.complete("easy")) is None
    assert routing_decision("text") is None
    assert routing_outcome(pair.weak.chat([ChatMessage(content="easy")])) is None


def test_the_models_own_response_is_not_touched():
    pair = scripted_pair()
    with listening() as heard:
        response = pair.llm.chat([ChatMessage(content="easy")])
    (event,) = heard.of(LLMChatEndEvent)
    assert "routing" in response.additional_kwargs
    assert "routing" not in event.response.additional_kwargs
    assert response.message is event.response.message


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.filterwarnings("ignore:is_running called from within a step")
@pytest.mark.parametrize("kind", [FunctionAgent, ReActAgent, AgentWorkflow])
async def test_the_bill_of_an_agents_run(kind):
    """The output of a run has all of its calls, and shows nothing of it in its own data."""

    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    def steps(prompt):
        call = 'Thought: I add.\nAction: add\nAction Input: {"a": 2, "b": 3}'
        return "Thought: I know.\nAnswer: it is 5" if "Observation: 5" in prompt else call

    models = {"tool_args": {"a": 2, "b": 3}} | ({"answer": steps} if kind is ReActAgent else {})
    pair = scripted_pair(strong=models, weak=models)
    agents = {
        FunctionAgent: lambda: FunctionAgent(tools=[FunctionTool.from_defaults(add)], llm=pair.llm),
        ReActAgent: lambda: ReActAgent(tools=[FunctionTool.from_defaults(add)], llm=pair.llm),
        AgentWorkflow: lambda: AgentWorkflow.from_tools_or_functions([add], llm=pair.llm),
    }
    agent = agents[kind]()
    with RoutingRecorder() as recorder:
        easy, hard = await agent.run("an easy sum"), await agent.run("a hard sum")
    assert routing_totals(easy).by_candidate == {"weak": 2}
    assert routing_totals(hard).by_candidate == {"strong": 2}
    assert recorder.totals.cost_usd == pytest.approx(routing_totals(easy).cost_usd + routing_totals(hard).cost_usd)
    assert routing_decision(hard).candidate == "strong"
    assert "routing" not in hard.model_dump_json()
