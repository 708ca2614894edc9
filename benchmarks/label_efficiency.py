"""How good a router becomes by n labels of the user's own: APGR on the prompts that were not labelled.

    python benchmarks/label_efficiency.py mmlu
    python benchmarks/label_efficiency.py gsm8k --draws 10 --json
    python benchmarks/label_efficiency.py routerbench

RouteLLM's prompts and pair, gpt-4-1106-preview against Mixtral-8x7B, and the same pair on RouterBench's ARC-C, MBPP and
Winogrande, few-shot blocks stripped. Five routers:

* shipped: the router in the wheel, adapted. Its training included these prompts (of RouterBench's, some of ARC-C and
  MBPP with other models' answers), so its start flatters it.
* held out: the same recipe fitted without the benchmark, its near copies and its twins, adapted: the honest one.
* length and random: no training.
* knn: fitted from scratch on the labels alone; none below 20 of them.

Intervals are 95% bootstrap percentiles over the test prompts, of the mean over the draws. GSM8K has 1,307 prompts, so
its curve ends at 1,000 labels. The data folder is POINTSMAN_DATA, else ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman import Pool, PromptLength, RandomScorer, Router, Threshold, load_router
from pointsman.artifacts import read_shipped
from pointsman.binding import bind
from pointsman.data.fewshot import strip_few_shot
from pointsman.data.outcomes import Outcomes
from pointsman.data.sources import data_folder, load_corpus, near_copies
from pointsman.data.tables import read_columns
from pointsman.embedders import StaticEmbedder
from pointsman.evaluation.metrics import apgr
from pointsman.evaluation.splits import unseen
from pointsman.scorers import MatrixFactorization, Scorer
from pointsman.training import train
from pointsman.training.default import build_scorer, fit_default, read_features
from pointsman.training.embedding import Remembered, default_embedder
from pointsman.training.rasch import FitSettings
from pointsman.training.report import without_source

Floats = NDArray[np.float64]

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
LABELS = {
    "mmlu": (0, 50, 100, 200, 500, 1500),
    "gsm8k": (0, 50, 100, 200, 500, 1000),
    "routerbench": (0, 50, 100, 200, 500, 1500),
}
ROUTERBENCH = "routerbench_slice/routerbench_0shot_slice.parquet"
MIXTRAL = "mistralai/mixtral-8x7b-chat"
"""RouterBench's name for it."""
RESAMPLES = 200
FEWEST = 20
SAME_TASKS = ("ulab_llmrouter/arc_challenge", "ulab_llmrouter/mbpp")
"""Tasks of RouterBench's that the corpus has, too: held out with it."""


@dataclass(frozen=True)
class Point:
    """One router after n labels."""

    benchmark: str
    router: str
    labels: int
    apgr: float
    low: float
    high: float
    draws: tuple[float, ...]


def benchmark_table(name: str, folder: Path) -> Outcomes:
    """The benchmark's prompts, less those that RouteLLM drops; of RouterBench's those that both models answered."""
    if name == "routerbench":
        slice_ = Outcomes.read(folder / ROUTERBENCH, task_column="eval_name")
        columns = [slice_.models.index(model) for model in (STRONG, MIXTRAL)]
        scores, prompts = slice_.scores[:, columns], strip_few_shot(slice_.prompts, slice_.tasks)
        both = Outcomes(prompts, (STRONG, WEAK), scores, slice_.prompt_ids, slice_.tasks)
        return both.select(~np.isnan(scores).any(axis=1))
    table = Outcomes.read(folder / "routellm/routellm_mmlu_gsm8k.parquet", task_column="task")
    dirty = set(read_columns(folder / f"routellm/{name}/contaminated_prompts.jsonl")["eval_prompt"])
    kept = [task == name and text not in dirty for text, task in zip(table.prompts, table.tasks, strict=True)]
    return table.select(np.array(kept))


def without(name: str, folder: Path) -> MatrixFactorization:
    """The shipped recipe, fitted without the benchmark, its near copies and its twins."""
    corpus = load_corpus(folder)
    embedder = StaticEmbedder.from_artifact(read_shipped("minilm-static", "embedder"))
    features = read_features(embedder, corpus.prompts)
    if name == "routerbench":
        theirs = benchmark_table(name, folder).prompts
        texts = [*corpus.prompts, *theirs]
        held = np.arange(len(texts)) >= len(corpus)
        vectors = np.concatenate([features.static, embedder.encode(theirs)])
        rows = ~near_copies(texts, vectors, held)[: len(corpus)]
        rows &= ~np.isin(corpus.tasks, SAME_TASKS)
    else:
        rows = without_source(corpus, features, f"routellm/{name}")
    sys.stderr.write(f"held out {name}: {int(rows.sum()):,} of {len(corpus):,} prompts left\n")
    fitted = fit_default(corpus, features, rows, FitSettings())
    return build_scorer(corpus, features, embedder, fitted, FitSettings(), 0)


