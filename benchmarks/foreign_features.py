"""What a benchmark that no prompt was seen of gains from features of the text, chosen on other held-out sources.

    python benchmarks/foreign_features.py --benchmark mmlu      # or gsm8k

How hard a prompt is (1 less the mean score of the models that answered most of its task) is regressed on features,
each task less its own mean, and mixed with log length. Features, penalty and share of length are those of the best mean
APGR over the sources left once the benchmark, near copies of its prompts and its twins are out, each of these sources
held out in turn in the same way, with its own pairs of models. Only the choice is then scored on the benchmark,
gpt-4-1106-preview against Mixtral-8x7B; `--every` scores all, to see what the choice missed. Intervals are 95%, paired
bootstrap over prompts, 200 samples.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from protocols import RESAMPLES, STRONG, WEAK, benchmark_rows

from pointsman.artifacts import read_shipped
from pointsman.data.sources import Corpus, data_folder, load_corpus
from pointsman.embedders import StaticEmbedder
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.evaluation.metrics import apgr
from pointsman.training.default import Features, read_features
from pointsman.training.report import source_pairs, without_source

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Choice = tuple[str, float, float]

SETS = {
    "surface": ("surface",),
    "words": ("words",),
    "static": ("static",),
    "surface, words": ("surface", "words"),
    "surface, words, static": ("surface", "words", "static"),
}
RIDGES = (0.01, 0.1, 1.0)
SHARES = (0.0, 0.3, 0.5, 0.7)
LEAST_PROMPTS = 50
STATIC_SCALE = 4.0
RARE, WINDOW = (10_000, 20_000), 2_000
_OPTION = re.compile(r"(?m)^[ \t]*\(?[A-J][.):][ \t]+(.*)$")
_ASKED = (
    "which|what|who|when|where|why|how|if|suppose|let|must|should|because|calculate|find|determine|according|following"
)
_COUNTED = [
    re.compile(pattern)
    for pattern in (
        r"(?i)\b(?:not|no|never|none|neither|nor|except|unless|without|false|incorrect|least|cannot)\b",
        r"\b(?:EXCEPT|NOT)\b",
        r"\\[a-z]+|\$",
        r"\b[IV]{1,3}\b",
        r"(?i)\b(?:all|none|both) of the above\b",
        r"\b[A-Z][a-z]+",
        *(rf"(?i)\b{word}\b" for word in _ASKED.split("|")),
    )
]


def word_features(static: StaticEmbedder, prompts: Sequence[str]) -> Floats:
    """Options, rare words (the vocabulary is ordered by frequency), negation, question words: float64[n, features]."""
    return np.array([_words(static, prompt[:WINDOW]) for prompt in prompts])


def _words(static: StaticEmbedder, prompt: str) -> list[float]:
    ids = np.array(static.tokenizer.encode(prompt, add_special_tokens=False).ids or [0], dtype=np.float64)
    options = _OPTION.findall(prompt)
    lengths = np.array([len(option) for option in options] or [0], dtype=np.float64)
    bags = [set(option.lower().split()) for option in options]
    alike = [len(a & b) / max(len(a | b), 1) for place, a in enumerate(bags) for b in bags[:place]]
    return [
        float(np.log1p(len(_OPTION.sub("", prompt)))),
        float(np.log1p(lengths.mean())),
        float(np.log1p(lengths.std())),
        sum(bool(re.search(r"\d", option)) for option in options) / max(len(options), 1),
        sum(alike) / max(len(alike), 1),
        float(np.log1p(ids).mean()),
        float(np.quantile(np.log1p(ids), 0.9)),
        *(float((ids > bound).mean()) for bound in RARE),
        len(ids) / max(len(prompt.split()), 1),
        *(float(np.log1p(len(pattern.findall(prompt)))) for pattern in _COUNTED),
    ]


def hardness(corpus: Corpus) -> Floats:
    """1 less the mean score of the models that answered at least half of the prompt's task, float64[n]."""
    out = np.full(len(corpus), np.nan)
    for task in np.unique(corpus.tasks):
        rows = np.flatnonzero(corpus.tasks == task)
        scores = corpus.scores[rows]
        common = np.flatnonzero(np.isfinite(scores).mean(axis=0) >= 0.5)
        answered = rows[np.isfinite(scores[:, common]).any(axis=1)]
        out[answered] = 1 - np.nanmean(corpus.scores[np.ix_(answered, common)], axis=1)
    return out


def fitted(
    blocks: dict[str, Floats], names: Sequence[str], target: Floats, tasks: NDArray[np.str_], rows: Mask, ridge: float
) -> Floats:
    """Hardness of every prompt by ridge regression within tasks, float64[n], spread 1; a task counts as its root."""
    design = np.column_stack([_standard(blocks[name], rows, whole=name == "static") for name in names])
    inside = np.flatnonzero(rows & np.isfinite(target))
    x, y, weight = design[inside], target[inside], np.ones(len(inside))
    for task in np.unique(tasks[inside]):
        mine = tasks[inside] == task
        x[mine] -= x[mine].mean(axis=0)
        y[mine] -= y[mine].mean()
        weight[mine] = 1 / np.sqrt(mine.sum())
    inner = (x * weight[:, None]).T @ x + ridge * weight.sum() * np.eye(x.shape[1])
    found = design @ np.linalg.solve(inner, (x * weight[:, None]).T @ y)
    return np.asarray(found / found[rows].std())


