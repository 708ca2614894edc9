"""Leave one source out, for every router that could ship: APGR on sources that had no part in training, against length.

    python benchmarks/held_out_sources.py [--routers knn svm] [--prompts 4000] [--json]

As the shipped router's card has it: the same sources, pairs of models, near copies and twins left out. The default's
recipe tells models apart, so it scores each pair by its own models or their stand-ins. The others learn one pair, the
mean of the better half of a task's models against that of the rest, on prompts drawn from what is left, and give every
pair of a source the same order. All read what fits the wheel: static vectors and surface features. The mean is over
sources; intervals are 95%, paired bootstrap over prompts, 200 samples. The default's settings were chosen on these
sources, the others' were not.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from protocols import ADAPTED, DEFAULT, ROUTERS, STRONG, WEAK, WITH_OTHERS, foreign_table, joined

from pointsman.artifacts import read_shipped
from pointsman.data.sources import Corpus, data_folder, load_corpus
from pointsman.embedders import StaticEmbedder
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.evaluation.metrics import apgr
from pointsman.training import train
from pointsman.training.default import Features, fit_default, known_models, read_features
from pointsman.training.rasch import FitSettings
from pointsman.training.report import pair_win_rate, source_pairs, stand_ins, without_source

Floats = NDArray[np.float64]
RESAMPLES = 200
LENGTH, SHIPPED = "prompt_length", "default"
CHOICES = [name for name in DEFAULT if name not in (WITH_OTHERS, ADAPTED, LENGTH)]


def scores_of(
    corpus: Corpus, features: Features, source: str, pairs: list[tuple[int, int]], routers: list[str], prompts: int
) -> dict[str, list[Floats]]:
    """Win rates of every router for each pair, over the whole corpus; only the source's rows are of use."""
    static = StaticEmbedder.from_artifact(read_shipped("minilm-static", "embedder"))
    kept, mine = without_source(corpus, features, source), corpus.sources == source
    fitted = fit_default(corpus, features, kept, FitSettings())
    known = known_models(corpus, features, fitted, FitSettings(), kept)
    rows = np.flatnonzero(mine)
    found: dict[str, list[Floats]] = defaultdict(list)
    for strong, weak in pairs:
        stand_in = stand_ins(corpus, known, strong, weak)
        found[SHIPPED].append(spread(corpus, rows, pair_win_rate(features, rows, fitted, FitSettings(), *stand_in)))
    every = foreign_table(corpus, kept)
    drawn = every.select(np.sort(np.random.default_rng(0).permutation(len(every))[:prompts]))
    embedder = joined((static, SurfaceFeatures()), drawn.prompts)
    texts = [corpus.prompts[row] for row in rows]
    for name in [LENGTH, *routers]:
        kind, options = ROUTERS[name]
        rates = train(kind, drawn, seed=0, embedder=embedder, **options).win_rate(texts, STRONG, WEAK)
        found[name] = [spread(corpus, rows, rates)] * len(pairs)
        sys.stderr.write(f"{source}: {name}\n")
        sys.stderr.flush()
    return found


def spread(corpus: Corpus, rows: NDArray[np.intp], rates: Floats) -> Floats:
    """Rates of some rows as a column of the corpus."""
    column = np.full(len(corpus), np.nan)
    column[rows] = rates
    return column


def measure(corpus: Corpus, routers: list[str], prompts: int) -> dict[str, NDArray[np.float64]]:
    """Router -> mean APGR per source, and of each resample, float64[sources, 1 + resamples]."""
    static = StaticEmbedder.from_artifact(read_shipped("minilm-static", "embedder"))
    features = read_features(static, corpus.prompts)
    found: dict[str, list[Floats]] = defaultdict(list)
    for source in dict.fromkeys(corpus.sources.tolist()):
        pairs = source_pairs(corpus, corpus.sources == source, source, 0)
        if not pairs:
            continue
        scores, generator = scores_of(corpus, features, source, pairs, routers, prompts), np.random.default_rng(0)
        values: dict[str, list[list[float]]] = defaultdict(list)
        for place, (strong, weak) in enumerate(pairs):
            both = np.isfinite(corpus.scores[:, strong]) & np.isfinite(corpus.scores[:, weak])
            rows = np.flatnonzero((corpus.sources == source) & both)
            picks = [rows, *rows[generator.integers(len(rows), size=(RESAMPLES, len(rows)))]]
            best, base = corpus.scores[:, strong], corpus.scores[:, weak]
            for name, columns in scores.items():
                values[name].append([apgr(columns[place][p], best[p], base[p]) for p in picks])
        for name, each in values.items():
            found[name].append(np.mean(each, axis=0))
    return {name: np.array(each) for name, each in found.items()}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", nargs="+", choices=CHOICES, default=CHOICES)
    parser.add_argument("--prompts", type=int, default=4000, help="drawn to learn from, of those left (default 4,000)")
    parser.add_argument("--json", action="store_true", help="print JSON, one router to a line")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message="Liblinear failed to converge")
    found = measure(load_corpus(data_folder()), asked.routers, asked.prompts)
    for name, figures in found.items():
        mean = figures.mean(axis=0)
        line = {"router": name, "apgr": mean[0], "sources": figures[:, 0].round(4).tolist()}
        for other in (LENGTH, SHIPPED):
            difference = mean - found[other].mean(axis=0)
            low, high = np.quantile(difference[1:], [0.025, 0.975])
            line[f"over {other}"] = [float(difference[0]), float(low), float(high)]
        if asked.json:
            sys.stdout.write(json.dumps(line) + "\n")
            continue
        over = "".join(
            "  over {} {:+.3f} [{:+.3f}, {:+.3f}]".format(other, *line[f"over {other}"]) for other in (LENGTH, SHIPPED)
        )
        sys.stdout.write(f"{name:20} {line['apgr']:.3f}{over}\n")


if __name__ == "__main__":
    main()
