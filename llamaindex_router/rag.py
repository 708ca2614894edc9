"""Numbers about retrieval, for scorers that read them beside the question.

How long the context is and how well it was found says something of how hard the answer will be that the question does
not. The router that ships reads none of it (`Router.features` is empty), and then none is computed.

    context_tokens            of the prompt apart from the question, estimated
    chunks                    that were found for the answer; for one of several prompts, those of all
    retrieval_score_max       of the retriever's scores of these chunks
    retrieval_score_mean
    retrieval_score_min

A number that is not known is left out: an agent's call has no chunks, and a retriever may give no scores.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from statistics import fmean

from llama_index.core.schema import NodeWithScore

from llamaindex_router.question import Asked
from llamaindex_router.spans import found_chunks
from pointsman.costs.tokens import estimate_tokens
from pointsman.query import Query

__all__ = ["FEATURES", "with_features"]

FEATURES = ("context_tokens", "chunks", "retrieval_score_max", "retrieval_score_mean", "retrieval_score_min")


def with_features(asked: Asked, wanted: Collection[str]) -> Asked:
    """What is asked, with those of the wanted features that are known."""
    if not wanted:
        return asked
    known = dict(_known(asked.query, found_chunks()))
    features = {name: known[name] for name in wanted if name in known}
    return replace(asked, query=replace(asked.query, features={**asked.query.features, **features}))


def _known(query: Query, chunks: Sequence[NodeWithScore] | None) -> Iterator[tuple[str, float]]:
    if query.prompt_tokens is not None:
        yield "context_tokens", float(max(0, query.prompt_tokens - estimate_tokens(query.text)))
    if chunks is None:
        return
    yield "chunks", float(len(chunks))
    scores = [float(chunk.score) for chunk in chunks if chunk.score is not None]
    if scores:
        yield "retrieval_score_max", max(scores)
        yield "retrieval_score_mean", fmean(scores)
        yield "retrieval_score_min", min(scores)