def curve(name: str, folder: Path, draws: int) -> list[Point]:
    """Every router at every number of labels."""
    table, pool = benchmark_table(name, folder), Pool.pair(STRONG, WEAK)
    starts = {
        "shipped": load_router("default", pool),
        "held out": Router(pool, without(name, folder), Threshold(0.5)),
    }
    readers = {label: Remembered(start.scorer.embedder) for label, start in starts.items()}
    # the same prompts are drawn again in every draw: draws share their test prompts, so these do not average out
    resamples = np.random.default_rng(0).integers(0, len(table), (RESAMPLES, len(table)))
    points = []
    for labels in LABELS[name]:
        found: dict[str, list[tuple[float, Floats]]] = {}
        for draw in range(draws):
            order = np.random.default_rng(draw).permutation(len(table))
            drawn, scored_rows = np.sort(order[:labels]), np.sort(order[labels:])
            fit = table.select(unseen(table.prompts, drawn, scored_rows) if labels else drawn)
            test = table.select(scored_rows)
            scorers: dict[str, Scorer] = {
                "length": PromptLength((STRONG, WEAK)),
                "random": RandomScorer((STRONG, WEAK), draw),
            }
            if labels >= FEWEST:
                scorers["knn"] = train("knn", fit, seed=draw, embedder=Remembered(default_embedder(fit.prompts)))
            rates = {label: scorer.win_rate(test.prompts, STRONG, WEAK) for label, scorer in scorers.items()}
            for label, start in starts.items():
                rates[label] = adapted_rates(start, readers[label], fit, test, draw)
            place = np.full(len(table), -1)
            place[scored_rows] = np.arange(len(test))
            samples = [place[rows][place[rows] >= 0] for rows in resamples]
            for label, rate in rates.items():
                found.setdefault(label, []).append(scored(rate, test, samples))
        for label, parts in found.items():
            low, high = np.quantile(np.mean([cloud for _, cloud in parts], axis=0), [0.025, 0.975])
            each = tuple(value for value, _ in parts)
            points.append(Point(name, label, labels, float(np.mean(each)), float(low), float(high), each))
            sys.stderr.write(f"{name} {labels:5} {label:9} {points[-1].apgr:.4f} [{low:.4f}, {high:.4f}]\n")
    return points


def adapted_rates(start: Router, reader: Remembered, fit: Outcomes, test: Outcomes, draw: int) -> Floats:
    """Win rates of the test prompts after adapting to the labels; each text is embedded once for all draws."""
    router = start.adapt(fit, seed=draw) if len(fit) else start
    bound = bind(router.pool, router.scorer.with_embedder(reader))
    rates = bound.score(test.prompts)[1]
    if rates is None:
        raise AssertionError("the pool names a pair, so there are win rates")
    return rates


def scored(rates: Floats, test: Outcomes, samples: Sequence[NDArray[np.intp]]) -> tuple[float, Floats]:
    """APGR on the test prompts, and on each resample of them."""
    strong, weak = test.score(STRONG), test.score(WEAK)
    cloud = [apgr(rates[rows], strong[rows], weak[rows]) for rows in samples]
    return apgr(rates, strong, weak), np.array(cloud)


def show(points: Sequence[Point]) -> None:
    """A table: a router to a row, a number of labels to a column."""
    sizes = sorted({point.labels for point in points})
    sys.stdout.write(f"{'labels':9} " + " ".join(f"{size:>20}" for size in sizes) + "\n")
    for router in dict.fromkeys(point.router for point in points):
        mine = {point.labels: point for point in points if point.router == router}
        cells = [f"{mine[s].apgr:.3f} [{mine[s].low:.3f}, {mine[s].high:.3f}]" if s in mine else "-" for s in sizes]
        sys.stdout.write(f"{router:9} " + " ".join(f"{cell:>20}" for cell in cells) + "\n")


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmark", choices=sorted(LABELS))
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--json", action="store_true", help="print JSON, one point to a line")
    asked = parser.parse_args()
    points = curve(asked.benchmark, data_folder(), asked.draws)
    if asked.json:
        for point in points:
            sys.stdout.write(json.dumps(asdict(point)) + "\n")
    else:
        show(points)


if __name__ == "__main__":
    main()
