"""A report as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from pointsman.evaluation.pictures import COLOURS, pictures_of
from pointsman.evaluation.report import Mistake, Report, Table, blocks_of, cell, verdicts_of
from pointsman.evaluation.svg import draw, legend

__all__ = ["html_page"]

PROMPT_CHARACTERS = 300

_TERMS = (
    ("quality", "mean score of the answers, from 0 to 1; brackets hold 95% bootstrap intervals over prompts"),
    ("PGR", "share of the quality gap between the weak and the strong model that is recovered"),
    ("APGR", "mean PGR over all shares of strong calls, by RouteLLM's eleven points; a coin has 0.5"),
    ("CPT50", "least share of strong calls at which PGR reaches 50%"),
    ("within tasks", "the same with equal shares of every task: what is left of a router that cannot tell tasks apart"),
    ("zero", "mixing the models without looking at the prompt"),
    ("random", "one random order of the prompts; its interval is where such an order may lie"),
    ("length", "longer prompts to the strong model"),
    ("oracle", "who knows all scores beforehand"),
    ("over length", "the difference from the length row on the same resamples"),
    ("AIQ", "mean quality over costs from the cheapest to the dearest model; (code) is as RouterBench's code"),
    ("held out", "AIQ of settings that were chosen on one half of the prompts and measured on the other, both ways"),
    ("guarded", "with the single models mixed in, so that it cannot fall below zero"),
    ("saved", "cost saved at the quality of the best single model"),
    ("gained", "quality gained at the cost of the best single model"),
    ("gap closed", "share of the gap between the best single model and the oracle"),
    ("ECE, Brier", "calibration error and squared error of the win rates; both are best at 0"),
)  # fmt: skip

_COLOUR_RULES = "\n".join(f".c{number}{{--c:{colour}}}" for number, colour in enumerate(COLOURS))
_STYLE = (
    """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#59636e;--paper:#fff;--line:#d1d9e0;--panel:#f6f8fa}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9198a1;--paper:#0d1117;--line:#3d444d;--panel:#151b23}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:72rem;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:.5rem 0}h2{font-size:1.15rem;margin:2rem 0 .5rem}
