"""A router made the user's own from a few of their labelled prompts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.binding import BoundScorer, bind
from pointsman.data.columns import match_columns
from pointsman.data.names import family
from pointsman.data.outcomes import Outcomes
from pointsman.embedders import ConcatEmbedder, Embedder
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.errors import DataError
from pointsman.evaluation.metrics import apgr
from pointsman.matching import KnownModel
from pointsman.policies import Policy, Threshold
from pointsman.pool import Candidate, Pool
from pointsman.router import Router
from pointsman.scorers.adapted import CLIP, Adapted
from pointsman.scorers.base import SharedVectorScorer
from pointsman.training.checks import MINIMUM_ROWS, check_outcomes
from pointsman.training.corrections import Correction, Moved, fit_correction, folds_of, unmoved
from pointsman.training.embedding import default_embedder

__all__ = ["Adaptation", "adapt_router"]

Floats = NDArray[np.float64]

FOLDS = 10
TEXT_WEIGHT = 3.2
"""Length of a text vector's part in a prompt vector, where a surface feature has 1: 0.2 for each of 256 components."""
LEAST_SCALE = 1e-3
"""A component that hardly varies in the user's prompts is not blown up."""


@dataclass(frozen=True)
class Adaptation:
    """An adapted router, and what its labels said; all figures are of rows that the fit behind them had not seen.

    Attributes:
        router: the adapted one.
        rows: prompts that it learned from.
        moved: how far its win rates moved; for a pool without a pair, those qualities that moved farthest.
        error: mean squared error of the win rate against 1 (strong better), 1/2 (tie) and 0; None without a pair.
        error_before: the same of the router as it was.
        apgr: RouteLLM's average gap recovered; None without a pair, or if the strong model is not the better one.
        apgr_before: the same of the router as it was.
    """

    router: Router
    rows: int
    moved: Moved
    error: float | None = None
    error_before: float | None = None
    apgr: float | None = None
    apgr_before: float | None = None


def adapt_router(router: Router, outcomes: Outcomes, *, seed: int = 0) -> Adaptation:
    """Correct a router's win rates and qualities by labelled prompts, see `Adapted` and `fit_correction`.

    Columns of the outcomes are matched to the router's candidates by name, by model, or by another spelling of it;
    others are left aside, and candidates without a column keep what the router predicts. A `Threshold` is set anew so
    that the share of strong calls on these prompts stays what it was.

    Args:
        router: what to start from; it stays as it is.
        outcomes: 20 labelled prompts or more; 50 to 2,000 are what this is made for.
        seed: of the folds.

    Raises:
        DataError: too few prompts, no column of a candidate (of the pair, where the pool names one), a score out of
            range, or labels that are all alike.
    """
    pool = router.pool
    known, columns = _matched(pool, outcomes)
    known = check_outcomes(known)
    wins, labelled = _wins(pool, known, columns)
    bound = bind(pool, router.scorer)
    before, rates = bound.score(known.prompts)
    embedder = _embedder(bound, known)
    vectors = embedder.encode(known.prompts).astype(np.float64)
    mean, scale = _standard(embedder, vectors)
    z = np.clip((vectors - mean) / scale, -CLIP, CLIP)
    fold = folds_of(known.prompts, FOLDS, seed)
    corrections = [
        _quality(before[:, row], known, columns.get(candidate.name), z, fold) for row, candidate in enumerate(pool)
    ]
    win = unmoved(np.zeros(0), z.shape[1])
    if rates is not None and wins is not None:
        win = fit_correction(rates[labelled], wins[labelled], z[labelled], fold[labelled])
    scorer = _scorer(pool, bound, embedder, [*corrections, win], (mean, scale), (known, columns))
    policy = router.policy
    if rates is not None and win.fitted.size:
        policy = _same_share(policy, rates[labelled], win.fitted)
    adapted = Router(pool, scorer, policy, gates=router.gates, name=f"{router.name}-adapted")
    if rates is None or wins is None:
        moved = max((c.moved for c in corrections), key=("not at all", "level", "by prompt").index)
        return Adaptation(adapted, len(known), moved)
    figures = _apgr(pool, known, columns, labelled, win.fitted), _apgr(pool, known, columns, labelled, rates[labelled])
    return Adaptation(adapted, int(labelled.sum()), win.moved, win.error, win.error_before, *figures)


def _matched(pool: Pool, outcomes: Outcomes) -> tuple[Outcomes, dict[str, int]]:
    """The outcomes of the candidates alone, and the column of each candidate."""
    found = match_columns(pool, outcomes)
    rows = sorted(set(found.values()))
    used = tuple(outcomes.models[row] for row in rows)
    cut = Outcomes(outcomes.prompts, used, outcomes.scores[:, rows], outcomes.prompt_ids, outcomes.tasks)
    return cut, {name: rows.index(column) for name, column in found.items()}


