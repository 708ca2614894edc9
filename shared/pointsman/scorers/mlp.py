"""A small neural network per model (RouterBench's MLP router), run by numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError
from pointsman.scorers.state import State
from pointsman.scorers.vectors import QualityScorer, check_arrays

__all__ = ["MLP"]

Floats = NDArray[np.float64]
Arrays = tuple[NDArray[np.floating], ...]


@dataclass(frozen=True, eq=False)
class MLP(QualityScorer):
    """Quality of model M is its own network's output: relu layers, then one linear unit.

    Args:
        models: m names.
        embedder: gives vectors of length d.
        weights: per layer, float[m, inputs, outputs]; the first has d inputs, the last one output.
        biases: per layer, float[m, outputs].
        reference: predictions for r prompts by a fit that had not seen them, float[r, m]; r may be 0.

    Raises:
        ConfigurationError: the layers do not fit one another, or a number is not finite.
    """

    weights: Arrays
    biases: Arrays
    reference: NDArray[np.floating]
    kind: ClassVar[str] = "mlp"

    def __post_init__(self) -> None:
        m, width = len(self.models), self.embedder.dim
        if not self.weights or len(self.weights) != len(self.biases) or self.weights[-1].shape[-1] != 1:
            msg = f"{len(self.weights)} layers of weights, {len(self.biases)} of biases; the last needs one output"
            raise ConfigurationError(msg)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            check_arrays(weights=(weight, (m, width, weight.shape[-1])), biases=(bias, (m, weight.shape[-1])))
            width = weight.shape[-1]
        check_arrays(reference=(self.reference, (len(self.reference), m)))

    def predict(self, vectors: NDArray[np.float32]) -> Floats:
        """The networks' outputs, float64[n, m]; one prompt at a time, so that a batch does not change a result."""
        return np.array([self._forward(vector) for vector in vectors]).reshape(len(vectors), len(self.models))

    def reference_predictions(self) -> Floats:
        """The stored predictions, float64[r, m]."""
        return self.reference.astype(np.float64)

    def select(self, models: Sequence[str]) -> MLP:
        """The same networks for exactly these models."""
        rows = self._columns(models)
        return replace(
            self,
            models=tuple(models),
            weights=tuple(weight[rows] for weight in self.weights),
            biases=tuple(bias[rows] for bias in self.biases),
            reference=self.reference[:, rows],
        )

    def to_state(self) -> State:
        """The scorer taken apart."""
        tensors = {f"weights.{i}": weight for i, weight in enumerate(self.weights)}
        tensors |= {f"biases.{i}": bias for i, bias in enumerate(self.biases)}
        settings = {"models": self.models, "layers": len(self.weights)}
        return State(settings, tensors | {"reference": self.reference}, self.embedder)

    @classmethod
    def from_state(cls, state: State) -> MLP:
        """The scorer put together again."""
        layers = range(state.settings["layers"])
        weights = tuple(state.tensors[f"weights.{i}"] for i in layers)
        biases = tuple(state.tensors[f"biases.{i}"] for i in layers)
        models = tuple(state.settings["models"])
        return cls(models, state.vectors_from, weights, biases, state.tensors["reference"])

    def _forward(self, vector: NDArray[np.float32]) -> Floats:
        hidden = np.broadcast_to(vector, (len(self.models), 1, len(vector)))
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = np.matmul(hidden, weight) + bias[:, None, :]
            if layer < len(self.weights) - 1:
                hidden = np.maximum(hidden, 0.0)
        return hidden[:, 0, 0].astype(np.float64)
