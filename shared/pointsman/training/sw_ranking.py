"""Fitting similarity-weighted ranking: keep the battles, rate the models once, merge them into tiers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.embedders.base import Embedder
from pointsman.errors import DataError
from pointsman.scorers.bradley_terry import bradley_terry, mutual
from pointsman.scorers.index import PromptIndex
from pointsman.scorers.sw_ranking import SWRanking
from pointsman.training.checks import check_battles
from pointsman.training.tiers import compute_tiers

__all__ = ["fit_sw_ranking"]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


def fit_sw_ranking(
    data: Outcomes | Battles,
    embedder: Embedder,
    *,
    seed: int = 0,
    tiers: int = 10,
    gamma: float = 10.0,
    per_prompt: int | None = 20,
    compatible: bool = False,
    bits: int = 16,
) -> SWRanking:
    """The similarity-weighted ranking of these battles.

    Args:
        data: outcomes become battles, at most `per_prompt` of a prompt, drawn with `seed`.
        embedder: gives the vectors that are compared.
        seed: of that draw.
        tiers: at most so many, RouteLLM's 10. Fewer where there are fewer models, and neighbours are merged where a
            tier would have won or lost all its battles against the others, which gives no finite rating.
        gamma: see `SWRanking`.
        per_prompt: see above; None for all pairs.
        compatible: RouteLLM's own numbers: exactly `tiers` tiers, from ratings without the half game that every
            model is otherwise given against an average one.
        bits: of a stored vector's components, 8 or 16.

    Raises:
        DataError: nothing can be learned from the data; every battle between the tiers was won by the same side.
        ConfigurationError: tiers, gamma or bits is out of range.
    """
    battles = check_battles(data, per_prompt=per_prompt, seed=seed)
    models = tuple(dict.fromkeys(name for pair in zip(battles.model_a, battles.model_b, strict=True) for name in pair))
    column = {name: i for i, name in enumerate(models)}
    a, b = (np.array([column[name] for name in names], dtype=np.intp) for names in (battles.model_a, battles.model_b))
    tier_of = _tiers(_wins(a, b, battles, len(models)), tiers, compatible=compatible)
    texts = list(dict.fromkeys(battles.prompts))
    row = {text: i for i, text in enumerate(texts)}
    rows = np.array([row[text] for text in battles.prompts], dtype=np.int32)
    return SWRanking(
        models=models,
        embedder=embedder,
        index=PromptIndex.of(embedder.encode(texts), bits=bits),
        tiers=tier_of.astype(np.int32),
        sizes=np.bincount(tier_of).astype(np.int32),
        battles=np.column_stack([rows, tier_of[a], tier_of[b]]).astype(np.int32),
        labels=battles.labels.astype(np.float32),
        counts=None if battles.weights is None else battles.weights.astype(np.float32),
        gamma=gamma,
        compatible=compatible,
    )


def _wins(a: Indices, b: Indices, battles: Battles, players: int) -> Floats:
    """Share of battles that i won against j, summed by weight, float64[players, players]."""
    wins = np.zeros((players, players))
    np.add.at(wins, (a, b), battles.labels * battles.counts)
    np.add.at(wins, (b, a), (1.0 - battles.labels) * battles.counts)
    return wins


def _tiers(wins: Floats, tiers: int, *, compatible: bool) -> Indices:
    """Tier of each model, intp[m]; every tier can be rated against the others."""
    m = len(wins)
    if compatible:
        if not mutual(wins).all():
            msg = "some model won, or lost, all its battles against the rest, and its rating is infinite; leave it out"
            raise DataError(msg)
        return compute_tiers(bradley_terry(wins), tiers)
    drawn = np.zeros((m + 1, m + 1))
    drawn[:m, :m] = wins
    drawn[m, :m] = drawn[:m, m] = 0.25  # half a game against an average model, drawn: no rating is infinite
    tier_of = compute_tiers(bradley_terry(drawn)[:m], tiers)
    while tier_of.any():
        count = int(tier_of.max()) + 1
        merged = np.zeros((count, count))
        np.add.at(merged, (tier_of[:, None], tier_of[None, :]), wins)
        apart = np.flatnonzero(~np.diagonal(mutual(merged), offset=1))
        if not len(apart):
            return tier_of
        tier_of = tier_of - (tier_of > apart[0])
    msg = f"of {m} models the same always won, so there is nothing to weigh; add battles that go the other way, or ties"
    raise DataError(msg)
