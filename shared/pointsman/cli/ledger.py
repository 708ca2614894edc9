"""`pointsman ledger`: what routed calls have cost, and what they have saved."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from pointsman.cli.arguments import add_output
from pointsman.costs.ledger import VARIABLE, Entry, read_ledger
from pointsman.errors import ConfigurationError
from pointsman.records import Totals

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands

__all__ = ["add_ledger"]

_TIME = re.compile(r"\d{4}(-\d\d){0,2}|\d{4}-\d\d-\d\dT\d\d\S*")
"""The beginning of an entry's time, with which it is compared as text."""

_GROUPS: Mapping[str, Callable[[Entry], str]] = {
    "model": lambda entry: entry.decision.model,
    "candidate": lambda entry: entry.decision.candidate,
    "day": lambda entry: entry.time[:10],
    "stage": lambda entry: entry.decision.stage or "-",
    "arm": lambda entry: entry.decision.arm or "-",
    "router": lambda entry: f"{entry.decision.router} {entry.decision.router_version}".strip(),
}


def add_ledger(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "ledger",
        help="what routed calls have cost and saved",
        description=f"Sum up a ledger: the file that {VARIABLE} names, or pointsman.costs.use_ledger was given, while "
        "calls were routed.",
    )
    parser.add_argument("file", nargs="?", help=f"the ledger (default: {VARIABLE})")
    parser.add_argument("--by", choices=_GROUPS, default="model", help="a row for each of these (default: model)")
    parser.add_argument("--since", default="", metavar="TIME", help="leave out calls before, such as 2026-11-22 (UTC)")
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    path = args.file or os.environ.get(VARIABLE)
    if not path:
        msg = f"there is no ledger; give its file, or set {VARIABLE}"
        raise ConfigurationError(msg)
    if args.since and not _TIME.fullmatch(args.since):
        msg = f"--since {args.since}: give a date such as 2026-11-22, or a time such as 2026-11-22T14:30 (UTC)"
        raise ConfigurationError(msg)
    groups: dict[str, Totals] = {}
    total, errors = Totals(), 0
    for entry in read_ledger(path):
        if entry.time < args.since:
            continue
        for sums in (groups.setdefault(_GROUPS[args.by](entry), Totals()), total):
            sums.add(entry.decision, entry.outcome)
        errors += entry.outcome.error is not None
    if args.json:
        from pointsman.cli.output import print_json

        by = {name: asdict(sums) for name, sums in sorted(groups.items())}
        print_json({"ledger": str(path), "by": args.by, "groups": by, "total": asdict(total), "errors": errors})
    else:
        _print(args.by, groups, total, errors)
    return 0


def _print(by: str, groups: Mapping[str, Totals], total: Totals, errors: int) -> None:
    from pointsman.cli.output import console, print_table, share, usd

    rows = []
    for name, sums in [*sorted(groups.items()), ("total", total)]:
        asked, answered = (sum(tokens[i] for tokens in sums.tokens.values()) for i in (0, 1))
        counts = (f"{sums.calls:,}", f"{asked:,}", f"{answered:,}")
        rows.append((name, *counts, usd(sums.cost_usd), usd(sums.baseline_cost_usd), usd(sums.saved_usd)))
    columns = (by, "calls", "tokens in", "tokens out", "cost", "always strong", "saved")
    print_table(console(), columns, rows, numbers=columns[1:])
    notes = [f"saved {share(total.saved_usd, total.baseline_cost_usd)} of always calling the strong model"]
    notes += [f"calls that ended in an error: {errors:,}"] if errors else []
    notes += ["some token counts are estimates"] if total.estimated else []
    print("; ".join(notes))
