"""`pointsman demo`: twenty prompts through both frameworks, and what each of them cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pointsman.cli.arguments import add_output, add_pair, add_rule, pair_of
from pointsman.errors import MissingExtraError

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands
    from pointsman.cli.demo.rows import Row

__all__ = ["add_demo"]


def add_demo(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "demo",
        help="route twenty prompts through LangChain and LlamaIndex",
        description="Route twenty prompts, easy to hard, through a LangChain chain and a LlamaIndex query engine. Two "
        "stand-ins answer, without key or network, unless real models are named.",
    )
    add_pair(parser)
    add_rule(parser)
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pointsman.cli.demo.table import print_rows, print_rows_as_json

    stand_ins = pair_of(args.strong, args.weak) is None
    rows = _with_progress(_rows(args, stand_ins=stand_ins))
    (print_rows_as_json if args.json else print_rows)(rows, stand_ins=stand_ins)
    return 0


def _rows(args: argparse.Namespace, *, stand_ins: bool) -> Iterator[Row]:
    """The rows, one by one as they come in.

    Raises:
        MissingExtraError: one of the frameworks is not installed.
    """
    for package, module in (("langchain-core", "langchain_core"), ("llama-index-core", "llama_index")):
        if find_spec(module) is None:
            raise MissingExtraError(package, "langchain,llamaindex")  # both, lest the other be missed next
    from pointsman.cli.demo.models import chat_pair, llm_pair, provider_errors
    from pointsman.cli.demo.through_langchain import through_langchain
    from pointsman.cli.demo.through_llamaindex import through_llamaindex

    rule = {"threshold": args.threshold, "strong_share": args.strong_share}
    chat_models, llms = chat_pair(args.strong, args.weak), llm_pair(args.strong, args.weak)
    with nullcontext() if stand_ins else provider_errors("a model's call"):
        yield from through_langchain(*chat_models, **rule)
        yield from through_llamaindex(*llms, **rule)


def _with_progress(rows: Iterator[Row]) -> list[Row]:
    """All rows, with a bar on standard error where that is a terminal."""
    from rich.progress import track

    from pointsman.cli.demo.texts import load_texts
    from pointsman.cli.output import console

    texts = load_texts()
    total = len(texts.chain) + len(texts.questions)
    bar = console(sys.stderr)
    return list(track(rows, "routing", total, console=bar, transient=True, disable=not bar.is_terminal))
