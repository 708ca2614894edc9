"""The scorer protocol, and the two things that a scorer may offer beyond it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pointsman.embedders.base import Embedder
    from pointsman.matching import KnownModel

__all__ = [
    "EmbeddingScorer",
    "FeatureScorer",
    "JointScorer",
    "KnowsModels",
    "ReferenceScorer",
    "Scorer",
    "SelectableScorer",
    "SharedVectorScorer",
]


@runtime_checkable
class Scorer(Protocol):
    """Predicts how well models answer a prompt.

    A scorer whose `models` is empty does not look at the model: it serves any pool, through `select`.
    """

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that it knows: the columns of `quality`."""
        ...

    def quality(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Expected quality per model, float64[n, m] in [0, 1]."""
        ...

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> NDArray[np.float64]:
        """P(the answer of `strong` is better than that of `weak`, ties counted half), float64[n] in [0, 1]."""
        ...


@runtime_checkable
class SelectableScorer(Scorer, Protocol):
    """A scorer that can be narrowed to the models of a pool, so that a decision computes no other."""

    def select(self, models: Sequence[str]) -> Scorer:
        """The same scorer with exactly these models as columns, in this order; a model may come twice."""
        ...


@runtime_checkable
class JointScorer(Scorer, Protocol):
    """A scorer that reads a text once for both numbers."""

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`quality(texts)` and `win_rate(texts, strong, weak)`."""
        ...


@runtime_checkable
class ReferenceScorer(Scorer, Protocol):
    """A scorer that carries a sample of prompts, from which a share of calls becomes a threshold."""

    def reference_win_rates(self, strong: str, weak: str) -> NDArray[np.float64]:
        """Win rates of the reference prompts, float64[r]."""
        ...


@runtime_checkable
class EmbeddingScorer(Scorer, Protocol):
    """A scorer of prompt vectors, whose embedder can be exchanged for one of the same length."""

    def with_embedder(self, embedder: Embedder) -> Scorer:
        """The same scorer over the vectors of `embedder`."""
        ...


@runtime_checkable
class SharedVectorScorer(EmbeddingScorer, Protocol):
    """A scorer that takes vectors that were computed for another one with the same embedder."""

    @property
    def embedder(self) -> Embedder:
        """What its vectors come from."""
        ...

    def score_vectors(
        self, vectors: NDArray[np.float32], strong: str, weak: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Quality float64[n, m] and win rate float64[n] of prompts given as vectors float32[n, d]."""
        ...


@runtime_checkable
class FeatureScorer(Scorer, Protocol):
    """A scorer that reads more of a call than its words: the numbers in `Query.features`."""

    @property
    def features(self) -> tuple[str, ...]:
        """Names of those that it reads; a call may lack any of them."""
        ...

    def with_features(self, rows: Sequence[Mapping[str, float]]) -> Scorer:
        """The same scorer for texts that have these features, row by row."""
        ...


@runtime_checkable
class KnowsModels(Scorer, Protocol):
    """A scorer that can say more of its models than their names, so that unseen ones find a relative."""

    @property
    def known_models(self) -> tuple[KnownModel, ...]:
        """One entry per model of `models`, in that order."""
        ...
