"""A router that keeps its share of strong calls while traffic changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy

import numpy as np

from pointsman.decision import Decision
from pointsman.errors import ConfigurationError, PolicyError
from pointsman.experiments.composite import Over
from pointsman.live.pace import Pace
from pointsman.policies import Policy, Threshold
from pointsman.pool import Pool
from pointsman.query import Query
from pointsman.router import Router

__all__ = ["SlidingRouter"]

WINDOW = 500
"""Win rates that the threshold is a quantile of."""
GAIN = 0.05
"""Part of the share that one missing strong call is worth."""
AT_ONCE = 32
"""Queries of a batch that are decided by one threshold."""


class SlidingRouter(Over):
    """A router whose threshold moves so that a share of calls goes to the strong model, come what may, see `Pace`.

    Every call counts, also those that went to the strong model because no other could serve them. The state is shared
    by all that is made of this router by `with_pool`, and by all its threads; a lock is held for microseconds, never
    while anything is scored or called. There is no certificate: the threshold is not the one that was tested.

    Args:
        router: over a pool that names a pair. Its calibration prompts, else its scorer's reference prompts, are what
            the window starts with; its policy plays no part after the first call.
        share: of calls to the strong model, in [0, 1].
        window: calls that the threshold is a quantile of.
        gain: how much of the share a missing strong call is worth; more keeps the share closer and wobbles more.
        start: win rates to start with, instead.

    Raises:
        PolicyError: the share is out of range, or the pool names no pair.
        ConfigurationError: the window or the gain is not positive.
    """

    def __init__(
        self,
        router: Router,
        share: float,
        *,
        window: int = WINDOW,
        gain: float = GAIN,
        start: Sequence[float] | None = None,
    ) -> None:
        if not 0 <= share <= 1 or router.pool.strong is None:
            msg = f"a share of {share} for {router.pool}; give a share of calls in [0, 1], and name strong and weak"
            raise PolicyError(msg)
        if window < 1 or not 0 < gain <= 1:
            msg = f"the window is {window} and the gain {gain}; give 1 call or more, and a gain in (0, 1]"
            raise ConfigurationError(msg)
        super().__init__(router)
        self.share = share
        first = _known_rates(router, window) if start is None else start
        self._pace = Pace(share, window=window, gain=gain, start=first)

    def decide_batch(
        self, queries: Sequence[Query | str], *, excluded: Mapping[str, str] | None = None
    ) -> list[Decision]:
        """The router's decisions by the threshold of the moment; arguments and errors as for `Router.decide`."""
        decisions: list[Decision] = []
        for first in range(0, len(queries), AT_ONCE):
            made = self._current().decide_batch(queries[first : first + AT_ONCE], excluded=excluded)
            rates = [decision.win_rate for decision in made if decision.win_rate is not None]
            self._pace.note(rates, [decision.candidate == self.pool.strong for decision in made])
            decisions += made
        return decisions

    @property
    def certificate(self) -> None:
        """None: the threshold moves."""
        return

    def with_pool(self, pool: Pool, policy: Policy | None = None) -> Router:
        """The same over other models, going on where this one is; with another rule, the router under this one."""
        router = self.router.with_pool(pool, policy)
        if policy is not None:
            return router
        if pool.strong is None:
            msg = f"a share of strong calls needs a pair, and {pool} names none; name strong and weak in the pool"
            raise PolicyError(msg)
        other = copy(self)
        other.__dict__.update(router.__dict__, router=router)
        return other

    def _current(self) -> Router:
        alpha = self._pace.threshold()
        return self.router if alpha is None else self.router.with_policy(Threshold(alpha))

    def __repr__(self) -> str:
        return f"SlidingRouter({self.router}, share={self.share})"


def _known_rates(router: Router, window: int) -> list[float]:
    """What is known of the router's win rates before any call: as many quantiles as the window holds."""
    try:
        rates = router.reference_win_rates()
    except PolicyError:  # it carries no prompts
        return []
    return [float(rate) for rate in np.quantile(rates, (np.arange(window) + 0.5) / window)]
