"""The pictures of a report as PNG or SVG files, drawn by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from pointsman.errors import MissingExtraError
from pointsman.evaluation.pictures import COLOURS, Line, Picture, pictures_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from pointsman.evaluation.report import Report

__all__ = ["require_matplotlib", "save_plots"]

_STYLES = {"solid": "-", "dashed": "--", "dotted": ":", "dashdot": "-."}
_MARKERS = {"dots": "o", "rings": "o", "specks": ".", "star": "*"}
TITLE_WIDTH = 56
"""Characters of a line of a title: what the figure has room for."""
_GREY = "#6e7781"


def save_plots(report: Report, stem: str | Path, formats: Sequence[str] = ("png",)) -> tuple[Path, ...]:
    """Write every picture in every format, as `<stem>-share.png` and the like.

    Args:
        report: what they show.
        stem: a path without its ending; its folder exists.
        formats: endings that matplotlib knows: png, svg, pdf.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    written = []
    with rc_context({"text.parse_math": False}):  # a dollar in a model's name is a dollar
        for picture in pictures_of(report):
            figure = Figure(figsize=(6.4, 4.8), layout="constrained")
            _draw(figure.subplots(), picture)
            for kind in formats:
                path = Path(f"{stem}-{picture.key}.{kind}")
                figure.savefig(path, dpi=160, metadata={"Date": None} if kind == "svg" else None)
                written.append(path)
    return tuple(written)


def require_matplotlib() -> None:
    """Say that matplotlib is missing before any work is done.

    Raises:
        MissingExtraError: it is.
    """
    if find_spec("matplotlib") is None:
        package, extra = "matplotlib", "plots"
        raise MissingExtraError(package, extra)


def _draw(axes: Axes, picture: Picture) -> None:
    for line in picture.lines:
        _draw_line(axes, line)
    axes.set(
        title=fill(picture.title, TITLE_WIDTH),
        xlabel=picture.x_label,
        ylabel=picture.y_label,
        xlim=picture.x_range,
        ylim=picture.y_range,
    )
    if picture.percent:
        axes.xaxis.set_major_formatter("{x:.0%}")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")


def _draw_line(axes: Axes, line: Line) -> None:
    colour = _GREY if line.colour is None else COLOURS[line.colour % len(COLOURS)]
    name = line.name or None
    if line.look in _MARKERS:
        _draw_marks(axes, line, colour)
        return
    if line.low is not None and line.high is not None:
        label = name if line.look == "band" else None
        axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, linewidth=0, label=label)
    if line.look in _STYLES:
        axes.plot(line.x, line.y, _STYLES[line.look], color=colour, label=name)


def _draw_marks(axes: Axes, line: Line, colour: str) -> None:
    if line.low is not None and line.high is not None:
        axes.vlines(line.x, line.low, line.high, color=colour)
    face = "white" if line.look == "rings" else colour
    size = {"star": 12, "specks": 3}.get(line.look, 6)
    shape = _MARKERS[line.look]
    axes.plot(line.x, line.y, shape, color=colour, markerfacecolor=face, markersize=size, label=line.name or None)
