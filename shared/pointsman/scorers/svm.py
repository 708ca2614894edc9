"""Linear support vector regression per model (RouterBench's SVM router): at serving, one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.scorers.numeric import row_by_row
from pointsman.scorers.state import State
from pointsman.scorers.vectors import QualityScorer, check_arrays

__all__ = ["SVM"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SVM(QualityScorer):
    """Quality of model M is w_M . v_q + b_M.

    Args:
        models: m names.
        embedder: gives v_q, of length d.
        weights: w, float[m, d].
        intercepts: b, float[m].
        reference: predictions for r prompts by a fit that had not seen them, float[r, m]; r may be 0.

    Raises:
        ConfigurationError: the shapes do not fit one another, or a number is not finite.
    """

    weights: NDArray[np.floating]
    intercepts: NDArray[np.floating]
    reference: NDArray[np.floating]
    kind: ClassVar[str] = "svm"

    def __post_init__(self) -> None:
        m = len(self.models)
        check_arrays(
            weights=(self.weights, (m, self.embedder.dim)),
            intercepts=(self.intercepts, (m,)),
            reference=(self.reference, (len(self.reference), m)),
        )

    def predict(self, vectors: NDArray[np.float32]) -> Floats:
        """w_M . v_q + b_M, float64[n, m]."""
        return row_by_row(vectors.astype(np.float64), self._table) + self.intercepts.astype(np.float64)

    def reference_predictions(self) -> Floats:
        """The stored predictions, float64[r, m]."""
        return self.reference.astype(np.float64)

    def select(self, models: Sequence[str]) -> SVM:
        """The same regressors for exactly these models."""
        rows = self._columns(models)
        return replace(
            self,
            models=tuple(models),
            weights=self.weights[rows],
            intercepts=self.intercepts[rows],
            reference=self.reference[:, rows],
        )

    def to_state(self) -> State:
        """The scorer taken apart."""
        tensors = {"weights": self.weights, "intercepts": self.intercepts, "reference": self.reference}
        return State({"models": self.models}, tensors, self.embedder)

    @classmethod
    def from_state(cls, state: State) -> SVM:
        """The scorer put together again."""
        tensors = state.tensors
        parts = (tensors["weights"], tensors["intercepts"], tensors["reference"])
        return cls(tuple(state.settings["models"]), state.vectors_from, *parts)

    @cached_property
    def _table(self) -> Floats:
        return np.ascontiguousarray(self.weights.T, dtype=np.float64)
