"""Win rates that mean what they say: among the prompts with win rate p, the strong model wins a share of p."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.binding import bind
from pointsman.calibration.curves import CURVES
from pointsman.data.columns import match_columns
from pointsman.data.outcomes import Outcomes
from pointsman.errors import DataError, PolicyError
from pointsman.evaluation.metrics import brier, ece, preference
from pointsman.policies import Threshold
from pointsman.router import Router
from pointsman.scorers.calibrated import Calibrated
from pointsman.training.corrections import folds_of

__all__ = ["FEWEST_LABELS", "WinRates", "calibrate_win_rates"]

Floats = NDArray[np.float64]

FOLDS = 10
FEWEST_LABELS = 100
"""Fewer labelled prompts than this say too little on a probability."""


@dataclass(frozen=True)
class WinRates:
    """A router with calibrated win rates; the errors are of prompts that the curve behind them had not seen.

    Attributes:
        router: the calibrated one. It decides as before: a threshold is moved along the curve.
        method: "isotonic", "platt", or "unchanged" where neither was better.
        rows: labelled prompts.
        ece, ece_before: expected calibration error, see `pointsman.evaluation.metrics.ece`.
        brier, brier_before: mean squared error.
    """

    router: Router
    method: str
    rows: int
    ece: float
    ece_before: float
    brier: float
    brier_before: float


def calibrate_win_rates(router: Router, outcomes: Outcomes, *, seed: int = 0) -> WinRates:
    """Give a router's win rates their meaning, without a change in the order of any two prompts.

    The curve is isotonic, Platt's or the identity: whichever has the least squared error over ten folds of the prompts.
    An earlier calibration of the router is of its old win rates, and is dropped.

    Args:
        router: over a pool that names a pair; it stays as it is.
        outcomes: prompts that it was not fitted to, with scores of the pair; 100 at least, 1,000 to be of use.
        seed: of the folds.

    Raises:
        PolicyError: the pool names no pair.
        DataError: too few different prompts have scores of both.
    """
    pool, bound = router.pool, bind(router.pool, router.scorer)
    if pool.strong is None or pool.weak is None or bound.pair is None:
        msg = f"win rates are of a pair, and {pool} names none; name strong and weak in the pool"
        raise PolicyError(msg)
    columns = match_columns(pool, outcomes)
    strong, weak = (outcomes.scores[:, columns[name]] for name in (pool.strong, pool.weak))
    rows = np.flatnonzero(~np.isnan(strong + weak))
    if len(rows) < FEWEST_LABELS:
        msg = f"{len(rows)} prompts have scores of both {pool.strong} and {pool.weak}; give {FEWEST_LABELS} or more"
        raise DataError(msg)
    prompts = tuple(outcomes.prompts[row] for row in rows)
    if (distinct := len(set(prompts))) < FEWEST_LABELS:
        msg = f"{len(rows)} rows hold {distinct} different prompts; give {FEWEST_LABELS} or more"
        raise DataError(msg)
    strong, weak = strong[rows], weak[rows]
    rates = bound.scorer.win_rate(prompts, *bound.pair)
    target = preference(strong, weak)
    unseen = _unseen(rates, target, folds_of(prompts, FOLDS, seed))
    method = min(CURVES, key=lambda name: float(((unseen[name] - target) ** 2).mean()))
    scorer = Calibrated(router.scorer, bound.pair, *CURVES[method](rates, target))
    policy = router.policy
    if isinstance(policy, Threshold):
        policy = Threshold(float(scorer.curve(np.array([policy.alpha]))[0]))
    return WinRates(
        router=Router(pool, scorer, policy, gates=router.gates, name=router.name),
        method=method,
        rows=len(rows),
        ece=ece(unseen[method], strong, weak),
        ece_before=ece(rates, strong, weak),
        brier=brier(unseen[method], strong, weak),
        brier_before=brier(rates, strong, weak),
    )


def _unseen(rates: Floats, target: Floats, fold: NDArray[np.intp]) -> dict[str, Floats]:
    """What each kind of curve says of each prompt, fitted without its fold."""
    said = {name: np.empty_like(rates) for name in CURVES}
    for k in np.unique(fold):
        out = fold == k
        for name, fit in CURVES.items():
            knots, values = fit(rates[~out], target[~out])
            said[name][out] = np.interp(rates[out], knots, values)
    return said
