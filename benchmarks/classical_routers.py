"""The classical routers on RouterBench's ARC-C, MBPP and Winogrande: eleven models, real costs, by AIQ over zero.

    python benchmarks/classical_routers.py            # RouterDC's split
    python benchmarks/classical_routers.py --inner    # four folds of its training split, where the mix was chosen

A router is trained within each set, few-shot blocks stripped, on MiniLM (int8 ONNX), static and surface vectors. Its
gain over the zero router is told for each set, as the mean of the three, and with the three as one set, where the zero
router does not know which set a prompt is from and every router here does: "set table" is what that alone is worth.
Intervals are 95% bootstrap percentiles over test prompts, 200 samples. The data folder is POINTSMAN_DATA, else
../shared/data.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from protocols import joined, text_embedder

from pointsman.data.fewshot import strip_few_shot
from pointsman.data.outcomes import Outcomes
from pointsman.data.sources import data_folder
from pointsman.data.tables import read_columns
from pointsman.embedders import Embedder
from pointsman.evaluation.hull import aiq, guard, non_decreasing_hull, points_of, utility_choices, zero_router
from pointsman.scorers import Ensemble, Scorer
from pointsman.training import train

Floats = NDArray[np.float64]
Choices = NDArray[np.intp]

RESAMPLES = 200
INNER_FOLDS = 4
SETS = ("arc-challenge", "mbpp", "winogrande")
ROUTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "knn, k = 5": ("knn", {"k": 5}),
    "knn, k = 40": ("knn", {"k": 40}),
    "knn, k = 100": ("knn", {"k": 100}),
    "mlp": ("mlp", {}),
    "mlp, RouterBench's": ("mlp", {"early_stopping": False, "penalty": 1e-4}),
    "svm": ("svm", {}),
    "svm, RouterBench's": ("svm", {"c": 1.0, "loss": "epsilon_insensitive"}),
    "svm, exponential": ("svm", {"kernel": "exponential"}),
}
ALL = "as one set"
MIX = ("knn, k = 100", "svm", "svm, exponential")
"""Members of the even mix."""


@dataclass(frozen=True)
class Case:
    """Some test prompts of all three sets, and what each router takes for them at each willingness to pay."""

    test: Outcomes
    choices: dict[str, Choices]


def area(choices: Choices | None, test: Outcomes, rows: Choices, *, guarded: bool = False) -> float:
    """AIQ (the paper's) on these test rows of a router's choices [settings, rows], or of the zero router."""
    if test.costs is None:
        raise AssertionError("RouterBench's table has costs")
    scores, costs = test.scores[rows], test.costs[rows]
    zero, means = zero_router(scores, costs), costs.mean(axis=0)
    hull = zero
    if choices is not None:
        points = points_of(choices, scores, costs)
        hull = guard(*points, zero) if guarded else non_decreasing_hull(*points)
    return aiq(hull, float(means.min()), float(means.max()))


def read(folder: Path) -> tuple[Outcomes, NDArray[np.bool_]]:
    """The table, few-shot blocks stripped, rows that every model answered; and which of these are for training."""
    path = folder / "routerbench_slice/routerbench_0shot_slice.parquet"
    table, split = Outcomes.read(path, task_column="eval_name"), np.array(read_columns(path)["split_routerdc"])
    prompts = strip_few_shot(table.prompts, table.tasks)
    table = Outcomes(prompts, table.models, table.scores, table.prompt_ids, table.tasks, table.costs)
    whole = ~(np.isnan(table.scores) | np.isnan(table.costs)).any(axis=1)
    return table.select(whole), split[whole] == "train"


def splits(table: Outcomes, train_rows: NDArray[np.bool_], *, inner: bool) -> Iterator[tuple[Outcomes, Outcomes]]:
    """What to fit on and what to score."""
    if not inner:
        yield table.select(train_rows), table.select(~train_rows)
        return
    outer = table.select(train_rows)
    fold = np.random.default_rng(0).permutation(len(outer)) % INNER_FOLDS
    for k in range(INNER_FOLDS):
        yield outer.select(fold != k), outer.select(fold == k)


def routed(fit: Outcomes, test: Outcomes, parts: tuple[Embedder, ...]) -> Case:
    """Every router's choices for the test prompts, each set by routers that were trained on it alone."""
    names = [*ROUTERS, "even mix", "set table"]
    guesses = {name: np.empty((len(test), len(fit.models))) for name in names}
    prices = np.empty((len(test), len(fit.models)))
    for task in SETS:
        own = fit.select(np.array([each == task for each in fit.tasks]))
        rows = np.flatnonzero([each == task for each in test.tasks])
        texts = [test.prompts[row] for row in rows]
        embedder = joined(parts, own.prompts)
        scorers: dict[str, Scorer] = {
            name: train(router, own, embedder=embedder, **options) for name, (router, options) in ROUTERS.items()
        }
        scorers["even mix"] = Ensemble.of(*(scorers[name] for name in MIX))
        for name, scorer in scorers.items():
            columns = [scorer.models.index(model) for model in fit.models]
            guesses[name][rows] = scorer.quality(texts)[:, columns]
        guesses["set table"][rows] = own.scores.mean(axis=0)
        prices[rows] = np.mean(own.costs, axis=0)
    return Case(test, {name: utility_choices(guess, prices) for name, guess in guesses.items()})


def areas(case: Case, router: str | None, draws: Choices) -> dict[str, Floats]:
    """AIQ of a router, or of the zero router, float64[1 + draws], the first of all rows: per set, and as one set."""
    tasks, every = np.array(case.test.tasks), np.arange(len(case.test))
    picked = None if router is None else case.choices[router]
    found: dict[str, Floats] = {}
    for name in (*SETS, ALL):
        inside = tasks == name if name != ALL else np.ones(len(tasks), dtype=bool)
        rows = [sample[inside[sample]] for sample in (every, *draws)]
        found[name] = np.array([area(None if picked is None else picked[:, r], case.test, r) for r in rows])
    return found


def gains(case: Case, draws: Choices) -> dict[str, dict[str, Floats]]:
    """Every router's AIQ over the zero router's, as for `areas`, and "mean" of the three sets."""
    floor = areas(case, None, draws)
    found = {}
    for router in case.choices:
        own = {name: values - floor[name] for name, values in areas(case, router, draws).items()}
        found[router] = own | {"mean": np.mean([own[name] for name in SETS], axis=0)}
    return found


def least_guarded(case: Case) -> float:
    """The least gain over zero of any router on any set when its hull is united with that of the single models."""
    tasks = np.array(case.test.tasks)
    rows = [np.flatnonzero(tasks == name) for name in SETS]
    routers = case.choices.values()
    each = [area(c[:, r], case.test, r, guarded=True) - area(None, case.test, r) for c in routers for r in rows]
    return min(each)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inner", action="store_true", help="folds of the training split instead of the test split")
    vectors = Path(tempfile.gettempdir()) / "pointsman-vectors.sqlite"
    parser.add_argument("--vectors", type=Path, default=vectors, help="file that keeps MiniLM's vectors")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message="Liblinear failed to converge")  # RouterBench's settings do not
    table, train_rows = read(data_folder())
    parts = text_embedder(asked.vectors)
    seen: defaultdict[str, list[dict[str, Floats]]] = defaultdict(list)
    resamples = 0 if asked.inner else RESAMPLES
    for fit, test in splits(table, train_rows, inner=asked.inner):
        case = routed(fit, test, parts)
        sizes = ", ".join(f"{task} {case.test.tasks.count(task)}" for task in SETS)
        sys.stderr.write(f"{len(fit):,} prompts to fit on; {sizes} to score\n")
        floor = areas(case, None, np.zeros((0, len(test)), dtype=np.intp))
        sys.stderr.write(f"zero {', '.join(f'{name} {values[0]:.4f}' for name, values in floor.items())}\n")
        sys.stderr.write(f"least gain of any router on any set when guarded: {least_guarded(case):+.4f}\n")
        draws = np.random.default_rng(0).integers(0, len(test), (resamples, len(test)))
        for router, found in gains(case, draws).items():
            seen[router].append(found)
    for router, cases in seen.items():
        cells = []
        for name in ("mean", ALL, *SETS):
            values = np.mean([case[name] for case in cases], axis=0)
            interval = " [{:+.4f}, {:+.4f}]".format(*np.quantile(values[1:], [0.025, 0.975])) if resamples else ""
            cells.append(f"{name} {values[0]:+.4f}{interval}")
        sys.stdout.write(f"{router:20} {'  '.join(cells)}\n")


if __name__ == "__main__":
    main()
