"""What the two tables of a report share: where a router is looked at, and from clouds of resamples to figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
from pointsman.evaluation.bootstrap import TAILS, Figure, Resamples, figure, pivotal
from pointsman.evaluation.metrics import alike
from pointsman.evaluation.pair import Cloud
from pointsman.evaluation.predictions import Predictions
from pointsman.evaluation.report import Curve, Kind

__all__ = [
    "YARDSTICKS",
    "Setting",
    "agreement_clouds",
    "curve_of",
    "differences",
    "figures_of",
    "mean_of",
    "models_of",
    "tasks_of",
]

Floats = NDArray[np.float64]

YARDSTICKS: Mapping[str, Kind] = {"zero": "zero", "random": "random", "length": "length", "oracle": "oracle"}
"""Rows that every table has: their names, and their kinds."""


@dataclass(frozen=True)
class Setting:
    """Where on its curve a router is looked at.

    Attributes:
        threshold: cuts its win rates; if not given, `share` does.
        share: of these prompts that go to the strong model; None for N models.
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


def models_of(table: Outcomes, draws: Resamples) -> dict[str, dict[str, Figure]]:
    """Mean quality of each model, and its mean cost where costs are known."""
    quality = draws.means(table.scores).T
    out = {name: {"quality": figure(cloud)} for name, cloud in zip(table.models, quality, strict=True)}
    if table.costs is not None:
        for name, cloud in zip(table.models, draws.means(table.costs).T, strict=True):
            out[name]["cost"] = figure(cloud)
    return out


def agreement_clouds(choices: NDArray[np.generic], draws: Resamples) -> Cloud:
    """How often the seeds of one router choose alike; nothing for one seed."""
    return {"agreement": draws.means(alike(choices)[:, None])[:, 0]} if len(choices) > 1 else {}


def tasks_of(table: Outcomes) -> tuple[str, ...]:
    """The tasks where there are two or more; else nothing."""
    return table.tasks if len(set(table.tasks)) > 1 else ()


def mean_of(clouds: Sequence[Cloud]) -> Cloud:
    """One cloud of several seeds."""
    return {name: np.mean([cloud[name] for cloud in clouds], axis=0) for name in clouds[0]}


def differences(one: Cloud, other: Cloud, names: Sequence[str]) -> dict[str, Figure]:
    """Figures of one row less those of another, resample by resample."""
    return {name: figure(one[name] - other[name]) for name in names if name in one and name in other}


def figures_of(cloud: Cloud) -> dict[str, Figure]:
    """Values with their intervals."""
    return {name: (pivotal if name == "ece" else figure)(values) for name, values in cloud.items() if name != "curve"}


def curve_of(x: Floats, cloud: Floats) -> Curve:
    """A line and its band, from curves float64[b, k]."""
    low, high = np.nanquantile(cloud[1:], TAILS, axis=0)
    return Curve(x, cloud[0], low, high)
