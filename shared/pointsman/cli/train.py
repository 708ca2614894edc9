"""`pointsman train`: a router from outcomes or battles."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointsman.cli.arguments import add_output, add_pair, natural
from pointsman.cli.fitting import check_out, save_router, saved_to, telling, trainer_options, working
from pointsman.cli.training_data import add_training_data, read_training_data
from pointsman.errors import ConfigurationError

if TYPE_CHECKING:
    from pointsman.cli.arguments import Commands
    from pointsman.data.outcomes import Battles, Outcomes
    from pointsman.pool import Pool
    from pointsman.router import Router
    from pointsman.scorers import Scorer

__all__ = ["add_train"]

STRONG_SHARE = 0.5
"""Share of the reference prompts that the saved threshold sends to the strong model."""
FOLDS = 5
"""One of which is held out to validate."""


def add_train(commands: Commands) -> None:
    """Add the command to a parser."""
    parser = commands.add_parser(
        "train",
        help="fit a router to outcomes or battles",
        description="Fit a router to outcomes or battles, and save it for load_router and --router.",
    )
    parser.add_argument("--router", required=True, metavar="NAME", help="mf, knn, svm, mlp, sw_ranking, ensemble, ...")
    add_training_data(parser)
    parser.add_argument("--out", required=True, metavar="DIR", help="the folder to save to")
    parser.add_argument("--seed", type=natural, default=0, help="same seed and data, same router (default: 0)")
    parser.add_argument("--option", action="append", default=[], metavar="K=V", help="an option of that router")
    parser.add_argument(
        "--validation",
        type=int,
        metavar="N",
        help="hold out one of N folds first and tell what the recipe is worth there; 0: do not (default: 5, and 0 for "
        "bert and causal_llm, which tell their own validation loss)",
    )
    add_pair(parser)
    add_output(parser)
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from pointsman.training.train import TRAINERS, train

    out = check_out(args.out)
    options = trainer_options(args.option, args.router)
    data, record = read_training_data(args)
    models = _models(data)
    strong, weak = _pair(args, models, data)
    parameters = signature(TRAINERS[args.router]).parameters
    bar = "progress" in parameters
    fine_tuned = "strong" in parameters
    if fine_tuned:
        options = {"strong": strong, "weak": weak} | options
    validation = _validation(args, data, (strong, weak), options, 0 if fine_tuned else FOLDS)
    losses: dict[str, Any] = {}
    kept: dict[str, Any] = {"history": losses} if "history" in parameters else {}
    with telling():
        if bar:
            scorer = train(args.router, data, seed=args.seed, **options, **kept)
        else:
            with working(f"training {args.router} on {len(data):,} rows"):
                scorer = train(args.router, data, seed=args.seed, **options, **kept)
    router = _router(scorer, strong, weak, args.router)
    training = {
        "router": args.router,
        "options": options,
        "seed": args.seed,
        **record,
        "rows": len(data),
        "models": list(models),
        "validation": validation,
        **({"losses": losses} if losses else {}),
    }
    version = save_router(router, out, training)
    _report(args, router, training | {"version": version, "strong": strong, "weak": weak, "out": str(Path(out))})
    return 0


def _validation(
    args: argparse.Namespace, data: Outcomes | Battles, pair: tuple[str, str], options: dict[str, Any], default: int
) -> dict[str, Any] | None:
    """Figures of prompts held out before the fit on all of them, said on stderr.

    Raises:
        ConfigurationError: one fold is no split.
    """
    from pointsman.training.validation import validate

    folds = default if args.validation is None else args.validation
    if folds == 1 or folds < 0:
        msg = f"--validation {folds}: give 2 folds or more, or 0 to hold out nothing"
        raise ConfigurationError(msg)
    if not folds:
        return None
    with working("validating on held-out prompts"):
        found = validate(args.router, data, *pair, folds=folds, seed=args.seed, **options)
    print(found or "too few prompts with answers of both models to validate on", file=sys.stderr)
    return asdict(found) if found else None


def _models(data: Outcomes | Battles) -> tuple[str, ...]:
    from pointsman.data.outcomes import Outcomes

    if isinstance(data, Outcomes):
        return data.models
    return tuple(sorted({*data.model_a, *data.model_b}))


def _pair(args: argparse.Namespace, models: Sequence[str], data: Outcomes | Battles) -> tuple[str, str]:
    """The strong and the weak model: those given, else the two that there are, the better one strong.

    Raises:
        ConfigurationError: it is not clear which two, or the data do not hold one.
    """
    import numpy as np

    from pointsman.data.convert import as_outcomes

    some = ", ".join(models[:6])
    for flag, name in (("--strong", args.strong), ("--weak", args.weak)):
        if name is not None and name not in models:
            alike = get_close_matches(name, models, n=3)
            msg = f"{flag} {name} is not in the data; they hold {', '.join(alike) or some}"
            raise ConfigurationError(msg)
    if args.strong is not None and args.weak is not None:
        return args.strong, args.weak
    if len(models) != 2:
        msg = f"the data hold {len(models)} models ({some}); name the pair with --strong MODEL and --weak MODEL"
        raise ConfigurationError(msg)
    outcomes = as_outcomes(data)
    seen = np.where(np.isnan(outcomes.scores), 0.0, outcomes.scores).sum(axis=0)
    counts = np.maximum((~np.isnan(outcomes.scores)).sum(axis=0), 1)
    better, worse = (outcomes.models[column] for column in np.argsort(-(seen / counts), kind="stable"))
    if args.strong == worse or args.weak == better:
        return worse, better
    return better, worse


def _router(scorer: Scorer, strong: str, weak: str, name: str) -> Router:
    """The router over the pair; the scorer keeps every model that it knows."""
    from pointsman.policies import Threshold
    from pointsman.pool import Pool
    from pointsman.router import Router
    from pointsman.scorers.base import ReferenceScorer

    pool: Pool = Pool.pair(strong, weak)
    router = Router(pool, scorer, Threshold(0.5), name=name)
    if isinstance(scorer, ReferenceScorer) and len(scorer.reference_win_rates(strong, weak)):
        return router.with_policy(Threshold(router.threshold_for_share(STRONG_SHARE)))
    return router


def _report(args: argparse.Namespace, router: Router, facts: Mapping[str, Any]) -> None:
    if args.json:
        from pointsman.cli.output import print_json

        print_json({**facts, "policy": str(router.policy)})
        return
    print(f"{args.router}, trained on {facts['rows']:,} rows of {len(facts['models'])} models; {router.policy}")
    print(saved_to(facts["out"]))
