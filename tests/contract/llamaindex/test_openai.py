"""LlamaIndex's real OpenAI class over HTTP to a server on this machine that speaks OpenAI's protocol."""

import pytest
from httpx import RemoteProtocolError
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI
from openai import AuthenticationError, RateLimitError
from pydantic import BaseModel

from llamaindex_router import RouterLLM, RoutingRecorder, routing_decision, routing_outcome
from pointsman.failover import Failover
from tests.support.llamaindex import Keyword, keyword_router
from tests.support.openai_server import Failure, openai_server

PROMPT = PromptTemplate("Some hard context. Question: {query_str}")


@pytest.fixture
def server():
    with openai_server() as running:
        yield running


@pytest.fixture
def llm(server):
    def client(model):
        return OpenAI(model=model, api_base=server.url, api_key="test", max_retries=0)

    return RouterLLM(strong=client("gpt-4o"), weak=client("gpt-4o-mini"), router=keyword_router(Keyword()))


def test_answers_and_costs(server, llm):
    response = llm.chat([ChatMessage(content="an easy one")])
    decision, outcome = routing_decision(response), routing_outcome(response)
    assert response.message.content.startswith("gpt-4o-mini has read")
    assert (decision.candidate, decision.model) == ("weak", "gpt-4o-mini")
    assert (outcome.input_tokens, outcome.cached_tokens) == (
        response.raw.usage.prompt_tokens,
        outcome.input_tokens // 2,
    )
    assert outcome.output_tokens == response.raw.usage.completion_tokens
    assert outcome.reasoning_tokens == 1
    assert not outcome.estimated
    assert outcome.cost_usd > 0
    assert [body["model"] for body in server.requests] == ["gpt-4o-mini"]


async def test_predict_reads_usage_from_events(llm):
    with RoutingRecorder() as recorder:
        text = llm.predict(PROMPT, query_str="a hard one")
        assert text.startswith("gpt-4o has read")
        assert (await llm.apredict(PROMPT, query_str="an easy one")).startswith("gpt-4o-mini has read")
    assert [d.candidate for d in recorder.decisions] == ["strong", "weak"]
    assert not recorder.totals.estimated


async def test_streams_are_the_models_own_and_estimated_where_it_reports_nothing(llm):
    with RoutingRecorder() as recorder:
        text = "".join(llm.stream(PROMPT, query_str="an easy one"))
        again = "".join([token async for token in await llm.astream(PROMPT, query_str="an easy one")])
        chunks = list(llm.stream_chat([ChatMessage(content="an easy one")]))
    assert text == again
    assert text.startswith("gpt-4o-mini has read")
    assert chunks[-1].message.content.startswith("gpt-4o-mini has read")
    assert [outcome.estimated for outcome in recorder.outcomes] == [True] * 3


def test_streams_report_usage_where_they_are_asked_to(llm):
    asked = {"stream_options": {"include_usage": True}}
    *_, last = llm.stream_chat([ChatMessage(content="an easy one")], **asked)
    assert not routing_outcome(last).estimated
    assert routing_outcome(last).input_tokens == last.raw.usage.prompt_tokens


class Fact(BaseModel):
    """A fact."""

    fact: str


async def test_structured_output_is_the_models_native_one(server, llm):
    with RoutingRecorder() as recorder:
        assert llm.structured_predict(Fact, PROMPT, query_str="easy") == Fact(fact="word")
        assert await llm.as_structured_llm(Fact).apredict(PROMPT, query_str="easy") == '{"fact":"word"}'
        *_, last = llm.stream_structured_predict(Fact, PROMPT, query_str="easy")
    assert last == Fact(fact="word")
    assert [body["response_format"]["type"] for body in server.requests] == ["json_schema"] * 3
    assert recorder.totals.by_candidate == {"weak": 3}
    assert [outcome.estimated for outcome in recorder.outcomes] == [False, False, True]


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
async def test_an_agent_with_a_tool(server, llm):
    def double(number: int) -> int:
        """Twice a number."""
        return 2 * number

    agent = FunctionAgent(tools=[FunctionTool.from_defaults(double)], llm=llm)
    with RoutingRecorder() as recorder:
        answer = await agent.run("a hard number")
    assert str(answer).startswith("gpt-4o has read")
    assert answer.tool_calls[0].tool_output.raw_output == 6
    assert recorder.totals.by_candidate == {"strong": 2}


