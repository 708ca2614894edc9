"""What fitting one regressor per model has in common, whatever the regressor."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import MissingExtraError
from pointsman.scorers.vectors import QualityScorer

__all__ = ["fit_with_reference", "scikit_learn", "split_rows"]

Floats = NDArray[np.float64]
Fitted = TypeVar("Fitted", bound=QualityScorer)

REFERENCE_SHARE = 0.1
REFERENCE_PROMPTS = 1000


def scikit_learn(module: str) -> Any:
    """A module of scikit-learn.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return import_module(f"sklearn.{module}")
    except ImportError as error:
        raise MissingExtraError("scikit-learn", "train") from error


def fit_with_reference(
    fit: Callable[[NDArray[np.float32], Floats, NDArray[np.float32]], Fitted],
    vectors: NDArray[np.float32],
    scores: Floats,
    seed: int,
) -> Fitted:
    """The fit on all rows, with reference predictions from a fit that had not seen those rows.

    Training prompts are predicted too well, and thresholds taken from such predictions would be off; so a tenth of the
    rows, 1,000 at most, is predicted by a first fit on the others.

    Args:
        fit: of vectors float32[n, d], scores float64[n, m] with NaN where missing, and a reference float32[r, m].
        vectors: float32[n, d].
        scores: float64[n, m].
        seed: of the draw.
    """
    kept, held = split_rows(scores, REFERENCE_SHARE, REFERENCE_PROMPTS, seed)
    none = np.zeros((0, scores.shape[1]), dtype=np.float32)
    if not len(held):
        return fit(vectors, scores, none)
    reference = fit(vectors[kept], scores[kept], none).predict(vectors[held])
    return fit(vectors, scores, reference.astype(np.float32))


def split_rows(scores: Floats, share: float, most: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to fit on and rows to hold out; none are held out where a model would be left with hardly any score."""
    order = np.random.default_rng(seed).permutation(len(scores))
    size = min(most, round(share * len(scores)))
    held, kept = np.sort(order[:size]), np.sort(order[size:])
    if (~np.isnan(scores[kept])).sum(axis=0).min() < 2:
        return np.arange(len(scores)), np.zeros(0, dtype=np.intp)
    return kept, held
