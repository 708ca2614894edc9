"""Fitting k nearest prompts: keep them."""

from __future__ import annotations

import numpy as np

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.embedders.base import Embedder
from pointsman.scorers.index import PromptIndex
from pointsman.scorers.knn import KNN
from pointsman.training.checks import check_outcomes

__all__ = ["fit_knn"]

NEIGHBOURS = (5, 10, 40, 100)


def fit_knn(data: Outcomes | Battles, embedder: Embedder, *, seed: int = 0, k: int | None = None, bits: int = 8) -> KNN:
    """The k-nearest-prompts scorer of these outcomes.

    Args:
        data: battles count as shares of battles won.
        embedder: gives the vectors that are compared.
        seed: plays no part; there is nothing random in it.
        k: neighbours. If not given, the one of 5, 10, 40 and 100 whose predictions are closest to the training
            prompts' own scores, each prompt left out in its turn (squared error, up to 1,000 prompts).
        bits: of a stored vector's components, 8 or 16.

    Raises:
        DataError: nothing can be learned from the data.
        ConfigurationError: k or bits is out of range.
    """
    del seed
    outcomes = check_outcomes(data)
    index = PromptIndex.of(embedder.encode(outcomes.prompts), bits=bits)
    scores = outcomes.scores.astype(np.float16)
    if k is not None:
        return KNN(outcomes.models, embedder, index, scores, k)
    fits = [KNN(outcomes.models, embedder, index, scores, each) for each in NEIGHBOURS]
    return min(fits, key=_error)


def _error(fit: KNN) -> float:
    rows = fit.index.sample(1000)
    return float(np.nanmean((fit.reference_predictions() - fit.scores[rows].astype(np.float64)) ** 2))
