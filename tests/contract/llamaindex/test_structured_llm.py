"""`as_structured_llm`: its calls are routed, counted once, and their responses carry the record."""

import asyncio
import copy
import pickle

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.llms import ChatMessage, MockLLM
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.rate_limiter import TokenBucketRateLimiter
from pydantic import BaseModel

from llamaindex_router import RouterLLM, RoutingRecorder, routing_decision, routing_outcome, routing_totals
from llamaindex_router.testing import listening
from pointsman.errors import ConfigurationError
from tests.support.llamaindex import scripted_pair


class Fact(BaseModel):
    """A fact."""

    fact: str


PROMPT = PromptTemplate("Some hard context. {query_str}")


def facts(**settings):
    return scripted_pair(strong={"tool_args": {"fact": "hot"}}, weak={"tool_args": {"fact": "cold"}}, **settings)


def spoken(question):
    return [ChatMessage(content=question)]


async def collected(stream):
    return [item async for item in await stream]


ANSWERS = {
    "chat": lambda llm, q: llm.chat(spoken(q)),
    "achat": lambda llm, q: asyncio.run(llm.achat(spoken(q))),
    "stream_chat": lambda llm, q: list(llm.stream_chat(spoken(q)))[-1],
    "astream_chat": lambda llm, q: asyncio.run(collected(llm.astream_chat(spoken(q))))[-1],
    "complete": lambda llm, q: llm.complete(q),
    "acomplete": lambda llm, q: asyncio.run(llm.acomplete(q)),
}
TEXTS = {
    "predict": lambda llm, q: llm.predict(PROMPT, query_str=q),
    "apredict": lambda llm, q: asyncio.run(llm.apredict(PROMPT, query_str=q)),
    "stream": lambda llm, q: list(llm.stream(PROMPT, query_str=q)),
    "astream": lambda llm, q: asyncio.run(collected(llm.astream(PROMPT, query_str=q))),
}


@pytest.mark.parametrize("method", ANSWERS)
def test_an_answer_is_an_object_and_carries_the_record(method):
    response = ANSWERS[method](facts().llm.as_structured_llm(Fact), "a hard one")
    assert response.raw == Fact(fact="hot")
    assert routing_decision(response).candidate == "strong"
    assert routing_outcome(response).decision_id == routing_decision(response).id
    assert routing_totals(response).calls == 1


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("method", [*ANSWERS, *TEXTS])
def test_it_is_counted_once(method, later):
    """By the legacy handler, whenever that comes, and in events."""
    pair = facts()
    counter = TokenCountingHandler(tokenizer=str.split)
    manager = CallbackManager([counter])
    structured = pair.llm.as_structured_llm(Fact, **({} if later else {"callback_manager": manager}))
    if later:
        structured.callback_manager = manager
    with listening() as heard, RoutingRecorder() as recorder:
        (ANSWERS | TEXTS)[method](structured, "an easy one")
    assert [decision.candidate for decision in recorder.decisions] == ["weak"]
    assert pair.scored == ["an easy one"]
    assert (counter.prompt_llm_token_count, counter.completion_llm_token_count) == pair.weak.billed[0]
    assert len(heard.of(LLMChatStartEvent, LLMCompletionStartEvent)) == 1
    assert len(heard.of(LLMChatEndEvent, LLMCompletionEndEvent)) == 1


def test_a_stream_is_decided_when_it_is_asked_for():
    pair = facts()
    stream = pair.llm.as_structured_llm(Fact).stream_chat(spoken("a hard one"))
    assert pair.scored == ["a hard one"]
    assert [piece.raw.fact for piece in stream][-1] == "hot"


@pytest.mark.parametrize("way", [copy.deepcopy, lambda llm: pickle.loads(pickle.dumps(llm))])  # noqa: S301  # our own bytes
def test_copies_answer_too(way):
    other = way(facts().llm.as_structured_llm(Fact))
    assert isinstance(other, StructuredLLM)
    assert routing_decision(other.chat(spoken("a hard one"))).candidate == "strong"


def test_a_rate_limiter_is_the_routers():
    limiter = TokenBucketRateLimiter(requests_per_minute=1)
    with pytest.raises(ConfigurationError, match="give it to the RouterLLM inside"):
        facts().llm.as_structured_llm(Fact, rate_limiter=limiter)
    structured = facts().llm.as_structured_llm(Fact)
    with pytest.raises(ConfigurationError, match="rate_limiter"):
        structured.rate_limiter = limiter


class Mute(MockLLM):
    """Gives text where an object is asked for."""

    def structured_predict(self, *args, **kwargs):
        return "no object"


def test_what_is_no_object_is_an_error():
    """As with core's own class, whose users catch it."""
    with pytest.raises(TypeError, match="weak has answered with 'no object', which is no Fact"):
        RouterLLM(strong=Mute(), weak=Mute(), threshold=1.0).as_structured_llm(Fact).chat(spoken("easy"))
