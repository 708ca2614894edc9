"""N models and their costs: what each row of a table says of a router's choices, on all resamples at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.evaluation.bootstrap import Resamples
from pointsman.evaluation.hull import Hull, aiq, guard, hull_points, non_decreasing_hull, oracle_calls
from pointsman.evaluation.pair import Cloud

__all__ = ["Market", "blind_to_tasks", "threshold_choices"]

Floats = NDArray[np.float64]
Choices = NDArray[np.intp]

SETTINGS = 51
"""Thresholds of a pair's router, at even shares of strong calls."""
GRID_POINTS = 41


@dataclass(frozen=True, eq=False)
class Market:
    """What the models' calls give and cost, on all resamples.

    Attributes:
        scores: float64[n, m], finite.
        costs: float64[n, m], USD, finite.
        draws: resamples of the n prompts.
        quality, price: float64[b, m], means of the models.
        best: column of the best single model, the cheaper of equals, on the sample.
        ceiling: float64[b, 2], mean cost and quality of the oracle.
        half: bool[n], half of the prompts, drawn by chance.
        grid: float64[g], costs at which curves are drawn.
    """

    scores: Floats
    costs: Floats
    draws: Resamples
    quality: Floats
    price: Floats
    best: int
    ceiling: Floats
    half: NDArray[np.bool_]
    grid: Floats

    @classmethod
    def of(cls, scores: Floats, costs: Floats, draws: Resamples) -> Market:
        """The market of these tables; it has two models or more, of which two differ in mean cost."""
        quality, price = draws.means(scores), draws.means(costs)
        best = int(np.lexsort((price[0], -quality[0]))[0])
        ceiling = draws.means(np.column_stack(oracle_calls(scores, costs)))
        grid = np.linspace(price[0].min(), price[0].max(), GRID_POINTS)
        half = np.random.default_rng(0).permutation(len(scores)) % 2 == 0
        return cls(scores, costs, draws, quality, price, best, ceiling, half, grid)

    def routed(self, choices: Choices) -> tuple[Cloud, Floats]:
        """The figures of a router, and its points on the sample, (cost, quality) float64[w, 2].

        Args:
            choices: intp[w, n], a model for each prompt, once for each of its settings.
        """
        rows = np.arange(len(self.scores))
        return self.measured(self.costs[rows, choices], self.scores[rows, choices])

    def measured(self, costs: Floats, scores: Floats) -> tuple[Cloud, Floats]:
        """As `routed`, from what each setting costs and gives on each prompt, float64[w, n] each."""
        cost, quality = self.draws.means(costs.T), self.draws.means(scores.T)
        cloud = self._figures(lambda row: non_decreasing_hull(cost[row], quality[row]))
        return cloud | {"aiq_held": self._held(costs.T, scores.T)}, np.column_stack([cost[0], quality[0]])

    def zero(self) -> tuple[Cloud, Floats]:
        """The hull of the single models."""
        cloud = self._figures(lambda row: non_decreasing_hull(self.price[row], self.quality[row]))
        points = np.column_stack([self.price[0], self.quality[0]])
        return cloud | {"aiq_held": self._held(self.costs, self.scores)}, points

    def oracle(self) -> tuple[Cloud, Floats]:
        """The best answer to each prompt at its least cost, mixed with the single models to its left."""
        cloud = self._figures(
            lambda row: guard(self.ceiling[row, :1], self.ceiling[row, 1:], self._zero(row)),
        )
        return cloud | {"quality": self.ceiling[:, 1], "cost": self.ceiling[:, 0]}, self.ceiling[:1]

    def single(self) -> tuple[Cloud, Floats]:
        """The best single model: one point, and the measure of what is saved and gained."""
        nothing = np.zeros(len(self.price))
        cloud = dict.fromkeys(("saved", "gained", "closed"), nothing)
        at = (self.price[:, self.best], self.quality[:, self.best])
        return cloud | {"cost": at[0], "quality": at[1]}, np.array([[at[0][0], at[1][0]]])

    def _held(self, costs: Floats, scores: Floats) -> Floats:
        """AIQ of the settings that make the hull on one half of the prompts, measured on the other: mean of both ways.

        A hull picks the settings that were lucky on the prompts that it is drawn through, so that even a coin's hull
        lies above the straight line. These settings were picked on other prompts.

        Args:
            costs: float64[n, w], USD.
            scores: float64[n, w].
        """
        halves = (self.half, ~self.half)
        cost, quality = ([self.draws.means(values, half) for half in halves] for values in (costs, scores))
        out = np.full(len(self.price), np.nan)
        for row in range(len(self.price)):
            low, high = float(self.price[row].min()), float(self.price[row].max())
            both = [part[row] for part in (*cost, *quality)]
            if not low < high or not np.isfinite(both).all():
                continue
            areas = []
            for chosen, told in ((0, 1), (1, 0)):
                kept = hull_points(cost[chosen][row], quality[chosen][row])
                x, y = cost[told][row][kept], quality[told][row][kept]
                order = np.argsort(x, kind="stable")
                areas.append(aiq(Hull(x[order], y[order]), low, high))
            out[row] = np.mean(areas)
        return out

    def _zero(self, row: int) -> Hull:
        return non_decreasing_hull(self.price[row], self.quality[row])

    def _figures(self, hull_of: Callable[[int], Hull]) -> Cloud:
        """AIQ in both normalisations and with the single models mixed in ("guarded"); what is saved, gained and closed.

        The last three are against the best single model: the share of its cost that is saved at its quality, the
        quality gained at its cost, and the share of its gap to the oracle that the router's best setting closes,
        whatever that costs. A router may also always call the best single model, so here its curve is taken with that
        point. "curve" is [b, g].
        """
        names = ("aiq", "aiq_code", "aiq_guarded", "saved", "gained", "closed")
        out = {name: np.full(len(self.price), np.nan) for name in names}
        curve = np.empty((len(self.price), len(self.grid)))
        for row in range(len(self.price)):
            hull, low, high = hull_of(row), float(self.price[row].min()), float(self.price[row].max())
            cost, quality = self.price[row, self.best], self.quality[row, self.best]
            curve[row] = hull.at(self.grid)
            if row and not low < high:  # a resample of few prompts on which all models cost the same
                continue
            out["aiq"][row] = aiq(hull, low, high)
            out["aiq_code"][row] = aiq(hull, low, high, normalisation="code")
            out["aiq_guarded"][row] = aiq(guard(hull.cost, hull.quality, self._zero(row)), low, high)
            mixed = guard(hull.cost, hull.quality, Hull(np.array([cost]), np.array([quality])))
            out["saved"][row] = 1 - cost_at(mixed, quality) / cost if cost > 0 else np.nan
            out["gained"][row] = float(mixed.at(cost)) - quality
            room = self.ceiling[row, 1] - quality
            out["closed"][row] = (mixed.quality[-1] - quality) / room if room > 0 else np.nan
        return out | {"curve": curve}


def cost_at(hull: Hull, quality: float) -> float:
    """The least cost at which the hull has a quality that it reaches."""
    return float(np.interp(quality, hull.quality, hull.cost))


def threshold_choices(win_rate: Floats, strong: int, weak: int) -> Choices:
    """The strong model above a threshold and the weak one below it, at even shares of strong calls, intp[51, n]."""
    cuts = np.concatenate([np.quantile(win_rate, np.linspace(0, 1, SETTINGS - 1)), [np.inf]])
    return np.where(win_rate >= cuts[:, None], strong, weak).astype(np.intp)


def blind_to_tasks(predicted: Floats, tasks: Sequence[str]) -> Floats:
    """Predicted quality with each task's mean per model moved to the overall one, float64[n, m].

    What is left of a router when it cannot tell tasks apart.
    """
    names, member = np.unique(np.asarray(tasks), return_inverse=True)
    out: Floats = predicted + predicted.mean(axis=0)
    for index in range(len(names)):
        out[member == index] -= predicted[member == index].mean(axis=0)
    return out
