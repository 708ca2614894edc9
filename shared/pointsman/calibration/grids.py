"""Rows of policies from the safest to the cheapest, chosen before any label is looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointsman.binding import bind
from pointsman.costs.usage import Usage
from pointsman.errors import UnknownPriceError
from pointsman.policies import Policy, QualityMargin, Threshold, Utility
from pointsman.pool import Pool
from pointsman.router import Router
from pointsman.scorers.base import ReferenceScorer

__all__ = ["grid_of", "threshold_grid", "utility_grid"]

STEPS = 200
"""Thresholds of equal distance."""
QUANTILES = 100
"""Thresholds of equal share among the scorer's reference prompts: where its win rates lie close together."""
MARGINS = tuple(round(margin, 4) for margin in np.arange(-0.2, 0.5001, 0.005).tolist())
"""Of predicted quality: from far better than the strong model to half as good."""
POWERS = np.linspace(3.0, -1.0, 81)
"""Decades of the willingness to pay, in prices of the dearest call: from "the best" to "the cheapest"."""
CALL = Usage(500, 250)
"""The call that the willingness to pay is scaled by."""


def grid_of(router: Router) -> list[Policy]:
    """The policies to test for a router, from the safest to the cheapest: thresholds for a pair, else margins."""
    if router.pool.strong is None or getattr(router.policy, "weighs_cost", False):
        return [QualityMargin(margin) for margin in MARGINS]
    bound = bind(router.pool, router.scorer)
    if bound.pair is None or not isinstance(bound.scorer, ReferenceScorer):
        return threshold_grid(np.zeros(0))
    return threshold_grid(bound.scorer.reference_win_rates(*bound.pair))


def threshold_grid(reference: NDArray[np.float64]) -> list[Policy]:
    """Thresholds above 0, ascending, with six significant digits: what is printed is what was tested.

    Args:
        reference: win rates of prompts that have nothing to do with the labelled ones, float64[r]; may be empty.
    """
    even = np.arange(1, STEPS + 1) / STEPS
    own = np.quantile(reference, np.arange(1, QUANTILES + 1) / QUANTILES) if len(reference) else np.zeros(0)
    rounded = {float(f"{alpha:.6g}") for alpha in np.concatenate([even, own])}
    return [Threshold(alpha) for alpha in sorted(rounded) if 0 < alpha <= 1]


def utility_grid(pool: Pool) -> list[Policy]:
    """Willingness to pay, descending, with three significant digits; scaled by the dearest candidate's price.

    Raises:
        UnknownPriceError: a price is not known.
    """
    costs = {c.name: c.price.cost(CALL) for c in pool}
    known = [cost for cost in costs.values() if cost is not None]
    if len(known) < len(costs) or not any(known):
        unknown = ", ".join(name for name, cost in costs.items() if not cost)
        msg = f"weighing cost needs prices, and none is known for {unknown}; give input_price and output_price"
        raise UnknownPriceError(msg)
    return [Utility(float(f"{max(known) * 10.0**power:.3g}")) for power in POWERS]
