"""Fits the factorisation behind the shipped router: one difficulty per prompt, one ability per model.

P(model M answers prompt q well) = sigmoid(ability_M - difficulty(q)), the Rasch model of item response theory, with a
difficulty that is linear in the prompt's vector. As a matrix factorisation (`pointsman.scorers.mf`) it has three
columns: a constant that meets the ability, the difficulty, and the prior of length. The log-likelihood is concave, so
Newton's method finds its one optimum: no seed, no learning rate, the same figures on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.data.names import family
from pointsman.errors import DataError
from pointsman.scorers.numeric import sigmoid

__all__ = ["FitSettings", "Response", "fit_response"]

Floats = NDArray[np.float64]

ITERATIONS = 30
"""Bound on Newton steps; eight or so are needed."""
TOLERANCE = 1e-9
"""Largest step, in logits, at which the search ends."""
LEVEL_PENALTY = 1e-2
"""Ridge on a task's level and on the offset, in rows: next to nothing, so that one optimum exists."""


@dataclass(frozen=True)
class FitSettings:
    """What is chosen by hand, on held-out sources (see the model card).

    Attributes:
        text_weight: how much a static vector counts beside a standardised surface feature, before the penalty.
        difficulty_penalty: ridge on the difficulty's weights.
        within_family: prior standard deviation of a model's ability around its family's, in logits.
        between_families: prior standard deviation of a family's ability.
        length_prior: added to the win rate per standard deviation of the capped log length.
    """

    text_weight: float = 16.0
    difficulty_penalty: float = 0.2
    within_family: float = 0.5
    between_families: float = 1.5
    length_prior: float = 0.01


@dataclass(frozen=True)
class Response:
    """A fitted model.

    Attributes:
        ability: float64 [m], one per model, in logits.
        weights: float64 [d], difficulty per unit of each prompt feature.
        offset: difficulty of the zero vector.
    """

    ability: Floats
    weights: Floats
    offset: float

    def difficulty(self, vectors: NDArray[np.floating]) -> Floats:
        """Difficulty of prompts, float64 [n], in logits."""
        return np.asarray(vectors @ self.weights + self.offset, dtype=np.float64)

    def quality(self, vectors: NDArray[np.floating]) -> Floats:
        """Expected quality, float64 [n, m]."""
        return sigmoid(self.ability - self.difficulty(vectors)[:, None])


def fit_response(
    vectors: Floats,
    scores: Floats,
    row_weights: Floats,
    tasks: NDArray[np.str_],
    models: Sequence[str],
    settings: FitSettings,
) -> Response:
    """Maximise the penalised log-likelihood, abilities first.

    Tables differ in how hard they are and in which models they hold, and no prompt feature sees all of that. So the
    abilities come from a fit in which every task has a level of its own, where models are compared on shared tasks
    only; the difficulty is then fitted to these abilities without such levels, for a prompt arrives without a task.

    Args:
        vectors: float64 [n, d], prompt features.
        scores: float64 [n, m] in [0, 1], NaN where unknown.
        row_weights: float64 [n], how much a prompt counts; it is shared out among the models that answered it.
        tasks: n task names.
        models: m names, whose families tie their abilities together.
        settings: penalties.

    Raises:
        DataError: No score is known, or the search does not end.
    """
    known = ~np.isnan(scores)
    answered = known.sum(axis=1)
    if not answered.any():
        raise DataError("no score is known, so there is nothing to fit; give outcomes of at least one model")
    weight = np.where(known, (row_weights / np.maximum(answered, 1))[:, None], 0.0)
    target = np.where(known, scores, 0.0)
    ridge = np.full(vectors.shape[1], settings.difficulty_penalty * weight.sum())
    levels = (tasks[:, None] == np.unique(tasks)).astype(np.float64)
    prior = _ability_precision(models, settings)
    level_ridge = np.full(levels.shape[1], LEVEL_PENALTY)
    _, ability = _newton(np.column_stack([vectors, levels]), np.append(ridge, level_ridge), weight, target, prior)
    design = np.column_stack([vectors, np.ones(len(vectors))])
    beta, _ = _newton(design, np.append(ridge, LEVEL_PENALTY), weight, target, prior, ability)
    return Response(ability, beta[:-1], float(beta[-1]))


def _newton(
    design: Floats, ridge: Floats, weight: Floats, target: Floats, prior: Floats, ability: Floats | None = None
) -> tuple[Floats, Floats]:
    """Weights of the difficulty, and abilities unless these are given.

    Raises:
        DataError: the search does not end.
    """
    free = ability is None
    beta: Floats = np.zeros(design.shape[1])
    theta = np.zeros(weight.shape[1]) if ability is None else ability
    for _ in range(ITERATIONS):
        predicted = sigmoid(theta - (design @ beta)[:, None])
        residual = weight * (predicted - target)
        curvature = weight * predicted * (1 - predicted)
        gradient = ridge * beta - design.T @ residual.sum(axis=1)
        hessian = (design * curvature.sum(axis=1)[:, None]).T @ design + np.diag(ridge)
        if free:
            cross = -design.T @ curvature
            gradient = np.concatenate([gradient, residual.sum(axis=0) + prior @ theta])
            hessian = np.block([[hessian, cross], [cross.T, np.diag(curvature.sum(axis=0)) + prior]])
        step = np.linalg.solve(hessian, gradient)
        beta = beta - step[: len(beta)]
        theta = theta - step[len(beta) :] if free else theta
        if np.abs(step).max() < TOLERANCE:
            return beta, theta
    msg = f"the fit did not settle in {ITERATIONS} Newton steps; raise difficulty_penalty"
    raise DataError(msg)


def _ability_precision(models: Sequence[str], settings: FitSettings) -> Floats:
    """Inverse covariance of the abilities' prior, float64 [m, m]: a family shares part of its variance."""
    lines = [family(name) or name for name in models]
    together = np.array([[a == b for b in lines] for a in lines], dtype=np.float64)
    covariance = settings.within_family**2 * np.eye(len(models)) + settings.between_families**2 * together
    return np.asarray(np.linalg.inv(covariance))
