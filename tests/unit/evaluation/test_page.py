"""The page of a report: one file that needs nothing else, says nothing it should not, and fits a phone."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest

from pointsman import PromptLength, evaluate
from pointsman.evaluation.compare import price_calls
from pointsman.evaluation.page import html_page
from pointsman.evaluation.pictures import pictures_of
from pointsman.evaluation.svg import draw, ticks
from tests.unit.evaluation.test_evaluate import USD, knows, knows_all, pair, synthetic

VOID = {"meta", "br", "img", "link", "hr", "input"}
EVIL = "<script>alert('x')</script>\"&"


class Reader(HTMLParser):
    """Tags that do not close, and everything that would be fetched or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        self.wrong += [
            f"{tag} {name}" for name, _ in attrs if name in ("src", "href", "srcset", "data") or name.startswith("on")
        ]

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"stray </{tag}>")

    def handle_data(self, data):
        self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


@pytest.fixture(scope="module")
def both():
    """A pair with costs and tasks: both tables and all three pictures."""
    data = price_calls(pair(tasks=("maths",) * 150 + ("chat",) * 150), {"strong": 0.03, "weak": 0.001})
    return evaluate({"one": knows(data), "two": PromptLength()}, data, resamples=40, data="made up")


def test_the_page_is_whole_and_needs_nothing_else(both):
    page = html_page(both)
    reader = read(page)
    assert reader.open == []
    assert reader.wrong == []
    assert not {"script", "link", "iframe", "img", "object"} & set(reader.tags)
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|url\(|@import", page)
    assert 'name="viewport" content="width=device-width' in page
    assert "prefers-color-scheme:dark" in page
    assert "color-scheme:light dark" in page


def test_it_shows_what_was_found(both):
    text = read(html_page(both)).text
    for row in (row for table in both.tables for row in table.rows):
        assert row.name in text
    for words in (
        "By share of strong calls",
        "By cost",
        "Do win rates mean what they say?",
        "Too cheap",
        "Too dear",
        "APGR",
        "AIQ",
    ):
        assert words in text
    figure = both.table("pair").row("one").figures["apgr"]
    assert f"{figure.value:.3f}".lstrip("0") in text


def test_it_says_how_it_was_made(both):
    facts = {
        "command": "pointsman report --data 'a b.csv'",
        "version": "9",
        "created": "2026-01-01",
        "outcomes_sha256": "ab",
    }
    text = read(html_page(replace(both, facts=facts, notes=("one: in sample",)))).text
    for words in (facts["command"], "pointsman 9, 2026-01-01", "sha256 ab", "one: in sample"):
        assert words in text


def test_prompts_are_named_by_their_hash_unless_they_are_asked_for(both):
    hidden, shown = html_page(both), html_page(both, prompts=True)
    for mistake in (*both.too_cheap, *both.too_dear):
        assert mistake.sha256 in hidden
        assert mistake.prompt not in hidden
        assert mistake.prompt in shown
    assert both.too_cheap
    assert both.too_dear


def test_names_and_prompts_are_text_and_never_markup(both):
    first = replace(both.too_cheap[0], prompt=EVIL, task=EVIL, chosen=EVIL)
    rows = tuple(replace(row, name=EVIL, note=EVIL) for row in both.table("pair").rows)
    table = replace(both.table("pair"), rows=rows)
    report = replace(both, data=EVIL, tables=(table,), too_cheap=(first,), notes=(EVIL,), facts={"command": EVIL})
    page = html_page(report, prompts=True)
    reader = read(page)
    assert "script" not in reader.tags
    assert (reader.wrong, reader.open) == ([], [])
    assert reader.text.count(EVIL) > 5


def test_pictures_are_well_formed_and_stay_inside(both):
    pictures = {picture.key: picture for picture in pictures_of(both)}
    assert set(pictures) == {"share", "cost", "reliability"}
    for picture in pictures.values():
        root = ET.fromstring(draw(picture))  # noqa: S314  # our own text
        _, _, width, height = map(float, root.attrib["viewBox"].split())
        points = [
            tuple(map(float, point.split(","))) for shape in root for point in shape.attrib.get("points", "").split()
        ]
        assert points
        assert all(0 <= x <= width and 0 <= y <= height for x, y in points)
    names = {line.name for line in pictures["share"].lines}
    assert {"zero", "one random order", "length", "oracle", "one", "two"} <= names
    (router,) = [line for line in pictures["share"].lines if line.name == "one"]
    assert (router.low <= router.y + 1e-9).all()
    assert (router.y <= router.high + 1e-9).all()


def test_n_models_have_the_cost_picture_alone():
    data = price_calls(synthetic(), USD)
    report = evaluate({"good": knows_all(data)}, data, resamples=20, judges=(0.1,))
    (picture,) = pictures_of(report)
    assert {line.name for line in picture.lines} >= {
        "good",
        "cascade, judge errs 0.1",
        "zero",
        "oracle",
        "single models",
    }
    assert read(html_page(report)).wrong == []


@pytest.mark.parametrize(
    ("low", "high", "want"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (0.61, 0.94, [0.7, 0.8, 0.9]), (0, 3.7, [0, 1, 2, 3]), (0.9, 0.92, None)],
)
def test_ticks_are_round_and_few(low, high, want):
    found = ticks(low, high)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-9 <= value <= high + 1e-9 for value in found)
    if want is not None:
        assert found == pytest.approx(want)
    assert "-0" not in [f"{value:g}" for value in found]


