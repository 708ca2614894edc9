"""How a model joins a trained factorisation: its vector alone is fitted, to a few of its outcomes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError
from pointsman.scorers.numeric import sigmoid

__all__ = ["checked_probe", "fit_column"]

Floats = NDArray[np.float64]

ITERATIONS = 50
TOLERANCE = 1e-9
LEAST_LEVEL = 1.0
"""Variance, in squared logits, of a new model's level at least: it may be better or worse than all that are known."""
OWN_WAY = 0.01
"""Share of the known models' variance in which a new one may differ along directions in which they all agree."""


def checked_probe(name: str, models: Sequence[str], prompts: Sequence[str], scores: Sequence[float]) -> Floats:
    """The scores of a new model's probe set, float64[n].

    Raises:
        ConfigurationError: the name is taken, there is no prompt or one is no text, or a score is missing or out of
            range.
    """
    try:
        given = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"the scores of {name} are no numbers ({error}); give one in [0, 1] to a prompt"
        raise ConfigurationError(msg) from error
    if not all(isinstance(prompt, str) for prompt in prompts):
        msg = f"a prompt of {name}'s probe set is no text; give each as a str"
        raise ConfigurationError(msg)
    if name in models:
        msg = f"{name} is known already; give another name, or fit anew"
        raise ConfigurationError(msg)
    if given.shape != (len(prompts),) or not len(prompts) or not ((given >= 0) & (given <= 1)).all():
        msg = f"{len(prompts)} prompts and scores of shape {given.shape}; give one score in [0, 1] to a prompt"
        raise ConfigurationError(msg)
    return given


def fit_column(hidden: Floats, scores: Floats, columns: Floats, scale: float, offset: float) -> Floats:
    """The column c of a new model, float64[k], in quality = sigmoid(scale * hidden . c + offset).

    The maximum a posteriori, where the known models are the prior: a new one is drawn from the normal distribution of
    their mean and covariance. So it may differ from them freely in what they differ in among themselves, which is what
    makes a few dozen outcomes enough; and in level also where they hardly differ in that. The log-posterior is concave,
    and Newton's method finds its one optimum.

    Args:
        hidden: of the probe set, float64[n, k].
        scores: in [0, 1], float64[n].
        columns: of the known models, float64[k, m].
        scale: of the factorisation's quality.
        offset: of the factorisation's quality.
    """
    mean = columns.mean(axis=1)
    away = columns - mean[:, None]
    covariance = away @ away.T / max(1, columns.shape[1] - 1)
    spread = max(float(np.trace(covariance)) / len(mean), 1e-6)
    level = _own_level(hidden, away, scale)
    precision = np.linalg.inv(covariance + OWN_WAY * spread * np.eye(len(mean)) + np.outer(level, level))
    column: Floats = mean
    for _ in range(ITERATIONS):
        predicted = sigmoid(scale * (hidden @ column) + offset)
        gradient = scale * (hidden.T @ (predicted - scores)) + precision @ (column - mean)
        curvature = scale**2 * predicted * (1 - predicted)
        step = np.linalg.solve((hidden * curvature[:, None]).T @ hidden + precision, gradient)
        column = np.asarray(column - step)
        if np.abs(step).max() < TOLERANCE:
            break
    return column


def _own_level(hidden: Floats, away: Floats, scale: float) -> Floats:
    """The step, float64[k], that raises the logit of every prompt alike by what known models' levels lack in spread."""
    everywhere = np.linalg.lstsq(hidden, np.ones(len(hidden)), rcond=1e-6)[0]
    known = float(np.mean((scale * hidden.mean(axis=0) @ away) ** 2))
    return np.asarray(np.sqrt(max(0.0, LEAST_LEVEL - known)) / scale * everywhere)
