"""Where to cut a judge's scores, from scores that it gave on prompts of yours."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointsman.errors import DataError, PolicyError

__all__ = ["cut_for_share", "fit_cut"]

Floats = NDArray[np.float64]


def cut_for_share(scores: ArrayLike, escalated: float) -> float:
    """The cut at which this share of the answers is not accepted: the quantile of the scores, as for thresholds.

    An answer at the cut is accepted, so that with many equal scores (self-consistency gives k values) the share is at
    most this one.

    Args:
        scores: [n], of a judge.
        escalated: share of calls that go on to the next candidate, in [0, 1]. At 1 the best score is still accepted.

    Raises:
        PolicyError: the share lies outside [0, 1].
        DataError: there is no score, or one lies outside [0, 1].
    """
    if not 0 <= escalated <= 1:
        msg = f"escalated is {escalated}; give a share of calls in [0, 1]"
        raise PolicyError(msg)
    return float(np.quantile(_checked(scores), escalated, method="lower"))


def fit_cut(scores: ArrayLike, quality: ArrayLike, *, least: float) -> float:
    """The lowest cut at which the accepted answers are good enough on average: the fewest calls escalate.

    It holds on these rows; on others it is as good as so many rows can tell.

    Args:
        scores: [n], of a judge.
        quality: [n], how good the judged answers were, in [0, 1]: 1 where right.
        least: mean quality that the accepted answers must have, in [0, 1].

    Raises:
        PolicyError: `least` lies outside [0, 1].
        DataError: the arrays differ in length, are empty or hold other numbers, or no cut reaches `least`.
    """
    if not 0 <= least <= 1:
        msg = f"least is {least}; give a mean quality in [0, 1]"
        raise PolicyError(msg)
    judged, right = _checked(scores), _checked(quality)
    if judged.shape != right.shape:
        msg = f"{len(judged)} scores and {len(right)} qualities; give one quality to a score"
        raise DataError(msg)
    order = np.argsort(-judged, kind="stable")
    ranked = judged[order]
    mean = np.cumsum(right[order]) / np.arange(1, len(ranked) + 1)
    whole = np.append(ranked[1:] < ranked[:-1], True)  # equal scores are accepted together or not at all
    reached = np.flatnonzero(whole & (mean >= least))
    if not reached.size:
        msg = (
            f"the accepted answers reach {mean[whole].max():.3f} at most, not {least:g}; take another judge or ask less"
        )
        raise DataError(msg)
    return float(ranked[reached[-1]])


def _checked(values: ArrayLike) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not numbers.size or not ((numbers >= 0) & (numbers <= 1)).all():
        msg = f"judge scores and qualities of shape {numbers.shape} must be some numbers in [0, 1]; drop what is not"
        raise DataError(msg)
    return numbers