def test_the_same_pictures_as_files(both, tmp_path):
    pytest.importorskip("matplotlib")
    from pointsman.evaluation.plots import save_plots

    files = save_plots(both, tmp_path / "r", ["png", "svg"])
    assert sorted(path.name for path in files) == [
        f"r-{key}.{kind}" for key in ("cost", "reliability", "share") for kind in ("png", "svg")
    ]
    assert all(path.stat().st_size > 5000 for path in files)
    assert (tmp_path / "r-share.png").read_bytes().startswith(b"\x89PNG")


def test_names_as_people_give_them_are_drawn_as_they_are(both, tmp_path):
    """A dollar begins no formula, and a long title is broken and not cut."""
    pytest.importorskip("matplotlib")
    from pointsman.evaluation.plots import save_plots

    long = "Meta-Llama-3.1-405B-Instruct@a-provider"
    save_plots(replace(both, strong=rf"$\frac${long}", weak=long), tmp_path / "r", ["svg"])
    drawn = (tmp_path / "r-share.svg").read_text(encoding="utf-8")
    assert rf"<!-- $\frac${long} against -->" in drawn
    assert f"<!-- {long} -->" in drawn


CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on the path")
@pytest.mark.parametrize("width", [320, 360, 1200])
def test_in_a_browser_nothing_is_wider_than_the_window(both, tmp_path, width):
    """Headless Chromium lays the page out in a frame as wide as a phone, or as a desktop."""
    page = html_page(both, prompts=True)
    page = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page)
    probe = (
        "<script>const d=document.documentElement,b=getComputedStyle(document.querySelector('.tick'));"
        "const s=document.querySelector('figure svg').getBoundingClientRect();"
        "parent.document.title=[d.scrollWidth,d.clientWidth,Math.round(parseFloat(b.fontSize)*s.width/440),"
        "document.querySelectorAll('figure').length].join(' ')</script>"
    )
    frame = html.escape(page.replace("</body>", f"{probe}</body>"), quote=True)
    (tmp_path / "frame.html").write_text(
        f'<!doctype html><title>-</title><iframe width={width} height=800 frameborder=0 srcdoc="{frame}"></iframe>'
    )
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
        "--virtual-time-budget=3000", "--dump-dom", (tmp_path / "frame.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603  # our own page
    found = re.search(r"<title>(\d+) (\d+) (\d+) (\d+)</title>", done.stdout)
    assert found, done.stderr[-500:]
    scroll, client, text, figures = map(int, found.groups())
    assert scroll <= client
    assert text >= 9, "text in the pictures is too small to read"
    assert figures == 3
