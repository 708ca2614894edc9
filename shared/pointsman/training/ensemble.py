"""Fitting an ensemble: its members in folds, the pool on what they said of prompts they had not seen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError, DataError
from pointsman.scorers.base import Scorer, SharedVectorScorer
from pointsman.scorers.ensemble import Ensemble
from pointsman.scorers.numeric import column_of
from pointsman.training.checks import check_outcomes
from pointsman.training.embedding import Remembered
from pointsman.training.pooling import fit_pool

__all__ = ["fit_ensemble"]

Floats = NDArray[np.float64]
Pairs = tuple[tuple[str, str], ...]
Fit = Callable[..., Scorer]

MOST_PAIRS = 50
REFERENCE_PROMPTS = 1000


def fit_ensemble(
    data: Outcomes | Battles,
    embedder: Embedder,
    *,
    fits: Mapping[str, Fit],
    seed: int = 0,
    folds: int = 5,
    pairs: Sequence[tuple[str, str]] | None = None,
    models: Sequence[str] | None = None,
) -> Ensemble:
    """The pool of several scorers, weighted by how well each predicts prompts that it was not fitted on.

    Args:
        data: battles count as shares of battles won.
        embedder: that all members over vectors share.
        fits: name -> function (data, embedder, *, seed) that fits a member.
        seed: of the folds, and handed to the members.
        folds: 2 or more.
        pairs: (strong, weak) whose win rates are learned from, and for which reference win rates are kept. If not
            given, every two models, the better one strong; of more than 50 pairs an even choice by their gap.
        models: those to predict, all in the data if not given; of the others' answers each of `fits` makes what it can.

    Raises:
        DataError: nothing can be learned from the data.
        ConfigurationError: folds is below 2, no member was given, or none that predicts quality, or a pair names an
            unknown model.
    """
    outcomes = check_outcomes(data)
    if folds < 2 or not fits:
        msg = f"{folds} folds and {len(fits)} members; give 2 folds or more and a member"
        raise ConfigurationError(msg)
    table = outcomes if models is None else outcomes.of(models)
    chosen = tuple(pairs) if pairs is not None else _pairs(table)
    columns = [(column_of(table.models, strong), column_of(table.models, weak)) for strong, weak in chosen]
    shared = Remembered(embedder)
    first = {prompt: row for row, prompt in reversed(list(enumerate(outcomes.prompts)))}
    fold = (np.random.default_rng(seed).permutation(len(outcomes)) % folds)[[first[text] for text in outcomes.prompts]]
    wins = np.empty((len(fits), len(outcomes), len(chosen)))
    qualities = np.full((len(fits), *table.scores.shape), np.nan)
    for k in range(folds):
        rows, train = np.flatnonzero(fold == k), outcomes.select(fold != k)
        texts = [outcomes.prompts[row] for row in rows]
        for i, fit in enumerate(fits.values()):
            member = _fitted(fit, train, shared, seed, f"{folds} folds that weigh the members")
            wins[i, rows] = np.column_stack([member.win_rate(texts, *pair) for pair in chosen])
            if member.models:
                order = [column_of(member.models, model) for model in table.models]
                qualities[i, rows] = member.quality(texts)[:, order]
    members = tuple(_over(fit(outcomes, shared, seed=seed), shared, embedder) for fit in fits.values())
    gain = np.column_stack([0.5 + 0.5 * (table.scores[:, s] - table.scores[:, w]) for s, w in columns])
    win_pool = fit_pool([np.ravel(each) for each in wins], np.ravel(gain))
    judged = [each for each, member in zip(qualities, members, strict=True) if member.models]
    if not judged:
        msg = f"{', '.join(fits)} look at no model, so nobody says how good each is; add a member such as knn"
        raise ConfigurationError(msg)
    sample = np.unique(np.linspace(0, len(outcomes) - 1, REFERENCE_PROMPTS).astype(np.intp))
    reference = win_pool.pool([each[sample] for each in wins]).astype(np.float32)
    return Ensemble(table.models, members, win_pool, fit_pool(judged, table.scores), chosen, reference)


def _fitted(fit: Fit, train: Outcomes, embedder: Embedder, seed: int, beside: str) -> Scorer:
    try:
        return fit(train, embedder, seed=seed)
    except DataError as error:
        msg = f"{error} (of the prompts left beside one of the {beside})"
        raise DataError(msg) from error


def _over(member: Scorer, shared: Remembered, embedder: Embedder) -> Scorer:
    """The member over the embedder itself, where it was fitted over the one that remembers."""
    if isinstance(member, SharedVectorScorer) and member.embedder is shared:
        return member.with_embedder(embedder)
    return member


def _pairs(outcomes: Outcomes) -> Pairs:
    """(better, worse) for every two models, or an even choice of them by the gap between the two."""
    skill = np.nanmean(outcomes.scores, axis=0)
    ranked = np.argsort(-skill, kind="stable")
    every = sorted(combinations(ranked.tolist(), 2), key=lambda pair: float(skill[pair[0]] - skill[pair[1]]))
    picked = np.unique(np.linspace(0, len(every) - 1, min(MOST_PAIRS, len(every))).astype(np.intp))
    return tuple((outcomes.models[every[i][0]], outcomes.models[every[i][1]]) for i in picked)
