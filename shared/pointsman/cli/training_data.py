"""What a router is made from: the files, what is dropped of them before it is, and the record of both."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointsman.cli.fitting import working

if TYPE_CHECKING:
    from pointsman.data.outcomes import Battles, Outcomes

__all__ = ["add_training_data", "read_training_data", "without_copies"]

_ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--columns", {"nargs": "+", "metavar": "OURS=YOURS", "help": "what your columns are: prompt=question score|a=ok"}),
    (
        "--layout",
        {"metavar": "NAME", "help": "for RouteLLM's folder: routellm-mmlu, routellm-gsm8k, routellm-mt-bench"},
    ),
    ("--strip-few-shot", {"action": "store_true", "help": "drop the worked examples that prompts begin with"}),
    (
        "--decontaminate",
        {
            "nargs": "+",
            "metavar": "BENCHMARK",
            "help": "leave out prompts that are, or nearly are, in these files, or in routellm-mmlu, ...",
        },
    ),
    ("--licence", {"nargs": "+", "metavar": "TEXT", "help": "under which you have the data, for the record"}),
)


def add_training_data(parser: argparse.ArgumentParser) -> None:
    """`--data`, and what is to be done to it."""
    kinds = "csv, jsonl or parquet files, RouterBench's pickle, or RouteLLM's folder"
    parser.add_argument("--data", required=True, nargs="+", metavar="PATH", help=kinds)
    for flag, options in _ARGUMENTS:
        parser.add_argument(flag, **options)


def read_training_data(args: argparse.Namespace) -> tuple[Outcomes | Battles, dict[str, Any]]:
    """The data that the arguments name, and the record of where they come from; what was dropped is said on stderr.

    Raises:
        DataError: a file is not what it should be, or nothing is left.
        ConfigurationError: a column or layout that there is not.
    """
    from pointsman.data.layouts import column_map
    from pointsman.data.merge import hashes, read_data

    with working("reading"):
        data = read_data(args.data, columns=column_map(args.columns or ()), layout=args.layout)
        record: dict[str, Any] = {"data": hashes(args.data), "licences": args.licence or "not stated"}
        bare, changed = _without_examples(data)
    if args.strip_few_shot:
        data, record["few_shot_stripped"] = bare, changed
    elif changed:
        told = f"{changed:,} of {len(data):,} prompts begin with text that many share, worked examples perhaps, which "
        print(told + "would drown the question: --strip-few-shot drops it", file=sys.stderr)
    if args.decontaminate:
        data, record["decontaminated"] = _decontaminated(args, data)
    return data, record


def _without_examples(data: Outcomes | Battles) -> tuple[Outcomes | Battles, int]:
    """The data without the few-shot blocks of their prompts, and how many had one."""
    from pointsman.data.fewshot import strip_few_shot
    from pointsman.data.outcomes import Outcomes

    prompts = strip_few_shot(data.prompts, data.tasks if isinstance(data, Outcomes) else None)
    changed = sum(old != new for old, new in zip(data.prompts, prompts, strict=True))
    return replace(data, prompts=prompts), changed


def _decontaminated(
    args: argparse.Namespace, data: Outcomes | Battles
) -> tuple[Outcomes | Battles, dict[str, dict[str, float]]]:
    """The data without the benchmarks' prompts; of each benchmark the rows it took, and how like it the rest is."""
    from pointsman.data.fewshot import strip_few_shot
    from pointsman.training.decontaminate import similarity_score
    from pointsman.training.embedding import static_embedder

    benchmarks = {Path(name).stem: _prompts(name) for name in args.decontaminate}
    if args.strip_few_shot:
        benchmarks = {name: strip_few_shot(prompts) for name, prompts in benchmarks.items()}
    kept, dropped = without_copies(data, benchmarks)
    embedder = static_embedder()
    with working("comparing with the benchmarks"):
        alike = {name: similarity_score(prompts, kept.prompts, embedder) for name, prompts in benchmarks.items()}
    for name, rows in dropped.items():
        print(f"{name}: {rows:,} rows left out; similarity of the rest {alike[name]:.3f}", file=sys.stderr)
    return kept, {name: {"dropped": dropped[name], "similarity": round(alike[name], 4)} for name in benchmarks}


def without_copies(
    data: Outcomes | Battles, benchmarks: Mapping[str, Sequence[str]]
) -> tuple[Outcomes | Battles, dict[str, int]]:
    """The data without what asks a benchmark's questions, and the rows that each took; see `decontaminate`."""
    from pointsman.training.decontaminate import decontaminate
    from pointsman.training.embedding import static_embedder

    with working("comparing with the benchmarks"):
        return decontaminate(data, benchmarks, static_embedder())


def _prompts(benchmark: str) -> tuple[str, ...]:
    """The prompts of a benchmark by name, from the data folder, or of a file."""
    from pointsman.cli.prompts import read_prompts
    from pointsman.data.layouts import LAYOUTS
    from pointsman.data.routellm import read_routellm
    from pointsman.data.sources import data_folder

    if benchmark in LAYOUTS:
        return read_routellm(data_folder() / "routellm", LAYOUTS[benchmark], decontaminate=False).prompts
    return tuple(read_prompts(benchmark))
