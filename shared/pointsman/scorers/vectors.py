"""What the scorers of prompt vectors have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError
from pointsman.scorers.numeric import column_of, win_rate_from_quality

__all__ = ["QualityScorer", "VectorScorer", "check_arrays"]

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]
Self = TypeVar("Self", bound="VectorScorer")


@dataclass(frozen=True, eq=False)
class VectorScorer(ABC):
    """Scores prompts by their vectors.

    Args:
        models: m names.
        embedder: gives vectors of length d.
    """

    models: tuple[str, ...]
    embedder: Embedder
    instant: ClassVar[bool] = True

    @abstractmethod
    def score_vectors(self, vectors: Vectors, strong: str, weak: str) -> tuple[Floats, Floats]:
        """Quality float64[n, m] and win rate float64[n] of prompts given as vectors float32[n, d]."""

    @abstractmethod
    def quality_of(self, vectors: Vectors) -> Floats:
        """Expected quality float64[n, m] in [0, 1] of prompts given as vectors float32[n, d]."""

    @abstractmethod
    def reference_win_rates(self, strong: str, weak: str) -> Floats:
        """Win rates float64[r] of r training prompts, as a fit without them has them."""

    @abstractmethod
    def select(self: Self, models: Sequence[str]) -> Self:
        """The same scorer with exactly these models as columns."""

    def quality(self, texts: Sequence[str]) -> Floats:
        """Expected quality float64[n, m] in [0, 1]."""
        return self.quality_of(self.embedder.encode(texts))

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> Floats:
        """P(strong is better, ties counted half), float64[n]."""
        return self.score(texts, strong, weak)[1]

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[Floats, Floats]:
        """Quality float64[n, m] and win rate float64[n], the texts read once."""
        return self.score_vectors(self.embedder.encode(texts), strong, weak)

    def with_embedder(self: Self, embedder: Embedder) -> Self:
        """The same scorer over the vectors of another embedder of the same length."""
        return replace(self, embedder=embedder)

    def _columns(self, models: Sequence[str]) -> list[int]:
        return [column_of(self.models, model) for model in models]


class QualityScorer(VectorScorer):
    """A regressor of each model's quality; the win rate is read off two of its predictions.

    Predictions may lie outside [0, 1]. They are cut only after a pair has been compared, so that two models that are
    both beyond 1 are still told apart.
    """

    @abstractmethod
    def predict(self, vectors: Vectors) -> Floats:
        """Predicted quality float64[n, m], not cut to [0, 1]."""

    @abstractmethod
    def reference_predictions(self) -> Floats:
        """`predict` float64[r, m] for r training prompts, by a fit that had not seen them."""

    def quality_of(self, vectors: Vectors) -> Floats:
        """Expected quality float64[n, m] in [0, 1] of prompts given as vectors float32[n, d]."""
        return np.clip(self.predict(vectors), 0.0, 1.0)

    def score_vectors(self, vectors: Vectors, strong: str, weak: str) -> tuple[Floats, Floats]:
        """Quality float64[n, m] and win rate float64[n] of prompts given as vectors float32[n, d]."""
        predicted = self.predict(vectors)
        return np.clip(predicted, 0.0, 1.0), self._pair(predicted, strong, weak)

    def reference_win_rates(self, strong: str, weak: str) -> Floats:
        """Win rates float64[r] of r training prompts, as a fit without them has them."""
        return self._pair(self.reference_predictions(), strong, weak)

    def _pair(self, predicted: Floats, strong: str, weak: str) -> Floats:
        s, w = self._columns([strong, weak])
        return np.clip(win_rate_from_quality(predicted[:, s], predicted[:, w]), 0.0, 1.0)


def check_arrays(**arrays: tuple[NDArray[np.generic], tuple[int, ...]]) -> None:
    """Check each named array against the shape beside it, and that its numbers are finite.

    Raises:
        ConfigurationError: one does not fit.
    """
    for name, (array, shape) in arrays.items():
        if array.shape != shape:
            msg = f"{name} has shape {array.shape}, expected {shape}; train or load the scorer again"
            raise ConfigurationError(msg)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            msg = f"{name} holds numbers that are not finite; train or load the scorer again"
            raise ConfigurationError(msg)