def _standard(block: Floats, rows: Mask, *, whole: bool) -> Floats:
    """Each feature of mean 0 and variance 1 over the rows; a vector of unit length keeps its proportions."""
    centred = block - block[rows].mean(axis=0)
    return np.asarray(centred * STATIC_SCALE if whole else np.clip(centred / (block[rows].std(axis=0) + 1e-6), -4, 4))


def choices(
    blocks: dict[str, Floats], length: Floats, target: Floats, tasks: NDArray[np.str_], rows: Mask
) -> Iterator[tuple[Choice, Floats]]:
    """Every choice with its order of all prompts, learned from some rows."""
    level = (length - length[rows].mean()) / length[rows].std()
    for name, ridge in product(SETS, RIDGES):
        hard = fitted(blocks, SETS[name], target, tasks, rows, ridge)
        for share in SHARES:
            yield (name, ridge, share), (1 - share) * hard + share * level


def source_apgr(corpus: Corpus, source: str, allowed: Mask, order: Floats) -> float:
    """Mean over the source's pairs of models; NaN if it has none."""
    figures = []
    for strong, weak in source_pairs(corpus, corpus.sources == source, source, 0):
        s, w = corpus.scores[:, strong], corpus.scores[:, weak]
        rows = np.flatnonzero(allowed & (corpus.sources == source) & np.isfinite(s) & np.isfinite(w))
        if len(rows) >= LEAST_PROMPTS and s[rows].mean() > w[rows].mean():
            figures.append(apgr(order[rows], s[rows], w[rows]))
    return float(np.mean(figures)) if figures else float("nan")


def choose(corpus: Corpus, features: Features, blocks: dict[str, Floats], target: Floats, kept: Mask) -> Choice:
    """The choice of the best mean over the sources that are left, each held out."""
    length, totals = blocks["surface"][:, 0], dict[Choice, list[float]]()
    for source in np.unique(corpus.sources[kept]).tolist():
        if np.isnan(source_apgr(corpus, source, kept, length)):
            continue
        rows = kept & without_source(corpus, features, source)
        for choice, order in choices(blocks, length, target, corpus.tasks, rows):
            totals.setdefault(choice, []).append(source_apgr(corpus, source, kept, order))
        own = source_apgr(corpus, source, kept, length)
        sys.stderr.write(f"{source}: best {max(each[-1] for each in totals.values()):.3f}, length {own:.3f}\n")
        sys.stderr.flush()
    means = {choice: float(np.mean(values)) for choice, values in totals.items()}
    for choice in sorted(means, key=lambda each: -means[each])[:5]:
        sys.stderr.write(f"{choice}: {means[choice]:.4f}\n")
    return max(means, key=lambda each: means[each])


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--benchmark", choices=["mmlu", "gsm8k"], default="mmlu")
    parser.add_argument(
        "--every", action="store_true", help="score every choice on the benchmark, not the chosen alone"
    )
    asked = parser.parse_args()
    corpus, source = load_corpus(data_folder()), f"routellm/{asked.benchmark}"
    static = StaticEmbedder.from_artifact(read_shipped("minilm-static", "embedder"))
    features = read_features(static, corpus.prompts)
    surface = SurfaceFeatures().encode(corpus.prompts).astype(np.float64)
    words = word_features(static, corpus.prompts)
    blocks = {"surface": surface, "words": words, "static": features.static.astype(np.float64)}
    target, kept = hardness(corpus), without_source(corpus, features, source)
    chosen = choose(corpus, features, blocks, target, kept)
    rows = benchmark_rows(corpus, asked.benchmark, data_folder())
    s, w = (corpus.scores[rows, corpus.models.index(name)] for name in (STRONG, WEAK))
    samples = np.random.default_rng(0).integers(0, len(rows), (RESAMPLES, len(rows)))
    length, *lengths = _values(surface[rows, 0], s, w, samples)
    sys.stdout.write(f"{asked.benchmark}: {len(rows):,} prompts, length {length:.4f}\n")
    for choice, order in choices(blocks, surface[:, 0], target, corpus.tasks, kept):
        if choice == chosen:
            own, *cloud = _values(order[rows], s, w, samples)
            low, high = np.quantile(cloud, [0.025, 0.975])
            down, up = np.quantile(np.subtract(cloud, lengths), [0.025, 0.975])
            lift = f"over length {own - length:+.4f} [{down:+.4f}, {up:+.4f}]"
            sys.stdout.write(f"{choice} {own:.4f} [{low:.4f}, {high:.4f}]  {lift}, chosen\n")
        elif asked.every:
            sys.stdout.write(f"{choice} {apgr(order[rows], s, w):.4f}\n")


def _values(order: Floats, strong: Floats, weak: Floats, samples: NDArray[np.intp]) -> list[float]:
    """APGR on all prompts, then on each sample of them."""
    return [apgr(order, strong, weak), *(apgr(order[i], strong[i], weak[i]) for i in samples)]


if __name__ == "__main__":
    main()
