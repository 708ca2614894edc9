"""From a win rate to what it means: curves that rise, fitted to outcomes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointsman.scorers.numeric import logit, sigmoid

__all__ = ["CURVES", "isotonic", "platt", "pool_adjacent_violators", "unchanged"]

Floats = NDArray[np.float64]
Curve = tuple[Floats, Floats]
"""Knots from 0 to 1 and the values there, both strictly ascending, float64[k]."""

BLOCK = 25
"""Prompts to a knot of the isotonic curve, at least: fewer would let it follow chance."""
TILT = 1e-3
"""Part of the identity in every curve, so that where an isotonic one is flat the ranking stays."""
SAMPLES = 256
"""Knots of Platt's curve."""
RIDGE = 1.0
"""Prompts' worth of belief that Platt's curve is the identity."""
STEPS, STILL = 100, 1e-10


def unchanged(rates: Floats, target: Floats) -> Curve:  # noqa: ARG001  # one signature
    """The identity."""
    return np.array([0.0, 1.0]), np.array([0.0, 1.0])


def platt(rates: Floats, target: Floats) -> Curve:
    """sigmoid(a logit(rate) + b), a > 0, of least log loss (Platt, 1999; fitted as Lin, Lin and Weng, 2007).

    Args:
        rates: win rates float64[n].
        target: what came of them, in [0, 1], float64[n].
    """
    x = logit(rates)
    design, w = np.column_stack([x, np.ones_like(x)]), np.array([1.0, 0.0])
    for _ in range(STEPS):
        p = sigmoid(design @ w)
        gradient = design.T @ (p - target) + RIDGE * (w - [1.0, 0.0])
        curvature = (design * (p * (1 - p))[:, None]).T @ design + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        w = w - step
        if np.abs(step).max() < STILL:
            break
    knots = _spread(rates)
    return _risen(knots, sigmoid(max(w[0], 0.0) * logit(knots) + w[1]))


def isotonic(rates: Floats, target: Floats) -> Curve:
    """The best rising curve: pooled means of adjacent prompts, joined by straight lines.

    Args:
        rates: win rates float64[n].
        target: what came of them, in [0, 1], float64[n].
    """
    order = np.argsort(rates, kind="stable")
    x, y = rates[order], target[order]
    starts = np.flatnonzero(np.diff(x, prepend=-1.0))  # equal rates cannot be told apart
    starts = starts[np.flatnonzero(np.diff(starts // BLOCK, prepend=-1))]
    block = np.searchsorted(starts, np.arange(len(x)), side="right") - 1
    weight = np.bincount(block).astype(np.float64)
    means = pool_adjacent_violators(np.bincount(block, weights=y) / weight, weight)
    centres = np.bincount(block, weights=x) / weight
    inside = (centres > 0) & (centres < 1)
    knots = np.concatenate([[0.0], centres[inside], [1.0]])
    return _risen(knots, np.concatenate([means[:1], means[inside], means[-1:]]))


def pool_adjacent_violators(values: Floats, weight: Floats) -> Floats:
    """The ascending sequence of least weighted squared distance (Ayer et al., 1955), float64[n].

    Every run of descending means is pooled at once, until none is left.
    """
    means, weights = values.copy(), weight.copy()
    size: NDArray[np.intp] = np.ones(len(values), dtype=np.intp)
    while (falls := np.diff(means) < 0).any():
        starts = np.flatnonzero(np.concatenate([[True], ~falls]))
        total = np.add.reduceat(means * weights, starts)
        weights, size = np.add.reduceat(weights, starts), np.add.reduceat(size, starts)
        means = total / weights
    return np.repeat(means, size)


CURVES = {"unchanged": unchanged, "platt": platt, "isotonic": isotonic}
"""From the least freedom to the most."""


def _spread(rates: Floats) -> Floats:
    """Knots where the win rates are, and at both ends."""
    quantiles = np.quantile(rates, np.linspace(0.0, 1.0, SAMPLES))
    knots: Floats = np.unique(np.concatenate([[0.0], np.linspace(0.0, 1.0, 33), quantiles, [1.0]]))
    return knots


def _risen(knots: Floats, values: Floats) -> Curve:
    """The curve with `TILT` of the identity in it; knots too close to tell apart are dropped."""
    tilted = (1.0 - TILT) * np.clip(values, 0.0, 1.0) + TILT * knots
    keep = np.concatenate([[True], np.diff(knots) > 1e-9])
    keep[-1] = True
    return knots[keep], tilted[keep]
