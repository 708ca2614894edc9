"""In traces: every token once, decision and outcome on the router's span, and no noise in anybody's log."""

import logging
import subprocess
import sys

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation.events.llm import LLMChatEndEvent, LLMChatStartEvent
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.callbacks import llm_chat_callback
from llama_index.core.llms.custom import CustomLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, Field

from llamaindex_router import (
    RoutingDecisionEvent,
    RoutingOutcomeEvent,
    RoutingRecorder,
    routing_decision,
    routing_totals,
)
from llamaindex_router.testing import listening
from tests.contract.llamaindex.test_components import COMPONENTS, pair_for
from tests.contract.llamaindex.test_query_engines import EASY, HARD, engine
from tests.support.llamaindex import ScriptedLLM, scripted_pair

SDK = "traces need opentelemetry-sdk"
sdk = pytest.importorskip("opentelemetry.sdk.trace", reason=SDK)
export = pytest.importorskip("opentelemetry.sdk.trace.export", reason=SDK)
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter", reason=SDK)
openinference = pytest.importorskip(
    "openinference.instrumentation.llama_index", reason="needs openinference-instrumentation-llama-index"
)

# OpenInference reads settings of a model with it, and LlamaIndex swallows what a span handler raises
pytestmark = pytest.mark.filterwarnings("ignore:The `json` method is deprecated")

MESSAGES = [ChatMessage(role="user", content=EASY)]
PROMPT_TOKENS, ANSWER_TOKENS = "llm.token_count.prompt", "llm.token_count.completion"
ASKS = {
    "chat": lambda llm: llm.chat(MESSAGES),
    "stream_chat": lambda llm: list(llm.stream_chat(MESSAGES)),
    "complete": lambda llm: llm.complete(EASY),
    "stream_complete": lambda llm: list(llm.stream_complete(EASY)),
}


@pytest.fixture
def exported():
    """Where a tracer of its own puts the spans that have ended."""
    return memory.InMemorySpanExporter()


@pytest.fixture
def provider(exported):
    made = sdk.TracerProvider()
    made.add_span_processor(export.SimpleSpanProcessor(exported))
    return made


@pytest.fixture
def phoenix(exported, provider, caplog):
    """OpenInference, as Phoenix, Arize and Langfuse use it; no test may leave a warning in its log."""
    instrumentor = openinference.LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    if not instrumentor.is_instrumented_by_opentelemetry:  # it names the core that it needs
        refusal = caplog.messages[-1]
        caplog.clear()
        pytest.skip(refusal)
    yield exported
    instrumentor.uninstrument()


@pytest.fixture(autouse=True)
def quiet(caplog):
    """Neither tracer complains: of an event that it does not know, of a span that has ended, of a lost context."""
    yield
    noise = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert noise == []


def named(exported, name):
    """The only span of a name."""
    (span,) = [span for span in exported.get_finished_spans() if span.name == name]
    return span


# -- double counting, measured: the four ways to put a router around a model


class Wrapped(CustomLLM):
    """Hands a chat on, with LlamaIndex's callbacks on both, as most gateways do."""

    child: ScriptedLLM = Field(exclude=True)

    @property
    def metadata(self):
        return self.child.metadata.model_copy(update={"model_name": "wrapped"})

    def complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError

    def stream_complete(self, prompt, formatted=False, **kwargs):
        raise NotImplementedError

    @llm_chat_callback()
    def chat(self, messages, **kwargs):
        return self.child.chat(messages, **kwargs)


class Bare(Wrapped):
    """Hands a chat on, without callbacks of its own."""

    def chat(self, messages, **kwargs):
        return self.child.chat(messages, **kwargs)


def wrapped(kind, manager, *, on_child):
    child = ScriptedLLM(name="small")
    if on_child:
        child.callback_manager = manager
    return kind(child=child, callback_manager=manager)


def routed(manager, **_):
    pair = scripted_pair()
    pair.llm.callback_manager = manager
    return pair.llm