p{margin:.5rem 0}.soft{color:var(--soft)}
.pictures{display:grid;gap:1.5rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr))}
figure{margin:0;max-width:36rem}figcaption{font-weight:600;margin-bottom:.25rem}
svg{width:100%;height:auto;display:block}
.grid{stroke:var(--line);stroke-width:1}.tick,.label{fill:var(--soft);font-size:12px}
.yard{--c:var(--soft)}
.line{stroke:var(--c);stroke-width:2;fill:none}.band{fill:var(--c);opacity:.18}
.dot{fill:var(--c)}.ring{fill:var(--paper);stroke:var(--c);stroke-width:2.5}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1rem;padding:0;margin:.25rem 0;font-size:.85rem}
.legend li{display:flex;align-items:center;gap:.4rem}.sample{width:24px;height:12px;flex:none}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:6px;margin:.5rem 0}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;text-align:left;white-space:nowrap;border-top:1px solid var(--line)}
thead th{background:var(--panel);border-top:0}tbody th{font-weight:600;white-space:normal;min-width:6rem}
td.text{white-space:normal;min-width:14rem;overflow-wrap:anywhere}
pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.6rem;white-space:pre-wrap}
dl{display:grid;grid-template-columns:minmax(6rem,auto) 1fr;gap:.25rem 1rem;font-size:.9rem}
dt{font-weight:600}dd{margin:0}
@media (max-width:40rem){body{padding:.75rem}table{font-size:.8rem}
tbody th{max-width:9rem}td,thead th{padding:.3rem .4rem}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}
@media (max-width:24rem){.tick,.label{font-size:14px}}
@media print{.scroll{overflow:visible}}
"""
    + _COLOUR_RULES
)


def html_page(report: Report, *, prompts: bool = False) -> str:
    """The page.

    Args:
        report: what it shows.
        prompts: whether the mistakes show the beginnings of their prompts; else their hashes alone.
    """
    title = f"Evaluation on {report.data}"
    parts = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="soft">{escape(_subtitle(report))}</p>',
        *(f"<p>{escape(verdict)}</p>" for verdict in verdicts_of(report)),
        *(f"<p><strong>Note.</strong> {escape(note)}</p>" for note in report.notes),
        '<div class="pictures">',
        *_figures(report),
        "</div>",
        *(part for table in report.tables for part in _table(table, report)),
        *_mistakes(report, prompts=prompts),
        "<h2>How it was made</h2>",
        *_made(report),
        "<h2>What the words mean</h2>",
        f"<dl>{''.join(f'<dt>{escape(term)}</dt><dd>{escape(meaning)}</dd>' for term, meaning in _TERMS)}</dl>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _subtitle(report: Report) -> str:
    left = f", {report.left_out:,} left out for want of a score or cost" if report.left_out else ""
    tasks = f" of {report.tasks} tasks" if report.tasks > 1 else ""
    made = f"; pointsman {report.facts['version']}, {report.facts['created']}" if "version" in report.facts else ""
    return f"{report.prompts:,} prompts{tasks}{left}; {report.resamples:,} bootstrap resamples{made}"


def _figures(report: Report) -> Iterator[str]:
    for picture in pictures_of(report):
        yield f"<figure><figcaption>{escape(picture.title)}</figcaption>{draw(picture)}{legend(picture)}</figure>"


def _table(table: Table, report: Report) -> Iterator[str]:
    yield f"<h2>{'By share of strong calls' if table.kind == 'pair' else 'By cost'}</h2>"
    rows = [
        [name, cell(figures["quality"]), f"${figures['cost'].value:.6f}" if "cost" in figures else "-"]
        for name, figures in table.models.items()
    ]
    yield _grid(["model", "quality", "cost per call"], rows)
    for heads, cells in blocks_of(table):
        yield _grid(heads, cells)
    if table.kind == "pair":
        yield f'<p class="soft">quality, strong share and PGR at {escape(report.setting)}</p>'


def _mistakes(report: Report, *, prompts: bool) -> Iterator[str]:
    kinds = (
        ("Too cheap: a dearer model would have been better", report.too_cheap),
        ("Too dear: a cheaper model would have been as good", report.too_dear),
    )
    yield "<h2>The most expensive mistakes</h2>"
    yield f'<p class="soft">Of the first router, at {escape(report.setting)}.'
    yield ("" if prompts else " Prompts are named by their hash; --show-prompts shows them.") + "</p>"
    for title, found in kinds:
        yield f"<p><strong>{escape(title)}</strong></p>"
        yield _grid(*_mistake_rows(found, prompts=prompts), text=4 if prompts else None) if found else "<p>None.</p>"


def _mistake_rows(found: Sequence[Mistake], *, prompts: bool) -> tuple[list[str], list[list[str]]]:
    heads = ["prompt", "task", "called", "better", *(["beginning"] if prompts else []), "win rate", "lost", "wasted"]
    rows = []
    for mistake in found:
        rate = "-" if mistake.win_rate is None else f"{mistake.win_rate:.3f}"
        wasted = "-" if mistake.wasted_usd is None else f"${mistake.wasted_usd:.6f}".replace("$-", "-$")
        beginning = [mistake.prompt[:PROMPT_CHARACTERS]] if prompts else []
        names = [mistake.sha256, mistake.task or "-", mistake.chosen, mistake.better]
        rows.append([*names, *beginning, rate, f"{mistake.lost:.3f}", wasted])
    return heads, rows


def _made(report: Report) -> Iterator[str]:
    if "command" in report.facts:
        yield f"<pre>{escape(str(report.facts['command']))}</pre>"
    if "outcomes_sha256" in report.facts:
        yield f'<p class="soft">prompts and scores: sha256 {escape(str(report.facts["outcomes_sha256"]))}</p>'
    yield f'<p class="soft">bootstrap: seed {report.seed}</p>'


def _grid(heads: Sequence[str], rows: Sequence[Sequence[str]], text: int | None = None) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = []
    for row in rows:
        cells = [
            f'<td class="text">{escape(each)}</td>' if at == text else f"<td>{escape(each)}</td>"
            for at, each in enumerate(row)
        ]
        body.append(f'<tr><th scope="row">{escape(row[0])}</th>{"".join(cells[1:])}</tr>')
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
    return f'<div class="scroll" tabindex="0">{table}</div>'
