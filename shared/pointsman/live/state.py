"""State that threads share, and that can be copied and pickled all the same."""

from __future__ import annotations

import threading
from typing import Any

__all__ = ["Shared"]


class Shared:
    """Has a lock, which a copy does not share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        with self._lock:
            return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())
