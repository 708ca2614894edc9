"""What fitting one regressor per model has in common, whatever the regressor."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
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
    outcomes: Outcomes,
    seed: int,
) -> Fitted:
    """The fit on all rows, with reference predictions from a fit that had not seen those rows.

    Training prompts are predicted too well, and thresholds taken from such predictions would be off; so a tenth of the
    rows, 1,000 at most, is predicted by a first fit on the others.

    Args:
        fit: of vectors float32[n, d], scores float64[n, m] with NaN where missing, and a reference float32[r, m].
        vectors: of the prompts, float32[n, d].
        outcomes: n rows.
        seed: of the draw.
    """
    scores = outcomes.scores
    kept, held = split_rows(outcomes, REFERENCE_SHARE, REFERENCE_PROMPTS, seed)
    none = np.zeros((0, scores.shape[1]), dtype=np.float32)
    if not len(held):
        return fit(vectors, scores, none)
    reference = fit(vectors[kept], scores[kept], none).predict(vectors[held])
    return fit(vectors, scores, reference.astype(np.float32))


def split_rows(outcomes: Outcomes, share: float, most: int, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows to fit on and rows to hold out, those of one prompt on one side.

    None are held out where a model would be left with hardly any score.
    """
    first = {prompt: row for row, prompt in reversed(list(enumerate(outcomes.prompts)))}
    drawn = np.zeros(len(outcomes), dtype=bool)
    drawn[np.random.default_rng(seed).permutation(len(outcomes))[: min(most, round(share * len(outcomes)))]] = True
    out = drawn[[first[prompt] for prompt in outcomes.prompts]]
    held, kept = np.flatnonzero(out), np.flatnonzero(~out)
    if (~np.isnan(outcomes.scores[kept])).sum(axis=0).min() < 2:
        return np.arange(len(outcomes)), np.zeros(0, dtype=np.intp)
    return kept, held
