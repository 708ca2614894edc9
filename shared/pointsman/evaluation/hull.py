"""Cost and quality as RouterBench compares them (arXiv 2403.12031): hulls, AIQ, and the floor and ceiling of a report.

A model or a router setting is a point (mean cost, mean quality). Every point between two of them is reached by sending
a share of the calls to each, so what counts is the upper hull. The zero router is the hull of the single models:
mixing them without looking at the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointsman.errors import DataError
from pointsman.policies import Utility

__all__ = [
    "Hull",
    "Normalisation",
    "aiq",
    "guard",
    "hull_points",
    "non_decreasing_hull",
    "oracle",
    "oracle_calls",
    "points_of",
    "utility_choices",
    "zero_router",
]

Floats = NDArray[np.float64]
Normalisation = Literal["paper", "code"]

WILLINGNESS: Floats = np.concatenate([[0.0], np.logspace(-6, 3, 73)])
"""USD per answer of quality 1; RouterBench has 32 values from 1e-10 to 1e9, most of which choose the same models."""


@dataclass(frozen=True, eq=False)
class Hull:
    """A non-decreasing concave curve.

    Attributes:
        cost: USD per prompt, ascending, float64[p].
        quality: in [0, 1], ascending, float64[p].
    """

    cost: Floats
    quality: Floats

    def at(self, cost: ArrayLike) -> Floats:
        """Quality at a cost: linear between points, flat beyond the dearest, and flat before the cheapest."""
        return np.interp(np.asarray(cost, dtype=np.float64), self.cost, self.quality)

    def area(self, low: float, high: float) -> float:
        """Integral of `at` over [low, high]."""
        inside = self.cost[(self.cost > low) & (self.cost < high)]
        grid = np.concatenate([[low], inside, [high]])
        height = self.at(grid)
        return float(np.sum(np.diff(grid) * (height[1:] + height[:-1]) / 2))


def non_decreasing_hull(cost: ArrayLike, quality: ArrayLike) -> Hull:
    """The upper convex hull of points, from the cheapest to the best, in O(p log p).

    Args:
        cost: [p], USD per prompt.
        quality: [p], in [0, 1].

    Raises:
        DataError: the arrays differ in length, are empty, or hold a number that is not finite.
    """
    kept = hull_points(cost, quality)
    return Hull(np.asarray(cost, dtype=np.float64)[kept], np.asarray(quality, dtype=np.float64)[kept])


def hull_points(cost: ArrayLike, quality: ArrayLike) -> list[int]:
    """Which points make the hull, from the cheapest on; arguments and errors as for `non_decreasing_hull`."""
    x, y = np.asarray(cost, dtype=np.float64), np.asarray(quality, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or not x.size or not (np.isfinite(x).all() and np.isfinite(y).all()):
        msg = f"points need one finite cost and quality each: {x.shape} costs, {y.shape} qualities"
        raise DataError(msg)
    kept: list[int] = []
    for point in np.lexsort((-y, x)).tolist():
        if kept and y[point] <= y[kept[-1]]:
            continue
        while len(kept) > 1 and _below(x, y, kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return kept


def aiq(hull: Hull, cheapest: float, dearest: float, *, normalisation: Normalisation = "paper") -> float:
    """Average improvement in quality: the mean height of a hull over a range of costs.

    Args:
        hull: of a router's points.
        cheapest: where the range of costs begins, in USD per prompt: the mean cost of the cheapest model.
        dearest: where it ends: the mean cost of the dearest. Take one range for all that is compared.
        normalisation: "paper" is the integral over [cheapest, dearest] by its length. "code" is what RouterBench's
            AIQ.py computes: from the hull's own cheapest point to `dearest`, divided by `dearest`, so that a hull that
            begins further right loses for it twice.

    Raises:
        DataError: the range is empty, or the normalisation is unknown.
    """
    if not 0 <= cheapest < dearest:
        msg = f"costs from {cheapest} to {dearest} are no range; give the mean cost of the cheapest and dearest model"
        raise DataError(msg)
    if normalisation == "paper":
        return hull.area(cheapest, dearest) / (dearest - cheapest)
    if normalisation == "code":
        return hull.area(min(float(hull.cost[0]), dearest), dearest) / dearest
    msg = f"normalisation is {normalisation!r}; it is 'paper' or 'code'"
    raise DataError(msg)


def zero_router(scores: ArrayLike, costs: ArrayLike) -> Hull:
    """The hull of the single models, over the prompts given.

    Args:
        scores: [n, m], quality in [0, 1]; NaN where a model has no answer.
        costs: [n, m], USD; NaN where not known.

    Raises:
        DataError: the tables differ in shape, or a model has no score or no cost at all.
    """
    quality, cost = _tables(scores, costs)
    return non_decreasing_hull(np.nanmean(cost, axis=0), np.nanmean(quality, axis=0))


def oracle(scores: ArrayLike, costs: ArrayLike) -> tuple[float, float]:
    """Mean cost and quality of the best model for each prompt, the cheapest of equals.

    Args:
        scores: as for `zero_router`. Where no model scores above 0 none is called, which costs nothing, as in
            RouterBench's code.
        costs: as for `zero_router`.
    """
    cost, quality = oracle_calls(scores, costs)
    return float(cost.mean()), float(quality.mean())


def oracle_calls(scores: ArrayLike, costs: ArrayLike) -> tuple[Floats, Floats]:
    """Cost and quality of the oracle's call for each prompt, float64[n] each; arguments as for `oracle`."""
    quality, cost = _tables(scores, costs)
    usable = ~(np.isnan(quality) | np.isnan(cost))
    best = np.where(usable, quality, -np.inf).max(axis=1)
    cheapest = np.where(usable & (quality == best[:, None]), cost, np.inf).min(axis=1)
    answered = np.isfinite(best) & (best > 0)
    return np.where(answered, cheapest, 0.0), np.where(answered, best, 0.0)


