"""What an evaluation found: rows with figures and intervals, as objects, as JSON and as plain text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pointsman.evaluation.bootstrap import Figure

__all__ = ["Curve", "Kind", "Mistake", "Report", "Row", "Table", "blocks_of", "cell", "notes_of", "verdicts_of"]

Floats = NDArray[np.float64]
Kind = Literal["single", "zero", "random", "length", "oracle", "cascade", "router"]
Figures = Mapping[str, Figure]


@dataclass(frozen=True, eq=False)
class Curve:
    """A line with its 95% band: quality over the share of strong calls, or over cost in USD per prompt."""

    x: Floats
    y: Floats
    low: Floats
    high: Floats

    def as_dict(self) -> dict[str, list[float | None]]:
        """Lists; what is not known is None."""
        return {name: plain(getattr(self, name)) for name in ("x", "y", "low", "high")}


@dataclass(frozen=True, eq=False)
class Row:
    """One router, model or yardstick.

    Attributes:
        name: how the table calls it.
        kind: what it is.
        figures: over all prompts pooled.
        within: the same where it cannot tell tasks apart; empty where there are no tasks.
        over: other row -> figures of this row less those of that one, paired.
        cut: at the router's own setting: share of strong calls, quality, PGR, cost and saving.
        curve: of quality; None for a single point.
        points: (cost, quality) of its settings, float64[w, 2]; None without costs.
        reliability: mean win rate, mean preference and prompts of each bin; None where it gives no win rates.
        note: what a reader must know, such as that it was trained on these prompts.
    """

    name: str
    kind: Kind
    figures: Figures
    within: Figures = field(default_factory=dict)
    over: Mapping[str, Figures] = field(default_factory=dict)
    cut: Figures = field(default_factory=dict)
    curve: Curve | None = None
    points: Floats | None = None
    reliability: tuple[Floats, Floats, Floats] | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "name": self.name,
            "kind": self.kind,
            "figures": _figures(self.figures),
            "within_tasks": _figures(self.within),
            "over": {other: _figures(figures) for other, figures in self.over.items()},
            "at_setting": _figures(self.cut),
            "curve": None if self.curve is None else self.curve.as_dict(),
            "points": None if self.points is None else self.points.tolist(),
            "reliability": None if self.reliability is None else [plain(part) for part in self.reliability],
            "note": self.note,
        }


@dataclass(frozen=True, eq=False)
class Table:
    """Rows that answer one question.

    Attributes:
        kind: "pair" for a strong and a weak model by share of calls, "cost" for N models by USD.
        models: model -> mean quality, and mean cost where it is known.
        rows: yardsticks first.
    """

    kind: Literal["pair", "cost"]
    models: Mapping[str, Figures]
    rows: tuple[Row, ...]

    def row(self, name: str) -> Row:
        """The row of that name; KeyError if there is none."""
        return {row.name: row for row in self.rows}[name]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        models = {name: _figures(figures) for name, figures in self.models.items()}
        return {"kind": self.kind, "models": models, "rows": [row.as_dict() for row in self.rows]}


@dataclass(frozen=True)
class Mistake:
    """A prompt that a router sent to the wrong model at its setting.

    Attributes:
        prompt: the text, which `as_dict` leaves out unless it is asked for.
        sha256: of the text, the first 12 digits.
        task: its task, or "".
        chosen, better: the model that was called, and the one that should have been.
        win_rate: the router's; None where there is no pair.
        lost: quality that the better model would have had more.
        wasted_usd: what the better model would have cost less; None where costs are not known.
    """

    prompt: str
    sha256: str
    task: str
    chosen: str
    better: str
    win_rate: float | None
    lost: float
    wasted_usd: float | None

    def as_dict(self, *, prompts: bool = False) -> dict[str, Any]:
        """JSON values; the prompt's text only where it is asked for."""
        names = ("sha256", "task", "chosen", "better", "win_rate", "lost", "wasted_usd")
        return {name: getattr(self, name) for name in names} | ({"prompt": self.prompt} if prompts else {})


