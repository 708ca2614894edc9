"""`pointsman adapt`: a router made the user's own from a few of their labelled prompts."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pointsman.cli.arguments import add_output, add_pair, natural, pair_of
from pointsman.cli.fitting import check_out, save_router, saved_to, working
from pointsman.cli.training_data import add_training_data, read_training_data
from pointsman.errors import DataError

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands
    from pointsman.training.adapt import Adaptation

__all__ = ["add_adapt"]


def add_adapt(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "adapt",
        help="make a router your own from 50 to 2,000 labelled prompts",
        description="Correct a router by prompts of yours, with scores of your models; validation decides how far.",
    )
    parser.add_argument("--router", default="default", metavar="NAME", help="a shipped router, or a saved one's folder")
    add_training_data(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to save to")
    parser.add_argument("--seed", type=natural, default=0, help="of the validation folds (default: 0)")
    add_pair(parser)
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pointsman.data.outcomes import Outcomes
    from pointsman.router import load_router
    from pointsman.training.adapt import adapt_router

    out = check_out(args.out)
    start = load_router(args.router, pair_of(args.strong, args.weak))
    data, record = read_training_data(args)
    if not isinstance(data, Outcomes):
        msg = "adapting takes outcomes, one column score|<model> for each model, and these are battles; train on them"
        raise DataError(msg)
    with working(f"adapting {start.name} to {len(data):,} prompts"):
        found = adapt_router(start, data, seed=args.seed)
    facts: dict[str, Any] = {
        "from": f"{start.name} {start.version}".strip(),
        **record,
        "seed": args.seed,
        "rows": found.rows,
        "moved": found.moved,
        "error": found.error,
        "error_before": found.error_before,
        "apgr": found.apgr,
        "apgr_before": found.apgr_before,
    }
    version = save_router(found.router, out, facts)
    if args.json:
        from pointsman.cli.output import print_json

        print_json(facts | {"version": version, "out": str(out), "policy": str(found.router.policy)})
    else:
        _print(found, str(out))
    return 0


def _print(found: Adaptation, out: str) -> None:
    print(f"{found.rows:,} labelled prompts; moved: {found.moved}")
    for name, before, after in (
        ("squared error of the win rate", found.error_before, found.error),
        ("APGR", found.apgr_before, found.apgr),
    ):
        if before is not None and after is not None:
            print(f"{name}, on prompts that the fit had not seen: {before:.4f} before, {after:.4f} after")
    print(saved_to(out))
