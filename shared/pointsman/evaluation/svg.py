"""Pictures as SVG for a page: colours come from the page, so that they follow its light or dark theme."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape

import numpy as np

from pointsman.evaluation.pictures import COLOURS, Line, Picture

__all__ = ["draw", "legend"]

WIDTH, HEIGHT = 440, 320
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 10, 42
"""Small enough that text of 12 units stays readable where the page is as narrow as a phone."""
_DASHES = {"dashed": "6 4", "dotted": "2 4", "dashdot": "8 3 2 3"}
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
Scale = Callable[[float], float]


def draw(picture: Picture) -> str:
    """One `<svg>` element."""
    x, y = _scales(picture)
    title = f"{picture.title}: {picture.y_label} by {picture.x_label}"
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">',
        f"<title>{escape(title)}</title>",
        *_axes(picture, x, y),
        *(mark for line in picture.lines for mark in _band(line, x, y)),
        *(mark for line in picture.lines for mark in _marks(line, x, y)),
        "</svg>",
    ]
    return "\n".join(parts)


def legend(picture: Picture) -> str:
    """The names of the lines, each behind a sample of it."""
    items = []
    for line in picture.lines:
        if line.name:
            sample = f'<svg viewBox="0 0 24 12" class="sample" aria-hidden="true">{_sample(line)}</svg>'
            items.append(f"<li>{sample}{escape(line.name)}</li>")
    return f'<ul class="legend">{"".join(items)}</ul>'


def _sample(line: Line) -> str:
    if line.look == "dots":
        return f'<circle cx="12" cy="6" r="4" class="{_colour(line)} dot"/>'
    if line.look == "band":
        return f'<rect width="24" height="12" class="{_colour(line)} band"/>'
    return f'<line x1="0" y1="6" x2="24" y2="6" class="{_colour(line)} line"{_dash(line)}/>'


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers within a range, at most so many."""
    raw = (high - low) / max(most - 1, 1)
    magnitude = 10.0 ** np.floor(np.log10(raw))
    step = magnitude * next(each for each in _STEPS if each * magnitude >= raw - 1e-12)
    first = np.ceil(low / step - 1e-9)
    return [float(number * step) + 0.0 for number in np.arange(first, np.floor(high / step + 1e-9) + 1)]


def _scales(picture: Picture) -> tuple[Scale, Scale]:
    (left, right), (low, high) = picture.x_range, picture.y_range
    across, up = (WIDTH - LEFT - RIGHT) / (right - left), (HEIGHT - TOP - BOTTOM) / (high - low)
    return (lambda v: LEFT + (v - left) * across), (lambda v: HEIGHT - BOTTOM - (v - low) * up)


def _axes(picture: Picture, x: Scale, y: Scale) -> Iterator[str]:
    floor, ceiling, wall = HEIGHT - BOTTOM, TOP, WIDTH - RIGHT
    for value in ticks(*picture.x_range):
        text = f"{value:.0%}" if picture.percent else f"{value:g}"
        yield f'<line x1="{x(value):.1f}" y1="{floor}" x2="{x(value):.1f}" y2="{ceiling}" class="grid"/>'
        yield f'<text x="{x(value):.1f}" y="{floor + 16}" class="tick" text-anchor="middle">{text}</text>'
    for value in ticks(*picture.y_range):
        yield f'<line x1="{LEFT}" y1="{y(value):.1f}" x2="{wall}" y2="{y(value):.1f}" class="grid"/>'
        yield f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" class="tick" text-anchor="end">{value:g}</text>'
    centre, middle = (LEFT + wall) / 2, (floor + ceiling) / 2
    below, label = escape(picture.x_label), escape(picture.y_label)
    yield f'<text x="{centre:.0f}" y="{HEIGHT - 6}" class="label" text-anchor="middle">{below}</text>'
    yield f'<text transform="translate(12 {middle:.0f}) rotate(-90)" class="label" text-anchor="middle">{label}</text>'


def _band(line: Line, x: Scale, y: Scale) -> Iterator[str]:
    if line.low is None or line.high is None or line.look == "dots":
        return
    there = [f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line.x, line.high, strict=True)]
    back = [f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line.x[::-1], line.low[::-1], strict=True)]
    yield f'<polygon points="{" ".join([*there, *back])}" class="{_colour(line)} band"/>'


def _marks(line: Line, x: Scale, y: Scale) -> Iterator[str]:
    colour = _colour(line)
    if line.look == "band":
        return
    if line.look == "star":
        for a, b in zip(line.x, line.y, strict=True):
            yield f'<path d="{_star(x(a), y(b))}" class="{colour} dot"><title>oracle: {b:.3f}</title></path>'
        return
    if line.look in ("dots", "rings", "specks"):
        yield from _dots(line, x, y)
        return
    points = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(line.x, line.y, strict=True))
    name = f"<title>{escape(line.name)}</title>"
    yield f'<polyline points="{points}" class="{colour} line"{_dash(line)}>{name}</polyline>'


def _dots(line: Line, x: Scale, y: Scale) -> Iterator[str]:
    colour = _colour(line)
    radius, kind = {"rings": (5, "ring"), "specks": (1.5, "dot")}.get(line.look, (3.5, "dot"))
    for row, (a, b) in enumerate(zip(line.x, line.y, strict=True)):
        if line.low is not None and line.high is not None:
            ends = f'y1="{y(line.low[row]):.1f}" x2="{x(a):.1f}" y2="{y(line.high[row]):.1f}"'
            yield f'<line x1="{x(a):.1f}" {ends} class="{colour} line"/>'
        name = line.labels[row] if line.labels else line.name
        told = f"<title>{escape(name)}: {b:.3f} at {a:.4g}</title>"
        yield f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="{radius}" class="{colour} {kind}">{told}</circle>'


def _star(x: float, y: float, size: float = 7.0) -> str:
    angles = np.pi * (np.arange(10) / 5 - 0.5)
    reach = np.where(np.arange(10) % 2, size * 0.45, size)
    return (
        "M"
        + "L".join(f"{x + r * np.cos(a):.1f} {y + r * np.sin(a):.1f}" for r, a in zip(reach, angles, strict=True))
        + "Z"
    )


def _colour(line: Line) -> str:
    return "yard" if line.colour is None else f"c{line.colour % len(COLOURS)}"


def _dash(line: Line) -> str:
    return f' stroke-dasharray="{_DASHES[line.look]}"' if line.look in _DASHES else ""
