"""The demo's table and totals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

from pointsman.cli.demo.rows import Row, totals_of
from pointsman.cli.output import console, print_json, print_table, share, usd, why, win_rate

__all__ = ["print_rows", "print_rows_as_json"]

_NOTE = "Answers are stand-ins written for this demo; decisions, token counts and list prices are real."
_HEADINGS = {
    "LangChain": "LangChain: prompt | RoutedChatModel | parser, streamed",
    "LlamaIndex": "LlamaIndex: query engine over a staff handbook, the question scored and not the stuffed prompt",
}
_COLUMNS = ("prompt", "win rate", "chosen", "tokens", "cost", "saved", "why")
_NUMBERS = ("win rate", "tokens", "cost", "saved")


def print_rows(rows: Sequence[Row], *, stand_ins: bool) -> None:
    """Print the table, the totals and, where they are ones, that the answers are stand-ins."""
    out = console()
    for framework, group in groupby(rows, key=lambda row: row.framework):
        out.print(_HEADINGS[framework], style="bold")
        print_table(out, _COLUMNS, [_cells(row) for row in group], numbers=_NUMBERS)
        out.print()
    for line in _summary(rows):
        out.print(line)
    if stand_ins:
        out.print(_NOTE)


def print_rows_as_json(rows: Sequence[Row], *, stand_ins: bool) -> None:
    """Print the rows and their totals as one line of JSON."""
    totals: dict[str, Any] = asdict(totals_of(rows))
    print_json({"stand_ins": stand_ins, "rows": [row.as_dict() for row in rows], "totals": totals})


def _cells(row: Row) -> tuple[str, ...]:
    outcome = row.outcome
    return (
        row.prompt,
        win_rate(row.decision.win_rate),
        row.decision.candidate,
        f"{outcome.input_tokens}/{outcome.output_tokens}{'~' if outcome.estimated else ''}",
        usd(outcome.cost_usd),
        usd(outcome.saved_usd),
        why(row.decision),
    )


def _summary(rows: Sequence[Row]) -> list[str]:
    totals = totals_of(rows)
    names = {row.decision.candidate: row.decision.model for row in rows}
    strong = totals.by_candidate.get("strong", 0)
    saved = f"{usd(totals.saved_usd)} ({share(totals.saved_usd, totals.baseline_cost_usd)})"
    models = ", ".join(f"{name} {model}" for name, model in sorted(names.items()))
    lines = [
        f"{totals.calls} calls, {strong} to the strong model ({share(strong, totals.calls)}): {models}",
        f"cost {usd(totals.cost_usd)}, always strong {usd(totals.baseline_cost_usd)}, saved {saved}",
    ]
    if totals.estimated:
        lines.append("~ token counts are estimates: the model's own vocabulary is not on this machine")
    return lines
