"""`pointsman route`: which model each prompt would go to. Nothing is called."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pointsman.cli.arguments import add_output, add_pair, add_rule, pair_of, refuse_tty
from pointsman.cli.prompts import filled, read_prompts
from pointsman.errors import QueryError

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands
    from pointsman.decision import Decision
    from pointsman.router import Router

__all__ = ["add_route"]

_STDIN = "-"


def add_route(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "route",
        help="decide for prompts, without calling a model",
        description="Say which model each prompt would go to, and why. No model is called.",
    )
    parser.add_argument("prompt", nargs="*", help="a prompt; - reads standard input, one prompt to a line")
    parser.add_argument(
        "--file",
        metavar="PATH",
        help="read prompts from a file: one to a line, or csv, jsonl, parquet with a column 'prompt'",
    )
    add_pair(parser)
    add_rule(parser)
    parser.add_argument("--router", default="default", metavar="NAME", help="a shipped router, or a saved one's folder")
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    prompts = _prompts(args)
    decisions = _router(args).decide_batch(prompts)
    if args.json:
        from pointsman.cli.output import print_json

        for decision in decisions:
            print_json(decision.as_dict())
    else:
        _print_table(prompts, decisions)
    return 0


def _router(args: argparse.Namespace) -> Router:
    from pointsman.configure import configure_router
    from pointsman.router import load_router

    pool = pair_of(args.strong, args.weak) or load_router(args.router).pool
    return configure_router(pool, args.router, threshold=args.threshold, strong_share=args.strong_share)


def _prompts(args: argparse.Namespace) -> list[str]:
    prompts: list[str] = []
    for prompt in args.prompt:
        prompts.extend(_stdin() if prompt == _STDIN else [prompt])
    if args.file is not None:
        prompts.extend(read_prompts(args.file))
    if not prompts:
        msg = "there is no prompt; give one in quotes, - for standard input, or --file PATH"
        raise QueryError(msg)
    return prompts


def _stdin() -> Iterator[str]:
    refuse_tty()
    return filled(sys.stdin.read().splitlines())


def _print_table(prompts: Sequence[str], decisions: Sequence[Decision]) -> None:
    from pointsman.cli.output import console, print_table, usd, why, win_rate

    roles = any(decision.candidate != decision.model for decision in decisions)  # else the two say the same
    rows = [
        (
            prompt,
            win_rate(decision.win_rate),
            decision.candidate,
            *((decision.model,) if roles else ()),
            usd(decision.estimated_cost_usd.get(decision.candidate)),
            why(decision),
        )
        for prompt, decision in zip(prompts, decisions, strict=True)
    ]
    columns = ("prompt", "win rate", "chosen", *(("model",) if roles else ()), "est. cost", "why")
    print_table(console(), columns, rows, numbers=("win rate", "est. cost"))
