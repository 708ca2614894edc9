"""One call for a whole comparison: routers in, a report out, with the yardsticks that every table needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from pointsman.data.convert import as_outcomes
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.errors import ConfigurationError, DataError
from pointsman.evaluation.bootstrap import RESAMPLES, Resamples
from pointsman.evaluation.cost_table import cost_table
from pointsman.evaluation.mistakes import find_mistakes
from pointsman.evaluation.pair_table import pair_table
from pointsman.evaluation.predictions import Predictions, predict
from pointsman.evaluation.report import Report, Table, notes_of
from pointsman.evaluation.rows import YARDSTICKS, Setting
from pointsman.pool import Pool
from pointsman.router import Router, load_router
from pointsman.scorers.base import Scorer

__all__ = ["evaluate", "pair_of_table", "pool_of", "price_calls"]

Floats = NDArray[np.float64]
Routed = Router | Scorer | Predictions | str

HALF = 0.5
"""Share of strong calls at which a router without a threshold of its own is looked at."""


def evaluate(
    router: Routed | Mapping[str, Routed],
    outcomes: Outcomes | Battles,
    *,
    strong: str | None = None,
    weak: str | None = None,
    threshold: float | None = None,
    strong_share: float | None = None,
    judges: Sequence[float] = (),
    resamples: int = RESAMPLES,
    seed: int = 0,
    data: str = "outcomes",
) -> Report:
    """Compare routers with each other and with what needs no router, on prompts whose outcomes are known.

    For a pair: PGR's area (APGR) and the least shares of strong calls that reach 20, 50, 80 and 95% of the gap (CPT),
    of RouteLLM's eleven points and exactly; Brier score and calibration error of the win rates. Where costs are known,
    for any number of models: AIQ in both normalisations, cost saved at the quality of the best single model, quality
    gained at its cost, and the share of its gap to the oracle that is closed. All with 95% bootstrap intervals over
    prompts, the same resamples for every row. Best single model, zero router, random, length and oracle are always in
    the table.

    Args:
        router: a router or scorer, a saved one's name or folder, or `Predictions` made elsewhere; or several by name,
            the first of which the differences and the mistakes are about. One that is named like a yardstick is called
            "random router".
        outcomes: n prompts with scores of two models or more, or battles between them. Prompts without a score of one
            of them are left out.
        strong: the better model of the pair; the two models that there are, or the router's own pair, if not given.
            With more models and no pair, N models are compared by cost.
        weak: the other one.
        threshold: the setting that is looked at; the router's own if not given.
        strong_share: that setting as a share of these prompts, instead of a threshold.
        judges: error rates in [0, 1]; each adds RouterBench's simulated cascade, whose judge errs that often.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        data: what the prompts are called.

    Raises:
        DataError: there is no prompt, one model, no gap between the pair, no cost where N models are compared or judges
            are given, or predictions of another length.
        ConfigurationError: a router does not know the models, or is none.
    """
    outcomes = as_outcomes(outcomes)
    routers = dict(router) if isinstance(router, Mapping) else {_name(router): router}
    if not len(outcomes) or not routers:
        msg = f"{len(outcomes)} prompts and {len(routers)} routers leave nothing to compare; give one or more of each"
        raise DataError(msg)
    _check(outcomes)
    named = strong is not None or weak is not None
    pair = (None if named else _own_pair(routers, outcomes)) or pair_of_table(outcomes, strong, weak)
    pool = pool_of(outcomes, pair)
    table, rows = complete(outcomes, pool)
    said = {_distinct(name): _said(each, outcomes, rows, pool) for name, each in routers.items()}
    draws = Resamples.draw(len(table), resamples, seed)
    setting = _setting(said, threshold, strong_share, pair is not None)
    tables: list[Table] = []
    if pair is not None:
        tables.append(pair_table(table, said, draws, setting, seed))
    by_cost = table.costs is not None and (pair is None or float(np.ptp(table.costs.mean(axis=0))) > 0)
    if judges and not by_cost:
        msg = "a cascade asks the cheapest model first, and the data do not say which that is; give what calls cost"
        raise DataError(msg)
    if by_cost:
        tables.append(cost_table(table, said, draws, paired=pair is not None, seed=seed, judges=judges))
    notes = notes_of([row for each in tables for row in each.rows])
    first = next(iter(said.values()))
    too_cheap, too_dear = find_mistakes(table, first, setting, pair is not None)
    return Report(
        data=data,
        prompts=len(table),
        left_out=len(outcomes) - len(table),
        tasks=len(set(table.tasks)),
        strong=pair[0] if pair else "",
        weak=pair[1] if pair else "",
        tables=tuple(tables),
        setting=str(setting),
        too_cheap=too_cheap,
        too_dear=too_dear,
        resamples=resamples,
        seed=seed,
        notes=notes,
    )


def pool_of(outcomes: Outcomes, pair: tuple[str, str] | None) -> Pool:
    """The pair, or else all models of a table, strongest first.

    Raises:
        DataError: the table has one model only, or one without any score.
    """
    if pair is not None:
        return Pool.pair(*pair)
    if len(outcomes.models) < 2:
        msg = (
            f"one model ({', '.join(outcomes.models) or 'none'}) leaves nothing to route; give outcomes of two or more"
        )
        raise DataError(msg)
    return Pool([outcomes.models[column] for column in _ranked(outcomes)])


def complete(outcomes: Outcomes, pool: Pool) -> tuple[Outcomes, NDArray[np.intp]]:
    """The table of the pool's models in its order, on prompts that all of them answered; and which rows these are.

    Costs stay if every model has them on a prompt or more; then prompts without one are left out, too.

    Raises:
        DataError: no prompt is left, or N models are compared and one has no cost, or all cost the same.
    """
    columns = [outcomes.models.index(name) for name in pool.names]
    scores, costs = outcomes.scores[:, columns], None if outcomes.costs is None else outcomes.costs[:, columns]
    unpriced = (
        pool.names if costs is None else [n for n, c in zip(pool.names, costs.T, strict=True) if np.isnan(c).all()]
    )
    if unpriced and pool.strong is None:
        some = ", ".join(unpriced[:4]) + (", ..." if len(unpriced) > 4 else "")
        msg = f"no cost is known for {some}; add columns cost|<model> in USD per call, or name a pair: strong and weak"
        raise DataError(msg)
    whole = ~np.isnan(scores).any(axis=1)
    if not unpriced and costs is not None:
        whole &= ~np.isnan(costs).any(axis=1)
    rows = np.flatnonzero(whole)
    if not len(rows):
        msg = f"none of {len(outcomes)} prompts has a score of all of {', '.join(pool.names[:6])}; leave models out"
        raise DataError(msg)
    if pool.strong is None and costs is not None and not np.ptp(costs[rows].mean(axis=0)):
        msg = "all models cost the same, so that nothing can be saved; mend the costs, or name a pair: strong and weak"
        raise DataError(msg)
    cut = outcomes.select(rows)
    kept = None if unpriced or costs is None else costs[rows]
    return Outcomes(cut.prompts, pool.names, scores[rows], cut.prompt_ids, cut.tasks, kept), rows


def price_calls(outcomes: Outcomes, usd: Mapping[str, float]) -> Outcomes:
    """The same outcomes with a cost of every call of a model, in USD; its own costs are kept for the others.

    Raises:
        DataError: there is no such model, or a price is negative or not finite.
    """
    costs = np.full(outcomes.scores.shape, np.nan) if outcomes.costs is None else outcomes.costs.copy()
    for model, price in usd.items():
        if model not in outcomes.models or not (isfinite(price) and price >= 0):
            msg = f"a price of {price} for {model}; give 0 or more for one of {', '.join(outcomes.models[:8])}"
            raise DataError(msg)
        costs[:, outcomes.models.index(model)] = price
    return Outcomes(
        outcomes.prompts, outcomes.models, outcomes.scores, outcomes.prompt_ids, outcomes.tasks, costs,
        outcomes.input_tokens, outcomes.output_tokens,
    )  # fmt: skip


def pair_of_table(outcomes: Outcomes, strong: str | None = None, weak: str | None = None) -> tuple[str, str] | None:
    """The pair that is named, else the two models that there are, the better one first; None for N models.

    Raises:
        DataError: only one is named, both are one model, or one is not in the table.
    """
    for name in (strong, weak):
        if name is not None and name not in outcomes.models:
            msg = f"no model {name!r} in these outcomes; they have {', '.join(outcomes.models[:8])}"
            raise DataError(msg)
    if (strong is None) != (weak is None) or (strong is not None and strong == weak):
        msg = f"a pair is two models (strong {strong}, weak {weak}); name both, or neither"
        raise DataError(msg)
    if strong is not None and weak is not None:
        return strong, weak
    if len(outcomes.models) != 2:
        return None
    better, worse = _ranked(outcomes)
    return outcomes.models[better], outcomes.models[worse]


def _ranked(outcomes: Outcomes) -> list[int]:
    """Columns of the models, the best first.

    Raises:
        DataError: one has no score at all.
    """
    answered = (~np.isnan(outcomes.scores)).sum(axis=0)
    silent = [name for name, count in zip(outcomes.models, answered, strict=True) if not count]
    if silent:
        msg = f"no prompt has a score of {', '.join(silent[:4])}; leave it out, or add outcomes"
        raise DataError(msg)
    return [int(column) for column in np.argsort(-np.nanmean(outcomes.scores, axis=0), kind="stable")]


def _check(outcomes: Outcomes) -> None:
    """The parts of a table have one length, scores lie in [0, 1] and costs are not negative."""
    n, m = len(outcomes), len(outcomes.models)
    shapes = {"scores": (outcomes.scores, (n, m)), "tasks": (np.array(outcomes.tasks), (n,))}
    if outcomes.costs is not None:
        shapes["costs"] = (outcomes.costs, (n, m))
    for name, (values, shape) in shapes.items():
        if values.shape != shape:
            msg = f"{name} of shape {values.shape} for {n} prompts and {m} models; give one row to a prompt, {shape}"
            raise DataError(msg)
    scores, costs = outcomes.scores, np.zeros(1) if outcomes.costs is None else outcomes.costs
    if not (np.isnan(scores) | ((scores >= 0) & (scores <= 1))).all() or not (np.isnan(costs) | (costs >= 0)).all():
        msg = "a score is not in [0, 1], or a cost is negative; divide scores by their maximum, and mend the costs"
        raise DataError(msg)


def _own_pair(routers: Mapping[str, Routed], outcomes: Outcomes) -> tuple[str, str] | None:
    """The pair of the first router that has one, if the table holds both."""
    for router in routers.values():
        if isinstance(router, Router) and router.pool.strong is not None and router.pool.weak is not None:
            own = (router.pool.named(router.pool.strong).model, router.pool.named(router.pool.weak).model)
            if set(own) <= set(outcomes.models):
                return own
    return None


def _said(router: Routed, outcomes: Outcomes, rows: NDArray[np.intp], pool: Pool) -> Predictions:
    if isinstance(router, str):
        router = load_router(router, pool if pool.strong is not None else None)
    if not isinstance(router, Predictions):
        if not isinstance(router, Router | Scorer):
            msg = f"a {type(router).__name__} cannot be evaluated; give a Router, a Scorer, Predictions or a name"
            raise ConfigurationError(msg)
        return predict(router, [outcomes.prompts[row] for row in rows], pool)
    if router.quality.shape[1] != len(outcomes):
        msg = f"predictions of {router.quality.shape[1]} prompts for {len(outcomes)}; predict for the same table"
        raise DataError(msg)
    cut = router.over(pool.names).rows(rows)
    if not np.isfinite(cut.quality).all() or (pool.strong is not None and not _finite(cut.win_rate)):
        msg = "predictions hold NaN; give the rows only that were predicted, and win rates where there is a pair"
        raise DataError(msg)
    return cut


def _finite(values: Floats | None) -> bool:
    return values is not None and bool(np.isfinite(values).all())


def _setting(
    said: Mapping[str, Predictions], threshold: float | None, strong_share: float | None, paired: bool
) -> Setting:
    if threshold is not None and strong_share is not None:
        msg = "a threshold and a share of strong calls are two settings; give one"
        raise DataError(msg)
    for what, value in (("share of strong calls", strong_share), ("threshold", threshold)):
        if value is not None and not 0 <= value <= 1:
            msg = f"the {what} is {value}; give a number in [0, 1]"
            raise DataError(msg)
    if not paired:
        return Setting()
    if threshold is not None:
        return Setting(threshold=threshold)
    if strong_share is not None:
        return Setting(share=strong_share)
    own = any(each.threshold is not None for each in said.values())
    return Setting(share=HALF, own=own)


def _distinct(name: str) -> str:
    """A name that is not a yardstick's."""
    return f"{name} router" if name in YARDSTICKS else name


def _name(router: Routed) -> str:
    if isinstance(router, str):
        return router
    return router.name if isinstance(router, Router) else getattr(router, "kind", None) or "router"
