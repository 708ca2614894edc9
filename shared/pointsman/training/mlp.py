"""Fitting a small neural network per model, by scikit-learn's MLPRegressor."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.embedders.base import Embedder
from pointsman.scorers.mlp import MLP
from pointsman.training.checks import check_outcomes
from pointsman.training.regressors import fit_with_reference, scikit_learn

__all__ = ["fit_mlp"]

Floats = NDArray[np.float64]

LEAST_FOR_STOPPING = 50
"""Early stopping holds out a tenth, which must be more than a few rows."""


def fit_mlp(
    data: Outcomes | Battles,
    embedder: Embedder,
    *,
    seed: int = 0,
    layers: tuple[int, ...] = (100, 100),
    learning_rate: float = 1e-3,
    iterations: int = 200,
    penalty: float = 10.0,
    early_stopping: bool = True,
) -> MLP:
    """One network per model: relu layers, Adam, squared error.

    RouterBench takes scikit-learn's defaults, `penalty=1e-4, early_stopping=False`, by which the network knows a few
    thousand right or wrong answers by heart. The defaults here are the better ones on the MMLU-Pro prompts that are not
    in MMLU, two pairs of models, 1,500 labels.

    Args:
        data: battles count as shares of battles won.
        embedder: gives the vectors.
        seed: of the first weights, the batches and the rows held out.
        layers: widths of the hidden layers.
        learning_rate: of Adam.
        iterations: passes over the data, at most.
        penalty: on squared weights, scikit-learn's alpha.
        early_stopping: stop when a tenth of the rows, held out, is not predicted better for ten iterations; not for
            a model with fewer than 50 scores.

    Raises:
        DataError: nothing can be learned from the data.
        MissingExtraError: scikit-learn is not installed.
    """
    outcomes = check_outcomes(data)
    network, exceptions = scikit_learn("neural_network"), scikit_learn("exceptions")
    options: dict[str, Any] = {
        "hidden_layer_sizes": layers,
        "learning_rate_init": learning_rate,
        "max_iter": iterations,
        "alpha": penalty,
        "random_state": seed,
    }

    def one(vectors: NDArray[np.float32], scores: Floats) -> Any:
        seen = ~np.isnan(scores)
        stopping = early_stopping and int(seen.sum()) >= LEAST_FOR_STOPPING
        regressor = network.MLPRegressor(early_stopping=stopping, **options)
        with warnings.catch_warnings():
            # to end after so many iterations is what was asked for
            warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
            return regressor.fit(vectors[seen].astype(np.float64), scores[seen])

    def fit(vectors: NDArray[np.float32], scores: Floats, reference: NDArray[np.float32]) -> MLP:
        fitted = [one(vectors, column) for column in scores.T]
        weights = tuple(np.array(layer, dtype=np.float32) for layer in zip(*(f.coefs_ for f in fitted), strict=True))
        biases = tuple(
            np.array(layer, dtype=np.float32) for layer in zip(*(f.intercepts_ for f in fitted), strict=True)
        )
        return MLP(outcomes.models, embedder, weights, biases, reference)

    return fit_with_reference(fit, embedder.encode(outcomes.prompts), outcomes, seed)
