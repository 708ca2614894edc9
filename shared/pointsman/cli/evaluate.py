"""`pointsman evaluate`: how good routers are, beside what needs no router."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from pointsman.cli.arguments import add_output
from pointsman.cli.evaluating import add_evaluation, run_evaluation

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands
    from pointsman.evaluation.report import Report

__all__ = ["add_evaluate", "print_report"]

SHORT_NAME = 32
"""Columns of a row's name."""
_ORGANISATION = re.compile(r"\S+/(?=\S)")


def add_evaluate(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "evaluate",
        help="measure routers on prompts whose outcomes are known",
        description="Measure routers on prompts with known outcomes, with 95% intervals, beside the best single model, "
        "the zero router, a coin, prompt length and the oracle.",
    )
    add_evaluation(parser)
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    report = run_evaluation(args)
    if args.json:
        from pointsman.cli.output import print_json

        print_json(report.as_dict())
        return 0
    print_report(report)
    return 0


def print_report(report: Report) -> None:
    """A report as tables."""
    from pointsman.cli.output import console, print_table
    from pointsman.evaluation.report import blocks_of, cell, verdicts_of

    out = console()
    left = f" ({report.left_out:,} left out: a model has no score or cost on them)" if report.left_out else ""
    out.print(f"{report.data}: {report.prompts:,} prompts{left}, {report.resamples:,} resamples")
    for table in report.tables:
        out.print()
        for name, figures in table.models.items():
            cost = f", ${figures['cost'].value:.6f} a call" if "cost" in figures else ""
            out.print(f"{name}: quality {cell(figures['quality'])}{cost}")
        for heads, cells in blocks_of(table):
            out.print()
            rows = [(_ORGANISATION.sub("", name)[:SHORT_NAME], *others) for name, *others in cells]
            print_table(out, heads, rows)
        if table.kind == "pair":
            out.print(f"quality, strong share and PGR at {report.setting}")
    out.print()
    for verdict in verdicts_of(report):
        out.print(verdict)
    for note in report.notes:
        out.print(f"note: {note}")
