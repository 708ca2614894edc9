"""One process at a time, where several might write the same file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows: nothing there keeps two processes apart
    fcntl = None  # type: ignore[assignment]  # as mypy sees POSIX

__all__ = ["alone"]


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait until no other thread or process is in here for this path, and keep them out.

    A lock is a file `<name>.lock` beside the path, which the system frees when its holder ends, however it ends.

    Args:
        path: what is written; its folder exists.
    """
    if fcntl is None:
        yield
        return
    lock = path.with_name(path.name + ".lock")
    stream = _held(lock)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
        stream.close()


def _held(lock: Path) -> BinaryIO:
    """The lock's file, opened and held."""
    while True:
        stream = lock.open("ab")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(stream.fileno()), lock.stat()):
                return stream
        except FileNotFoundError:
            pass
        except BaseException:
            stream.close()
            raise
        stream.close()  # its holder was done and took it away, so that it keeps nobody out
