"""How far to move one number that a router predicts, learned from a few labels: cross-validation says, down to not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Correction", "fit_correction", "folds_of", "unmoved"]

Floats = NDArray[np.float64]
Moved = Literal["not at all", "level", "by prompt"]

RIDGES = tuple(10.0**power for power in np.arange(0.5, 5.1, 0.5))
PRIOR_ROWS = 100
"""As many rows as these say that the base's own scale is right; so few labels do not turn it over."""
LEAST_SLOPE = 0.05
"""The base's order is kept even where the labels say nothing for it."""
ROWS_PER_PARAMETER = 20.0
"""To an effective parameter of the regression, at least: small samples flatter larger fits even in cross-validation."""
CLEAR = 0.5
"""Standard errors by which a move must be better, in squared error over the folds, than the smaller move before it.

These three and ten folds were chosen on MMLU-Pro, ZebraLogic, MMLU-Redux and the LLMRouter tasks, four pairs of models
each, by routers not trained on them. That small samples need a bound was first seen on MMLU's curve; its value was not
taken from there."""


@dataclass(frozen=True)
class Correction:
    """intercept + slope * base + weights . z, and how it was chosen.

    Attributes:
        intercept: 0 if not moved.
        slope: of the base's number; 1 if not moved.
        weights: float64[d], of the standardised prompt vector.
        moved: how far.
        fitted: the corrected number of each row, by a fit without it, float64[n].
        error: mean squared error of `fitted`.
        error_before: the same of the base's own.
    """

    intercept: float
    slope: float
    weights: Floats
    moved: Moved
    fitted: Floats
    error: float
    error_before: float


def unmoved(base: Floats, width: int) -> Correction:
    """The correction that leaves a number as it is."""
    return Correction(0.0, 1.0, np.zeros(width), "not at all", base, float("nan"), float("nan"))


def folds_of(prompts: tuple[str, ...], folds: int, seed: int) -> NDArray[np.intp]:
    """A fold for each row, intp[n]; one prompt's rows share theirs."""
    _, group = np.unique(np.array(prompts, dtype=object), return_inverse=True)
    return np.asarray(np.random.default_rng(seed).permutation(int(group.max()) + 1)[group] % folds, dtype=np.intp)


def fit_correction(base: Floats, target: Floats, vectors: Floats, fold: NDArray[np.intp]) -> Correction:
    """The correction whose every step away from the base earned its place on rows that it had not seen.

    Three candidates: the base as it is; its scale and level set right, which keeps its order; and on top of that a
    ridge regression of what is left on the prompt's vector, with the strictest penalty that is as good as any.

    Args:
        base: what the router says, float64[n].
        target: what was seen, float64[n].
        vectors: standardised prompt vectors, float64[n, d].
        fold: of each row, intp[n].
    """
    predicted: Floats = np.empty((len(base), len(RIDGES) + 1))
    for k in np.unique(fold):
        out = fold == k
        intercepts, slope, weights = _path(base[~out], target[~out], vectors[~out])
        predicted[out] = intercepts + slope * base[out, None] + vectors[out] @ weights
    predicted = np.clip(predicted, 0.0, 1.0)
    errors = (predicted - target[:, None]) ** 2
    before = (base - target) ** 2
    first = _first_allowed(vectors)
    best = first + _strictest(errors[:, first:])
    choice = best if _clear(errors[:, 0] - errors[:, best]) else 0
    if not _clear(before - errors[:, choice]):
        error = float(before.mean())
        return Correction(0.0, 1.0, np.zeros(vectors.shape[1]), "not at all", base, error, error)
    intercepts, slope, weights = _path(base, target, vectors)
    return Correction(
        float(intercepts[choice]),
        slope,
        weights[:, choice],
        "by prompt" if choice else "level",
        predicted[:, choice],
        float(errors[:, choice].mean()),
        float(before.mean()),
    )


def _first_allowed(vectors: Floats) -> int:
    """Column of the least penalty at which the rows are `ROWS_PER_PARAMETER` to an effective parameter, 1 or more."""
    inner = vectors - vectors.mean(axis=0)
    values = np.linalg.svd(inner, compute_uv=False) ** 2
    freedom = [float((values / (values + ridge)).sum()) for ridge in RIDGES]
    allowed = [column for column, used in enumerate(freedom, start=1) if used * ROWS_PER_PARAMETER <= len(vectors)]
    return min(allowed, default=len(RIDGES))


def _strictest(errors: Floats) -> int:
    """The largest penalty that is not clearly worse than the best one: few rows often flatter a small penalty."""
    best = int(errors.mean(axis=0).argmin())
    return max(j for j in range(best, errors.shape[1]) if j == best or not _clear(errors[:, j] - errors[:, best]))


def _clear(gain: Floats) -> bool:
    return bool(gain.mean() > max(CLEAR * gain.std() / np.sqrt(len(gain)), 0.0))


def _path(base: Floats, target: Floats, vectors: Floats) -> tuple[Floats, float, Floats]:
    """Intercepts [1 + ridges], slope, and weights [d, 1 + ridges]; the first is of no weights at all."""
    middle, level, centre = base.mean(), target.mean(), vectors.mean(axis=0)
    spread = float(((base - middle) ** 2).sum())
    prior = PRIOR_ROWS * spread / len(base)
    slope = 1.0
    if spread > 0:
        slope = max(LEAST_SLOPE, (float((base - middle) @ (target - level)) + prior) / (spread + prior))
    left = target - level - slope * (base - middle)
    inner = vectors - centre
    wide = len(inner) < inner.shape[1]
    values, axes = np.linalg.eigh(inner @ inner.T if wide else inner.T @ inner)
    along = axes.T @ (left if wide else inner.T @ left)
    weights = np.column_stack([axes @ (along / (np.maximum(values, 0.0) + ridge)) for ridge in RIDGES])
    weights = np.column_stack([np.zeros(inner.shape[1]), inner.T @ weights if wide else weights])
    return level - slope * middle - centre @ weights, slope, weights
