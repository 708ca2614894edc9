"""How good the shipped recipe is on a source that had no part in training: leave one source out, against length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.data.sources import Corpus, near_copies
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.evaluation.metrics import apgr
from pointsman.matching import KnownModel, match_pool
from pointsman.pool import Pool
from pointsman.training.default import Features, design, fit_default, known_models
from pointsman.training.rasch import FitSettings, Response

__all__ = ["Row", "leave_one_source_out", "source_pairs", "stand_ins", "without_source"]

Floats = NDArray[np.float64]

PAIRS = 12
"""Pairs of models per source, drawn among those with enough of a gap."""
GAP = 0.10
MIN_GAP = {"routellm/mt_bench": 0.05}
BOOTSTRAPS = 200
COVERAGE = 0.85
"""Share of a source's prompts that a model must have answered to be in a pair."""
TWINS = {
    "routellm/gsm8k": ("zeroeval/gsm/", "ulab_llmrouter/gsm8k", "ulab_llmrouter/agentverse-mgsm"),
    "zeroeval/gsm": ("routellm/gsm8k/", "ulab_llmrouter/gsm8k", "ulab_llmrouter/agentverse-mgsm"),
    "zeroeval/zebra-grid": ("ulab_llmrouter/agentverse-logicgrid",),
}
"""Tasks of the same make as a source, held out with it although their prompts differ."""
_LENGTH = SurfaceFeatures.names.index("log_characters")
_CAPPED = SurfaceFeatures.names.index("log_characters_to_400")


@dataclass(frozen=True)
class Row:
    """One source, held out.

    Attributes:
        source: its name.
        prompts: how many of its prompts were scored.
        pairs: how many pairs of models.
        trained_on: prompts that the fit saw.
        apgr: mean over the pairs, RouteLLM's eleven points.
        length: the same for prompt length alone.
        low: lower end of the 95% interval of the difference, paired bootstrap over prompts.
        high: its upper end.
        fitted: mean APGR of the router that saw the source in training.
    """

    source: str
    prompts: int
    pairs: int
    trained_on: int
    apgr: float
    length: float
    low: float
    high: float
    fitted: float


def leave_one_source_out(
    corpus: Corpus,
    features: Features,
    settings: FitSettings,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
) -> list[Row]:
    """One row per source that has a pair of models with enough of a gap, and a last one, "mean", over these.

    A held-out source goes with every near copy of its prompts in other sources (same text, or cosine >= 0.95) and with
    its twins. Models that only it holds are scored as the router would score them: by a relative, else by rank.

    Args:
        corpus: every source.
        features: of its prompts.
        settings: of the fit.
        seed: draws pairs and bootstrap samples.
        say: takes a line of progress.
    """
    everything = np.ones(len(corpus), dtype=bool)
    whole = fit_default(corpus, features, everything, settings)
    rows: list[Row] = []
    gains: list[Floats] = []
    for source in dict.fromkeys(corpus.sources.tolist()):
        pairs = source_pairs(corpus, corpus.sources == source, source, seed)
        if not pairs:
            continue
        train = without_source(corpus, features, source)
        say(f"holding out {source}: {int(train.sum()):,} prompts left")
        fitted = fit_default(corpus, features, train, settings)
        row, gain = _score(corpus, features, settings, seed, source, pairs, train, fitted, whole)
        rows.append(row)
        gains.append(gain)
    low, high = np.quantile(np.mean(gains, axis=0), [0.025, 0.975])
    mean = [float(np.mean([getattr(row, name) for row in rows])) for name in ("apgr", "length", "fitted")]
    total = sum(row.prompts for row in rows)
    rows.append(Row("mean", total, sum(r.pairs for r in rows), 0, mean[0], mean[1], float(low), float(high), mean[2]))
    return rows


def without_source(corpus: Corpus, features: Features, source: str) -> NDArray[np.bool_]:
    """Rows to train on when a source is held out, bool[n]: not its own, no near copy of these, none of its twins."""
    twins = np.array([task.startswith(TWINS.get(source, ("\0",))) for task in corpus.tasks])
    copies = near_copies(corpus.prompts, features.static, corpus.sources == source)
    return np.asarray(~(copies | twins), dtype=bool)


