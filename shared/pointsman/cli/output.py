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
"""Columns that the first one keeps on a narrow terminal."""


def console(file: TextIO | None = None) -> Console:
    """A console on `file`, standard output if not given."""
    from rich.console import Console

    stream = sys.stdout if file is None else file
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_table(
    out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[str] = ()
) -> None:
    """Print a table without frame. The first column gets what room the others leave; `numbers` are set right."""
    from rich import box
    from rich.cells import cell_len
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1), header_style="bold")
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    room = max(LEAST_WIDTH, out.width - sum(widths[1:]) - 2 * len(widths[1:]))
    for name, width in zip(columns, [min(room, widths[0]), *widths[1:]], strict=True):
        first = name == columns[0]
        table.add_column(
            name,
            justify="right" if name in numbers else "left",
            width=width if first else None,
            no_wrap=name != columns[-1],
            overflow="fold" if name == columns[-1] else "ellipsis",
        )
    for first_cell, *others in rows:
        table.add_row(" ".join(first_cell.split()), *others)
    out.print(table)


def print_json(value: Any) -> None:
    """One line of JSON."""
    print(json.dumps(value, ensure_ascii=False))


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
