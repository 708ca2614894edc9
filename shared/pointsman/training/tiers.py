"""Tiers of models of like strength (RouteLLM, arXiv 2406.18665, section 4.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointsman.errors import ConfigurationError

__all__ = ["compute_tiers"]


def compute_tiers(ratings: ArrayLike, tiers: int) -> NDArray[np.intp]:
    """Cut sorted ratings into tiers, so that the sum of the variances within them is least.

    Dynamic programming over where the last tier begins, in O(n^2 tiers). It is the variances that are added, as in
    RouteLLM's code, not the sums of squares of k-means.

    Args:
        ratings: [n].
        tiers: how many; n if there are fewer models.

    Returns:
        Tier of each rating, intp[n], 0 for the highest.

    Raises:
        ConfigurationError: there is no rating, one is not finite, or tiers is not positive.
    """
    values = np.asarray(ratings, dtype=np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all() or tiers < 1:
        msg = f"{tiers} tiers of ratings of shape {values.shape}; give 1 tier or more, and finite ratings [n]"
        raise ConfigurationError(msg)
    order = np.argsort(-values, kind="stable")
    ranked, n = values[order], len(values)
    variance = np.zeros((n, n))
    for first in range(n):
        for last in range(first + 1, n):
            variance[first, last] = np.var(ranked[first : last + 1])
    least, starts = variance[0], []
    for _ in range(1, min(tiers, n)):
        # cost[first, last]: the last tier holds first..last, the others what stands before
        cost = np.full((n, n), np.inf)
        cost[1:] = least[:-1, None] + variance[1:]
        cost[np.tril_indices(n, -1)] = np.inf
        starts.append(cost.argmin(axis=0))
        least = cost.min(axis=0)
    tier_of, last = np.empty(n, dtype=np.intp), n - 1
    for tier in range(len(starts), 0, -1):
        first = int(starts[tier - 1][last])
        tier_of[first : last + 1] = tier
        last = first - 1
    tier_of[: last + 1] = 0
    out = np.empty(n, dtype=np.intp)
    out[order] = tier_of
    return out
