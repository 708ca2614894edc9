"""A threshold that follows recent win rates, and makes up for strong calls that were too many or too few."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence

from pointsman.live.state import Shared

__all__ = ["Pace"]


class Pace(Shared):
    """Keeps a share: the threshold is a quantile of the last win rates, at the share plus gain * debt.

    The debt is the number of strong calls that are missing so far (negative: too many). At a debt of (1 - share) / gain
    every call is strong, at -share / gain none is, whatever the win rates do, but for those of exactly 1, which no
    threshold leaves out; so over any n calls the share is off by less than (1 / gain + 1) / n. This is the argument of
    adaptive conformal inference (Gibbs and Candes, arXiv 2106.00170, proposition 4.1), where the quantile level is
    corrected in the same way.

    Args:
        share: in [0, 1].
        window: win rates that the quantile is of.
        gain: how much of the share a missing call is worth.
        start: win rates to begin with; the last `window` of them count.
    """

    def __init__(self, share: float, *, window: int, gain: float, start: Iterable[float]) -> None:
        super().__init__()
        self.share, self.gain = share, gain
        self._recent: deque[float] = deque(start, maxlen=window)
        self._ranked = sorted(self._recent)
        self._debt = 0.0

    def threshold(self) -> float | None:
        """Win rate from which the next call is strong, in [0, 1]; None before any win rate is known."""
        with self._lock:
            n = len(self._ranked)
            if not n:
                return None
            wanted = self.share + self.gain * self._debt
            below = round((1.0 - wanted) * n)  # win rates of the window that the threshold is to leave out
            if below <= 0:
                return 0.0
            return 1.0 if below >= n else self._ranked[below]

    def note(self, win_rates: Sequence[float], strong: Sequence[bool]) -> None:
        """What came of the last calls: win rates of those that had one, and which of all went to the strong model."""
        with self._lock:
            for rate in win_rates:
                if len(self._recent) == self._recent.maxlen:
                    del self._ranked[bisect_left(self._ranked, self._recent[0])]
                self._recent.append(rate)
                insort(self._ranked, rate)
            owed = self._debt + self.share * len(strong) - sum(strong)
            bound = 1.0 / self.gain  # a strong model that was out of reach for long is not made up for at once
            self._debt = min(bound, max(-bound, owed))

    @property
    def recent(self) -> list[float]:
        """The window, oldest first."""
        with self._lock:
            return list(self._recent)
