"""Kernel regression per model (a least-squares support vector machine): prompts near in text and in looks count alike.

Suykens & Vandewalle (1999); the same numbers as kernel ridge regression, or the mean of a Gaussian process, with the
exponential kernel exp(-|x - y|).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.scorers.numeric import row_by_row, win_rate_from_quality
from pointsman.scorers.state import State
from pointsman.scorers.vectors import VectorScorer, check_arrays

__all__ = ["CLIP", "KernelSVM"]

Floats = NDArray[np.float64]
Vectors = NDArray[np.float32]

CLIP = 4.0
"""Bound on the hardness, in standard deviations."""
_ARRAYS = ("scale", "points", "hardness", "hardness_weights", "quality_weights", "win_weights", "intercepts")


@dataclass(frozen=True, eq=False)
class KernelSVM(VectorScorer):
    """Quality of model M is sum_i k(q, p_i) w_iM + b_M over stored prompts p_i.

    k(q, p) = exp(-sqrt(|x_q - x_p|^2 + (h_q - h_p)^2)), where x is the prompt's vector, scaled, and h how hard the
    prompt is for models at large: a first regression, of the same kind, says so for q. Win rates have weights of their
    own, since the difference of two models is noisier than either and wants a stricter penalty.

    Args:
        models: m names.
        embedder: gives vectors of length d.
        scale: factor of each component, float32[d].
        points: scaled vectors of p stored prompts, float16[p, d].
        hardness: h of these, float32[p]; zeros if not used.
        hardness_weights: of the first regression, whose last entry is its intercept, float32[p + 1].
        quality_weights: w, float32[p, m].
        win_weights: the same for win rates, float32[p, m].
        intercepts: b, float32[m].
        reference: `lead` of r training prompts by a fit that had not seen them, float32[r, m].

    Raises:
        ConfigurationError: the shapes do not fit one another, or a number is not finite.
    """

    scale: NDArray[np.float32]
    points: NDArray[np.float16]
    hardness: NDArray[np.float32]
    hardness_weights: NDArray[np.float32]
    quality_weights: NDArray[np.float32]
    win_weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    reference: NDArray[np.float32]
    kind: ClassVar[str] = "kernel_svm"

    def __post_init__(self) -> None:
        p, m, d = len(self.points), len(self.models), self.embedder.dim
        check_arrays(
            scale=(self.scale, (d,)),
            points=(self.points, (p, d)),
            hardness=(self.hardness, (p,)),
            hardness_weights=(self.hardness_weights, (p + 1,)),
            quality_weights=(self.quality_weights, (p, m)),
            win_weights=(self.win_weights, (p, m)),
            intercepts=(self.intercepts, (m,)),
            reference=(self.reference, (len(self.reference), m)),
        )

    def quality_of(self, vectors: Vectors) -> Floats:
        """Expected quality float64[n, m] in [0, 1]."""
        return self._both(vectors)[0]

    def score_vectors(self, vectors: Vectors, strong: str, weak: str) -> tuple[Floats, Floats]:
        """Quality float64[n, m] and win rate float64[n] of prompts given as vectors float32[n, d]."""
        quality, lead = self._both(vectors)
        return quality, self._pair(lead, strong, weak)

    def reference_win_rates(self, strong: str, weak: str) -> Floats:
        """Win rates float64[r] of training prompts, each as a fit without it has it."""
        return self._pair(self.reference.astype(np.float64), strong, weak)

    def select(self, models: Sequence[str]) -> KernelSVM:
        """The same regressors for exactly these models."""
        columns = self._columns(models)
        return replace(
            self,
            models=tuple(models),
            quality_weights=self.quality_weights[:, columns],
            win_weights=self.win_weights[:, columns],
            intercepts=self.intercepts[columns],
            reference=self.reference[:, columns],
        )

    def to_state(self) -> State:
        """The scorer taken apart."""
        tensors = {name: getattr(self, name) for name in (*_ARRAYS, "reference")}
        return State({"models": self.models}, tensors, self.embedder)

    @classmethod
    def from_state(cls, state: State) -> KernelSVM:
        """The scorer put together again."""
        parts = {name: state.tensors[name] for name in (*_ARRAYS, "reference")}
        return cls(tuple(state.settings["models"]), state.vectors_from, **parts)

    def _pair(self, lead: Floats, strong: str, weak: str) -> Floats:
        s, w = self._columns([strong, weak])
        return np.clip(win_rate_from_quality(lead[:, s], lead[:, w]), 0.0, 1.0)

    def _both(self, vectors: Vectors) -> tuple[Floats, Floats]:
        """Quality in [0, 1], and the number whose differences are win rates, float64[n, m] each."""
        x = vectors.astype(np.float64) * self.scale.astype(np.float64)
        squares = (x**2).sum(axis=1)[:, None] + self._norms - 2.0 * row_by_row(x, self._columns_of_points)
        squares = np.maximum(squares, 0.0)
        weights = self.hardness_weights.astype(np.float64)
        hard = row_by_row(np.exp(-np.sqrt(squares)), weights[:-1, None])[:, 0] + weights[-1]
        apart = np.clip(hard, -CLIP, CLIP)[:, None] - self.hardness.astype(np.float64)
        both = row_by_row(np.exp(-np.sqrt(squares + apart**2)), self._weights)
        both += np.tile(self.intercepts.astype(np.float64), 2)
        m = len(self.models)
        return np.clip(both[:, :m], 0.0, 1.0), both[:, m:]

    @cached_property
    def _columns_of_points(self) -> Floats:
        return np.ascontiguousarray(self.points.T, dtype=np.float64)

    @cached_property
    def _norms(self) -> Floats:
        return np.asarray((self.points.astype(np.float64) ** 2).sum(axis=1))

    @cached_property
    def _weights(self) -> Floats:
        return np.concatenate([self.quality_weights, self.win_weights], axis=1).astype(np.float64)
