"""The table of a pair: rankings of the prompts, and what sending the top of each to the strong model gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
from pointsman.evaluation.bootstrap import Resamples
from pointsman.evaluation.metrics import pgr, reliability
from pointsman.evaluation.pair import (
    GRID,
    Cloud,
    calibration_clouds,
    cut_clouds,
    oracle_clouds,
    random_clouds,
    ranking_clouds,
    within_tasks,
    zero_clouds,
)
from pointsman.evaluation.predictions import Predictions
from pointsman.evaluation.report import Kind, Row, Table
from pointsman.evaluation.rows import (
    YARDSTICKS,
    Setting,
    agreement_clouds,
    curve_of,
    differences,
    figures_of,
    mean_of,
    models_of,
    tasks_of,
)
from pointsman.scorers import PromptLength

__all__ = ["pair_table"]

Floats = NDArray[np.float64]

COMPARED = ("apgr", "apgr_exact")


@dataclass(frozen=True, eq=False)
class _Found:
    """Clouds of one row: over all prompts, within tasks (empty without tasks)."""

    pooled: Cloud
    within: Cloud


def pair_table(
    table: Outcomes, said: Mapping[str, Predictions], draws: Resamples, setting: Setting, seed: int
) -> Table:
    """Every yardstick and every router.

    Args:
        table: strong and weak model, in this order; complete.
        said: router -> its predictions, with win rates.
        draws: of the table's prompts.
        setting: where each router is looked at.
        seed: of the random rankings.

    Raises:
        DataError: the strong model is not better than the weak one.
    """
    strong, weak = table.scores.T
    pgr(0.0, float(strong.mean()), float(weak.mean()))
    base = draws.means(weak[:, None])
    found = _yardsticks(table, draws, seed)
    rows = [_single(name, column, table, draws) for column, name in enumerate(table.models)]
    rows += [_row(name, kind, found[name], base) for name, kind in YARDSTICKS.items()]
    for name, each in said.items():
        found[name] = _router(each, table, draws, setting)
        # a coin's expectation is known, so that the interval of the difference is the router's own
        others = {"random": "zero", "length": "length"} | {other: other for other in list(said)[:1] if other != name}
        over = {
            other: differences(found[name].pooled, found[behind].pooled, COMPARED) for other, behind in others.items()
        }
        rates = np.empty((0, 0)) if each.win_rate is None else each.win_rate
        row = replace(
            _row(name, "router", found[name], base),
            over=over,
            cut=figures_of(_at_setting(each, table, draws, setting)),
            reliability=reliability(rates.ravel(), np.tile(strong, len(rates)), np.tile(weak, len(rates))),
            note=each.note,
        )
        rows.append(row)
    return Table("pair", models_of(table, draws), tuple(rows))


def _yardsticks(table: Outcomes, draws: Resamples, seed: int) -> dict[str, _Found]:
    gain, tasks = table.scores[:, 0] - table.scores[:, 1], tasks_of(table)
    length = PromptLength.fit(table.prompts).win_rate(table.prompts, *table.models)
    zero, coin = zero_clouds(gain, draws), random_clouds(gain, draws, seed)
    return {
        "zero": _Found(zero, zero if tasks else {}),
        "random": _Found(coin, coin if tasks else {}),
        "length": _ranked(length, gain, tasks, draws),
        "oracle": replace(_ranked(gain, gain, tasks, draws), pooled=oracle_clouds(gain, draws)),
    }


def _router(said: Predictions, table: Outcomes, draws: Resamples, setting: Setting) -> _Found:
    """Means over its seeds."""
    (strong, weak), tasks = table.scores.T, tasks_of(table)
    rates = [] if said.win_rate is None else list(said.win_rate)
    ranked = [_ranked(rate, strong - weak, tasks, draws) for rate in rates]
    pooled = mean_of([each.pooled for each in ranked])
    pooled |= mean_of([calibration_clouds(rate, strong, weak, draws) for rate in rates])
    pooled |= agreement_clouds(np.array([setting.chosen(said, row) for row in range(len(rates))]), draws)
    return _Found(pooled, mean_of([each.within for each in ranked]))


def _ranked(rate: Floats, gain: Floats, tasks: tuple[str, ...], draws: Resamples) -> _Found:
    within = ranking_clouds(within_tasks(rate, tasks), gain, draws) if tasks else {}
    return _Found(ranking_clouds(rate, gain, draws), within)


def _at_setting(said: Predictions, table: Outcomes, draws: Resamples, setting: Setting) -> Cloud:
    chosen = [setting.chosen(said, row) for row in range(len(said.quality))]
    return mean_of([cut_clouds(calls, table.scores[:, 0], table.scores[:, 1], table.costs, draws) for calls in chosen])


def _single(name: str, column: int, table: Outcomes, draws: Resamples) -> Row:
    chosen = np.full(len(table), column == 0)
    cut = cut_clouds(chosen, table.scores[:, 0], table.scores[:, 1], table.costs, draws)
    return Row(f"always {name}", "single", figures_of({"quality": cut["quality"]}), cut=figures_of(cut))


def _row(name: str, kind: Kind, found: _Found, base: Floats) -> Row:
    """A row of figures and a curve; `base` is the weak model's quality, float64[b, 1]."""
    # random orders are of the sample itself, and not of its resamples
    level = np.broadcast_to(base[0], base.shape) if kind == "random" else base
    curve = curve_of(GRID, found.pooled["curve"] + level)
    return Row(name, kind, figures_of(found.pooled), figures_of(found.within), curve=curve)
