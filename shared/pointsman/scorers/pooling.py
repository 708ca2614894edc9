"""Several predictions of one probability, pooled on the logit scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError
from pointsman.scorers.numeric import logit, sigmoid

__all__ = ["LogitPool"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LogitPool:
    """One probability from those of k members.

    Members come on different scales: a length's win rate spans (0, 1), that of a difference of two mean scores stays
    near 1/2. On the logit scale a slope mends that, which averaging probabilities cannot, and independent evidence
    adds. So each member is first calibrated (Platt, 1999), then weighted by what it adds to the prior,

        z_i = slope_i * logit(p_i) + offset_i,      z = z_0 + sum_i w_i (z_i - z_0),      w_i >= 0,

    and where members disagree the result moves back to the prior: with V = sum_i u_i (z_i - sum_j u_j z_j)^2 and
    u = w / sum(w), it is

        p = sigmoid(z_0 + (z - z_0) / sqrt(1 + discount * V)),

    the mean of a sigmoid under a Gaussian of that variance where discount = pi / 8 (MacKay, 1992).

    Priors and offsets may differ between columns, the models of a table of qualities: members that say nothing then
    leave each model at its own mean.

    Args:
        slopes: of each member, not negative.
        offsets: of each member, one for each prior.
        weights: of each member, not negative; 0 leaves it out.
        priors: z_0, the logit of the mean outcome; one for all, or one to a column.
        discount: not negative; 0 for none.

    Raises:
        ConfigurationError: the lengths differ, or a number is negative or not finite.
    """

    slopes: tuple[float, ...]
    offsets: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    priors: tuple[float, ...] = (0.0,)
    discount: float = 0.0

    def __post_init__(self) -> None:
        numbers = (*self.slopes, *self.weights, *self.priors, self.discount, *(o for row in self.offsets for o in row))
        same = len(self.slopes) == len(self.offsets) == len(self.weights)
        same &= all(len(row) == len(self.priors) for row in self.offsets)
        signs = all(number >= 0 for number in (*self.slopes, *self.weights, self.discount))
        if not (same and signs and all(math.isfinite(number) for number in numbers)):
            msg = f"{self} needs one slope, offset and weight to a member, finite, and no negative slope or weight"
            raise ConfigurationError(msg)

    @classmethod
    def even(cls, members: int) -> LogitPool:
        """The mean of the members' logits, as they are."""
        return cls((1.0,) * members, ((0.0,),) * members, (1.0 / max(members, 1),) * members)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> LogitPool:
        """The pool whose fields are given, as JSON has them."""
        slopes, weights, priors = (tuple(settings[name]) for name in ("slopes", "weights", "priors"))
        offsets = tuple(tuple(row) for row in settings["offsets"])
        return cls(slopes, offsets, weights, priors, settings["discount"])

    def select(self, columns: Sequence[int]) -> LogitPool:
        """The pool for a table with these of its columns."""
        if len(self.priors) == 1:
            return self
        offsets = tuple(tuple(row[column] for column in columns) for row in self.offsets)
        return replace(self, offsets=offsets, priors=tuple(self.priors[column] for column in columns))

    def evidence(self, predictions: Sequence[Floats]) -> list[Floats]:
        """z_i - z_0 of each member's probabilities."""
        return [
            slope * logit(p) + (np.array(offset) - np.array(self.priors))
            for p, slope, offset in zip(predictions, self.slopes, self.offsets, strict=True)
        ]

    def pool(self, predictions: Sequence[Floats]) -> Floats:
        """The pooled probability, of the shape of each member's.

        Args:
            predictions: k arrays of one shape, probabilities; the last axis is that of the priors, if they are several.
        """
        prior, total = np.array(self.priors), sum(self.weights)
        if not total:
            return sigmoid(np.zeros(np.shape(predictions[0])) + prior)
        said = list(zip(self.weights, self.evidence(predictions), strict=True))
        pull = np.asarray(sum(weight * each for weight, each in said))
        spread = np.asarray(sum(weight / total * (each - pull / total) ** 2 for weight, each in said))
        return sigmoid(np.asarray(prior + pull / np.sqrt(1.0 + self.discount * spread)))
