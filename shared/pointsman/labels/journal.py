"""What a judge has said so far, one line of JSON each, so that a run that ends early is not paid for twice."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pointsman.errors import DataError

__all__ = ["Entry", "Journal"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One judgement.

    Attributes:
        key: hash of the judge and of all that it read; no text is kept.
        value: what it said; None where it could not be read.
        calls, input_tokens, output_tokens: what that took.
        cost_usd: None where no price is known.
    """

    key: str
    value: float | None
    calls: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


class Journal:
    """Entries in memory, and on disk where a path is given; each is on disk before the next is asked for.

    Args:
        path: a file that is made where there is none. Entries in it are taken over.

    Raises:
        DataError: the file is no journal, or cannot be written.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.entries: dict[str, Entry] = {}
        self.spent_usd = 0.0
        self.calls = 0
        self._lock = threading.Lock()
        for entry in [] if self.path is None else _read(self.path):
            self._take(entry)

    def add(self, entry: Entry) -> None:
        """Keep an entry; safe among threads."""
        with self._lock:
            self._take(entry)
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps(asdict(entry)) + "\n")
                    stream.flush()
                    os.fsync(stream.fileno())

    def _take(self, entry: Entry) -> None:
        self.entries[entry.key] = entry
        self.spent_usd += entry.cost_usd or 0.0
        self.calls += entry.calls


def _read(path: Path) -> list[Entry]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read and written as a journal ({error}); give another --journal") from error
    lines = text.split("\n")
    if lines[-1]:  # the write that ended the last run was cut short: its answer is asked for again
        with path.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines[:-1])
    return [_entry(path, number, line) for number, line in enumerate(lines[:-1], start=1)]


def _entry(path: Path, number: int, line: str) -> Entry:
    try:
        record: Any = json.loads(line)
        return Entry(**record)
    except (json.JSONDecodeError, TypeError) as error:
        raise DataError(f"{path.name}: line {number} is no entry of a journal; give another --journal") from error
