"""The demo's questions through a LlamaIndex query engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.llms import LLM

from llamaindex_router import PointsmanEmbedding, RouterLLM, RoutingRecorder
from pointsman.cli.demo.rows import Row
from pointsman.cli.demo.texts import load_texts

__all__ = ["through_llamaindex"]

_CHAPTERS = 3
"""Chapters of the handbook that are stuffed into a prompt."""


def through_llamaindex(strong: LLM, weak: LLM, **rule: Any) -> Iterator[Row]:
    """One row per question, asked of a query engine over the handbook.

    Args:
        strong: the strong model.
        weak: the weak model.
        rule: `threshold` or `strong_share`, as for `RouterLLM`.

    Raises:
        PointsmanError: the router cannot be set up, or cannot decide.
    """
    texts = load_texts()
    documents = [Document(text=chapter.text, metadata={"title": chapter.title}) for chapter in texts.handbook]
    index = VectorStoreIndex.from_documents(documents, embed_model=PointsmanEmbedding())
    engine = index.as_query_engine(llm=RouterLLM(strong=strong, weak=weak, **rule), similarity_top_k=_CHAPTERS)
    for exchange in texts.questions:
        with RoutingRecorder() as recorder:
            answer = str(engine.query(exchange.prompt))
        yield Row("LlamaIndex", exchange.prompt, answer, recorder.decisions[0], recorder.outcomes[0])
