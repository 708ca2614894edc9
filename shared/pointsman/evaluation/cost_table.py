"""The table of N models: choices at many settings, and the cost and quality of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
from pointsman.evaluation.bootstrap import Resamples
from pointsman.evaluation.cascade import simulate_cascade
from pointsman.evaluation.hull import utility_choices
from pointsman.evaluation.pair import Cloud, within_tasks
from pointsman.evaluation.predictions import Predictions
from pointsman.evaluation.report import Kind, Row, Table
from pointsman.evaluation.rows import (
    YARDSTICKS,
    agreement_clouds,
    curve_of,
    differences,
    figures_of,
    mean_of,
    models_of,
    tasks_of,
)
from pointsman.evaluation.spend import Choices, Market, blind_to_tasks, threshold_choices
from pointsman.scorers import PromptLength, RandomScorer, Scorer

__all__ = ["cost_table"]

Floats = NDArray[np.float64]

COMPARED = ("aiq", "aiq_code", "aiq_held")


@dataclass(frozen=True, eq=False)
class _Found:
    """Clouds of one row, over all prompts and within tasks (empty without tasks), and its points on the sample."""

    pooled: Cloud
    points: Floats
    within: Cloud = field(default_factory=dict)


def cost_table(
    table: Outcomes,
    said: Mapping[str, Predictions],
    draws: Resamples,
    *,
    paired: bool,
    seed: int,
    judges: Sequence[float] = (),
) -> Table:
    """Every yardstick and every router, by cost.

    Routers choose by willingness to pay for predicted quality, at the models' mean costs; those of a pair by threshold.

    Args:
        table: complete, with costs.
        said: router -> its predictions.
        draws: of the table's prompts.
        paired: the table is a strong and a weak model's.
        seed: of the random router.
        judges: error rates; each adds the row of a simulated cascade whose judge has it.
    """
    costs = np.zeros_like(table.scores) if table.costs is None else table.costs
    market, tasks = Market.of(table.scores, costs, draws), tasks_of(table)
    zero, oracle = market.zero(), market.oracle()
    found = {"zero": _Found(*zero, zero[0] if tasks else {}), "oracle": _Found(*oracle)}
    kinds: dict[str, Kind] = dict(YARDSTICKS)
    for rate in judges:
        climbed, name = simulate_cascade(table.scores, costs, error_rate=rate), f"cascade, judge errs {rate:g}"
        found[name], kinds[name] = _Found(*market.measured(climbed.cost, climbed.quality)), "cascade"
    for name, each in {**_guesses(table, paired, seed), **said}.items():
        found[name] = _routed(each, market, tasks, paired=paired)
    kinds |= dict.fromkeys(said, "router")
    rows = [_row(name, kind, found, said, market.grid) for name, kind in kinds.items()]
    single, point = market.single()
    best = Row(f"always {table.models[market.best]}", "single", figures_of(single), points=point)
    return Table("cost", models_of(table, draws), (best, *rows))


def _routed(said: Predictions, market: Market, tasks: tuple[str, ...], *, paired: bool) -> _Found:
    """Means over its seeds."""
    prices = market.costs.mean(axis=0)

    def choices(quality: Floats, rate: Floats | None) -> Choices:
        return utility_choices(quality, prices) if rate is None else threshold_choices(rate, 0, 1)

    rates: Sequence[Floats | None] = [None] * len(said.quality) if said.win_rate is None else list(said.win_rate)
    seeds = list(zip(said.quality, rates, strict=True))
    routed = [market.routed(choices(quality, rate)) for quality, rate in seeds]
    pooled = mean_of([cloud for cloud, _ in routed])
    if not paired:
        pooled |= agreement_clouds(said.quality.argmax(axis=2), market.draws)
    within: Cloud = {}
    if tasks:
        blind = [(blind_to_tasks(q, tasks), None if r is None else within_tasks(r, tasks)) for q, r in seeds]
        within = mean_of([market.routed(choices(quality, rate))[0] for quality, rate in blind])
    return _Found(pooled, np.concatenate([points for _, points in routed]), within)


def _guesses(table: Outcomes, paired: bool, seed: int) -> dict[str, Predictions]:
    """Random and length over the table's models, which stand strongest first."""
    scorers: dict[str, Scorer] = {
        "random": RandomScorer(table.models, seed),
        "length": PromptLength.fit(table.prompts, models=table.models),
    }
    out = {}
    for name, scorer in scorers.items():
        rate = scorer.win_rate(table.prompts, table.models[0], table.models[-1])
        out[name] = Predictions(table.models, scorer.quality(table.prompts)[None], rate[None] if paired else None)
    return out


def _row(name: str, kind: Kind, found: Mapping[str, _Found], said: Mapping[str, Predictions], grid: Floats) -> Row:
    mine = found[name]
    others: tuple[str, ...] = () if kind == "zero" else ("zero",)
    if kind == "router":
        others = ("zero", "length", *[other for other in list(said)[:1] if other != name])
    return Row(
        name,
        kind,
        figures_of(mine.pooled),
        figures_of(mine.within),
        {other: differences(mine.pooled, found[other].pooled, COMPARED) for other in others},
        curve=curve_of(grid, mine.pooled["curve"]),
        points=mine.points,
        note=said[name].note if name in said else "",
    )
