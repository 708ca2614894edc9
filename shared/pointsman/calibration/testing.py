"""Which of a row of policies, from the safest to the cheapest, lose at most eps: learn, then test.

Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then Test" (arXiv 2110.01052): each policy's hypothesis "the
expected loss is above eps" gets a p-value that is valid for any distribution of prompts, and the row is tested in its
order, each at level delta, until the first that is not rejected. Then P(any that passed loses more than eps) <= delta,
provided that the row was not chosen by looking at these losses.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pointsman.calibration.intervals import binomial_cdf

__all__ = ["LOSSES", "Loss", "fewest_rows", "method_of", "p_values", "passed", "shortfall"]

Floats = NDArray[np.float64]
Loss = Literal["net", "worse"]
LOSSES: tuple[Loss, ...] = ("net", "worse")

BOLDEST = 0.75
"""Part of the wealth that one bet may lose at most: less than all, so that no single prompt ends the game."""


def shortfall(baseline: Floats, chosen: Floats, loss: Loss) -> Floats:
    """Loss of each prompt: the baseline's quality less the chosen one's, in [-1, 1] if "net", else cut at 0."""
    lost = baseline - chosen
    return lost if loss == "net" else np.maximum(lost, 0.0)


def method_of(losses: Floats, loss: Loss) -> str:
    """The test that `p_values` uses: exact where losses are 0 or 1, by betting where they may be negative."""
    if loss == "net":
        return "fixed-sequence testing by betting"
    exact = bool(np.isin(losses, (0.0, 1.0)).all())
    return f"fixed-sequence testing by {'Clopper-Pearson' if exact else 'Hoeffding-Bentkus'}"


def p_values(losses: Floats, eps: float, delta: float, loss: Loss) -> Floats:
    """p-value of "the expected loss is above eps" for each policy, float64[t].

    Args:
        losses: of each prompt under each policy, float64[n, t], the prompts in an order that has nothing to do with
            their losses.
        eps: in (0, 1).
        delta: the level that the betting aims at; the p-values are valid at any.
        loss: what `losses` are, see `shortfall`.
    """
    if loss == "net":
        return _betting(losses, eps, delta)
    n, sums = len(losses), losses.sum(axis=0)
    if np.isin(losses, (0.0, 1.0)).all():
        return np.array([binomial_cdf(round(float(total)), n, eps) for total in sums])
    return np.array([_hoeffding_bentkus(float(total) / n, n, eps) for total in sums])


def passed(p: Floats, delta: float) -> int:
    """How many policies of the row pass before the first that does not."""
    return int(np.logical_and.accumulate(p <= delta).sum())


def fewest_rows(eps: float, delta: float, loss: Loss) -> int:
    """Prompts below which nothing can pass, even without any loss."""
    low, high = 0, 1
    while p_values(np.zeros((high, 1)), eps, delta, loss)[0] > delta:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = p_values(np.zeros((middle, 1)), eps, delta, loss)[0] <= delta
        low, high = (low, middle) if enough else (middle, high)
    return high


def _betting(losses: Floats, eps: float, delta: float) -> Floats:
    """One over the most wealth that betting against "the mean is eps or more" ever had.

    Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (arXiv 2010.09686): the wealth
    prod(1 + bet_i (m - x_i)) is a supermartingale if the mean is m or more and bet_i looks at earlier prompts only, so
    by Ville's inequality P(it ever reaches 1 / delta) <= delta. Bets are their predictable plug-in,
    sqrt(2 log(1 / delta) / (n variance so far)). Losses in [-1, 1] are x = (1 + loss) / 2 in [0, 1].
    """
    n = len(losses)
    x, mean = (1.0 + losses) / 2, (1.0 + eps) / 2
    seen = np.arange(1, n + 1, dtype=np.float64)[:, None]
    means = (0.5 + x.cumsum(axis=0)) / (seen + 1)
    variance = (0.25 + ((x - means) ** 2).cumsum(axis=0)) / (seen + 1)
    before = np.vstack([np.full((1, x.shape[1]), 0.25), variance[:-1]])
    bets = np.minimum(BOLDEST / (1.0 - mean), np.sqrt(2.0 * math.log(1.0 / delta) / (n * before)))
    wealth = np.log1p(bets * (mean - x)).cumsum(axis=0)
    return np.asarray(np.exp(-np.maximum(wealth.max(axis=0), 0.0)))


def _hoeffding_bentkus(seen: float, n: int, eps: float) -> float:
    """For losses in [0, 1]: the lesser of the two bounds' p-values (Bates et al., arXiv 2101.02703, section 3.1)."""
    if seen >= eps:
        return 1.0
    divergence = (1 - seen) * math.log((1 - seen) / (1 - eps)) + (seen * math.log(seen / eps) if seen > 0 else 0.0)
    return min(1.0, math.exp(-n * divergence), math.e * binomial_cdf(math.ceil(n * seen), n, eps))
