"""What `evaluate` and `report` share: the same arguments, and the comparison that they describe."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from pointsman.cli.arguments import OneLineParser, add_pair, add_rule, natural
from pointsman.cli.contenders import SPLITS, predictions_of
from pointsman.cli.fitting import working
from pointsman.errors import ConfigurationError

if TYPE_CHECKING:
    from pointsman.data.layouts import Loaded
    from pointsman.data.outcomes import Outcomes
    from pointsman.evaluation.report import Report

__all__ = ["add_evaluation", "run_evaluation"]

FOLDS = 5


_ARGUMENTS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--layout",
        {"metavar": "NAME", "help": "for RouteLLM's folder: routellm-mmlu, routellm-gsm8k, routellm-mt-bench"},
    ),
    ("--columns", {"nargs": "+", "metavar": "WIDE=YOURS", "help": "what your columns are: prompt=question score|a=ok"}),
    ("--where", {"nargs": "+", "metavar": "COLUMN=VALUE", "help": "only such prompts: task=mbpp split=test ..."}),
    ("--models", {"nargs": "+", "metavar": "MODEL", "help": "only these models"}),
    ("--price", {"nargs": "+", "metavar": "MODEL=USD", "help": "what a call costs, where the data do not say"}),
    ("--strip-few-shot", {"action": "store_true", "help": "drop the worked examples that prompts begin with"}),
    (
        "--cascade",
        {"nargs": "+", "type": float, "metavar": "RATE", "help": "add simulated cascades whose judge errs so"},
    ),
    ("--resamples", {"type": int, "default": 1000, "help": "of the bootstrap (default: 1000)"}),
    ("--seed", {"type": natural, "default": 0, "help": "of splits, fits and bootstrap (default: 0)"}),
)
_TRAINING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--train-on", {"nargs": "+", "metavar": "PATH", "help": "train on these outcomes or battles instead"}),
    ("--train-layout", {"metavar": "NAME", "help": "as --layout, for what is trained on"}),
    (
        "--split",
        {"choices": SPLITS, "help": "how tests are kept apart (default: random)"},
    ),
    ("--folds", {"type": int, "default": FOLDS, "help": f"parts of the data, each tested once (default: {FOLDS})"}),
    ("--by", {"metavar": "COLUMN", "help": "the column to split by (default: task, time or split)"}),
    ("--held", {"metavar": "MODEL", "help": "the model that training does not see, for --split model"}),
    ("--labels", {"type": int, "metavar": "N", "help": "train once, on N prompts drawn by chance; test on the rest"}),
    ("--seeds", {"type": int, "default": 1, "metavar": "N", "help": "fits that differ in their seed (default: 1)"}),
    ("--option", {"action": "append", "metavar": "K=V", "help": "an option of the one router that is trained"}),
)


def add_evaluation(parser: OneLineParser) -> None:
    """The arguments of a comparison."""
    routers = "shipped routers, folders of saved ones, or names that train (knn, mf, svm, ...)"
    parser.add_argument(
        "--router", nargs="+", default=["default"], metavar="NAME", help=f"{routers} (default: default)"
    )
    files = "csv, jsonl or parquet, RouterBench's pickle, or RouteLLM's folder"
    parser.add_argument("--data", required=True, nargs="+", metavar="PATH", help=files)
    for flag, options in _ARGUMENTS:
        parser.add_argument(flag, **options)
    add_pair(parser)
    add_rule(parser)
    training = parser.add_argument_group("routers that are trained here, on other prompts than they are tested on")
    for flag, options in _TRAINING:
        training.add_argument(flag, **options)


def run_evaluation(args: argparse.Namespace) -> Report:
    """The comparison that the arguments describe, with signs of life on stderr."""
    from pointsman.evaluation.compare import evaluate, pair_of_table, pool_of

    with working("reading"):
        loaded = _load(args)
    outcomes = loaded.outcomes
    pair = pair_of_table(outcomes, args.strong, args.weak)
    pool = pool_of(outcomes, pair)
    said, rows = predictions_of(args, loaded, pool)
    tested = outcomes.select(rows)
    with working(f"{args.resamples:,} resamples of {len(tested):,} prompts"):
        report = evaluate(
            {name: each.rows(rows) for name, each in said.items()},
            tested,
            strong=pair[0] if pair else None,
            weak=pair[1] if pair else None,
            threshold=args.threshold,
            strong_share=args.strong_share,
            judges=args.cascade or (),
            resamples=args.resamples,
            seed=args.seed,
            data=loaded.name,
        )
    return replace(report, facts=_facts(args, tested))


def _load(args: argparse.Namespace) -> Loaded:
    from pointsman.data.fewshot import strip_few_shot
    from pointsman.data.layouts import Loaded, column_map, load_outcomes
    from pointsman.data.merge import merge_outcomes
    from pointsman.evaluation.compare import price_calls

    columns = column_map(args.columns or ())
    parts = [load_outcomes(path, columns=columns, layout=args.layout) for path in args.data]
    loaded = parts[0]
    if len(parts) > 1:
        names = set.intersection(*(set(part.extra) for part in parts))
        extra = {name: [value for part in parts for value in part.extra[name]] for name in names}
        merged = merge_outcomes([part.outcomes for part in parts])
        loaded = Loaded(merged, extra, " + ".join(part.name for part in parts))
    if args.where:
        loaded = _only_rows(loaded, args.where)
    outcomes = loaded.outcomes
    if args.models or args.strong or args.weak:
        outcomes = _only_models(outcomes, args.models or outcomes.models, (args.strong, args.weak))
    outcomes = price_calls(outcomes, _prices(args.price)) if args.price else outcomes
    if args.strip_few_shot:
        outcomes = replace(outcomes, prompts=strip_few_shot(outcomes.prompts, outcomes.tasks))
    return replace(loaded, outcomes=outcomes)


def _only_rows(loaded: Loaded, wanted: Sequence[str]) -> Loaded:
    """Prompts with one of the values given of each column given."""
    import numpy as np

    values: dict[str, list[str]] = {}
    for text in wanted:
        column, equals, value = text.partition("=")
        if not equals:
            msg = f"--where {text}: write COLUMN=VALUE"
            raise ConfigurationError(msg)
        values.setdefault(column, []).append(value)
    keep = np.ones(len(loaded.outcomes), dtype=bool)
    for column, allowed in values.items():
        found = [str(value) for value in loaded.column(column)]
        keep &= np.isin(found, allowed)
        if not keep.any():
            msg = f"--where leaves no prompt: {column} is {', '.join(dict.fromkeys(found[:1000]))[:200]}"
            raise ConfigurationError(msg)
    rows = np.flatnonzero(keep)
    extra = {name: [cells[row] for row in rows] for name, cells in loaded.extra.items()}
    name = f"{loaded.name} ({', '.join(value for allowed in values.values() for value in allowed)})"
    return replace(loaded, outcomes=loaded.outcomes.select(rows), extra=extra, name=name)


def _only_models(outcomes: Outcomes, models: Sequence[str], pair: tuple[str | None, str | None]) -> Outcomes:
    from pointsman.data.outcomes import Outcomes

    some = ", ".join(outcomes.models[:8])
    for name in (*models, *(role for role in pair if role is not None)):
        if name not in outcomes.models:
            msg = f"no model {name!r} in the data; they hold {some}"
            raise ConfigurationError(msg)
    columns = [outcomes.models.index(name) for name in dict.fromkeys(models)]
    costs = None if outcomes.costs is None else outcomes.costs[:, columns]
    names = tuple(outcomes.models[column] for column in columns)
    return Outcomes(outcomes.prompts, names, outcomes.scores[:, columns], outcomes.prompt_ids, outcomes.tasks, costs)


def _prices(pairs: Sequence[str]) -> dict[str, float]:
    out = {}
    for text in pairs:
        model, equals, amount = text.rpartition("=")
        try:
            out[model] = float(amount)
        except ValueError:
            equals = ""
        if not equals or not model:
            msg = f"--price {text}: write MODEL=USD, what one call costs"
            raise ConfigurationError(msg)
    return out


def _facts(args: argparse.Namespace, outcomes: Outcomes) -> dict[str, Any]:
    from pointsman import __version__

    digest = hashlib.sha256("\0".join(outcomes.prompts).encode("utf-8", "replace"))
    digest.update(outcomes.scores.tobytes())
    return {
        "command": args.command_line,
        "version": __version__,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "outcomes_sha256": digest.hexdigest(),
    }
