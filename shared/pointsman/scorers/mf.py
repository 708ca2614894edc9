"""Matrix factorisation: model vectors times prompt vectors (RouteLLM, arXiv 2406.18665, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError
from pointsman.matching import KnownModel

__all__ = ["MatrixFactorization"]

Floats = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class MatrixFactorization:
    """delta(M, q) = w2 . (v_M * (W1^T v_q + b)), and P(strong wins) = sigmoid(delta(strong, q) - delta(weak, q)).

    Everything is linear in v_q, so the model side folds into one column per model, and for a pair into a single dot
    product: what runs per call is numpy alone. Quality is read off the same score, sigmoid(scale * delta + offset), so
    quality and win rate always put two models in the same order.

    Args:
        models: m names.
        embedder: gives v_q, of length d.
        model_vectors: v_M, float[m, k].
        projection: W1, float[d, k].
        bias: b, float[k]; the paper has it, RouteLLM's code does not.
        head: w2, float[k].
        quality_scale: positive.
        quality_offset: the logit of quality at delta = 0.
        reference: W1^T v_q + b for r reference prompts, float[r, k]; empty if the router carries none.
        known_models: what is known of each model, for matching those that were never trained on.

    Raises:
        ConfigurationError: the shapes do not fit one another, a number is not finite, or `quality_scale` is not
            positive.
    """

    models: tuple[str, ...]
    embedder: Embedder
    model_vectors: Floats
    projection: Floats
    bias: Floats
    head: Floats
    quality_scale: float = 1.0
    quality_offset: float = 0.0
    reference: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    known_models: tuple[KnownModel, ...] = ()
    instant: ClassVar[bool] = True

    def __post_init__(self) -> None:
        m, d, k = len(self.models), self.embedder.dim, len(self.head)
        shapes = {
            "model_vectors": (self.model_vectors, (m, k)),
            "projection": (self.projection, (d, k)),
            "bias": (self.bias, (k,)),
            "head": (self.head, (k,)),
            "reference": (self.reference, (len(self.reference), k if len(self.reference) else 0)),
        }
        for name, (array, expected) in shapes.items():
            if len(self.reference) == 0 and name == "reference":
                continue
            if array.shape != expected:
                msg = f"{name} has shape {array.shape}, expected {expected} for {m} models and vectors of length {d}"
                raise ConfigurationError(msg)
            if not np.isfinite(array).all():
                msg = f"{name} holds numbers that are not finite; train or load the scorer again"
                raise ConfigurationError(msg)
        if not self.quality_scale > 0:
            msg = f"quality_scale is {self.quality_scale}; it must be positive"
            raise ConfigurationError(msg)

    @cached_property
    def columns(self) -> NDArray[np.float64]:
        """The model side of the score, float64[k, m]: delta = (v_q W1 + b) @ columns."""
        return np.ascontiguousarray((self.model_vectors.astype(np.float64) * self.head.astype(np.float64)).T)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """One column of prompt weights per model, float64[d, m]: delta = v_q @ weights + offsets."""
        return np.asarray(self.projection.astype(np.float64) @ self.columns)

    @cached_property
    def offsets(self) -> NDArray[np.float64]:
        """The bias folded in, float64[m]."""
        return np.asarray(self.bias.astype(np.float64) @ self.columns)

    def delta(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Scores float64[n, m] on the logit scale."""
        return np.asarray(self.embedder.encode(texts).astype(np.float64) @ self.weights + self.offsets)

    def quality(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Expected quality float64[n, m] in [0, 1]."""
        return self._quality(self.delta(texts))

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> NDArray[np.float64]:
        """P(strong is better, ties counted half), float64[n]: one dot product per prompt."""
        s, w = self._column(strong), self._column(weak)
        direction = self.weights[:, s] - self.weights[:, w]
        offset = self.offsets[s] - self.offsets[w]
        return _sigmoid(self.embedder.encode(texts).astype(np.float64) @ direction + offset)

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Quality float64[n, m] and win rate float64[n], the texts read once."""
        delta = self.delta(texts)
        return self._quality(delta), _sigmoid(delta[:, self._column(strong)] - delta[:, self._column(weak)])

    def reference_win_rates(self, strong: str, weak: str) -> NDArray[np.float64]:
        """Win rates of the reference prompts, float64[r]."""
        if not len(self.reference):
            return np.zeros(0)
        direction = self.columns[:, self._column(strong)] - self.columns[:, self._column(weak)]
        return _sigmoid(self.reference.astype(np.float64) @ direction)

    def select(self, models: Sequence[str]) -> MatrixFactorization:
        """The same factorisation with exactly these models as columns."""
        rows = [self._column(model) for model in models]
        known = tuple(self.known_models[row] for row in rows) if self.known_models else ()
        return replace(self, models=tuple(models), model_vectors=self.model_vectors[rows], known_models=known)

    def with_embedder(self, embedder: Embedder) -> MatrixFactorization:
        """The same factorisation over the vectors of another embedder of the same length."""
        return replace(self, embedder=embedder)

    def _column(self, model: str) -> int:
        try:
            return self.models.index(model)
        except ValueError:
            msg = f"this scorer does not know the model {model!r}; it knows {len(self.models)}, see .models"
            raise ConfigurationError(msg) from None

    def _quality(self, delta: NDArray[np.float64]) -> NDArray[np.float64]:
        return _sigmoid(self.quality_scale * delta + self.quality_offset)


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + e^-x), without overflow: e is raised to negative numbers only."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, small) / (1.0 + small))
