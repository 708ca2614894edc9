"""The two tables of a report: a pair by share of strong calls, and N models by cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
from pointsman.evaluation.bootstrap import Figure, Resamples, figure, pivotal
from pointsman.evaluation.cascade import simulate_cascade
from pointsman.evaluation.hull import utility_choices
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
from pointsman.evaluation.report import Curve, Kind, Row, Table
from pointsman.evaluation.spend import Choices, Market, blind_to_tasks, threshold_choices
from pointsman.scorers import PromptLength, RandomScorer

__all__ = ["Setting", "cost_table", "pair_table"]

Floats = NDArray[np.float64]
Clouds = dict[str, Cloud]

PLAIN = ("share", "quality", "pgr", "cost", "saved")


@dataclass(frozen=True)
class Setting:
    """Where on its curve a router is looked at.

    Attributes:
        threshold: cuts its win rates; if not given, `share` does.
        share: of these prompts that go to the strong model; None for N models, see `spend_choice`.
        own: its own threshold comes before the share.
    """

    threshold: float | None = None
    share: float | None = None
    own: bool = False

    def chosen(self, said: Predictions, seed: int = 0) -> NDArray[np.bool_]:
        """The calls to the strong model, bool[n]."""
        rates = np.zeros(0) if said.win_rate is None else said.win_rate[seed]
        alpha = self.threshold if self.threshold is not None else said.threshold if self.own else None
        if alpha is not None:
            return np.asarray(rates >= alpha)
        order = np.argsort(-rates, kind="stable")
        chosen = np.zeros(len(rates), dtype=bool)
        chosen[order[: round((self.share or 0.0) * len(rates))]] = True
        return chosen

    def __str__(self) -> str:
        if self.threshold is not None:
            return f"threshold {self.threshold:g}"
        if self.share is None:
            return "the best setting that costs no more than the best single model"
        return f"{'its own threshold, else ' if self.own else ''}{self.share:.0%} of the calls to the strong model"


def pair_table(
    table: Outcomes, said: Mapping[str, Predictions], draws: Resamples, setting: Setting, seed: int
) -> Table:
    """Rankings of the prompts, and what sending the top of each to the strong model gives.

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
    gain, tasks = strong - weak, _tasks(table)
    length = PromptLength.fit(table.prompts).win_rate(table.prompts, *table.models)
    pooled: Clouds = {
        "zero": zero_clouds(gain, draws),
        "random": random_clouds(gain, draws, seed),
        "length": ranking_clouds(length, gain, draws),
        "oracle": oracle_clouds(gain, draws),
    }
    within: Clouds = {name: pooled[name] for name in ("zero", "random")} if tasks else {}
    if tasks:
        within |= {"length": ranking_clouds(within_tasks(length, tasks), gain, draws)}
        within |= {"oracle": ranking_clouds(within_tasks(gain, tasks), gain, draws)}
    rows = [_single(name, column, table, draws) for column, name in enumerate(table.models)]
    rows += [_pair_row(name, _KINDS[name], pooled, within, weak, draws) for name in pooled]
    for name, each in said.items():
        rates = np.empty((0, 0)) if each.win_rate is None else each.win_rate
        pooled[name] = _mean([ranking_clouds(rate, gain, draws) for rate in rates])
        pooled[name] |= _mean([calibration_clouds(rate, strong, weak, draws) for rate in rates])
        if tasks:
            within[name] = _mean([ranking_clouds(within_tasks(rate, tasks), gain, draws) for rate in rates])
        chosen = [setting.chosen(each, row) for row in range(len(rates))]
        pooled[name] |= _agreement(np.array(chosen), draws)
        cut = _mean([cut_clouds(calls, strong, weak, table.costs, draws) for calls in chosen])
        bins = reliability(rates.ravel(), np.tile(strong, len(rates)), np.tile(weak, len(rates)))
        others = ("random", "length", *[other for other in list(said)[:1] if other != name])
        rows.append(_pair_row(name, "router", pooled, within, weak, draws, others, cut, bins, each.note))
    return Table("pair", _models(table, draws), tuple(rows))


