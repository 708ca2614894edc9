"""A cascade's cut with a guarantee, by the same test as a router's thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointsman.calibration.certify import check_request
from pointsman.calibration.testing import Loss, fewest_rows, method_of, p_values, passed, shortfall
from pointsman.errors import DataError
from pointsman.scorers.numeric import sigmoid

__all__ = ["CertifiedCut", "certify_cut"]

Floats = NDArray[np.float64]

CUTS: Floats = sigmoid(np.linspace(9.0, -9.0, 181, dtype=np.float64))
"""Tested in this order, from the safest. Fixed beforehand, and dense near 1, where log-probability judges live."""


@dataclass(frozen=True)
class CertifiedCut:
    """A cut, and what speaks for it.

    Attributes:
        cut: for `Cascade`.
        eps, delta, loss: what was asked for.
        escalated: share of these rows that go on to the strong model.
        loss_seen: mean loss of quality on these rows.
        p_value: of the test that the expected loss is above eps.
        rows: labelled rows.
        method: of the test.
    """

    cut: float
    eps: float
    delta: float
    loss: Loss
    escalated: float
    loss_seen: float
    p_value: float
    rows: int
    method: str


def certify_cut(
    scores: ArrayLike, weak: ArrayLike, strong: ArrayLike, *, eps: float, delta: float = 0.1, loss: Loss = "net"
) -> CertifiedCut:
    """The lowest of a row of cuts at which a cascade of two loses at most eps of quality against the strong model.

    It does so with probability 1 - delta over the draw of these rows, see `pointsman.calibration.testing`.

    Args:
        scores: [n], of the judge for the weak model's answers, in [0, 1].
        weak: [n], quality of those answers, in [0, 1].
        strong: [n], quality of the strong model's.
        eps: bound on the expected loss, in (0, 1).
        delta: probability that the bound may fail to hold.
        loss: "net" sets better answers off against worse ones, "worse" does not.

    Raises:
        ConfigurationError: eps or delta is out of range, or there is no such loss.
        DataError: the arrays differ in length or hold other numbers, or no cut passes.
    """
    check_request(eps, delta, loss)
    judged, low, high = (np.asarray(values, dtype=np.float64) for values in (scores, weak, strong))
    table = np.concatenate([judged.ravel(), low.ravel(), high.ravel()])
    if judged.ndim != 1 or not judged.shape == low.shape == high.shape or not ((table >= 0) & (table <= 1)).all():
        msg = f"{judged.shape} scores, {low.shape} and {high.shape} qualities must be of one length, in [0, 1]"
        raise DataError(msg)
    accepted = judged[:, None] >= CUTS
    losses = shortfall(high[:, None], np.where(accepted, low[:, None], high[:, None]), loss)
    shuffled = losses[np.random.default_rng(0).permutation(len(losses))]  # a file is often sorted by task
    p = p_values(shuffled, eps, delta, loss) if len(losses) else np.ones(len(CUTS))
    at = passed(p, delta) - 1
    if at < 0:
        msg = (
            f"no cut can be shown to lose at most {eps:g} by {len(losses)} rows, of which it takes "
            f"{fewest_rows(eps, delta, loss)} or more without any loss; give more, or raise eps"
        )
        raise DataError(msg)
    return CertifiedCut(
        cut=float(CUTS[at]),
        eps=eps,
        delta=delta,
        loss=loss,
        escalated=float(1 - accepted[:, at].mean()),
        loss_seen=float(losses[:, at].mean()),
        p_value=float(p[at]),
        rows=len(losses),
        method=method_of(losses, loss),
    )
