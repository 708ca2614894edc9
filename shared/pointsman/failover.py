"""When a model fails: who is asked instead, and how long the one that failed is left alone.

Nothing here waits or calls a model, so sync and async calls of both plugins share it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from pointsman.decision import Decision
from pointsman.errors import ConfigurationError
from pointsman.pool import Pool
from pointsman.router import Router
from pointsman.trouble import Trouble, retry_after, trouble_of

__all__ = ["Attempts", "Breaker", "Failover"]

_PASSING: frozenset[Trouble] = frozenset({"rate_limit", "timeout", "connection", "overloaded", "server"})
"""Troubles of a provider, which the next call may meet too. The others are of one call."""


@dataclass(frozen=True)
class Failover:
    """When another candidate is asked.

    Args:
        on: troubles after which another is asked. Not among the defaults: "refusal", "access" (a wrong key had better
            be seen), "caller" and "unknown".
        attempts: how many candidates a call may ask; None for all.
        cool_down_s: seconds for which a candidate is left alone after its provider failed. It doubles with each
            failure in a row, and a longer `Retry-After` of the provider's goes before it.
        longest_cool_down_s: it doubles up to here.

    Raises:
        ConfigurationError: attempts is less than one, or a cool-down is negative.
    """

    on: frozenset[Trouble] = _PASSING | {"context_overflow", "empty"}
    attempts: int | None = None
    cool_down_s: float = 10.0
    longest_cool_down_s: float = 300.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "on", frozenset(self.on))
        if self.attempts is not None and self.attempts < 1:
            msg = f"attempts is {self.attempts}; give 1 to ask one candidate and no other, or None for all"
            raise ConfigurationError(msg)
        if not 0 <= self.cool_down_s <= self.longest_cool_down_s:
            msg = f"cool_down_s is {self.cool_down_s}; give 0 to {self.longest_cool_down_s:g} (longest_cool_down_s)"
            raise ConfigurationError(msg)


@dataclass(slots=True)
class _Health:
    failures: int = 0
    until: float = 0.0
    trouble: Trouble = "unknown"
    probed_until: float = 0.0


class Breaker:
    """Which candidates have failed of late: a circuit breaker for each (Nygard, "Release It!", 2007).

    A candidate that failed is left alone for its cool-down. Then one call may try it, while others still pass it by;
    if that succeeds all is well again, else it cools down for twice as long. Safe to share among threads and tasks.

    Args:
        settings: how long.
        clock: seconds that only grow.
    """

    def __init__(self, settings: Failover, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._lock = threading.Lock()  # around a few dict operations, never around a call
        self._health: dict[str, _Health] = {}

    def closed(self) -> dict[str, str]:
        """Candidate -> why it should not be asked now."""
        if not self._health:
            return {}
        now = self._clock()
        with self._lock:
            return {name: why for name, health in self._health.items() if (why := _why(health, now)) is not None}

    def admit(self, name: str) -> str | None:
        """Why a call should not go to this candidate; None lets it go there, as the probe if the cool-down is over.

        One step, so that of many calls at the same time one is the probe.
        """
        if name not in self._health:
            return None
        now = self._clock()
        with self._lock:
            health = self._health.get(name)
            why = None if health is None else _why(health, now)
            if health is not None and why is None:
                health.probed_until = now + self._settings.cool_down_s
            return why

    def asked(self, name: str) -> None:
        """A call goes to this candidate: if its cool-down is over, this is the probe."""
        if name in self._health:
            with self._lock:
                if (health := self._health.get(name)) is not None:
                    # a probe that is given up half-way reports nothing, so it counts for a while only
                    health.probed_until = self._clock() + self._settings.cool_down_s

    def answered(self, name: str) -> None:
        """It answered."""
        if name in self._health:
            with self._lock:
                self._health.pop(name, None)

    def failed(self, name: str, trouble: Trouble, wait_s: float | None = None) -> None:
        """It failed, and its provider wants `wait_s` seconds of peace, if it said so."""
        if trouble not in _PASSING:
            return
        with self._lock:
            health = self._health.setdefault(name, _Health())
            now = self._clock()
            if now < health.until:  # it was asked before it was left alone: calls that fail together are one failure
                health.until = max(health.until, now + (wait_s or 0.0))
                return
            health.failures += 1
            doubled = self._settings.cool_down_s * 2.0 ** min(health.failures - 1, 30)
            pause = max(min(doubled, self._settings.longest_cool_down_s), wait_s or 0.0)
            health.until = now + pause
            health.probed_until = 0.0
            health.trouble = trouble

    def __getstate__(self) -> dict[str, object]:
        """A copy or pickle starts with a clean record: its clock is another."""
        return {"settings": self._settings}

    def __setstate__(self, state: dict[str, Failover]) -> None:
        self.__init__(state["settings"])  # type: ignore[misc]  # the one way to set it up


@dataclass
class Attempts:
    """The tries of one call.

    Args:
        router: decides.
        settings: when another candidate is asked; None for never.
        breaker: of the model object that the call goes through.
    """

    router: Router
    settings: Failover | None
    breaker: Breaker | None
    made: int = field(default=0, init=False)
    excluded: dict[str, str] = field(init=False)
    """For `Router.decide`: who had better be left alone."""
    _failed: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.excluded = {} if self.breaker is None else self.breaker.closed()

    def admit(self, decision: Decision) -> Decision:
        """The decision to act by: another candidate's, where the chosen one has failed since it was decided.

        A batch decides for all its prompts at once, and of calls at the same time one alone tries a candidate again.
        """
        if self.breaker is None or decision.forced:
            return decision
        name = decision.candidate
        if (why := self.breaker.admit(name)) is None:
            return decision
        shut = self.breaker.closed() | {name: why}
        other = self.router.instead(decision, shut | self._failed)
        if other is None:
            return decision  # better to try it than to fail
        self.excluded = self.excluded | shut
        reason = f"{other.candidate} instead of {name}, which is {why}"
        return replace(other, reason=reason, fallback_from=decision.fallback_from)

    def start(self, decision: Decision) -> None:
        """The decision's candidate is about to be called."""
        self.made += 1
        if self.breaker is not None:
            self.breaker.asked(decision.candidate)

    def succeed(self, decision: Decision) -> None:
        """It has answered, or begun to."""
        if self.breaker is not None:
            self.breaker.answered(decision.candidate)

    def fail(self, decision: Decision, error: BaseException) -> Decision | None:
        """It failed before the caller saw anything of its answer.

        Returns:
            Whom to ask instead; None where the error is the caller's to see: it is not of the kinds that `settings`
            names, the caller asked for this candidate by name, or nobody is left.
        """
        if not isinstance(error, Exception):  # cancelled, interrupted, closed
            return None
        trouble = trouble_of(error)
        if self.breaker is not None:
            self.breaker.failed(decision.candidate, trouble, retry_after(error))
        settings = self.settings
        if settings is None or decision.forced or trouble not in settings.on:
            return None
        if settings.attempts is not None and self.made >= settings.attempts:
            return None
        self._failed[decision.candidate] = f"{trouble.replace('_', ' ')} ({type(error).__name__})"
        if trouble == "context_overflow":
            self._failed |= _no_larger(self.router.pool, decision.candidate)
        return self.router.instead(decision, self._failed) or self._last_resort(decision)

    def _last_resort(self, decision: Decision) -> Decision | None:
        """One that is left alone may be well again; better to try it than to fail."""
        gated = {name: why for name, why in decision.gated.items() if self.excluded.get(name) != why}
        return self.router.instead(replace(decision, gated=gated), self._failed)


def _why(health: _Health, now: float) -> str | None:
    trouble = health.trouble.replace("_", " ")
    if now < health.until:
        return f"left alone for {health.until - now:.0f} s more after {trouble}"
    return f"being tried again after {trouble}" if now < health.probed_until else None


def _no_larger(pool: Pool, name: str) -> dict[str, str]:
    """The candidates whose window is no larger than that of one that overflowed."""
    window = pool.named(name).window
    if window is None:
        return {}
    return {
        c.name: f"its window of {c.window} is no larger than {name}'s"
        for c in pool
        if c.name != name and c.window is not None and c.window <= window
    }
