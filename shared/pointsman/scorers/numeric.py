"""Small formulas that several scorers share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError

__all__ = ["column_of", "logit", "row_by_row", "sigmoid", "win_rate_from_quality"]

Floats = NDArray[np.float64]
Number = TypeVar("Number", float, Floats)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e^-x), without overflow: e is raised to negative numbers only."""
    return np.asarray(np.exp(np.minimum(x, 0.0)) / (1.0 + np.exp(np.copysign(x, -1.0))))


def logit(p: Floats, *, bound: float = 6.0) -> Floats:
    """log(p / (1 - p)), cut to [-bound, bound], so that a certainty of 0 or 1 stays finite."""
    edge = 1.0 / (1.0 + np.exp(-bound))
    inside = np.clip(p, 1.0 - edge, edge)
    return np.asarray(np.log(inside / (1.0 - inside)), dtype=np.float64)


def win_rate_from_quality(strong: Number, weak: Number) -> Number:
    """1/2 + (q_strong - q_weak) / 2, of numbers or of arrays.

    For two answers that are right with probability q_s and q_w, independently, this is P(strong better) + P(tie) / 2:
    q_s (1 - q_w) + (q_s q_w + (1 - q_s)(1 - q_w)) / 2.
    """
    return 0.5 + 0.5 * (strong - weak)


def row_by_row(vectors: Floats, weights: Floats) -> Floats:
    """`vectors @ weights`, so that a row's result does not depend on the rows beside it, down to the last bit.

    A whole-matrix product sums in another order than a vector's, and a win rate that lies on the threshold would be
    decided one way alone and another way in a batch.
    """
    products: Floats = vectors[:, None] @ weights
    return products[:, 0]


def column_of(models: Sequence[str], model: str) -> int:
    """Position of a model.

    Raises:
        ConfigurationError: it is not among them.
    """
    try:
        return models.index(model)
    except ValueError:
        msg = f"this scorer does not know the model {model!r}; it knows {len(models)}, see .models"
        raise ConfigurationError(msg) from None
