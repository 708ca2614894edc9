"""Matrix factorisation: model vectors times prompt vectors (RouteLLM, arXiv 2406.18665, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError
from pointsman.matching import KnownModel

__all__ = ["MatrixFactorization"]

Floats = NDArray[np.floating]
Link = Literal["battle", "gain"]


@dataclass(frozen=True, eq=False)
class MatrixFactorization:
    """delta(M, q) = w2 . (v_M * (W1^T v_q + b)), read as a quality and, for a pair, as a win rate.

    Everything is linear in v_q, so the model side folds into one column per model: what runs per call is numpy alone.
    Quality is sigmoid(scale * delta + offset). The win rate is one of two readings of the same scores:

    * link "battle", RouteLLM's: sigmoid(delta(strong, q) - delta(weak, q)), one dot product for a fixed pair. It says
      who wins where somebody does, and it cannot fall again when a prompt is too hard for both.
    * link "gain": 1/2 + (quality(strong, q) - quality(weak, q)) / 2 + prior . (W1^T v_q + b), which for right-or-wrong
      answers is P(strong is better) with ties counted half, plus a prior of the prompt alone. It is largest where the
      strong model is right and the weak one is not, so neither for the easiest prompts nor for the hopeless ones.

    Args:
        models: m names.
        embedder: gives v_q, of length d.
        model_vectors: v_M, float[m, k].
        projection: W1, float[d, k].
        bias: b, float[k]; the paper has it, RouteLLM's code does not.
        head: w2, float[k].
        quality_scale: positive.
        quality_offset: the logit of quality at delta = 0.
        link: "battle" or "gain".
        prior: added to the win rate for the stronger model of the pair, float[k] over the hidden vector; "gain" only.
            None is no prior.
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
    link: Link = "battle"
    prior: Floats | None = None
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
            "prior": (np.zeros(k) if self.prior is None else self.prior, (k,)),
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
        if self.link not in get_args(Link) or (self.link == "battle" and self.prior is not None):
            msg = f"link is {self.link!r}; it is one of {', '.join(get_args(Link))}, and only 'gain' takes a prior"
            raise ConfigurationError(msg)
        if not self.quality_scale > 0:
            msg = f"quality_scale is {self.quality_scale}; it must be positive"
            raise ConfigurationError(msg)

    @cached_property
    def columns(self) -> NDArray[np.float64]:
        """What the hidden vector is multiplied with, float64[k, m + 1]: w2 * v_M per model, and last the prior."""
        prior = np.zeros(len(self.head)) if self.prior is None else self.prior
        models = self.model_vectors.astype(np.float64) * self.head
        return np.asarray(np.vstack([models, prior]).T, dtype=np.float64)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """The model side folded into the prompt's, float64[d, m + 1]: what is left per call is `v_q @ weights`."""
        return np.asarray(self.projection.astype(np.float64) @ self.columns)

    @cached_property
    def offsets(self) -> NDArray[np.float64]:
        """The bias folded in, float64[m + 1]."""
        return np.asarray(self.bias.astype(np.float64) @ self.columns)

    def delta(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Scores float64[n, m] on the logit scale."""
        return self._scores(texts)[:, :-1]

    def quality(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Expected quality float64[n, m] in [0, 1]."""
        return self._quality(self.delta(texts))

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> NDArray[np.float64]:
        """P(strong is better, ties counted half), float64[n]."""
        return self._win_rate(self._scores(texts), strong, weak)

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Quality float64[n, m] and win rate float64[n], the texts read once."""
        scores = self._scores(texts)
        return self._quality(scores[:, :-1]), self._win_rate(scores, strong, weak)

    def reference_win_rates(self, strong: str, weak: str) -> NDArray[np.float64]:
        """Win rates of the reference prompts, float64[r]; empty if the router carries none."""
        if not len(self.reference):
            return np.zeros(0)
        return self._win_rate(self.reference.astype(np.float64) @ self.columns, strong, weak)

    def select(self, models: Sequence[str]) -> MatrixFactorization:
        """The same factorisation with exactly these models as columns."""
        rows = [self._column(model) for model in models]
        known = tuple(self.known_models[row] for row in rows) if self.known_models else ()
        return replace(self, models=tuple(models), model_vectors=self.model_vectors[rows], known_models=known)

    def with_embedder(self, embedder: Embedder) -> MatrixFactorization:
        """The same factorisation over the vectors of another embedder of the same length."""
        return replace(self, embedder=embedder)

    def _scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Delta per model, and last the prior, float64[n, m + 1].

        Row by row, so that a prompt's scores do not depend on the prompts beside it: a whole-matrix product sums in
        another order, and a win rate on the threshold would be decided one way alone and another way in a batch.
        """
        rows = [vector @ self.weights for vector in self.embedder.encode(texts).astype(np.float64)]
        return np.array(rows, dtype=np.float64).reshape(len(texts), len(self.offsets)) + self.offsets

    def _win_rate(self, scores: NDArray[np.float64], strong: str, weak: str) -> NDArray[np.float64]:
        delta_strong, delta_weak = scores[:, self._column(strong)], scores[:, self._column(weak)]
        if self.link == "battle":
            return _sigmoid(delta_strong - delta_weak)
        gain = self._quality(delta_strong) - self._quality(delta_weak)
        return np.asarray(np.minimum(np.maximum(0.5 + gain / 2 + scores[:, -1], 0.0), 1.0))

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