def utility_choices(predicted: ArrayLike, prices: ArrayLike, willingness: ArrayLike = WILLINGNESS) -> NDArray[np.intp]:
    """Which model a router takes for each prompt at each willingness to pay, intp[w, n].

    Args:
        predicted: [n, m], its quality per prompt and model.
        prices: [m], what it expects a call to each model to cost, in USD: the mean over its training prompts.
        willingness: [w], USD per answer of quality 1.
    """
    guess = np.asarray(predicted, dtype=np.float64)
    expected = np.broadcast_to(np.asarray(prices, dtype=np.float64), guess.shape)
    return np.array([Utility(float(pay)).choose(guess, expected, None) for pay in np.ravel(willingness)])


def points_of(choices: NDArray[np.intp], scores: ArrayLike, costs: ArrayLike) -> tuple[Floats, Floats]:
    """What these choices give: mean costs float64[w] and qualities float64[w].

    Args:
        choices: intp[w, n], a model for each prompt, once for each setting of a router.
        scores: [n, m], what the calls give.
        costs: [n, m], what they cost in USD.

    Raises:
        DataError: the tables differ in shape, or a chosen call has no score or cost.
    """
    quality, cost = _tables(scores, costs)
    if choices.ndim != 2 or choices.shape[1] != len(quality):
        msg = f"choices {choices.shape} for {len(quality)} prompts; give one model to a prompt, [settings, prompts]"
        raise DataError(msg)
    rows = np.arange(len(quality))
    found_cost, found_quality = cost[rows, choices].mean(axis=1), quality[rows, choices].mean(axis=1)
    if not (np.isfinite(found_cost).all() and np.isfinite(found_quality).all()):
        msg = "a chosen call has no score or no cost; compare on prompts that every model answered"
        raise DataError(msg)
    return found_cost, found_quality


def guard(cost: ArrayLike, quality: ArrayLike, zero: Hull) -> Hull:
    """The hull of a router's points and the zero router's: it falls below neither.

    Whoever runs it mixes the router's settings with single models; on prompts other than those that the points were
    measured on, the mix is as good as those measurements.
    """
    return non_decreasing_hull(
        np.concatenate([np.asarray(cost, dtype=np.float64), zero.cost]),
        np.concatenate([np.asarray(quality, dtype=np.float64), zero.quality]),
    )


def _below(x: Floats, y: Floats, first: int, middle: int, last: int) -> bool:
    """Whether the middle point lies on or below the line from the first to the last."""
    return bool((y[middle] - y[first]) * (x[last] - x[first]) <= (y[last] - y[first]) * (x[middle] - x[first]))


def _tables(scores: ArrayLike, costs: ArrayLike) -> tuple[Floats, Floats]:
    quality, cost = np.asarray(scores, dtype=np.float64), np.asarray(costs, dtype=np.float64)
    if quality.ndim != 2 or quality.shape != cost.shape or not quality.size:
        msg = f"scores {quality.shape} and costs {cost.shape} need one shape [prompts, models]"
        raise DataError(msg)
    if np.isnan(quality).all(axis=0).any() or np.isnan(cost).all(axis=0).any():
        msg = "a model has no score or no cost on any prompt; leave it out"
        raise DataError(msg)
    return quality, cost
