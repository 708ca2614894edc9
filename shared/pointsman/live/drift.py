"""A router that notices that its prompts are no longer those that it was calibrated on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from pointsman.calibrated import Calibration, Certificate, always_strong
from pointsman.decision import Decision
from pointsman.errors import ConfigurationError
from pointsman.experiments.composite import Over
from pointsman.live.sliding import SlidingRouter
from pointsman.live.watch import Drift, Fallback, Watch
from pointsman.policies import Policy
from pointsman.pool import Pool
from pointsman.query import Query
from pointsman.router import Router
from pointsman.scorers.sharing import embedder_of

__all__ = ["DriftWarning", "WatchedRouter"]

CALLS_PER_FALSE_ALARM = 1_000_000.0
NOTE = "traffic has drifted, so nothing is guaranteed"
"""What the reason of every later decision says."""


class DriftWarning(UserWarning):
    """Traffic has drifted from the calibration prompts: the certificate is void."""


class WatchedRouter(Over):
    """A calibrated router that compares its traffic with the calibration prompts while it decides, see `Evidence`.

    When it trips: the certificate is void; a `DriftWarning` is given and `on_drift` called, once, in the thread of the
    call, whose decision has it as its `notice`; the reason of every later decision says so; and the fallback decides.
    State is shared by all that is made of this router by `with_pool`, and by its threads; a lock is held for
    microseconds, never while a text is scored.

    Args:
        router: with a calibration, see `Router.with_calibration`.
        fallback: "keep" the rule, keep the calibrated "share" of strong calls by a `SlidingRouter`, or all "strong".
        on_drift: takes the event. It runs in a call, so it had better be quick.
        calls_per_false_alarm: calls to a false alarm, on average, at least.
        vectors: whether to watch the prompts' vectors too; they are computed once more for that.

    Raises:
        ConfigurationError: the router carries no calibration for its models, there is no such fallback, or the
            fallback is "share" and the pool names no pair.
    """

    def __init__(
        self,
        router: Router,
        *,
        fallback: Fallback = "keep",
        on_drift: Callable[[Drift], None] | None = None,
        calls_per_false_alarm: float = CALLS_PER_FALSE_ALARM,
        vectors: bool = True,
    ) -> None:
        found = _calibration_of(router)
        pairless = router.pool.strong is None
        if fallback not in get_args(Fallback) or (fallback == "share" and pairless) or not calls_per_false_alarm > 1:
            msg = (
                f"fallback is {fallback!r} and calls_per_false_alarm {calls_per_false_alarm}; give one of "
                f"{', '.join(get_args(Fallback))} ('share' for a pair), and more than 1 call"
            )
            raise ConfigurationError(msg)
        super().__init__(router)
        self.fallback, self.on_drift = fallback, on_drift
        self._features = found.vectors if vectors else None
        self._embedder = None if self._features is None else embedder_of(router.scorer)
        watched = self._embedder is not None
        signal = "quality" if pairless else "win rate"
        self._watch = Watch(found, signal, fallback, limit=calls_per_false_alarm, vectors=watched)
        self._instead: Router | None = None
        self._sliding: dict[str, SlidingRouter] = {}  # one for all that share the watch

    def decide_batch(
        self, queries: Sequence[Query | str], *, excluded: Mapping[str, str] | None = None
    ) -> list[Decision]:
        """The router's decisions, or after a drift the fallback's; arguments and errors as for `Router.decide`."""
        asked = [Query.of(query) for query in queries]
        if self.drift is not None:
            return [_noted(decision) for decision in self._deciding().decide_batch(asked, excluded=excluded)]
        decisions = self.router.decide_batch(asked, excluded=excluded)
        found = self._watch.see(self._numbers(asked, decisions))
        if found is not None:
            if self.on_drift is not None:
                self.on_drift(found)
            warnings.warn(str(found), DriftWarning, stacklevel=2)
            decisions[-1] = replace(decisions[-1], notice=str(found))
        return decisions

    def instead(self, decision: Decision, failed: Mapping[str, str]) -> Decision | None:
        """Whom to ask after the chosen candidate failed."""
        return self._deciding().instead(decision, failed)

    @property
    def drift(self) -> Drift | None:
        """What was noticed; None while nothing was."""
        return self._watch.drift

    @property
    def calls(self) -> int:
        """Prompts that were watched."""
        return self._watch.calls

    @property
    def certificate(self) -> Certificate | None:
        """The router's; None after a drift."""
        return self.router.certificate if self.drift is None else None

    def with_pool(self, pool: Pool, policy: Policy | None = None) -> Router:
        """The same over a pool of the same models, going on where this one is; with another rule, the router under it.

        Raises:
            ConfigurationError: the pool is of other models than the calibration.
        """
        router = self.router.with_pool(pool, policy)
        if policy is not None:
            return router
        _calibration_of(router)
        other = copy(self)
        other.__dict__.update(router.__dict__, router=router, _instead=None)
        return other

    def _deciding(self) -> Router:
        """The router, or what falls back on it."""
        if self.drift is None or self.fallback == "keep":
            return self.router
        if self._instead is None:
            self._instead = self._fall_back()
        return self._instead

    def _fall_back(self) -> Router:
        found = _calibration_of(self.router)
        if self.fallback == "strong" or found.strong_share is None:
            return self.router.with_policy(always_strong(self.pool))
        start = self._watch.recent[:, 0].tolist()
        first = self._sliding.setdefault("it", SlidingRouter(self.router, found.strong_share.value, start=start))
        return first.with_pool(self.pool)

    def _numbers(self, queries: Sequence[Query], decisions: Sequence[Decision]) -> NDArray[np.float64]:
        """What is compared, of each prompt with words, float64[n, numbers]."""
        scored = [(q.text, d) for q, d in zip(queries, decisions, strict=True) if d.quality]
        rates = [d.win_rate if d.win_rate is not None else float(np.mean(list(d.quality.values()))) for _, d in scored]
        first = np.array(rates, dtype=np.float64).reshape(-1, 1)
        if self._embedder is None or self._features is None or not scored:
            return first
        return np.hstack([first, self._features(self._embedder.encode([text for text, _ in scored]))])

    def __repr__(self) -> str:
        return f"WatchedRouter({self.router}, fallback={self.fallback!r})"


def _calibration_of(router: Router) -> Calibration:
    found = router.calibration
    if found is None or not found.fits(router.pool):
        msg = f"drift is from calibration prompts, and there are none for {router.pool}; use router.with_calibration"
        raise ConfigurationError(msg)
    return found


def _noted(decision: Decision) -> Decision:
    return replace(decision, reason=f"{decision.reason}; {NOTE}")
