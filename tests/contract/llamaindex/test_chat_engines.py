"""Chat engines: the user's turn is scored, and an answer's bill has every call of its turn."""

import pytest
from llama_index.core import PromptTemplate
from llama_index.core.chat_engine import CondensePlusContextChatEngine, ContextChatEngine, SimpleChatEngine
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import Refine

from llamaindex_router import routing_totals
from llamaindex_router.spans import OPEN
from tests.contract.llamaindex.test_query_engines import CHUNK, Shelf
from tests.support.llamaindex import scripted_pair


def chat_engine(kind, llm):
    memory = ChatMemoryBuffer.from_defaults(token_limit=3000)
    if kind is SimpleChatEngine:
        return kind.from_defaults(llm=llm, memory=memory)
    return kind.from_defaults(retriever=Shelf([CHUNK]), llm=llm, memory=memory)


@pytest.mark.parametrize("kind", [SimpleChatEngine, ContextChatEngine, CondensePlusContextChatEngine])
def test_a_conversation(kind):
    pair = scripted_pair()
    engine = chat_engine(kind, pair.llm)
    assert str(engine.chat("an easy start")) == "the weak answer"
    first = len(pair.scored)
    assert str(engine.chat("a hard turn")) == "the strong answer is long"
    assert pair.scored[0] == "an easy start"
    *condensing, answered = pair.scored[first:]
    assert answered == "a hard turn"
    # condensing completes a prompt that is filled in already: there the whole of it is all there is to score
    assert len(condensing) == (1 if kind is CondensePlusContextChatEngine else 0)
    assert all("a hard turn" in prompt for prompt in condensing)


@pytest.mark.parametrize("kind", [SimpleChatEngine, ContextChatEngine])
async def test_an_async_conversation(kind):
    pair = scripted_pair()
    response = await chat_engine(kind, pair.llm).achat("a hard start")
    assert str(response) == "the strong answer is long"
    assert pair.scored == ["a hard start"]


@pytest.mark.parametrize("kind", [SimpleChatEngine, ContextChatEngine])
def test_a_streamed_answer(kind):
    pair = scripted_pair()
    response = chat_engine(kind, pair.llm).stream_chat("a hard start")
    assert "".join(response.response_gen) == "the strong answer is long"
    assert pair.scored == ["a hard start"]


def test_the_bill_of_a_turn():
    pair = scripted_pair()
    response = chat_engine(ContextChatEngine, pair.llm).chat("an easy start")
    assert routing_totals(response).by_candidate == {"weak": 1}


def test_no_span_stays_open():
    """What is followed is let go, failed calls included."""
    before = dict(OPEN)
    pair = scripted_pair()
    engine = RetrieverQueryEngine(Shelf([CHUNK]), Refine(llm=pair.llm))
    engine.query("easy")
    pair.weak.error = RuntimeError("no connection")
    with pytest.raises(RuntimeError):
        engine.query("easy")
    with pytest.raises(RuntimeError):
        pair.llm.predict(PromptTemplate("{query_str}"), query_str="easy")
    assert before == OPEN
