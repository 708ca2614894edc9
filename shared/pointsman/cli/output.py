"""Tables and numbers for people. Wide as the terminal; plain text where the output is piped."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

    from pointsman.decision import Decision

__all__ = ["console", "print_json", "print_table", "share", "usd", "why", "win_rate"]

PIPED_WIDTH = 110
"""Columns where there is no terminal to ask."""
LEAST_WIDTH = 12
"""Columns that texts keep on a narrow terminal, though a line be too long for it."""
_NAME_WIDTH = 32
"""Longer cells of the first column are prompts, and cut; names are told apart by their ends."""


def console(file: TextIO | None = None) -> Console:
    """A console on `file`, standard output if not given.

    Raises:
        BrokenPipeError: from its methods, once nobody reads what they write.
    """
    from rich.console import Console

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # for `main`; rich would end the process as failed

    stream = sys.stdout if file is None else file
    width = None if stream.isatty() else PIPED_WIDTH
    return _Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_table(
    out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()
) -> None:
    """Print a table without frame.

    The first column gets what room the others leave. On a narrow terminal texts are folded, and nothing but a long
    first cell is cut; `numbers` are set right, and stay whole.
    """
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1), header_style="bold")
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    room = max(LEAST_WIDTH, out.width - sum(widths[1:]) - 2 * len(widths[1:]))
    first = columns[0]
    for name, width in zip(columns, [min(room, widths[0]), *widths[1:]], strict=True):
        cut = name == first and widths[0] > _NAME_WIDTH
        table.add_column(
            name,
            justify="right" if name in numbers else "left",
            width=width if name == first else None,
            min_width=width if name in numbers else min(width, LEAST_WIDTH),
            no_wrap=cut or name in numbers,
            overflow="ellipsis" if cut else "fold",
        )
    for first_cell, *others in rows:
        table.add_row(" ".join(first_cell.split()), *others)
    out.print(table, crop=False)


def print_json(value: Any) -> None:
    """One line of JSON."""
    print(json.dumps(value))  # ASCII: whatever the terminal's encoding, it can be read back


def usd(amount: float | None) -> str:
    """An amount in USD; a price that nobody knows is no zero."""
    if amount is None:
        return "unknown"
    return f"{'-' if amount < 0 else ''}${abs(amount):.6f}"


def win_rate(rate: float | None) -> str:
    """A win rate, with three decimals."""
    return "-" if rate is None else f"{rate:.3f}"


def share(part: float | None, whole: float | None) -> str:
    """Part of a whole in percent, where both are known."""
    return "unknown" if part is None or not whole else f"{part / whole:.0%}"


def why(decision: Decision) -> str:
    """The decision's reason, less the win rate that stands in a column of its own."""
    return decision.reason.removeprefix(f"win rate {win_rate(decision.win_rate)} ")
