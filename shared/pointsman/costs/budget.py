"""What a ledger says was spent in this hour, day or month, against what may be."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timezone
from os import SEEK_END
from pathlib import Path
from typing import Literal

from pointsman.costs.ledger import Ledger, entry_of
from pointsman.errors import ConfigurationError

__all__ = ["Budget", "Period"]

Period = Literal["hour", "day", "month"]
_SAME = {"hour": 13, "day": 10, "month": 7}
"""Characters of a time in ISO form that are alike within a period."""


class Budget:
    """Reads what others append to the ledger as it goes, so that all processes on the machine count.

    A call counts once it is settled: those under way when the budget runs out may still overrun it. One whose cost is
    not known counts as nothing. A ledger that is moved away or cut is read anew from its start.

    Args:
        usd: for each period.
        per: "hour", "day" or "month", in UTC.
        ledger: where the calls are recorded.

    Raises:
        ConfigurationError: the amount is negative or not finite, or there is no such period.
        DataError: the ledger holds a line that is not one of a ledger's.
    """

    def __init__(self, usd: float, *, per: Period, ledger: Ledger) -> None:
        if not (math.isfinite(usd) and usd >= 0) or per not in _SAME:
            msg = f"a budget of {usd} USD per {per}; give an amount of 0 or more, and one of {', '.join(_SAME)}"
            raise ConfigurationError(msg)
        self.usd, self.per, self.ledger = usd, per, ledger
        self._read, self._period, self._spent = 0, "", 0.0
        self._lock = threading.Lock()
        self.spent()

    @property
    def period(self) -> str:
        """The one that it is now, such as 2026-11-22 for a day."""
        return datetime.now(timezone.utc).isoformat()[: _SAME[self.per]]

    def spent(self) -> float:
        """USD in this period so far."""
        with self._lock:
            if (period := self.period) != self._period:
                self._period, self._spent = period, 0.0
            for line in self._fresh():
                self._read += len(line)  # one by one: behind a line that is no record the others still count
                entry = entry_of(self.ledger.path, line.decode(errors="replace"))
                if entry.time.startswith(period):
                    self._spent += entry.outcome.cost_usd or 0.0
            return self._spent

    @property
    def left(self) -> float:
        """USD in this period, 0 or more."""
        return max(0.0, self.usd - self.spent())

    def _fresh(self) -> list[bytes]:
        """Whole lines that were not read yet."""
        try:
            with Path(self.ledger.path).open("rb") as stream:
                size = stream.seek(0, SEEK_END)
                self._read = self._read if size >= self._read else 0
                stream.seek(self._read)
                content = stream.read()
        except FileNotFoundError:
            return []
        return content[: content.rfind(b"\n") + 1].splitlines(keepends=True)

    def __str__(self) -> str:
        return f"${self.usd:g} a {self.per}"
