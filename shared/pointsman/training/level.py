"""How good all models are on a prompt, which battles between them do not say: it cancels in every lead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.scorers.numeric import sigmoid

__all__ = ["Level", "fit_level"]

Floats = NDArray[np.float64]

RIDGES = (1e4, 1e3, 1e2, 1e1)
ITERATIONS = 30
TOLERANCE = 1e-6
LEAST_SCALE = 1e-2
PRIOR_ROWS = 1.0
"""Weight of scale 1 and offset 0, so that one optimum exists."""


@dataclass(frozen=True)
class Level:
    """quality(M, q) = sigmoid(scale * delta(M, q) + weights . v_q + offset).

    Attributes:
        scale: positive.
        offset: in logits.
        weights: float64[d], in logits.
    """

    scale: float
    offset: float
    weights: Floats

    def loss(self, vectors: Floats, deltas: Floats, scores: Floats) -> float:
        """Mean cross-entropy of the known scores."""
        z = self.scale * deltas + (vectors @ self.weights + self.offset)[:, None]
        return float(np.nanmean(np.logaddexp(0, z) - scores * z))


def fit_level(vectors: Floats, deltas: Floats, scores: Floats, held: NDArray[np.bool_]) -> Level:
    """Penalised maximum likelihood by Newton's method, the penalty chosen on held-out prompts.

    Args:
        vectors: float64[n, d].
        deltas: float64[n, m], each prompt's mean over the models 0.
        scores: float64[n, m] in [0, 1], NaN where unknown.
        held: bool[n], the prompts on which the penalty is chosen.
    """
    level = Level(1.0, 0.0, np.zeros(vectors.shape[1]))
    best, least = level, np.inf
    for ridge in RIDGES:
        level = _newton(vectors[~held], deltas[~held], scores[~held], ridge, level)
        loss = level.loss(vectors[held], deltas[held], scores[held])
        if loss < least:
            best, least = level, loss
    return best


def _newton(vectors: Floats, deltas: Floats, scores: Floats, ridge: float, start: Level) -> Level:
    known = ~np.isnan(scores)
    target = np.where(known, scores, 0.0)
    design = np.column_stack([vectors, np.ones(len(vectors))])
    penalty = np.append(np.full(vectors.shape[1], ridge), PRIOR_ROWS)
    beta, scale = np.append(start.weights, start.offset), start.scale
    for _ in range(ITERATIONS):
        predicted = sigmoid(scale * deltas + (design @ beta)[:, None])
        residual = np.where(known, predicted - target, 0.0)
        curvature = np.where(known, predicted * (1 - predicted), 0.0)
        slope = np.append(design.T @ residual.sum(axis=1) + penalty * beta, (residual * deltas).sum() + scale - 1.0)
        cross = design.T @ (curvature * deltas).sum(axis=1)
        corner = (curvature * deltas**2).sum() + PRIOR_ROWS
        inner = (design * curvature.sum(axis=1)[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(np.block([[inner, cross[:, None]], [cross[None, :], np.array([[corner]])]]), slope)
        beta, scale = beta - step[:-1], max(scale - float(step[-1]), LEAST_SCALE)
        if np.abs(step).max() < TOLERANCE:
            break
    return Level(scale, float(beta[-1]), beta[:-1])