def cost_table(
    table: Outcomes,
    said: Mapping[str, Predictions],
    draws: Resamples,
    *,
    paired: bool,
    seed: int,
    judges: Sequence[float] = (),
) -> Table:
    """Choices at many settings, and the cost and quality of each.

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
    market, tasks, prices = Market.of(table.scores, costs, draws), _tasks(table), costs.mean(axis=0)

    def choices(quality: Floats, rate: Floats | None) -> Choices:
        return threshold_choices(rate, 0, 1) if rate is not None else utility_choices(quality, prices)

    found = {"zero": market.zero(), "oracle": market.oracle()}
    blind: Clouds = {"zero": found["zero"][0]} if tasks else {}
    for name, each in {**_guesses(table, paired, seed), **said}.items():
        rates: Sequence[Floats | None] = [None] * len(each.quality) if each.win_rate is None else list(each.win_rate)
        chosen = [choices(*one) for one in zip(each.quality, rates, strict=True)]
        routed = [market.routed(one) for one in chosen]
        cloud = _mean([one for one, _ in routed])
        if not paired:
            cloud |= _agreement(each.quality.argmax(axis=2), draws)
        found[name] = (cloud, np.concatenate([points for _, points in routed]))
        if tasks:
            unknown = [
                choices(blind_to_tasks(quality, tasks), None if rate is None else within_tasks(rate, tasks))
                for quality, rate in zip(each.quality, rates, strict=True)
            ]
            blind[name] = _mean([market.routed(one)[0] for one in unknown])
    for rate in judges:
        climbed = simulate_cascade(table.scores, costs, error_rate=rate)
        found[_CASCADE.format(rate)] = market.measured(climbed.cost, climbed.quality)
    single, point = market.single()
    name = table.models[market.best]
    rows = [Row(f"always {name}", "single", _read(single), points=point)]
    for name in ("zero", "random", "length", "oracle", *map(_CASCADE.format, judges), *said):
        cloud, points = found[name]
        kind = "router" if name in said else _KINDS.get(name, "cascade")
        first = [other for other in list(said)[:1] if other != name]
        others = ("zero", "length", *first) if kind == "router" else ("zero",) if kind != "zero" else ()
        over = {other: _less(cloud, found[other][0], ("aiq", "aiq_code")) for other in others}
        note = said[name].note if name in said else ""
        rows.append(
            Row(
                name, kind, _read(cloud), _read(blind.get(name, {})), over,
                curve=_curve(market.grid, cloud["curve"]), points=points, note=note,
            )
        )  # fmt: skip
    return Table("cost", _models(table, draws), tuple(rows))


_CASCADE = "cascade, judge errs {:g}"
_KINDS: Mapping[str, Kind] = {"zero": "zero", "random": "random", "length": "length", "oracle": "oracle"}


def _guesses(table: Outcomes, paired: bool, seed: int) -> dict[str, Predictions]:
    """Random and length over the table's models, which stand strongest first."""
    out = {}
    for name, scorer in (
        ("random", RandomScorer(table.models, seed)),
        ("length", PromptLength.fit(table.prompts, models=table.models)),
    ):
        rate = scorer.win_rate(table.prompts, table.models[0], table.models[-1])
        out[name] = Predictions(table.models, scorer.quality(table.prompts)[None], rate[None] if paired else None)
    return out


def _single(name: str, column: int, table: Outcomes, draws: Resamples) -> Row:
    chosen = np.full(len(table), column == 0)
    cut = cut_clouds(chosen, table.scores[:, 0], table.scores[:, -1], table.costs, draws)
    return Row(f"always {name}", "single", _read({"quality": cut["quality"]}), cut=_read(cut))


def _pair_row(
    name: str,
    kind: Kind,
    pooled: Clouds,
    within: Clouds,
    weak: Floats,
    draws: Resamples,
    others: Sequence[str] = (),
    cut: Cloud | None = None,
    bins: tuple[Floats, Floats, Floats] | None = None,
    note: str = "",
) -> Row:
    over = {other: _less(pooled[name], pooled[other], ("apgr", "apgr_exact")) for other in others}
    if "random" in over:  # a coin's expectation is known: the interval is the router's own
        over["random"] = _less(pooled[name], pooled["zero"], ("apgr", "apgr_exact"))
    base = draws.means(weak[:, None]) if kind != "random" else np.full((len(draws.counts), 1), weak.mean())
    curve = _curve(GRID, pooled[name]["curve"] + base)
    figures = _read(pooled[name])
    return Row(name, kind, figures, _read(within.get(name, {})), over, _read(cut or {}), curve, None, bins, note)


def _models(table: Outcomes, draws: Resamples) -> dict[str, dict[str, Figure]]:
    quality = draws.means(table.scores).T
    out = {name: {"quality": figure(cloud)} for name, cloud in zip(table.models, quality, strict=True)}
    if table.costs is not None:
        for name, cloud in zip(table.models, draws.means(table.costs).T, strict=True):
            out[name]["cost"] = figure(cloud)
    return out


def _agreement(choices: NDArray[np.generic], draws: Resamples) -> Cloud:
    """How often the seeds of one router choose alike; nothing for one seed."""
    pairs = [(a, b) for a in range(len(choices)) for b in range(a)]
    if not pairs:
        return {}
    alike = np.mean([choices[a] == choices[b] for a, b in pairs], axis=0)
    return {"agreement": draws.means(alike[:, None])[:, 0]}


def _tasks(table: Outcomes) -> tuple[str, ...]:
    """The tasks where there are two or more; else nothing."""
    return table.tasks if len(set(table.tasks)) > 1 else ()


def _mean(clouds: Sequence[Cloud]) -> Cloud:
    """One cloud of several seeds."""
    return {name: np.mean([cloud[name] for cloud in clouds], axis=0) for name in clouds[0]}


def _less(one: Cloud, other: Cloud, names: Sequence[str]) -> dict[str, Figure]:
    return {name: figure(one[name] - other[name]) for name in names}


def _read(cloud: Cloud) -> dict[str, Figure]:
    return {name: (pivotal if name == "ece" else figure)(values) for name, values in cloud.items() if name != "curve"}


def _curve(x: Floats, cloud: Floats) -> Curve:
    low, high = np.nanquantile(cloud[1:], [0.025, 0.975], axis=0)
    return Curve(x, cloud[0], low, high)
