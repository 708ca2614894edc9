"""The calls that a router got wrong at its setting, the most expensive first."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
from pointsman.evaluation.hull import points_of, utility_choices
from pointsman.evaluation.predictions import Predictions
from pointsman.evaluation.report import Mistake
from pointsman.evaluation.rows import Setting

__all__ = ["MOST", "find_mistakes"]

Floats = NDArray[np.float64]

MOST = 10


def find_mistakes(
    table: Outcomes, said: Predictions, setting: Setting, paired: bool
) -> tuple[tuple[Mistake, ...], tuple[Mistake, ...]]:
    """Ten of each: calls where a dearer model would have been better, and where a cheaper one would have been as good.

    The first are ordered by the quality lost, the second by the money wasted; equal ones by how sure the router was.
    Of a pair without costs the strong model is the dearer one.

    Args:
        table: complete; strong and weak model in this order, where there is a pair.
        said: of the router; its first seed counts.
        setting: where it is looked at.
        paired: the table is a pair's.
    """
    chosen = np.where(setting.chosen(said), 0, 1) if paired else _affordable(table, said)
    rows, scores = np.arange(len(table)), table.scores
    price = table.costs if table.costs is not None else np.broadcast_to([1.0, 0.0], scores.shape)
    best = np.where(scores == scores.max(axis=1, keepdims=True), price, np.inf).argmin(axis=1)
    enough = np.where(scores >= scores[rows, chosen][:, None], price, np.inf).argmin(axis=1)
    lost = scores[rows, best] - scores[rows, chosen]
    wasted = price[rows, chosen] - price[rows, enough]
    sure = _sureness(said, chosen, paired)
    rate = said.win_rate[0] if paired and said.win_rate is not None else None

    def tell(row: int, better: int) -> Mistake:
        text = table.prompts[row]
        return Mistake(
            prompt=text,
            sha256=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12],
            task=table.tasks[row],
            chosen=table.models[chosen[row]],
            better=table.models[better],
            win_rate=None if rate is None else float(rate[row]),
            lost=float(scores[row, better] - scores[row, chosen[row]]),
            wasted_usd=None if table.costs is None else float(price[row, chosen[row]] - price[row, better]),
        )

    lost[price[rows, best] < price[rows, chosen]] = 0  # that is money wasted, too
    cheap = [row for row in np.lexsort((-sure, -lost))[:MOST] if lost[row] > 0]
    dear = [row for row in np.lexsort((-sure, -wasted))[:MOST] if wasted[row] > 0]
    return tuple(tell(row, best[row]) for row in cheap), tuple(tell(row, enough[row]) for row in dear)


def _sureness(said: Predictions, chosen: NDArray[np.intp], paired: bool) -> Floats:
    """How far the router's prediction was on the side of the model that it chose."""
    if paired and said.win_rate is not None:
        return np.asarray(np.where(chosen == 0, said.win_rate[0], 1 - said.win_rate[0]))
    return np.asarray(said.quality[0][np.arange(len(chosen)), chosen])


def _affordable(table: Outcomes, said: Predictions) -> NDArray[np.intp]:
    """The choices of the best setting that costs no more than the best single model does."""
    costs = np.zeros_like(table.scores) if table.costs is None else table.costs
    choices = utility_choices(said.quality[0], costs.mean(axis=0))
    cost, quality = points_of(choices, table.scores, costs)
    means = table.scores.mean(axis=0)
    limit = costs.mean(axis=0)[np.lexsort((costs.mean(axis=0), -means))[0]]
    return np.asarray(choices[np.where(cost <= limit, quality, -np.inf).argmax()])
