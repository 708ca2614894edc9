"""A router that only watches: what it would have decided, beside what was decided."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

from pointsman.decision import Decision
from pointsman.errors import ConfigurationError
from pointsman.experiments.composite import Over, key_of
from pointsman.experiments.split import arm_of
from pointsman.policies import Policy
from pointsman.pool import Pool
from pointsman.query import Query
from pointsman.router import Router

__all__ = ["ShadowRouter", "Shadowed"]

_log = logging.getLogger("pointsman.shadow")


@dataclass(frozen=True)
class Shadowed:
    """A decision, and what the shadow would have decided. No prompt text.

    Attributes:
        decision: the one that was obeyed.
        shadow: the shadow's, with the id of the first.
    """

    decision: Decision
    shadow: Decision

    @property
    def agree(self) -> bool:
        """Whether both chose the same candidate."""
        return self.decision.candidate == self.shadow.candidate


class ShadowRouter(Over):
    """A router, with another one that decides the same queries in a thread of its own and is never obeyed.

    The call hands its query to a bounded queue and goes on; where the queue is full the shadow misses that query, and
    `dropped` counts it. Whatever the shadow raises is logged and counted in `failed`, and reaches no call. Calls whose
    candidate was forced are not shadowed: nothing was decided there.

    Args:
        router: decides.
        shadow: watches.
        sink: takes each pair of decisions, in the shadow's thread. Default: one line per pair in the log
            `pointsman.shadow`, at level INFO.
        share: part of the conversations that is shadowed, in [0, 1]; by stable hash.
        room: queries that may wait.

    Raises:
        ConfigurationError: the share is out of range, or there is no room.
    """

    def __init__(
        self,
        router: Router,
        shadow: Router,
        *,
        sink: Callable[[Shadowed], None] | None = None,
        share: float = 1.0,
        room: int = 1000,
    ) -> None:
        if not 0 <= share <= 1 or room < 1:
            msg = f"share is {share} and room is {room}; give a share of calls in [0, 1] and room for 1 or more"
            raise ConfigurationError(msg)
        super().__init__(router)
        self.shadow, self.share = shadow, share
        self._desk = _Desk(_logged if sink is None else sink, room)

    def decide_batch(
        self, queries: Sequence[Query | str], *, excluded: Mapping[str, str] | None = None
    ) -> list[Decision]:
        """The router's decisions; the shadow gets to see the queries. Arguments and errors as for `Router.decide`."""
        asked = [Query.of(query) for query in queries]
        decisions = self.router.decide_batch(asked, excluded=excluded)
        for query, decision in zip(asked, decisions, strict=True):
            if not decision.forced and self._watches(query):
                self._desk.offer(_Case(self.shadow, query, decision))
        return decisions

    @property
    def dropped(self) -> int:
        """Queries that the shadow missed because too many were waiting."""
        return self._desk.dropped

    @property
    def failed(self) -> int:
        """Queries on which the shadow or the sink raised."""
        return self._desk.failed

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until the shadow has seen all that was handed to it; False if that takes longer."""
        return self._desk.empty(timeout_s)

    def with_policy(self, policy: Policy) -> ShadowRouter:
        """The router with this policy; the shadow keeps its own."""
        other = copy(self)
        other.router = self.router.with_policy(policy)
        other.policy = other.router.policy
        return other

    def with_pool(self, pool: Pool, policy: Policy | None = None) -> ShadowRouter:
        """Both over other models; a policy is the router's, and the shadow keeps its own. Counts go on."""
        other = copy(self)
        router = self.router.with_pool(pool, policy)
        other.__dict__.update(router.__dict__)
        other.router, other.shadow = router, self.shadow.with_pool(pool)
        return other

    def threshold_for_share(self, strong_share: float) -> float:
        """The router's threshold for this share."""
        return self.router.threshold_for_share(strong_share)

    def _watches(self, query: Query) -> bool:
        if self.share in (0.0, 1.0):
            return self.share == 1.0
        return arm_of(key_of(query), {"watch": self.share, "pass": 1 - self.share}, name="shadow") == "watch"

    def __repr__(self) -> str:
        return f"ShadowRouter({self.router}, shadow={self.shadow}, share={self.share})"


@dataclass(frozen=True)
class _Case:
    """What the shadow is to decide."""

    shadow: Router
    query: Query
    decision: Decision


class _Desk:
    """A queue, and the one thread that works through it; it starts with the first case and ends with the process."""

    def __init__(self, sink: Callable[[Shadowed], None], room: int) -> None:
        self.dropped = self.failed = 0
        self._sink = sink
        self._waiting: queue.Queue[_Case] = queue.Queue(room)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def offer(self, case: _Case) -> None:
        """Hand over a case, or count it as dropped. Never waits for the thread."""
        try:
            self._waiting.put_nowait(case)
        except queue.Full:
            with self._lock:
                self.dropped += 1
            return
        if self._thread is None or not self._thread.is_alive():  # not started, or left behind by a fork
            self._start()

    def empty(self, timeout_s: float) -> bool:
        """Whether all is done, after at most so many seconds."""
        end = time.monotonic() + timeout_s
        while self._waiting.unfinished_tasks:
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def __getstate__(self) -> dict[str, object]:
        """A copy or pickle starts with an empty queue and a thread of its own."""
        return {"sink": self._sink, "room": self._waiting.maxsize}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["sink"], state["room"])  # type: ignore[misc]  # the one way to set it up

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="pointsman-shadow", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            case = self._waiting.get()
            try:
                decision = case.shadow.decide(case.query)
                self._sink(Shadowed(case.decision, replace(decision, id=case.decision.id)))
            except Exception:  # noqa: BLE001  # a shadow must not be felt, whatever its scorer or its sink raises
                self.failed += 1
                _log.warning("the shadow failed on decision %s", case.decision.id, exc_info=True)
            finally:
                self._waiting.task_done()


def _logged(pair: Shadowed) -> None:
    _log.info(
        "decision %s: %s, shadow %s %s (win rate %s, shadow %s)",
        pair.decision.id,
        pair.decision.candidate,
        "agrees on" if pair.agree else "chose",
        pair.shadow.candidate,
        pair.decision.win_rate,
        pair.shadow.win_rate,
    )