STYLES = {
    # style -> how to build it; legacy count, start and end events, spans with tokens, each as a multiple of the truth
    "decorated, manager on the router": (lambda m: wrapped(Wrapped, m, on_child=False), (1, 2, 2)),
    "decorated, manager on both": (lambda m: wrapped(Wrapped, m, on_child=True), (2, 2, 2)),
    "undecorated, manager on the router": (lambda m: wrapped(Bare, m, on_child=False), (0, 1, 1)),
    "RouterLLM: undecorated, manager handed on": (routed, (1, 1, 1)),
}


@pytest.mark.parametrize("style", STYLES)
def test_double_counting(phoenix, style):
    build, expected = STYLES[style]
    counter = TokenCountingHandler(tokenizer=str.split)
    llm = build(CallbackManager([counter]))
    with listening() as heard:
        response = llm.chat(MESSAGES)
    truth = response.raw["usage"]["prompt_tokens"] + response.raw["usage"]["completion_tokens"]
    spans = [span for span in phoenix.get_finished_spans() if PROMPT_TOKENS in span.attributes]
    starts, ends = heard.of(LLMChatStartEvent), heard.of(LLMChatEndEvent)
    assert len(starts) == len(ends)
    assert (counter.total_llm_token_count / truth, len(ends), len(spans)) == expected


# -- OpenInference


@pytest.mark.parametrize("ask", ASKS)
def test_the_routers_span_shows_the_decision_and_the_models_span_the_tokens(phoenix, ask):
    pair = scripted_pair()
    ASKS[ask](pair.llm)
    routers, models = named(phoenix, f"RouterLLM.{ask}"), named(phoenix, f"ScriptedLLM.{ask}")
    assert models.parent.span_id == routers.context.span_id
    assert (routers.attributes["router_candidate"], routers.attributes["router_threshold"]) == ("weak", 0.5)
    assert 0 <= routers.attributes["router_win_rate"] < 0.5
    assert "threshold" in routers.attributes["router_reason"]
    assert PROMPT_TOKENS not in routers.attributes
    assert models.attributes[PROMPT_TOKENS] == len(EASY.split())


async def read(stream):
    """A stream of either kind, to its end."""
    opened = await stream if hasattr(stream, "__await__") else stream
    return [item async for item in opened] if hasattr(opened, "__aiter__") else list(opened)


class Cap(BaseModel):
    """A cap."""

    colour: str


STRUCTURED = PromptTemplate("{query_str}")
OBJECT_STREAMS = {
    "stream_structured_predict": lambda llm: llm.stream_structured_predict(Cap, STRUCTURED, query_str=EASY),
    "astream_structured_predict": lambda llm: llm.astream_structured_predict(Cap, STRUCTURED, query_str=EASY),
    "stream_chat": lambda llm: llm.as_structured_llm(Cap).stream_chat(MESSAGES),
    "astream_chat": lambda llm: llm.as_structured_llm(Cap).astream_chat(MESSAGES),
}


@pytest.mark.parametrize("method", OBJECT_STREAMS)
async def test_a_stream_of_objects_is_traced_to_its_end(phoenix, method):
    """Core asks the model when such a stream is first read, after the spans around it are gone."""
    pair = scripted_pair(weak={"tool_args": {"colour": "green"}})
    assert (await read(OBJECT_STREAMS[method](pair.llm)))[-1]
    asynchronous = "a" if method.startswith("a") else ""
    routers = named(phoenix, f"RouterLLM.{asynchronous}stream_structured_predict")
    models = named(phoenix, f"ScriptedLLM.{asynchronous}stream_chat")
    assert models.parent.span_id == routers.context.span_id
    assert routers.attributes["router_candidate"] == "weak"
    assert models.attributes[PROMPT_TOKENS] == len(EASY.split())
    if method.endswith("_chat"):
        around = named(phoenix, f"RoutedStructuredLLM.{method}")
        assert routers.parent.span_id == around.context.span_id


