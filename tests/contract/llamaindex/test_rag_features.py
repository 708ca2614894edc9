"""What retrieval found is offered to scorers that read it, in every way that a synthesizer asks, and to no other."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from llama_index.core import get_response_synthesizer
from llama_index.core.chat_engine import ContextChatEngine
from llama_index.core.llms import ChatMessage
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.query_engine import CitationQueryEngine, RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode

from llamaindex_router import RouterLLM
from llamaindex_router.rag import FEATURES
from pointsman import Pool, Router, Threshold
from tests.support.llamaindex import Keyword, ScriptedLLM, keyword_router, scripted_pair

CHUNK = "Forty words of context that have nothing to say about the question at all. " * 3
SCORES = (0.9, 0.6, 0.3)
FOUND = {
    "chunks": 3.0,
    "retrieval_score_max": 0.9,
    "retrieval_score_mean": pytest.approx(0.6),
    "retrieval_score_min": 0.3,
}


@dataclass(frozen=True)
class Curious:
    """Remembers the features that it was shown, and sends badly found contexts to the strong model."""

    features: tuple[str, ...] = FEATURES
    models: tuple[str, ...] = ("strong", "weak")
    rows: tuple = ()
    shown: list = field(default_factory=list)

    def with_features(self, rows):
        self.shown.extend(rows)
        return replace(self, rows=tuple(rows))

    def quality(self, texts):
        rates = self.win_rate(texts, "", "")
        return np.stack([rates, 1 - rates], axis=1)

    def win_rate(self, texts, strong, weak):
        return np.array([1 - row.get("retrieval_score_max", 1.0) for row in self.rows])


class Shelf(BaseRetriever):
    """Always the same passages, with these scores."""

    def __init__(self, scores=SCORES):
        self.nodes = [NodeWithScore(node=TextNode(text=f"{i}. {CHUNK}"), score=s) for i, s in enumerate(scores)]
        super().__init__()

    def _retrieve(self, query_bundle):
        return self.nodes


@pytest.fixture
def curious():
    return Curious()


@pytest.fixture
def llm(curious):
    models = {name: ScriptedLLM(name=name) for name in ("strong", "weak")}
    return RouterLLM(**models, router=Router(Pool.pair("strong", "weak"), curious, Threshold(0.5)))


def engine(llm, mode="compact", scores=SCORES, **settings):
    return RetrieverQueryEngine(Shelf(scores), get_response_synthesizer(llm=llm, response_mode=mode, **settings))


@pytest.mark.parametrize("mode", ["compact", "refine", "tree_summarize", "simple_summarize", "accumulate"])
def test_what_was_found_is_shown(llm, curious, mode):
    engine(llm, mode).query("Why?")
    first = curious.shown[0]
    assert {name: first[name] for name in FOUND} == FOUND
    assert 40 < first["context_tokens"] < 300
    assert tuple(first) == FEATURES


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("mode", ["compact", "tree_summarize"])
async def test_in_streams_too(llm, curious, mode, asynchronous):
    """Compact makes its calls when the stream is read, after all spans have ended."""
    if asynchronous:
        response = await engine(llm, mode, streaming=True).aquery("Why?")
        assert [token async for token in response.response_gen]
    else:
        assert list(engine(llm, mode, streaming=True).query("Why?").response_gen)
    assert {name: curious.shown[0][name] for name in FOUND} == FOUND


def test_longer_contexts_have_more_tokens(llm, curious):
    engine(llm, scores=(0.5,)).query("Why?")
    engine(llm, scores=(0.5,) * 4).query("Why?")
    one, four = (row["context_tokens"] for row in curious.shown)
    assert 2.5 < four / one < 4


def test_it_decides(llm):
    engine(llm, scores=(0.9, 0.1)).query("Why?")
    engine(llm, scores=(0.2, 0.1)).query("Why?")
    assert (len(llm.llms["weak"].heard), len(llm.llms["strong"].heard)) == (1, 1)


def test_other_engines(llm, curious):
    CitationQueryEngine.from_args(None, llm=llm, retriever=Shelf()).query("Why?")
    memory = ChatMemoryBuffer.from_defaults(token_limit=3000)
    ContextChatEngine.from_defaults(retriever=Shelf(), llm=llm, memory=memory).chat("Why?")
    assert [row["chunks"] for row in curious.shown] == [3.0, 3.0]


@pytest.mark.parametrize("scores", [(), (None, None)])
def test_what_is_not_known_is_left_out(llm, curious, scores):
    engine(llm, "tree_summarize", scores).query("Why?")
    llm.chat([ChatMessage(content="Why?")])
    *answering, chatting = curious.shown
    for row in answering:
        assert row["chunks"] == len(scores)
        assert not any(name.startswith("retrieval") for name in row)
    assert set(chatting) == {"context_tokens"}


def test_nothing_is_worked_out_for_a_scorer_that_reads_none(monkeypatch):
    def refuse():
        raise AssertionError("looked for chunks")

    monkeypatch.setattr("llamaindex_router.rag.found_chunks", refuse)
    pair = scripted_pair()
    engine(pair.llm).query("easy")
    assert pair.scored == ["easy"]


def test_explain_says_what_is_read(llm):
    assert "features    context_tokens, chunks, retrieval_score_max" in llm.explain()
    words = RouterLLM(strong=ScriptedLLM(), weak=ScriptedLLM(), router=keyword_router(Keyword()))
    assert "features    none: the words of the question alone" in words.explain()