Fit = tuple[Response, Floats, Floats]


def source_pairs(corpus: Corpus, test: NDArray[np.bool_], source: str, seed: int) -> list[tuple[int, int]]:
    """Up to twelve (strong, weak) columns that most of the source's prompts know, with enough of a gap between them."""
    scores = corpus.scores[test]
    known = np.flatnonzero(np.isfinite(scores).mean(axis=0) >= COVERAGE)
    means = {column: float(np.nanmean(scores[:, column])) for column in known.tolist()}
    gap = MIN_GAP.get(source, GAP)
    pairs = [(s, w) for s in means for w in means if means[s] - means[w] >= gap]
    if len(pairs) <= PAIRS or source == "llmfao_human":
        return pairs if source != "llmfao_human" else []
    chosen = np.random.default_rng(seed).choice(len(pairs), PAIRS, replace=False)
    return [pairs[index] for index in sorted(chosen.tolist())]


def _score(
    corpus: Corpus,
    features: Features,
    settings: FitSettings,
    seed: int,
    source: str,
    pairs: Sequence[tuple[int, int]],
    train: NDArray[np.bool_],
    fitted: Fit,
    whole: Fit,
) -> tuple[Row, Floats]:
    """A row of the report, and the bootstrap's differences float64 [BOOTSTRAPS]."""
    known = known_models(corpus, features, fitted, settings, train)
    length = features.surface[:, _LENGTH].astype(np.float64)
    generator = np.random.default_rng(seed)
    figures, gains = [], []
    for strong, weak in pairs:
        rows = np.flatnonzero(
            (corpus.sources == source) & np.isfinite(corpus.scores[:, strong]) & np.isfinite(corpus.scores[:, weak])
        )
        s, w = corpus.scores[rows, strong], corpus.scores[rows, weak]
        stand_in = stand_ins(corpus, known, strong, weak)
        rates = pair_win_rate(features, rows, fitted, settings, *stand_in)
        seen = pair_win_rate(features, rows, whole, settings, strong, weak)
        figures.append([apgr(rates, s, w), apgr(length[rows], s, w), apgr(seen, s, w)])
        samples = generator.integers(len(rows), size=(BOOTSTRAPS, len(rows)))
        gains.append([_gain(rates[i], length[rows][i], s[i], w[i]) for i in samples])
    mean = np.mean(figures, axis=0)
    gain = np.mean(gains, axis=0)
    low, high = np.quantile(gain, [0.025, 0.975])
    prompts = int((corpus.sources == source).sum())
    row = Row(source, prompts, len(pairs), int(train.sum()), *map(float, (mean[0], mean[1], low, high, mean[2])))
    return row, gain


def pair_win_rate(
    features: Features, rows: NDArray[np.intp], fitted: Fit, settings: FitSettings, strong: int, weak: int
) -> Floats:
    """Win rates float64 [n] of two columns on some rows of the corpus, as the shipped scorer computes them."""
    response, mean, scale = fitted
    vectors = design(features.static[rows], features.surface[rows], mean, scale, settings)
    quality = response.quality(vectors)
    prior = settings.length_prior * np.clip((features.surface[rows, _CAPPED] - mean[_CAPPED]) / scale[_CAPPED], -4, 4)
    return np.asarray(0.5 + (quality[:, strong] - quality[:, weak]) / 2 + prior)


def stand_ins(corpus: Corpus, known: Sequence[KnownModel], strong: int, weak: int) -> tuple[int, int]:
    """The columns that the router would score a pair by, from the models that the fit has seen."""
    matches = match_pool(Pool.pair(corpus.models[strong], corpus.models[weak]), known)
    return corpus.models.index(matches[0].model), corpus.models.index(matches[1].model)


def _gain(rates: Floats, length: Floats, strong: Floats, weak: Floats) -> float:
    """APGR of the router less that of length, on one bootstrap sample; 0 where the sample has no gap."""
    if strong.mean() <= weak.mean():
        return 0.0
    return apgr(rates, strong, weak) - apgr(length, strong, weak)