def test_the_outcome_stands_beside_the_decision(phoenix):
    response = scripted_pair().llm.chat(MESSAGES)
    attributes = named(phoenix, "RouterLLM.chat").attributes
    assert attributes["router_cost_usd"] == pytest.approx(routing_totals(response).cost_usd)
    assert attributes["router_saved_usd"] == pytest.approx(routing_totals(response).saved_usd)


def test_the_outcome_of_a_stream_is_an_event_of_the_span_around_it(phoenix, provider):
    """OpenInference ends the spans of a stream with the model's last event, and then there is the outcome."""
    pair = scripted_pair()
    with provider.get_tracer("app").start_as_current_span("reader"):
        chunks = list(pair.llm.stream_chat(MESSAGES))
    (event,) = named(phoenix, "reader").events
    assert event.name == "routing_outcome"
    assert event.attributes["router_decision_id"] == routing_decision(chunks[-1]).id
    assert event.attributes["router_candidate"] == "weak"
    assert event.attributes["router_cost_usd"] == pytest.approx(routing_totals(chunks[-1]).cost_usd)
    assert "router_cost_usd" not in named(phoenix, "reader").attributes


@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize", "simple_summarize", "generation"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_query_counts_each_token_once(phoenix, mode, streaming):
    pair = scripted_pair()
    response = engine(pair.llm, mode, streaming=streaming).query(EASY)
    if streaming:
        assert "".join(response.response_gen) == pair.weak.answer
    counted = [span.attributes.get(PROMPT_TOKENS, 0) for span in phoenix.get_finished_spans()]
    totals = routing_totals(response)
    assert sum(counted) == totals.tokens["small"][0] == sum(len(prompt.split()) for prompt in pair.weak.heard)
    assert totals.calls == len(pair.weak.heard)
    method = "stream" if streaming else "predict"
    assert len({span.context.trace_id for span in phoenix.get_finished_spans()}) == 1
    assert [s.name for s in phoenix.get_finished_spans()].count(f"RouterLLM.{method}") == totals.calls


@pytest.mark.parametrize("streaming", [False, True])
async def test_an_async_query_counts_each_token_once(phoenix, streaming):
    pair = scripted_pair()
    response = await engine(pair.llm, streaming=streaming).aquery(HARD)
    if streaming:
        assert "".join([token async for token in response.response_gen]) == pair.strong.answer
    counted = [span.attributes.get(PROMPT_TOKENS, 0) for span in phoenix.get_finished_spans()]
    assert sum(counted) == routing_totals(response).tokens["big"][0] == len(pair.strong.heard[0].split())


def check_spans(exported, recorder):
    """The spans hold each token of the bill once, and each decision's attributes stand on a span of the router."""
    spans = exported.get_finished_spans()
    counted = [sum(span.attributes.get(name, 0) for span in spans) for name in (PROMPT_TOKENS, ANSWER_TOKENS)]
    billed = [sum(counts) for counts in zip(*recorder.totals.tokens.values(), strict=True)]
    assert counted == billed
    shown = {s.attributes["router_decision_id"]: s for s in spans if "router_decision_id" in s.attributes}
    for decision in recorder.decisions:
        span = shown.pop(decision.id)
        assert span.name.startswith("RouterLLM.")
        assert (span.attributes["router_candidate"], span.attributes["router_stage"]) == (
            decision.candidate,
            decision.stage,
        )
    assert shown == {}


@pytest.mark.parametrize("name", COMPONENTS)
def test_every_component(phoenix, name):
    component = COMPONENTS[name]
    pair = pair_for(component)
    with RoutingRecorder() as recorder:
        component.make(pair.llm).query(component.question)
    assert len(recorder.decisions) == len(component.calls)
    check_spans(phoenix, recorder)