def test_errors_of_the_provider_go_through_where_nobody_else_is_asked(server, llm):
    alone = RouterLLM(llms=dict(llm.llms), router=llm.router, failover=None)
    server.failures.append(Failure(status=429))
    with RoutingRecorder() as recorder, pytest.raises(RateLimitError):
        alone.predict(PROMPT, query_str="easy")
    assert [outcome.error for outcome in recorder.outcomes] == ["RateLimitError"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_failing_model_is_replaced(server, llm, status):
    ways = [
        lambda: llm.predict(PROMPT, query_str="easy"),
        lambda: llm.apredict(PROMPT, query_str="easy"),
        lambda: "".join(llm.stream(PROMPT, query_str="easy")),
        lambda: llm.structured_predict(Fact, PROMPT, query_str="easy"),
    ]
    llm = RouterLLM(llms=dict(llm.llms), router=llm.router, failover=Failover(cool_down_s=0))
    for way in ways:
        server.failures.append(Failure(status=status))
        with RoutingRecorder() as recorder:
            result = way()
            text = str(await result if hasattr(result, "__await__") else result)
        assert "gpt-4o has read" in text or text == "fact='word'"
        (decision,), (outcome,) = recorder.decisions, recorder.outcomes
        assert (decision.fallback_from, decision.model, outcome.attempts) == ("weak", "gpt-4o", 2)
    assert [body["model"] for body in server.requests] == ["gpt-4o-mini", "gpt-4o"] * len(ways)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_stream_that_is_cut_before_its_first_word_is_taken_over(server, llm, asynchronous):
    """OpenAI sends the role first, in a piece of its own."""
    server.failures.append(Failure(cut_after=1))
    messages = [ChatMessage(content="an easy one")]
    if asynchronous:
        pieces = [piece async for piece in await llm.astream_chat(messages)]
    else:
        pieces = list(llm.stream_chat(messages))
    assert pieces[-1].message.content.startswith("gpt-4o has read")
    assert "".join(piece.delta for piece in pieces) == pieces[-1].message.content
    assert routing_decision(pieces[0]).fallback_from == "weak"
    assert [body["model"] for body in server.requests] == ["gpt-4o-mini", "gpt-4o"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_stream_of_objects_that_is_cut_before_anything_is_filled_in_is_taken_over(server, llm, asynchronous):
    """Core makes an object of the piece with the role, too."""
    server.failures.append(Failure(cut_after=1))
    if asynchronous:
        objects = [item async for item in await llm.astream_structured_predict(Fact, PROMPT, query_str="easy")]
    else:
        objects = list(llm.stream_structured_predict(Fact, PROMPT, query_str="easy"))
    assert objects[-1] == Fact(fact="word")
    assert [body["model"] for body in server.requests] == ["gpt-4o-mini", "gpt-4o"]


def test_a_stream_that_is_cut_is_the_callers_to_see(server, llm):
    server.failures.append(Failure(cut_after=2))
    with RoutingRecorder() as recorder, pytest.raises(RemoteProtocolError):
        list(llm.stream(PROMPT, query_str="easy"))
    assert [outcome.attempts for outcome in recorder.outcomes] == [1]
    assert len(server.requests) == 1


def test_a_wrong_key_is_seen(server, llm):
    server.failures.append(Failure(status=401))
    with pytest.raises(AuthenticationError):
        llm.complete("easy")
    assert len(server.requests) == 1
