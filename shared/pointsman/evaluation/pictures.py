"""The pictures of a report, described once: `svg` draws them into a page, `plots` with matplotlib."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pointsman.evaluation.report import Report, Row, Table

__all__ = ["COLOURS", "Line", "Picture", "pictures_of"]

Floats = NDArray[np.float64]
Look = Literal["solid", "dashed", "dotted", "dashdot", "band", "dots", "specks", "star", "rings"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, told apart by colour-blind eyes too; routers take them in turn. Yardsticks are grey (None)."""
PER_THOUSAND = 1000


@dataclass(frozen=True, eq=False)
class Line:
    """A series of points.

    Attributes:
        name: for the legend; none if empty.
        x, y: float64[k].
        low, high: float64[k], a band or error bars; none if not given.
        look: how it is drawn.
        colour: a number, counted round `COLOURS`; None is grey.
        labels: of single points, "" for none.
    """

    name: str
    x: Floats
    y: Floats
    low: Floats | None = None
    high: Floats | None = None
    look: Look = "solid"
    colour: int | None = None
    labels: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Picture:
    """Axes and lines.

    Attributes:
        key: short name, for files.
        title, x_label, y_label: for people.
        lines: from the back to the front.
        x_range, y_range: ends of the axes.
        percent: the x axis is a share.
    """

    key: str
    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    percent: bool = False


def pictures_of(report: Report) -> tuple[Picture, ...]:
    """Quality by share of strong calls, quality by cost, the reliability diagram: those for which there are data."""
    out = []
    for table in report.tables:
        if table.kind == "pair":
            out.append(_by_share(table, report))
            if any(row.reliability is not None for row in table.rows):
                out.append(_reliability(table))
        else:
            out.append(_by_cost(table))
    return tuple(out)


def _by_share(table: Table, report: Report) -> Picture:
    lines = [*_routers(table, 1.0), *_yardsticks(table, 1.0)]
    for number, row in enumerate(_of_kind(table, "router")):
        if "share" in row.cut:
            at = (np.array([row.cut["share"].value]), np.array([row.cut["quality"].value]))
            lines.append(Line("", *at, look="rings", colour=number))
    title = f"{_short(report.strong)} against {_short(report.weak)}"
    label = f"calls to {_short(report.strong)}"
    return Picture("share", title, label, "quality", tuple(lines), (0.0, 1.0), _y_range(lines), percent=True)


def _by_cost(table: Table) -> Picture:
    lines = [*_routers(table, PER_THOUSAND), *_yardsticks(table, PER_THOUSAND)]
    names = list(table.models)
    cost = np.array([table.models[name]["cost"].value for name in names]) * PER_THOUSAND
    quality = np.array([table.models[name]["quality"].value for name in names])
    right = float(cost.max()) * 1.04
    for number, row in enumerate(_of_kind(table, "router")):
        if row.points is not None:
            x, y = (row.points * [PER_THOUSAND, 1]).T
            lines.append(Line("", x[x <= right], y[x <= right], look="specks", colour=number))
    lines.append(Line("single models", cost, quality, look="dots", labels=[_short(name) for name in names]))
    oracle = table.row("oracle").points
    if oracle is not None:
        lines.append(Line("", oracle[:1, 0] * PER_THOUSAND, oracle[:1, 1], look="star"))
    return Picture(
        "cost", "Cost and quality", "USD per 1,000 prompts", "quality", tuple(lines), (0.0, right), _y_range(lines)
    )


def _reliability(table: Table) -> Picture:
    lines = []
    for number, row in enumerate(_of_kind(table, "router")):
        if row.reliability is not None:
            said, found, count = row.reliability
            half = 1.96 * np.sqrt(np.maximum(found * (1 - found), 0.25 / count) / count)
            low, high = np.clip(found - half, 0, 1), np.clip(found + half, 0, 1)
            lines.append(Line(row.name, said, found, low, high, "dots", number))
    ends = _y_range([*lines, *(Line("", line.x, line.x) for line in lines)])
    lines.insert(0, Line("as it should be", np.array(ends), np.array(ends), look="dashed"))
    label = "how often the strong answer was better"
    return Picture("reliability", "Do win rates mean what they say?", "win rate", label, tuple(lines), ends, ends)


def _yardsticks(table: Table, scale: float) -> Iterator[Line]:
    looks: dict[str, Look] = {"zero": "dashed", "random": "dashdot", "length": "dotted", "oracle": "solid"}
    for row in table.rows:
        if row.curve is None or row.kind not in looks:
            continue
        if row.kind == "random" and table.kind == "pair":
            yield Line("one random order", row.curve.x * scale, row.curve.y, row.curve.low, row.curve.high, "band")
        else:
            yield Line(row.name, row.curve.x * scale, row.curve.y, look=looks[row.kind])


def _routers(table: Table, scale: float) -> Iterator[Line]:
    for number, row in enumerate([*_of_kind(table, "router"), *_of_kind(table, "cascade")]):
        if row.curve is not None:
            yield Line(row.name, row.curve.x * scale, row.curve.y, row.curve.low, row.curve.high, "solid", number)


def _of_kind(table: Table, kind: str) -> list[Row]:
    return [row for row in table.rows if row.kind == kind]


def _y_range(lines: Sequence[Line]) -> tuple[float, float]:
    """What the lines and bands cover, and a little more."""
    parts = [part for line in lines for part in (line.y, line.low, line.high) if part is not None]
    values = np.concatenate(parts)
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    room = max(high - low, 0.02) * 0.06
    return max(0.0, low - room), min(1.0, high + room)


def _short(model: str) -> str:
    return model.rsplit("/", 1)[-1]
