"""`pointsman report`: an evaluation as a page that works offline, and as pictures and JSON beside it."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.cli.arguments import add_output
from pointsman.cli.evaluating import add_evaluation, run_evaluation
from pointsman.errors import ConfigurationError

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands

__all__ = ["add_report"]

_PICTURES = ("png", "svg")


def add_report(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "report",
        help="evaluate, and write an HTML page of it",
        description="Evaluate as `pointsman evaluate` does, and write one HTML page that needs nothing else.",
    )
    add_evaluation(parser)
    parser.add_argument("--out", default="report.html", metavar="FILE", help="the page (default: report.html)")
    parser.add_argument("--also", nargs="+", choices=(*_PICTURES, "json"), default=[], help="files to write beside it")
    parser.add_argument(
        "--show-prompts", action="store_true", help="show the beginnings of prompts; else the page names them by hash"
    )
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pointsman.evaluation.page import html_page
    from pointsman.evaluation.plots import require_matplotlib, save_plots

    out = _checked(args.out)
    pictures = [kind for kind in args.also if kind in _PICTURES]
    if pictures:
        require_matplotlib()
    report = run_evaluation(args)
    _write(out, html_page(report, prompts=args.show_prompts))
    written = [out, *save_plots(report, out.with_suffix(""), pictures)] if pictures else [out]
    told = report.as_dict(prompts=args.show_prompts)
    if "json" in args.also:
        _write(out.with_suffix(".json"), json.dumps(told, ensure_ascii=False, indent=1) + "\n")
        written.append(out.with_suffix(".json"))
    if args.json:
        from pointsman.cli.output import print_json

        print_json(told | {"files": [str(path) for path in written]})
    else:
        print(f"written: {', '.join(map(str, written))}")
    return 0


def _checked(out: str) -> Path:
    """The page's path, refused before any work is done rather than after.

    Raises:
        ConfigurationError: it is a folder, lies in none, or is not named as a page.
    """
    path = Path(out)
    if path.suffix.lower() not in (".html", ".htm") or path.is_dir() or not path.parent.is_dir():
        msg = f"--out {out} is no place for a page; give a .html file in a folder that exists"
        raise ConfigurationError(msg)
    return path


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
