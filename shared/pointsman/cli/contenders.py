"""The routers of a comparison: saved ones, and those that are trained on other prompts than they are tested on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from inspect import signature
from typing import TYPE_CHECKING, Any

from pointsman.cli.fitting import telling, trainer_options, working
from pointsman.errors import ConfigurationError

if TYPE_CHECKING:
    from pointsman.data.layouts import Loaded
    from pointsman.evaluation.predictions import Predictions
    from pointsman.evaluation.splits import Split
    from pointsman.pool import Pool
    from pointsman.scorers import Scorer

__all__ = ["SPLITS", "predictions_of"]

SPLITS = ("random", "group", "time", "model", "given")


def predictions_of(args: argparse.Namespace, loaded: Loaded, pool: Pool) -> tuple[dict[str, Predictions], Any]:
    """What every router says, and the rows that all of them were tested on."""
    import numpy as np

    from pointsman.artifacts import is_shipped
    from pointsman.training.train import TRAINERS

    trained = [name for name in args.router if name in TRAINERS and not is_shipped(name)]
    rows = np.arange(len(loaded.outcomes))
    if len(set(args.router)) < len(args.router):
        msg = f"--router {' '.join(args.router)}: a router comes twice; name each once"
        raise ConfigurationError(msg)
    if args.option and len(trained) != 1:
        msg = f"--option is for one router that is trained here, and there are {len(trained)}; evaluate it alone"
        raise ConfigurationError(msg)
    fits = {name: _Trainer(name, _options(args, name, pool)) for name in trained}
    splits = _splits(args, loaded) if trained and not args.train_on else []
    if splits:
        rows = np.unique(np.concatenate([split.test for split in splits]))
    shared: dict[int, Any] = {}
    out: dict[str, Predictions] = {}
    for name in args.router:
        if name not in trained:
            out[name] = _saved(name, loaded, pool)
        elif args.train_on:
            out[name] = _trained_elsewhere(args, fits[name], loaded, pool)
        else:
            out[name] = _trained_here(args, replace(fits[name], shared=shared), loaded, pool, splits)
    return out, rows


def _options(args: argparse.Namespace, name: str, pool: Pool) -> dict[str, Any]:
    """What is given, and the pair for a router that is of one pair only."""
    from pointsman.training.train import TRAINERS

    options = trainer_options(args.option or (), name)
    pair = {"strong": pool.strong, "weak": pool.weak}
    wanted = signature(TRAINERS[name]).parameters.keys()
    return {role: model for role, model in pair.items() if role in wanted and model is not None} | options


@dataclass(frozen=True)
class _Trainer:
    """Fits a router by name; the vectors of the same training prompts are computed once for all routers and seeds."""

    name: str
    options: Mapping[str, Any]
    shared: dict[int, Any] | None = None

    def __call__(self, data: Any, seed: int) -> Scorer:
        from pointsman.data.convert import as_outcomes
        from pointsman.training.embedding import Remembered, default_embedder
        from pointsman.training.train import WITHOUT_VECTORS, train

        embedder = None
        if self.name not in WITHOUT_VECTORS and self.shared is not None:
            prompts = as_outcomes(data).prompts
            key = hash(prompts)
            if key not in self.shared:
                self.shared[key] = Remembered(default_embedder(prompts))
            embedder = self.shared[key]
        return train(self.name, data, seed=seed, embedder=embedder, **self.options)


def _saved(name: str, loaded: Loaded, pool: Pool) -> Predictions:
    from pointsman.evaluation.predictions import predict
    from pointsman.router import load_router

    router = load_router(name, pool if pool.strong is not None else None)
    with working(f"{name}: scoring {len(loaded.outcomes):,} prompts"):
        return predict(router, loaded.outcomes.prompts, pool, note=_seen(name, loaded))


def _seen(name: str, loaded: Loaded) -> str:
    """Whether a router's own record says that it was trained on these prompts."""
    from pathlib import Path

    from pointsman.artifacts import is_shipped, read_artifact, read_shipped

    manifest = (read_shipped(name, "router") if is_shipped(name) else read_artifact(Path(name), "router")).manifest
    record = manifest.training or {}
    sources = [*record.get("prompts", {})] if isinstance(record.get("prompts"), dict) else []
    files = {each["file"].rsplit(".", 1)[0] for each in record.get("data", []) if isinstance(each, dict)}
    exact = [source for source in sources if source == loaded.name]
    of = exact or [source for source in sources if loaded.name.startswith(source.split("/")[0])]
    of += sorted(files & {part.split(":")[0] for part in loaded.name.split(" + ")})
    return f"was trained on {', '.join(of)}, so that these figures are in sample" if of else ""


