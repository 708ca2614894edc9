"""Fitting a pool of predictions: calibration of each member, weights, and the discount for disagreement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import DataError
from pointsman.scorers.numeric import logit, sigmoid
from pointsman.scorers.pooling import LogitPool

__all__ = ["fit_pool", "log_loss"]

Floats = NDArray[np.float64]

DISCOUNTS = tuple(np.pi / 8 * factor for factor in (0.0, 1.0, 2.0, 4.0, 8.0))
"""None, MacKay's, and more."""
RIDGE = 1e-3
"""Per row: settles what the data leave open, and no more."""
SWEEPS, STEP = 200, 1e-7


def fit_pool(predictions: Sequence[Floats], target: Floats) -> LogitPool:
    """The pool of least log loss.

    Args:
        predictions: k members' probabilities for prompts that the members had not seen, float64[n], or float64[n, m]
            for a table whose columns have priors of their own.
        target: what came of it, in [0, 1], of the same shape; NaN where not known.

    Raises:
        DataError: a column has no outcome.
    """
    table = np.reshape(target, (len(target), -1))
    known = ~np.isnan(table)
    if not known.any(axis=0).all():
        msg = "a model, or a pair of models, has no prompt with an outcome; leave it out, or add outcomes"
        raise DataError(msg)
    priors = logit(np.nanmean(table, axis=0))
    base = np.broadcast_to(priors, table.shape)[known]
    slopes, offsets = [], []
    for prediction in predictions:
        x = logit(np.reshape(prediction, table.shape))
        centres = np.where(known, x, 0.0).sum(axis=0) / known.sum(axis=0)
        (slope,) = _descend((x - centres)[known][:, None], table[known], base)
        slopes.append(float(slope))
        offsets.append(tuple((priors - slope * centres).tolist()))
    pool = LogitPool(tuple(slopes), tuple(offsets), (0.0,) * len(slopes), tuple(priors.tolist()))
    tables = [np.reshape(prediction, table.shape) for prediction in predictions]
    evidence = np.column_stack([each[known] for each in pool.evidence(tables)])
    pool = replace(pool, weights=tuple(_descend(evidence, table[known], base).tolist()))
    return min(
        (replace(pool, discount=discount) for discount in DISCOUNTS),
        key=lambda each: log_loss(each.pool(tables)[known], table[known]),
    )


def log_loss(p: Floats, target: Floats) -> float:
    """Mean of -(y log p + (1 - y) log(1 - p)); y may be anything in [0, 1]."""
    inside = np.clip(p, 1e-12, 1 - 1e-12)
    return float(-(target * np.log(inside) + (1 - target) * np.log(1 - inside)).mean())


def _descend(design: Floats, target: Floats, base: Floats) -> Floats:
    """Coefficients w >= 0 of least log loss of sigmoid(base + design @ w), one at a time by Newton's method."""
    w, z = np.zeros(design.shape[1]), base.copy()
    for _ in range(SWEEPS):
        largest = 0.0
        for column in range(len(w)):
            x = design[:, column]
            p = sigmoid(z)
            gradient = float((x * (p - target)).mean()) + RIDGE * float(w[column])
            curvature = float((x * x * p * (1 - p)).mean()) + RIDGE
            moved = max(0.0, float(w[column]) - gradient / curvature)
            z += (moved - w[column]) * x
            largest = max(largest, abs(moved - float(w[column])))
            w[column] = moved
        if largest < STEP:
            break
    return w