def _wins(pool: Pool, outcomes: Outcomes, columns: dict[str, int]) -> tuple[Floats | None, NDArray[np.bool_]]:
    """1/2 + (y_strong - y_weak) / 2 for the pool's pair, and the rows that have it."""
    if pool.strong is None or pool.weak is None:
        return None, np.zeros(len(outcomes), dtype=bool)
    strong, weak = (outcomes.scores[:, columns[name]] for name in (pool.strong, pool.weak))
    wins = 0.5 + 0.5 * (strong - weak)
    labelled = ~np.isnan(wins)
    prompts = {prompt for prompt, known in zip(outcomes.prompts, labelled, strict=True) if known}
    if len(prompts) < MINIMUM_ROWS:
        msg = (
            f"{len(prompts)} different prompts have scores of both {pool.strong} and {pool.weak}; "
            f"give {MINIMUM_ROWS} or more, a few hundred to be of use"
        )
        raise DataError(msg)
    if np.ptp(wins[labelled]) == 0:
        msg = (
            f"{pool.strong} against {pool.weak} ended alike on all {int(labelled.sum())} prompts, which says nothing "
            "on when to route; add prompts where it ends otherwise"
        )
        raise DataError(msg)
    return wins, labelled


def _embedder(bound: BoundScorer, outcomes: Outcomes) -> Embedder:
    """The base's own where it reads vectors, so that a text is read once; else the one that classical routers have."""
    return bound.scorer.embedder if isinstance(bound.scorer, SharedVectorScorer) else default_embedder(outcomes.prompts)


def _standard(embedder: Embedder, vectors: Floats) -> tuple[Floats, Floats]:
    """Mean and scale; the components of a text vector together count `TEXT_WEIGHT`, each surface feature 1."""
    weight: Floats = np.full(embedder.dim, TEXT_WEIGHT / np.sqrt(embedder.dim))
    if isinstance(embedder, ConcatEmbedder):
        widths = [part.dim for part in embedder.parts]
        surface = [isinstance(part, SurfaceFeatures) for part in embedder.parts]
        weight = np.repeat(
            [1.0 if s else TEXT_WEIGHT / np.sqrt(w) for s, w in zip(surface, widths, strict=True)], widths
        )
    return vectors.mean(axis=0), np.maximum(vectors.std(axis=0), LEAST_SCALE) / weight


def _quality(base: Floats, outcomes: Outcomes, column: int | None, z: Floats, fold: NDArray[np.intp]) -> Correction:
    """Of one candidate; none where it has no column, or too few scores to tell."""
    if column is None:
        return unmoved(base, z.shape[1])
    scores = outcomes.scores[:, column]
    seen = ~np.isnan(scores)
    if len(np.unique(fold[seen])) < 2 or seen.sum() < MINIMUM_ROWS or np.ptp(scores[seen]) == 0:
        return unmoved(base, z.shape[1])
    return fit_correction(base[seen], scores[seen], z[seen], fold[seen])


def _scorer(
    pool: Pool,
    bound: BoundScorer,
    embedder: Embedder,
    corrections: list[Correction],
    standard: tuple[Floats, Floats],
    labels: tuple[Outcomes, dict[str, int]],
) -> Adapted:
    """The scorer for the pool's models, each once."""
    first = {candidate.model: row for row, candidate in reversed(list(enumerate(pool)))}
    models = tuple(dict.fromkeys(candidate.model for candidate in pool))
    kept = [corrections[first[model]] for model in models] + corrections[-1:]
    pair = None
    if pool.strong is not None and pool.weak is not None:
        pair = (pool.candidates[pool.position(pool.strong)].model, pool.candidates[pool.position(pool.weak)].model)
    return Adapted(
        base=bound.scorer,
        models=models,
        stands_for=tuple(bound.models[first[model]] for model in models),
        embedder=embedder,
        pair=pair,
        intercepts=np.array([c.intercept for c in kept], dtype=np.float32),
        slopes=np.array([c.slope for c in kept], dtype=np.float32),
        weights=np.column_stack([c.weights for c in kept]).astype(np.float32),
        mean=standard[0].astype(np.float32),
        scale=standard[1].astype(np.float32),
        reference=corrections[-1].fitted.astype(np.float32),
        known_models=tuple(_known(pool.candidates[first[model]], *labels) for model in models),
    )


def _known(candidate: Candidate, outcomes: Outcomes, columns: dict[str, int]) -> KnownModel:
    column = columns.get(candidate.name)
    if column is None:
        return KnownModel(candidate.model, (candidate.name,), family(candidate.model))
    scores = outcomes.scores[:, column]
    skill, rows = round(float(np.nanmean(scores)), 4), int((~np.isnan(scores)).sum())
    return KnownModel(candidate.model, (candidate.name,), family(candidate.model), skill, rows)


def _same_share(policy: Policy, before: Floats, after: Floats) -> Policy:
    """A threshold at which as many of the user's prompts go to the strong model as did."""
    if not isinstance(policy, Threshold) or policy.alpha in (0.0, 1.0):
        return policy
    share = float((before >= policy.alpha).mean())
    if share == 0.0:
        return Threshold(float(min(1.0, np.nextafter(after.max(), 2.0))))
    return Threshold(float(np.clip(np.quantile(after, 1.0 - share), 0.0, 1.0)))


def _apgr(
    pool: Pool, outcomes: Outcomes, columns: dict[str, int], rows: NDArray[np.bool_], rates: Floats
) -> float | None:
    strong, weak = (outcomes.scores[rows, columns[str(name)]] for name in (pool.strong, pool.weak))
    return apgr(rates, strong, weak) if strong.mean() > weak.mean() else None