def _trained_elsewhere(args: argparse.Namespace, fit: _Trainer, loaded: Loaded, pool: Pool) -> Predictions:
    import numpy as np

    from pointsman.cli.training_data import without_copies
    from pointsman.data.merge import read_data
    from pointsman.evaluation.predictions import Predictions, predict

    given = read_data(args.train_on, layout=args.train_layout)
    data, dropped = without_copies(given, {loaded.name: loaded.outcomes.prompts})
    left_out = sum(dropped.values())
    note = f"trained without {left_out:,} rows that ask what is tested here" if left_out else ""
    parts = []
    for seed in _seeds(args):
        with telling(), working(f"training {fit.name} on {len(data):,} rows"):
            scorer = fit(data, seed)
        parts.append(predict(scorer, loaded.outcomes.prompts, pool))
    rates = [part.win_rate[0] for part in parts if part.win_rate is not None]
    quality = np.concatenate([part.quality for part in parts])
    return Predictions(pool.names, quality, np.array(rates) if rates else None, None, note)


def _trained_here(
    args: argparse.Namespace, fit: _Trainer, loaded: Loaded, pool: Pool, splits: Sequence[Split]
) -> Predictions:
    from pointsman.evaluation.predictions import cross_predict
    from pointsman.training.progress import progress_bar

    seeds = _seeds(args)
    total, done = len(seeds) * len(splits), 0
    with ExitStack() as stack:
        bar: Callable[[int, str], None] = stack.enter_context(progress_bar(fit.name, total))

        def step() -> None:
            nonlocal done
            done += 1
            bar(done, f"fold {done} of {total}")

        return cross_predict(fit, loaded.outcomes, splits, pool, seeds=seeds, step=step)


def _seeds(args: argparse.Namespace) -> list[int]:
    if args.seeds < 1:
        msg = f"--seeds {args.seeds}: give 1 or more"
        raise ConfigurationError(msg)
    return [args.seed + number for number in range(args.seeds)]


def _splits(args: argparse.Namespace, loaded: Loaded) -> list[Split]:
    import numpy as np

    from pointsman.evaluation import splits

    outcomes, how, size = loaded.outcomes, args.split or "random", len(loaded.outcomes)
    if args.held is not None and how != "model":
        msg = "--held is the model that is held out; add --split model"
        raise ConfigurationError(msg)
    if args.folds < 2:
        msg = f"--folds {args.folds}: give 2 folds or more"
        raise ConfigurationError(msg)
    if args.labels is not None:
        if how != "random" or not 0 < args.labels < size:
            msg = f"--labels {args.labels}: give fewer than the {size} prompts, and no other --split"
            raise ConfigurationError(msg)
        order = np.random.default_rng(args.seed).permutation(size)
        return [splits.Split(np.sort(order[: args.labels]), np.sort(order[args.labels :]))]
    if how == "group":
        return splits.group_folds([str(v) for v in loaded.column(args.by or "task")], args.folds, args.seed)
    if how == "time":
        return splits.time_split(_times(loaded.column(args.by or "time")), 1 - 1 / args.folds)
    if how == "model":
        if args.held is None:
            msg = "--split model holds a model out; add --held MODEL"
            raise ConfigurationError(msg)
        return splits.model_folds(outcomes.models, args.held, size, args.folds, args.seed)
    if how == "given":
        return splits.given_split([str(value) for value in loaded.column(args.by or "split")])
    return splits.random_folds(size, args.folds, args.seed)


def _times(values: Sequence[object]) -> list[Any]:
    """Numbers where all are numbers; else texts."""
    try:
        return [float(str(value)) for value in values]
    except ValueError:
        return ["" if value is None else str(value) for value in values]
