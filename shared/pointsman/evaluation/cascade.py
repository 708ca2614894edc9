"""The cascade that RouterBench simulates (arXiv 2403.12031): cheapest first, a judge who errs, a budget per answer.

It bounds what a live cascade (`pointsman.cascade`) can reach with a judge of that error rate, from a table of scores
and costs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointsman.errors import DataError

__all__ = ["BUDGETS", "ERROR_RATES", "SimulatedCascade", "simulate_cascade"]

Floats = NDArray[np.float64]

BUDGETS: Floats = np.array([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 50.0, 100.0])
"""USD per answer, RouterBench's eleven."""
ERROR_RATES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
GOOD_QUANTILE = 0.95


@dataclass(frozen=True, eq=False)
class SimulatedCascade:
    """What the cascade costs and gives.

    Attributes:
        cost: USD of all calls to a prompt, float64[b, n], a row to a budget.
        quality: of the answer that counts, in [0, 1], float64[b, n].
        calls: models asked, float64[b, n].
    """

    cost: Floats
    quality: Floats
    calls: Floats

    @property
    def points(self) -> tuple[Floats, Floats]:
        """Mean cost and quality at each budget, float64[b] each: what `non_decreasing_hull` and `guard` take."""
        return self.cost.mean(axis=1), self.quality.mean(axis=1)


def simulate_cascade(
    quality: ArrayLike,
    cost: ArrayLike,
    *,
    error_rate: float = 0.0,
    budgets: ArrayLike = BUDGETS,
    seed: int | None = None,
    order: Sequence[int] | None = None,
    good: float | None = None,
) -> SimulatedCascade:
    """RouterBench's cascade over a table of outcomes; for `pointsman evaluate` its `points` are a router's points.

    The first model is always asked. An answer is good from `good` on; the judge says so, and is wrong with probability
    `error_rate` each time. A rejected answer leads to the next model, unless that call would use up what the budget
    leaves; then, and after the last model, the last answer counts.

    Args:
        quality: [n, m], in [0, 1].
        cost: [n, m], USD of each call.
        error_rate: of the judge, in [0, 1].
        budgets: [b], USD for all calls to one prompt.
        seed: None gives the expectation over the judge's errors, which is exact. A number draws them once, the same
            ones for all budgets. RouterBench draws anew for each budget, and the hull over such points picks the lucky
            ones.
        order: columns, the first one asked first. Default: by mean cost in this table.
        good: least quality of a good answer. Default: the 95% quantile of the whole table, as in RouterBench, which is
            1 where answers are right or wrong and more than one in twenty is right.

    Raises:
        DataError: the tables differ in shape, are empty or hold what is not finite; a cost is negative; the error rate
            lies outside [0, 1]; no budget is given; or the order is not one of the columns.
    """
    scores, paid = _tables(quality, cost)
    limits = np.atleast_1d(np.asarray(budgets, dtype=np.float64))
    columns = np.argsort(paid.mean(axis=0), kind="stable") if order is None else np.asarray(order, dtype=np.intp)
    if not 0 <= error_rate <= 1 or limits.ndim != 1 or not limits.size or not (limits > 0).all():
        msg = f"error_rate is {error_rate}, budgets {limits.tolist()}; give a rate in [0, 1] and budgets in USD above 0"
        raise DataError(msg)
    if (
        not len(columns)
        or len(set(columns.tolist())) < len(columns)
        or not np.isin(columns, range(scores.shape[1])).all()
    ):
        msg = f"order {columns.tolist()} is none of {scores.shape[1]} columns; give each column once at most"
        raise DataError(msg)
    level = float(np.quantile(scores, GOOD_QUANTILE)) if good is None else good
    scores, paid = scores[:, columns], paid[:, columns]
    accepted = np.where(scores >= level, 1 - error_rate, error_rate)
    if seed is not None:
        accepted = (np.random.default_rng(seed).random(scores.shape) < accepted).astype(np.float64)
    found = [_climb(scores, paid, accepted, float(limit)) for limit in limits]
    return SimulatedCascade(*(np.array(each) for each in zip(*found, strict=True)))


def _climb(scores: Floats, paid: Floats, accepted: Floats, budget: float) -> tuple[Floats, Floats, Floats]:
    """Cost, quality and calls of each prompt, float64[n] each; columns in order of asking.

    Model j is asked with probability prod_{i<j} (1 - accepted_i), or 0 from where the budget ends.
    """
    first = np.zeros((len(scores), 1))
    before = np.concatenate([first, np.cumsum(paid, axis=1)[:, :-1]], axis=1)
    affordable = paid < budget - before
    affordable[:, 0] = True
    asked = np.cumprod(np.concatenate([first + 1, 1 - accepted[:, :-1]], axis=1), axis=1)
    asked = asked * np.logical_and.accumulate(affordable, axis=1)
    ends = asked - np.concatenate([asked[:, 1:], first], axis=1)
    return (asked * paid).sum(axis=1), (ends * scores).sum(axis=1), asked.sum(axis=1)


def _tables(quality: ArrayLike, cost: ArrayLike) -> tuple[Floats, Floats]:
    scores, paid = np.asarray(quality, dtype=np.float64), np.asarray(cost, dtype=np.float64)
    if scores.ndim != 2 or scores.shape != paid.shape or not scores.size:
        msg = f"quality {scores.shape} and cost {paid.shape} need one shape [prompts, models]"
        raise DataError(msg)
    if not (np.isfinite(scores).all() and np.isfinite(paid).all()) or (paid < 0).any():
        msg = "a quality or a cost is missing, or a cost is negative; simulate on prompts that every model answered"
        raise DataError(msg)
    return scores, paid
