"""Scorers beside one another: a text is read once for all that share an embedder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.scorers.base import JointScorer, Scorer, SharedVectorScorer

__all__ = ["embedder_of", "score_once"]

Floats = NDArray[np.float64]


def score_once(
    member: Scorer, texts: Sequence[str], strong: str, weak: str, vectors: dict[int, NDArray[np.float32]]
) -> tuple[Floats, Floats]:
    """Quality and win rates of one member; `vectors` holds those of each embedder that has read the texts."""
    if isinstance(member, SharedVectorScorer):
        key = id(member.embedder)
        if key not in vectors:
            vectors[key] = member.embedder.encode(texts)
        return member.score_vectors(vectors[key], strong, weak)
    if isinstance(member, JointScorer):
        return member.score(texts, strong, weak)
    return member.quality(texts), member.win_rate(texts, strong, weak)


def embedder_of(scorer: Scorer) -> Embedder | None:
    """The embedder whose vectors a scorer reads, itself or through the scorer that it is made of; None for none."""
    base: Scorer | None = scorer
    while base is not None:
        found: Embedder | None = getattr(base, "embedder", None)
        if found is not None:
            return found
        base = getattr(base, "base", None)
    return None
