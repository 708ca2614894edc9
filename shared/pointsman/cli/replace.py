"""`pointsman replace`: a new router takes the place of the one in use, if held-out ratings show that it is better."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pointsman.cli.arguments import add_output, natural
from pointsman.cli.fitting import check_out, save_router, working
from pointsman.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands
    from pointsman.training.guard import Comparison

__all__ = ["NOT_BETTER", "add_replace"]

NOT_BETTER = 3
"""Exit code where the old router stays, so that a script can tell."""


def add_replace(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "replace",
        help="put a new router in the place of the one in use, if it is better on held-out ratings",
        description="Compare saved routers on rated prompts that neither has learned from, and keep the better one. "
        f"Exit code {NOT_BETTER} where that is the old one.",
    )
    parser.add_argument("--old", required=True, metavar="DIR", help="the router in use; its folder is written to")
    parser.add_argument("--new", required=True, metavar="DIR", help="the one that is to replace it")
    parser.add_argument(
        "--data", required=True, nargs="+", metavar="FILE", help="outcomes: csv, jsonl or parquet files"
    )
    parser.add_argument(
        "--worth",
        type=float,
        default=0.01,
        metavar="USD",
        help="what an answer's quality of 1 is worth (default: 0.01)",
    )
    parser.add_argument("--dry-run", action="store_true", help="compare only")
    parser.add_argument("--seed", type=natural, default=0, help="of the bootstrap (default: 0)")
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pointsman.artifacts import read_artifact
    from pointsman.data.merge import hashes, read_data
    from pointsman.data.outcomes import Outcomes
    from pointsman.router import Router
    from pointsman.training.guard import compare_routers

    folder = check_out(args.old)
    new = Router.load(Path(args.new))
    old = Router.load(folder).with_pool(new.pool)
    with working("reading"):
        data = read_data(args.data)
    if not isinstance(data, Outcomes):
        msg = "comparing takes outcomes, one column score|<model> for each model, and these are battles"
        raise DataError(msg)
    made_from = read_artifact(args.new, "router").manifest.training
    held = hashes(args.data)
    for file in held:
        if file in made_from.get("data", ()):
            msg = f"{args.new} was made from {file['file']}, which says nothing on new prompts; hold some out of --data"
            raise ConfigurationError(msg)
    with working(f"comparing on {len(data):,} prompts"):
        found = compare_routers(old, new, data, worth_usd=args.worth, seed=args.seed)
    if found.better and not args.dry_run:
        save_router(new, folder, {**made_from, "compared": {**found.as_dict(), "data": held}})
    if args.json:
        from pointsman.cli.output import print_json

        print_json(found.as_dict() | {"replaced": found.better and not args.dry_run})
    else:
        _print(found, args)
    return 0 if found.better else NOT_BETTER


def _print(found: Comparison, args: argparse.Namespace) -> None:
    print(
        f"{found.prompts:,} prompts; the routers differ on {found.differing:,}, both answers rated on {found.known:,}"
    )
    for name, value, unit in (
        ("quality", found.quality, ""),
        ("cost", found.cost_usd, " USD"),
        ("worth", found.worth_usd, " USD"),
    ):
        print(f"{name:8} {value.value:+.4g}{unit} a call, 95% interval {value.low:+.4g} to {value.high:+.4g}")
    if not found.better:
        print(f"{args.old} stays: {found.reason}")
    else:
        print(f"{args.new} is better" + ("" if args.dry_run else f"; {args.old} holds it now"))
