"""What routers say of prompts: those that are made, and those that are fitted on other prompts of the same table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pointsman.binding import bind
from pointsman.data.outcomes import Outcomes
from pointsman.errors import ConfigurationError, DataError
from pointsman.evaluation.splits import Split, unseen
from pointsman.policies import Threshold
from pointsman.pool import Pool
from pointsman.router import Router
from pointsman.scorers.base import Scorer

__all__ = ["PROBE", "Predictions", "cross_predict", "predict"]

Floats = NDArray[np.float64]
Fit = Callable[[Outcomes, int], Scorer]

PROBE = 200
"""Prompts on which a model that was held out is known when it joins."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of a router, or of several that differ in their seed only.

    Attributes:
        models: m names.
        quality: float64[s, n, m], predicted quality.
        win_rate: float64[s, n], P(the strong model is better); None where no pair is named.
        threshold: the router's own; None if it has none.
        note: what a reader must know of it, such as that it was trained on these very prompts.
    """

    models: tuple[str, ...]
    quality: Floats
    win_rate: Floats | None = None
    threshold: float | None = None
    note: str = ""

    def rows(self, keep: NDArray[np.intp]) -> Predictions:
        """The same for these prompts only."""
        rates = None if self.win_rate is None else self.win_rate[:, keep]
        return Predictions(self.models, self.quality[:, keep], rates, self.threshold, self.note)

    def over(self, models: Sequence[str]) -> Predictions:
        """The same with these models in this order.

        Raises:
            DataError: one is not among them.
        """
        absent = [model for model in models if model not in self.models]
        if absent:
            msg = f"no predictions of {', '.join(absent[:4])}; predict for the models that are compared"
            raise DataError(msg)
        columns = [self.models.index(model) for model in models]
        return Predictions(tuple(models), self.quality[:, :, columns], self.win_rate, self.threshold, self.note)


@runtime_checkable
class _Joinable(Protocol):
    def with_model(self, name: str, prompts: Sequence[str], scores: Sequence[float]) -> Scorer: ...


def predict(router: Router | Scorer, prompts: Sequence[str], pool: Pool, *, note: str = "") -> Predictions:
    """What a router says, whatever its gates and its policy would do with it.

    Args:
        router: one that is made; models that it does not know are matched as `pointsman.matching` does.
        prompts: n texts.
        pool: the models of the table; with a pair if win rates are wanted.
        note: for the reader.

    Raises:
        ConfigurationError: it does not know the models.
        ScorerError: it returned something else than scores.
    """
    scorer = router.scorer if isinstance(router, Router) else router
    alpha = _threshold(router, pool) if isinstance(router, Router) else None
    quality, rates = bind(pool, scorer).score(prompts)
    return Predictions(pool.names, quality[None], None if rates is None else rates[None], alpha, note)


def _threshold(router: Router, pool: Pool) -> float | None:
    """The router's threshold, where it has one and it is for this very pair: it means nothing for another."""
    own = [router.pool.named(name).model for name in (router.pool.strong, router.pool.weak) if name is not None]
    return router.policy.alpha if isinstance(router.policy, Threshold) and own == [pool.strong, pool.weak] else None


def cross_predict(
    fit: Fit,
    outcomes: Outcomes,
    splits: Sequence[Split],
    pool: Pool,
    *,
    seeds: Sequence[int] = (0,),
    probe: int = PROBE,
    note: str = "",
    step: Callable[[], None] = lambda: None,
) -> Predictions:
    """Predictions for the test rows of every split, by routers fitted on its train rows; NaN for rows that are in none.

    A prompt that is tested is not trained on, though it stand in other rows of the table too, under another task or at
    another time. A model that a split withholds joins the fitted router from `probe` of the train rows, if the router
    can take new models, and is matched by name, family or price if it knows more of its models than names.

    Args:
        fit: from outcomes and a seed to a scorer.
        outcomes: n prompts, m models.
        splits: see `pointsman.evaluation.splits`.
        pool: the models to score, with a pair if win rates are wanted.
        seeds: one fit each, on every split.
        probe: prompts of a model that joins.
        note: for the reader.
        step: called after each fit.

    Raises:
        DataError: nothing can be learned from the train rows of a split.
        ConfigurationError: a router cannot take a model that was held out.
    """
    quality = np.full((len(seeds), len(outcomes), len(pool)), np.nan)
    rates = np.full((len(seeds), len(outcomes)), np.nan) if pool.strong is not None else None
    for row, seed in enumerate(seeds):
        for split in splits:
            seen = outcomes.select(unseen(outcomes.prompts, split.train, split.test))
            scorer = fit(_without(seen, split.without), seed)
            for model in split.without:
                scorer = _joined(scorer, model, seen, probe, seed)
            texts = [outcomes.prompts[index] for index in split.test]
            quality[row, split.test], found = bind(pool, scorer).score(texts)
            if rates is not None and found is not None:
                rates[row, split.test] = found
            step()
    return Predictions(pool.names, quality, rates, None, note)


def _without(outcomes: Outcomes, models: Sequence[str]) -> Outcomes:
    if not models:
        return outcomes
    keep = [column for column, model in enumerate(outcomes.models) if model not in models]
    if len(keep) < 2:
        msg = f"without {', '.join(models)} fewer than two models are left to learn from; hold out fewer"
        raise DataError(msg)
    names = tuple(outcomes.models[column] for column in keep)
    return Outcomes(outcomes.prompts, names, outcomes.scores[:, keep], outcomes.prompt_ids, outcomes.tasks)


def _joined(scorer: Scorer, model: str, seen: Outcomes, probe: int, seed: int) -> Scorer:
    if not isinstance(scorer, _Joinable):
        if not scorer.models:
            return scorer
        msg = f"a {type(scorer).__name__} cannot take a model that it was not fitted on; hold out models of mf or knn"
        raise ConfigurationError(msg)
    known = np.flatnonzero(~np.isnan(seen.score(model)))
    rows = np.sort(np.random.default_rng(seed).permutation(known)[:probe])
    return scorer.with_model(model, [seen.prompts[row] for row in rows], seen.score(model)[rows].tolist())
