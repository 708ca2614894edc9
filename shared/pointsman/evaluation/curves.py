"""Quality against the share of strong calls, for the sample and for all its bootstrap resamples in one pass.

A resample is a row of counts: how often each prompt was drawn. Prompts are ranked once; every resample then is a pair
of cumulative sums along that ranking.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ROUTELLM_BINS", "areas", "call_curves", "crossings"]

Floats = NDArray[np.float64]

ROUTELLM_BINS = 10
ROUNDING = 1e-9
"""By which sums of the same numbers in another order may differ; a value this close has reached its target."""


def call_curves(win_rate: Floats, gain: Floats, counts: ArrayLike, *, bins: int | None) -> tuple[Floats, Floats]:
    """Shares of strong calls, and what they gain over the weak model, as the threshold falls from above all win rates.

    Args:
        win_rate: [n], finite.
        gain: [n], quality of the strong answer less that of the weak one; or [b, n], a gain for each row of counts.
        counts: [b, n], how often each prompt counts.
        bins: cut at the ``bins + 1`` quantiles of the win rates, strong where the rate is at least the cut, and
            above it for the last one (``pandas.qcut``, as RouteLLM does); None cuts at every distinct win rate.

    Returns:
        Shares float64[b, k], ascending from 0 to 1, and mean gains per prompt float64[b, k], from 0.
    """
    order = np.argsort(win_rate, kind="stable")
    ranked = win_rate[order]
    weights = np.asarray(counts)[:, order].astype(np.float64)
    below = _before(weights)
    gained = _before(weights * (gain[order] if gain.ndim == 1 else gain[:, order]))
    if bins is None:
        distinct = np.concatenate([[0], np.flatnonzero(np.diff(ranked)) + 1, [len(ranked)]])
        at = np.broadcast_to(distinct[::-1], (len(below), len(distinct)))
    else:
        at = _cuts(ranked, below, bins)
    left, kept = np.take_along_axis(below, at, axis=1), np.take_along_axis(gained, at, axis=1)
    total = below[:, -1:]
    return (total - left) / total, (gained[:, -1:] - kept) / total


def areas(shares: Floats, values: Floats) -> Floats:
    """Trapezoid of values over shares, float64[b]."""
    return np.asarray(np.sum(np.diff(shares) * (values[:, 1:] + values[:, :-1]), axis=1) / 2, dtype=np.float64)


def crossings(shares: Floats, values: Floats, target: float) -> Floats:
    """The least share at which a value reaches the target, float64[b]; linear between points, 1 where none does.

    The first crossing, whether or not the values fall again later.
    """
    reached = values >= target - ROUNDING
    at = np.where(reached.any(axis=1), reached.argmax(axis=1), values.shape[1] - 1)
    rows, before = np.arange(len(values)), np.maximum(at - 1, 0)
    low, high = values[rows, before], values[rows, at]
    rise = high - low
    step = np.where(rise > 0, (target - low) / np.where(rise > 0, rise, 1.0), 1.0)
    return np.asarray(shares[rows, before] + np.clip(step, 0, 1) * (shares[rows, at] - shares[rows, before]))


def _before(values: Floats) -> Floats:
    """Sums of the values before each position, [b, n + 1]."""
    out = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(values, axis=1, out=out[:, 1:])
    return out


def _cuts(ranked: Floats, below: Floats, bins: int) -> NDArray[np.intp]:
    """First position at or above each quantile of each resample, the highest quantile first, intp[b, bins + 1].

    Quantiles interpolate between order statistics as ``numpy.quantile`` does. All rows are searched at once: each is
    lifted above the one before it, so that they make one sorted array.
    """
    total = below[:, -1]
    place = np.linspace(0.0, 1.0, bins + 1) * (total[:, None] - 1)
    floor = np.floor(place)
    lift = np.cumsum(np.concatenate([[0.0], total[:-1] + 1]))[:, None]
    flat = (below[:, 1:] + lift).ravel()
    width = below.shape[1] - 1
    first = np.arange(len(below))[:, None] * width

    def statistic(rank: Floats) -> Floats:
        found = np.searchsorted(flat, (np.minimum(rank, total[:, None] - 1) + lift).ravel(), side="right")
        return np.asarray(ranked[found.reshape(rank.shape) - first])

    low, high = statistic(floor), statistic(floor + 1)
    part = place - floor
    rise = high - low
    cuts = np.where(part >= 0.5, high - rise * (1 - part), low + rise * part)
    position = np.searchsorted(ranked, cuts, side="left")
    position[:, -1] = np.searchsorted(ranked, cuts[:, -1], side="right")
    return position[:, ::-1]
