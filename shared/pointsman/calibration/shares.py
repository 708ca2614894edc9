"""Without labels: the rule for a share of strong calls, or for a budget."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pointsman.calibrated import Estimate, always_strong
from pointsman.calibration.grids import utility_grid
from pointsman.calibration.intervals import clopper_pearson
from pointsman.calibration.prompts import Scored
from pointsman.errors import PolicyError, UnknownPriceError
from pointsman.policies import Policy, Threshold

__all__ = ["budget_policy", "cost_of", "share_of", "share_policy"]

Floats = NDArray[np.float64]

Z95 = 1.959963984540054
"""The normal distribution's 97.5% point."""


def share_policy(scored: Scored, share: float) -> Policy:
    """The threshold at which this share of the prompts goes to the strong model: RouteLLM's quantile.

    Raises:
        PolicyError: the share is not in [0, 1], or the pool names no pair.
    """
    if not 0 <= share <= 1:
        msg = f"share is {share}; give a share of calls in [0, 1]"
        raise PolicyError(msg)
    if scored.win_rate is None:
        msg = "a share of strong calls needs a pair; name strong and weak in the pool, or give a budget"
        raise PolicyError(msg)
    return Threshold(float(np.quantile(scored.win_rate, 1 - share)))


def budget_policy(scored: Scored, budget: float) -> Policy:
    """The rule that buys the most for so many USD per 1,000 calls.

    For a pair the lowest threshold whose mean cost stays within the budget, else the highest willingness to pay.

    Raises:
        PolicyError: the cheapest calls cost more.
        UnknownPriceError: a price is not known.
    """
    unknown = [name for name, spent in zip(scored.pool.names, scored.spent.T, strict=True) if np.isnan(spent).any()]
    if unknown:
        msg = (
            f"a budget needs prices, and none is known for {', '.join(unknown)}; "
            "give input_price and output_price (USD per million tokens)"
        )
        raise UnknownPriceError(msg)
    row = _row(scored)
    index = _first(row, lambda policy: cost_of(scored, policy).value <= budget)
    if index is None:
        least = cost_of(scored, row[-1]).value
        msg = f"1,000 of these calls cost ${least:.4f} even on the cheapest models; raise the budget of ${budget:g}"
        raise PolicyError(msg)
    return row[index]


def _row(scored: Scored) -> list[Policy]:
    """Every rule that differs on these prompts, each cheaper than the one before."""
    if scored.win_rate is None:
        return utility_grid(scored.pool)
    above = min(1.0, float(np.nextafter(scored.win_rate.max(), 2.0)))
    return [Threshold(float(rate)) for rate in [*np.unique(scored.win_rate), above]]


def share_of(scored: Scored, policy: Policy) -> Estimate | None:
    """Share of calls to the strong model (the baseline, where no pair is named), with its exact 95% interval."""
    baseline = scored.pool.baseline
    if baseline is None:
        return None
    if policy == always_strong(scored.pool):
        return Estimate(1.0, 1.0, 1.0)  # by its definition, and not as far as these prompts tell
    columns = scored.columns(policy)
    return clopper_pearson(int((columns == scored.pool.position(baseline.name)).sum()), len(columns))


def cost_of(scored: Scored, policy: Policy) -> Estimate:
    """Mean cost of 1,000 calls in USD, with its 95% interval by the central limit theorem; NaN for unknown prices."""
    columns = scored.columns(policy)
    spent = 1000 * scored.spent[np.arange(len(columns)), columns]
    mean, reach = float(spent.mean()), Z95 * float(spent.std(ddof=1)) / math.sqrt(len(spent))
    return Estimate(mean, mean - reach, mean + reach)


def _first(row: list[Policy], fits: Callable[[Policy], bool]) -> int | None:
    """Where a row of policies, each cheaper than the one before, begins to fit."""
    low, high = 0, len(row)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(row[middle]) else (middle + 1, high)
    return low if low < len(row) else None
