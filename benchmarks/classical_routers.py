"""The classical routers on real outcomes: RouterBench's three sets by AIQ, RouteLLM's MMLU by APGR.

    python benchmarks/classical_routers.py routerbench
    python benchmarks/classical_routers.py mmlu --draws 10

Intervals are 95% bootstrap percentiles over test prompts, paired between routers. The data folder is POINTSMAN_DATA,
else ../shared/data.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman.data.fewshot import strip_few_shot
from pointsman.data.outcomes import Outcomes
from pointsman.data.sources import data_folder
from pointsman.data.tables import read_columns
from pointsman.evaluation.hull import (
    aiq,
    guard,
    non_decreasing_hull,
    oracle,
    points_of,
    utility_choices,
    zero_router,
)
from pointsman.evaluation.metrics import apgr
from pointsman.training import train
from pointsman.training.embedding import Remembered, default_embedder

Floats = NDArray[np.float64]

RESAMPLES = 200
SETS = ("arc-challenge", "mbpp", "winogrande")
ROUTERBENCH: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("knn k=5", "knn", {"k": 5}),
    ("knn k=10", "knn", {"k": 10}),
    ("knn k=40", "knn", {"k": 40}),
    ("knn k=100", "knn", {"k": 100}),
    ("mlp 2x100, RouterBench's", "mlp", {"early_stopping": False, "penalty": 1e-4}),
    ("mlp 2x100", "mlp", {}),
    ("svm, RouterBench's", "svm", {"c": 1.0, "loss": "epsilon_insensitive"}),
    ("svm", "svm", {}),
    ("ensemble knn + svm", "ensemble", {"members": ("knn", "svm")}),
)
MMLU = ("prompt_length", "knn", "svm", "mlp", "sw_ranking", "ensemble")


def interval(values: Floats) -> str:
    """The 95% percentile interval."""
    low, high = np.quantile(values, [0.025, 0.975])
    return f"[{low:+.4f}, {high:+.4f}]"


def routerbench(folder: Path) -> None:
    """AIQ per set, trained and tested within it on RouterDC's split, few-shot blocks stripped; the gain over zero."""
    path = folder / "routerbench_slice/routerbench_0shot_slice.parquet"
    table, split = Outcomes.read(path, task_column="eval_name"), np.array(read_columns(path)["split_routerdc"])
    whole = ~(np.isnan(table.scores) | np.isnan(table.costs)).any(axis=1)
    prompts = strip_few_shot(table.prompts, table.tasks)
    table = Outcomes(prompts, table.models, table.scores, table.prompt_ids, table.tasks, table.costs)
    embedder = Remembered(default_embedder([p for p, s in zip(prompts, split, strict=True) if s == "train"]))
    gains: dict[str, list[tuple[float, Floats]]] = {}
    for name in SETS:
        mine = np.array([task == name for task in table.tasks])
        fit, test = table.select(mine & (split == "train")), table.select(mine & whole & (split == "test"))
        cost, quality = oracle(test.scores, test.costs)
        every = np.arange(len(test))
        floor = area(None, test, every)
        sys.stdout.write(f"{name}: {len(fit)} train, {len(test)} test; oracle {quality:.3f} at ${cost:.5f}\n")
        sys.stdout.write(f"  {'zero':26} {floor:.4f}\n")
        draws = np.random.default_rng(0).integers(0, len(test), (RESAMPLES, len(test)))
        for label, router, options in ROUTERBENCH:
            scorer = train(router, fit, embedder=embedder, **options)
            choices = utility_choices(scorer.quality(test.prompts), np.nanmean(fit.costs, axis=0))
            alone, kept = (area(choices, test, every, guarded=guarded) for guarded in (False, True))
            lifts = np.array([area(choices, test, rows) - area(None, test, rows) for rows in draws])
            gains.setdefault(label, []).append((alone - floor, lifts))
            sys.stdout.write(
                f"  {label:26} {alone:.4f}  over zero {alone - floor:+.4f} {interval(lifts)}  guarded {kept:.4f}\n"
            )
    sys.stdout.write("mean of the three sets, gain over zero\n")
    for label, parts in gains.items():
        pooled = np.mean([lifts for _, lifts in parts], axis=0)
        sys.stdout.write(f"  {label:26} {np.mean([gain for gain, _ in parts]):+.4f} {interval(pooled)}\n")


def area(choices: NDArray[np.intp] | None, test: Outcomes, rows: NDArray[np.intp], *, guarded: bool = False) -> float:
    """AIQ (the paper's) on these test rows of a router's choices [settings, prompts], or of the zero router."""
    scores, costs = test.scores[rows], test.costs[rows]
    zero, means = zero_router(scores, costs), costs.mean(axis=0)
    hull = zero
    if choices is not None:
        points = points_of(choices[:, rows], scores, costs)
        hull = guard(*points, zero) if guarded else non_decreasing_hull(*points)
    return aiq(hull, float(means.min()), float(means.max()))


def mmlu(folder: Path, draws: int, labels: int) -> None:
    """APGR on RouteLLM's MMLU, trained on `labels` of its rows drawn by chance, scored on the rest."""
    table = Outcomes.read(folder / "routellm/routellm_mmlu_gsm8k.parquet", task_column="task")
    dirty = set(read_columns(folder / "routellm/mmlu/contaminated_prompts.jsonl")["eval_prompt"])
    kept = [task == "mmlu" and text not in dirty for text, task in zip(table.prompts, table.tasks, strict=True)]
    table = table.select(np.array(kept))
    strong, weak = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
    sys.stdout.write(f"{len(table)} prompts, {labels} labels, {draws} draws\n")
    resamples = np.random.default_rng(0).integers(0, len(table), (RESAMPLES, len(table)))
    points: dict[str, list[float]] = {name: [] for name in MMLU}
    clouds: dict[str, list[Floats]] = {name: [] for name in MMLU}
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(table))
        fit, test = table.select(np.sort(order[:labels])), np.sort(order[labels:])
        embedder = Remembered(default_embedder(fit.prompts))
        place = np.full(len(table), -1)
        place[test] = np.arange(len(test))
        texts, best, base = [table.prompts[i] for i in test], table.score(strong)[test], table.score(weak)[test]
        for name in MMLU:
            rates = train(name, fit, seed=draw, embedder=embedder).win_rate(texts, strong, weak)
            points[name].append(apgr(rates, best, base))
            picks = (place[rows][place[rows] >= 0] for rows in resamples)
            clouds[name].append(np.array([apgr(rates[rows], best[rows], base[rows]) for rows in picks]))
        sys.stdout.write(f"draw {draw}: {', '.join(f'{n} {p[-1]:.4f}' for n, p in points.items())}\n")
        sys.stdout.flush()
    length = np.mean(clouds["prompt_length"], axis=0)
    for name in MMLU:
        cloud = np.mean(clouds[name], axis=0)
        lift = np.mean(points[name]) - np.mean(points["prompt_length"])
        sys.stdout.write(
            f"{name:14} {np.mean(points[name]):.4f} (sd of draws {np.std(points[name], ddof=1):.4f}) {interval(cloud)}"
            f"  over length {lift:+.4f} {interval(cloud - length)}\n"
        )


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=["routerbench", "mmlu"])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--labels", type=int, default=1500)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message="Liblinear failed to converge")  # RouterBench's settings do not
    if asked.benchmark == "routerbench":
        routerbench(data_folder())
    else:
        mmlu(data_folder(), asked.draws, asked.labels)


if __name__ == "__main__":
    main()
