"""Without labels: the rule for a share of strong calls, or for a budget."""

from __future__ import annotations

import math

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

    Where several prompts have the win rate of the quantile, it or the next one above them, whichever comes closer.

    Raises:
        PolicyError: the share is not in [0, 1], or the pool names no pair.
    """
    if not 0 <= share <= 1:
        msg = f"share is {share}; give a share of calls in [0, 1]"
        raise PolicyError(msg)
    if scored.win_rate is None:
        msg = "a share of strong calls needs a pair; name strong and weak in the pool, or give a budget"
        raise PolicyError(msg)
    rates = scored.win_rate
    quantile = float(np.quantile(rates, 1 - share))
    higher = rates[rates > quantile]
    above = float(higher.min()) if len(higher) else _beyond(rates)
    return Threshold(min((quantile, above), key=lambda alpha: abs(float((rates >= alpha).mean()) - share)))


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
    row, costs = _row(scored)
    fits = np.flatnonzero(costs <= budget)
    if not len(fits):
        msg = f"1,000 of these calls cost ${costs.min():.4f} at the least; raise the budget of ${budget:g}"
        raise PolicyError(msg)
    return row[int(fits[0])]


def _row(scored: Scored) -> tuple[list[Policy], Floats]:
    """Every rule that differs on these prompts, those that buy the most first; and USD per 1,000 calls of each."""
    if scored.win_rate is None:
        grid = utility_grid(scored.pool)
        return grid, np.array([cost_of(scored, policy).value for policy in grid])
    rates = scored.win_rate
    alphas = [*np.unique(rates).tolist(), _beyond(rates)]
    strong, weak = (scored.spent[:, scored.pool.position(name)] for name in _pair(scored))
    order = np.argsort(rates, kind="stable")
    more = np.concatenate([[0.0], np.cumsum((weak - strong)[order])])  # of the prompts below the threshold
    costs = (strong.sum() + more[np.searchsorted(rates[order], alphas)]) * (1000 / len(rates))
    return [Threshold(alpha) for alpha in alphas], costs


def _pair(scored: Scored) -> tuple[str, str]:
    return str(scored.pool.strong), str(scored.pool.weak)


def _beyond(rates: Floats) -> float:
    """A threshold that no win rate reaches, where there is one in [0, 1]."""
    return min(1.0, float(np.nextafter(rates.max(), 2.0)))


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
