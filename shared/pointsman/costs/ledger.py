"""The ledger: a file with one line for each routed call, what was decided and what it cost. No prompt text."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import overload

from pointsman.decision import Decision, Outcome
from pointsman.errors import ConfigurationError, DataError

__all__ = ["VARIABLE", "Entry", "Ledger", "current_ledger", "entry_of", "read_ledger", "use_ledger"]

VARIABLE = "POINTSMAN_LEDGER"
"""Environment variable with the path of the process's ledger."""

_log = logging.getLogger("pointsman.ledger")
_chosen: list[Ledger | None] = []


@dataclass(frozen=True)
class Entry:
    """One routed call.

    Attributes:
        time: when it ended, UTC, as 2026-11-22T03:04:05.678+00:00.
        decision: which candidate, and why.
        outcome: what it cost.
    """

    time: str
    decision: Decision
    outcome: Outcome


class Ledger:
    """Appends to a file of JSON lines, from any number of threads and processes of one machine.

    A line is written by one system call, in tens of microseconds. A line that cannot be written is logged and not
    raised: no call fails for the sake of its record.

    Args:
        path: the file; its folder is made if it is missing.

    Raises:
        ConfigurationError: the file cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self.path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        except OSError as error:
            msg = f"the ledger {self.path} cannot be written ({error}); give another file"
            raise ConfigurationError(msg) from error

    def record(self, decision: Decision, outcome: Outcome) -> None:
        """Append one call."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = {"time": now, "decision": decision.as_dict(), "outcome": outcome.as_dict()}
        try:
            os.write(self._file, f"{json.dumps(line, ensure_ascii=False)}\n".encode())
        except OSError as error:
            _log.warning("a routed call is missing from the ledger %s: %s", self.path, error)

    def close(self) -> None:
        """Close the file; later records are logged as missing."""
        os.close(self._file)


@overload
def use_ledger(ledger: Ledger | str | Path) -> Ledger: ...
@overload
def use_ledger(ledger: None) -> None: ...
def use_ledger(ledger: Ledger | str | Path | None) -> Ledger | None:
    """From here on every routed call of this process, of either plugin, goes to this ledger; None for to none.

    Without a call of this, the environment variable `POINTSMAN_LEDGER` names the file; without that there is no ledger.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    opened = ledger if ledger is None or isinstance(ledger, Ledger) else Ledger(ledger)
    _chosen[:] = [opened]
    return opened


def current_ledger() -> Ledger | None:
    """The process's ledger, if there is one."""
    if _chosen:
        return _chosen[0]
    path = os.environ.get(VARIABLE)
    return _opened(path) if path else None


def read_ledger(path: str | Path) -> Iterator[Entry]:
    """The calls of a ledger, oldest first. A last line without its end, of a process that was killed, is left out.

    Raises:
        DataError: the file cannot be read, or a line is not one of a ledger's.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read ({error}); give the file that a ledger wrote"
        raise DataError(msg) from error
    return (entry_of(path, line, number) for number, line in enumerate(lines, start=1))


def entry_of(path: str | Path, line: str, number: int | None = None) -> Entry:
    """The call on a line of a ledger.

    Raises:
        DataError: there is none; the message names the file and the line's number, if it is given.
    """
    try:
        entry = json.loads(line)
        return Entry(str(entry["time"]), Decision.from_dict(entry["decision"]), Outcome.from_dict(entry["outcome"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        where = "a line" if number is None else f"line {number}"
        msg = f"{path}: {where} is no record of a routed call ({error!r}); remove it, or give another file"
        raise DataError(msg) from error


@lru_cache(maxsize=4)
def _opened(path: str) -> Ledger:
    return Ledger(path)
