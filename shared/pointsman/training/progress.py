"""What a fit says while it runs: a bar on stderr where that is a terminal, and a line per look in the log."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator

__all__ = ["progress_bar"]

_log = logging.getLogger("pointsman.training")


@contextlib.contextmanager
def progress_bar(title: str, total: int, *, show: bool | None = None) -> Iterator[Callable[[int, str], None]]:
    """A function that takes a step and a line about it.

    Args:
        title: what is going on.
        total: steps.
        show: whether to draw the bar; if not given, where stderr is a terminal.
    """
    if not (sys.stderr.isatty() if show is None else show):

        def tell(step: int, line: str) -> None:
            _log.info("%s %d/%d: %s", title, step, total, line)

        yield tell
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total)

        def draw(step: int, line: str) -> None:
            progress.update(task, completed=step, description=f"{title}: {line}")

        yield draw