@pytest.mark.parametrize("name", [name for name, component in COMPONENTS.items() if component.streams])
async def test_every_component_that_streams(phoenix, name):
    component = COMPONENTS[name]
    pair = pair_for(component)
    with RoutingRecorder() as recorder:
        response = await component.make(pair.llm, streaming=True).aquery(component.question)
        assert [token async for token in response.response_gen]
    assert routing_totals(response) == recorder.totals
    check_spans(phoenix, recorder)


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.filterwarnings("ignore:is_running called from within a step")
async def test_an_agents_calls_are_spans_of_their_own(phoenix):
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    args = {"tool_args": {"a": 2, "b": 3}}
    pair = scripted_pair(strong=args, weak=args)
    await FunctionAgent(tools=[FunctionTool.from_defaults(add)], llm=pair.llm).run("an easy sum")
    routers = [s for s in phoenix.get_finished_spans() if s.name == "RouterLLM.astream_chat_with_tools"]
    assert [span.attributes["router_candidate"] for span in routers] == ["weak", "weak"]


def test_a_failed_call_ends_its_spans(phoenix, caplog):
    pair = scripted_pair(weak={"error": RuntimeError("no connection")})
    with pytest.raises(RuntimeError):
        pair.llm.chat(MESSAGES)
    span = named(phoenix, "RouterLLM.chat")
    assert not span.status.is_ok
    assert span.attributes["router_candidate"] == "weak"


# -- OpenTelemetry alone


def test_any_span_that_is_current_shows_the_decision(exported, provider):
    pair = scripted_pair()
    with provider.get_tracer("app").start_as_current_span("handler"):
        pair.llm.chat(MESSAGES)
    attributes = named(exported, "handler").attributes
    assert attributes["router_candidate"] == "weak"
    assert attributes["router_cost_usd"] > 0


def test_a_span_that_is_not_sampled_is_left_alone(provider):
    from opentelemetry import trace

    with trace.use_span(trace.INVALID_SPAN):
        assert scripted_pair().llm.chat(MESSAGES).message.content


@pytest.mark.parametrize("blocked", [True, False])
def test_opentelemetry_is_not_imported(blocked):
    code = "import sys\n"
    code += "sys.modules['opentelemetry'] = None\n" if blocked else ""
    code += (
        "from tests.support.llamaindex import scripted_pair\n"
        "assert scripted_pair().llm.complete('easy').text == 'the weak answer'\n"
        "assert 'opentelemetry.trace' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603  # our own code
    assert done.returncode == 0, done.stderr


# -- llama-index-observability-otel


@pytest.fixture(scope="module")
def otel():
    """LlamaIndex's own exporter. It sets the process's tracer provider, which can be done once."""
    otel = pytest.importorskip("llama_index.observability.otel", reason="needs llama-index-observability-otel")
    from llama_index_instrumentation import root_dispatcher

    exported = memory.InMemorySpanExporter()
    before = list(root_dispatcher.span_handlers), list(root_dispatcher.event_handlers)
    otel.LlamaIndexOpenTelemetry(span_exporter=exported, span_processor="simple").start_registering()
    yield exported
    root_dispatcher.span_handlers[:], root_dispatcher.event_handlers[:] = before


@pytest.fixture
def observed(otel):
    otel.clear()
    return otel


def test_the_events_are_events_of_the_routers_span(observed):
    response = scripted_pair().llm.chat(MESSAGES)
    span = named(observed, "RouterLLM.chat")
    events = {event.name: event.attributes for event in span.events}
    assert set(events) == {"RoutingDecisionEvent", "RoutingOutcomeEvent"}
    assert events["RoutingDecisionEvent"]["candidate"] == "weak"
    assert events["RoutingDecisionEvent"]["estimated_cost_usd.weak"] > 0
    assert events["RoutingOutcomeEvent"]["cost_usd"] == pytest.approx(routing_totals(response).cost_usd)
    assert span.attributes["router_candidate"] == "weak"
    assert span.attributes["router_cost_usd"] > 0


def test_a_streaming_query_is_complete(observed):
    pair = scripted_pair()
    response = engine(pair.llm, streaming=True).query(EASY)
    with listening() as heard:
        assert "".join(response.response_gen) == pair.weak.answer
    assert len(heard.of(RoutingDecisionEvent)) == len(heard.of(RoutingOutcomeEvent)) == 1
    assert routing_totals(response).calls == 1
    assert named(observed, "RouterLLM.stream").attributes["router_candidate"] == "weak"