@dataclass(frozen=True, eq=False)
class Report:
    """An evaluation.

    Attributes:
        data: what was evaluated on.
        prompts: how many were compared on, and how many were left out because a model has no score on them.
        left_out: the latter.
        tasks: number of tasks among them.
        strong, weak: the pair; empty where N models are compared.
        tables: one or two.
        setting: what the router's own setting is, in words.
        too_cheap: mistakes that lost quality, the most expensive first.
        too_dear: mistakes that wasted money, the most expensive first.
        resamples, seed: of the bootstrap.
        notes: what a reader must know.
        facts: when, by which version, from which files and by which commands.
    """

    data: str
    prompts: int
    left_out: int
    tasks: int
    strong: str
    weak: str
    tables: tuple[Table, ...]
    setting: str
    too_cheap: tuple[Mistake, ...]
    too_dear: tuple[Mistake, ...]
    resamples: int
    seed: int
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def table(self, kind: str) -> Table:
        """The table of that kind; KeyError if there is none."""
        return {str(table.kind): table for table in self.tables}[kind]

    def as_dict(self, *, prompts: bool = False) -> dict[str, Any]:
        """JSON values; prompts' texts only where they are asked for."""
        plain_names = ("data", "prompts", "left_out", "tasks", "strong", "weak", "setting", "resamples", "seed")
        out = {name: getattr(self, name) for name in plain_names}
        return out | {
            "tables": [table.as_dict() for table in self.tables],
            "too_cheap": [mistake.as_dict(prompts=prompts) for mistake in self.too_cheap],
            "too_dear": [mistake.as_dict(prompts=prompts) for mistake in self.too_dear],
            "notes": list(self.notes),
            "facts": dict(self.facts),
        }

    def __str__(self) -> str:
        """Plain text, one line to a row."""
        lines = [f"{self.data}: {self.prompts:,} prompts"]
        for heads, cells in (block for table in self.tables for block in blocks_of(table)):
            widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
            lines += ["", *("  ".join(map(str.ljust, line, widths)).rstrip() for line in (heads, *cells))]
        return "\n".join([*lines, "", *verdicts_of(self), *self.notes])


BLOCKS: Mapping[str, tuple[tuple[tuple[str, str, str], ...], ...]] = {
    "pair": (
        (
            ("quality", "cut", "quality"),
            ("APGR", "figures", "apgr"),
            ("within tasks", "within", "apgr"),
            ("over length", "over length", "apgr"),
        ),
        (
            ("CPT20", "figures", "cpt20"),
            ("CPT50", "figures", "cpt50"),
            ("CPT80", "figures", "cpt80"),
            ("CPT95", "figures", "cpt95"),
        ),
        (
            ("strong share", "cut", "share"),
            ("PGR", "cut", "pgr"),
            ("ECE", "figures", "ece"),
            ("Brier", "figures", "brier"),
            ("seeds agree", "figures", "agreement"),
        ),
    ),
    "cost": (
        (
            ("quality", "figures", "quality"),
            ("AIQ", "figures", "aiq"),
            ("within tasks", "within", "aiq"),
            ("over zero, held out", "over zero", "aiq_held"),
        ),
        (
            ("AIQ, held out", "figures", "aiq_held"),
            ("AIQ (code)", "figures", "aiq_code"),
            ("AIQ, guarded", "figures", "aiq_guarded"),
        ),
        (
            ("saved", "figures", "saved"),
            ("gained", "figures", "gained"),
            ("gap closed", "figures", "closed"),
            ("seeds agree", "figures", "agreement"),
        ),
    ),
}
"""Head, where the figure is, and its name: what is printed, block by block. JSON has all."""


def blocks_of(table: Table) -> list[tuple[list[str], list[list[str]]]]:
    """Heads and cells of each block; columns and rows that have no figure are left out."""
    out = []
    for block in BLOCKS[table.kind]:
        shown = [column for column in block if any(_find(row, column) is not None for row in table.rows)]
        found = [(row, [_find(row, column) for column in shown]) for row in table.rows]
        cells = [[row.name, *map(cell, figures)] for row, figures in found if any(figures)]
        out.append((["", *(head for head, _, _ in shown)], cells))
    return out


def cell(found: Figure | None) -> str:
    """.583 [.567, .600]; a figure without an interval is alone, and none at all is a dash."""
    if found is None or not np.isfinite(found.value):
        return "-"
    if not np.isfinite(found.low) or found.low == found.high:
        return _short(found.value)
    return f"{_short(found.value)} [{_short(found.low)}, {_short(found.high)}]"


def plain(values: Floats) -> list[float | None]:
    """A list for JSON; what is not finite is None."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _short(value: float) -> str:
    """Three decimals, without the 0 before the point and the sign of a zero."""
    text = f"{value:.3f}"
    if float(text) == 0:
        return text.lstrip("-")
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def _find(row: Row, column: tuple[str, str, str]) -> Figure | None:
    _, place, name = column
    if place.startswith("over "):
        return row.over.get(place.removeprefix("over "), {}).get(name)
    figures: Figures = getattr(row, place)
    return figures.get(name)


def _figures(figures: Figures) -> dict[str, dict[str, float | None]]:
    return {name: found.as_dict() for name, found in figures.items()}


def verdicts_of(report: Report) -> tuple[str, ...]:
    """A sentence for each router: whether it is shown to beat what needs no router."""
    out = []
    for table in report.tables:
        other, name, said = ("length", "apgr", "APGR") if table.kind == "pair" else ("zero", "aiq_held", "held-out AIQ")
        for row in table.rows:
            found = row.over.get(other, {}).get(name)
            if row.kind == "router" and found is not None and np.isfinite(found.low):
                verdict = "beats it" if found.low > 0 else "is below it" if found.high < 0 else "is not shown to differ"
                out.append(f"{row.name} against {other}: {said} {cell(found)}, {verdict}")
    return tuple(out)


def notes_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """The rows' own notes, each with its row's name."""
    return tuple(dict.fromkeys(f"{row.name}: {row.note}" for row in rows if row.note))
