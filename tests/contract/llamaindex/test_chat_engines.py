"""Chat engines: what the user says is scored, condensing is housekeeping, and a turn's bill has all of its calls."""

import pytest
from llama_index.core import PromptTemplate, get_response_synthesizer
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
    SimpleChatEngine,
)
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import Refine

from llamaindex_router import routing_totals
from llamaindex_router.spans import OPEN
from tests.contract.llamaindex.test_query_engines import CHUNK, Shelf
from tests.support.llamaindex import scripted_pair
from tests.support.llamaindex_books import kept

FIRST, SECOND = "an easy start", "a hard turn"
CONDENSED = "a hard turn, on its own"


def chat_engine(kind, llm):
    settings = {"llm": llm, "memory": ChatMemoryBuffer.from_defaults(token_limit=3000)}
    if kind is CondenseQuestionChatEngine:
        synthesizer = get_response_synthesizer(llm=llm, streaming=True)
        settings["query_engine"] = RetrieverQueryEngine(Shelf([CHUNK]), synthesizer)
    elif kind is not SimpleChatEngine:
        settings["retriever"] = Shelf([CHUNK])
    return kind.from_defaults(**settings)


def answered(question, stage, source="template", who="weak"):
    return [(question, source, stage, who)]


ENGINES = {
    # engine -> the calls of a first, easy turn and of a second, hard one
    SimpleChatEngine: (
        answered(FIRST, "chat", "span"),
        answered(SECOND, "chat", "span", "strong"),
    ),
    ContextChatEngine: (
        answered(FIRST, "question_answering"),
        answered(SECOND, "question_answering", who="strong"),
    ),
    CondensePlusContextChatEngine: (
        answered(FIRST, "question_answering"),
        [*answered(SECOND, "condense", "span"), *answered(SECOND, "question_answering", who="strong")],
    ),
    CondenseQuestionChatEngine: (
        answered(FIRST, "question_answering"),
        [*answered(SECOND, "condense"), *answered(CONDENSED, "question_answering", who="strong")],
    ),
}
WAYS = ["chat", "achat", "stream_chat", "astream_chat"]


async def say(engine, way, message):
    result = getattr(engine, way)(message)
    response = await result if way.startswith("a") else result
    if way == "stream_chat":
        return response, "".join(response.response_gen)
    if way == "astream_chat":
        return response, "".join([token async for token in response.async_response_gen()])
    return response, str(response)


def talkative():
    return scripted_pair(weak={"answer": lambda prompt: CONDENSED if "tandalone" in prompt else "the weak answer"})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ENGINES)
async def test_a_conversation(kind, way):
    pair = talkative()
    first, second = ENGINES[kind]
    with kept(pair) as books:
        engine = chat_engine(kind, pair.llm)
        _, text = await say(engine, way, FIRST)
        assert text == "the weak answer"
        _, text = await say(engine, way, SECOND)
        assert text == pair.strong.answer
    books.check([*first, *second])


@pytest.mark.parametrize("way", ["chat", "achat"])
@pytest.mark.parametrize("kind", ENGINES)
async def test_the_bill_of_a_turn(kind, way):
    pair = talkative()
    engine = chat_engine(kind, pair.llm)
    for turn, message in zip(ENGINES[kind], (FIRST, SECOND), strict=True):
        response, _ = await say(engine, way, message)
        assert routing_totals(response).calls == len(turn)


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
