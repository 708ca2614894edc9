"""Bradley-Terry: ratings from a table of wins (Bradley & Terry, 1952)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ScorerError
from pointsman.scorers.numeric import sigmoid

__all__ = ["bradley_terry", "mutual"]

Floats = NDArray[np.float64]

_ITERATIONS = 100
_TOLERANCE = 1e-12
"""On the gradient, as a share of all wins: some 1e-11 in a rating."""


def bradley_terry(wins: Floats) -> Floats:
    """Ratings theta of mean 0 that maximise sum_ij wins_ij log P(i beats j), P = 1 / (1 + e^(theta_j - theta_i)).

    The optimum of an unpenalised logistic regression on the rows +1, -1. Newton's method: the likelihood is concave,
    and adding a constant to all ratings changes nothing, which the added ones take out of its Hessian. Two players
    have a closed form.

    Args:
        wins: float64[t, t], how much i won against j, ties counted half for each; the diagonal is ignored.

    Returns:
        float64[t].

    Raises:
        ScorerError: there is no finite optimum, see `mutual`, or it was not found.
    """
    table = wins * ~np.eye(len(wins), dtype=bool)
    table /= max(float(table.sum()), np.finfo(np.float64).tiny)
    if not mutual(table).all():
        msg = "some model never lost, or never won, against the rest, so its rating has no finite value; add battles"
        raise ScorerError(msg)
    if len(table) == 2:
        half = 0.5 * float(np.log(table[0, 1] / table[1, 0]))
        return np.array([half, -half])
    games = table + table.T
    theta: Floats = np.zeros(len(table))
    for _ in range(_ITERATIONS):
        expected = sigmoid(theta[:, None] - theta[None, :])
        gradient = (table - games * expected).sum(axis=1)
        if np.abs(gradient).max(initial=0.0) < _TOLERANCE:
            return np.asarray(theta - theta.mean())
        spread = games * expected * (1 - expected)
        hessian = np.diag(spread.sum(axis=1)) - spread
        step = np.linalg.solve(hessian + hessian.trace() / len(table), gradient)
        # a step of more than e^3 in the odds is outside the region where the quadratic says much
        theta = theta + step * min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-300))
    msg = f"the ratings of these battles do not converge in {_ITERATIONS} steps; they are too one-sided"
    raise ScorerError(msg)


def mutual(wins: Floats) -> NDArray[np.bool_]:
    """Whether i has won against j, directly or through others, and j against i, bool[t, t].

    Ratings are finite where that holds for all pairs (Ford, 1957).
    """
    reach = (wins > 0) | np.eye(len(wins), dtype=bool)
    for _ in range(len(wins).bit_length()):
        reach = reach.astype(np.float64) @ reach.astype(np.float64) > 0
    return np.asarray(reach & reach.T)
