"""How much speaks for a change: conformal ranks of what arrives, and bets against their being uniform."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from math import sqrt
from random import Random

import numpy as np
from numpy.typing import NDArray

__all__ = ["Evidence"]

Floats = NDArray[np.float64]

STAKES = np.array([-0.4, -0.2, -0.1, 0.1, 0.2, 0.4])
"""Of each bet; below 1 / sqrt(5), so that no outcome takes all."""
_ROOT3, _ROOT5 = sqrt(3.0), sqrt(5.0)
MOST = 10_000
"""Numbers that a rank is among; later ones are compared with these and not added."""
DOUBT = 4.0 / sqrt(MOST)
"""By how much the mean of a polynomial of such ranks may differ from 0 because of the chance in these very numbers."""


class Evidence:
    """A running test of "these prompts are drawn as the calibration prompts were", for several numbers of each prompt.

    The rank of a new number among the calibration prompts' and all since, ties broken at random, is uniform in [0, 1]
    and independent of the earlier ranks as long as nothing has changed (Vovk, Gammerman and Shafer, Algorithmic
    Learning in a Random World, 2005). Bets 1 + stake * g(rank), with g the first two Legendre polynomials (a shift; a
    spread), then have mean 1, and their Shiryaev-Roberts sums m <- (m + 1) * bet, averaged over bets and numbers, reach
    a limit A on average no sooner than after A prompts (e-detectors: Shin, Ramdas and Rinaldo, arXiv 2203.03532).

    Once `MOST` numbers are known no more join them. Ranks among the same numbers are not quite uniform, which a long
    stream would take for a change: each bet then is divided by the most that its mean can be, four standard errors up.

    Args:
        samples: the calibration prompts' numbers, one sequence for each.
        seed: of the draws that break ties.
    """

    def __init__(self, samples: Sequence[Floats], *, seed: int = 0) -> None:
        self._ranked = [np.sort(sample)[:: max(1, len(sample) // MOST)].tolist() for sample in samples]
        self._sums = np.zeros((len(samples), 2, len(STAKES)))
        self._random = Random(seed)  # noqa: S311  # breaks ties, keeps no secret

    def add(self, numbers: Sequence[float]) -> float:
        """Take in one prompt; the evidence so far. It is the number of prompts on average, if nothing has changed."""
        fair = 1.0 + np.array([[[DOUBT * (len(ranked) >= MOST)]] for ranked in self._ranked]) * np.abs(STAKES)
        pairs = zip(self._ranked, numbers, strict=True)
        ranks = [_rank(ranked, number, self._random.random()) for ranked, number in pairs]
        self._sums = (self._sums + 1.0) * (1.0 + np.array([_polynomials(rank) for rank in ranks]) * STAKES) / fair
        return float(self._sums.mean())

    @property
    def strongest(self) -> int:
        """Which number speaks loudest for a change."""
        return int(self._sums.mean(axis=(1, 2)).argmax())


def _polynomials(rank: float) -> tuple[tuple[float], tuple[float]]:
    """Legendre's first two, of mean 0 and variance 1 over [0, 1]."""
    x = 2.0 * rank - 1.0
    return (_ROOT3 * x,), (_ROOT5 * (1.5 * x * x - 0.5),)


def _rank(ranked: list[float], number: float, tie: float) -> float:
    """Rank in [0, 1] of a number among those before it and itself; it joins them while there is room."""
    low, high = bisect_left(ranked, number), bisect_right(ranked, number)
    rank = (low + tie * (high - low + 1)) / (len(ranked) + 1)
    if len(ranked) < MOST:
        insort(ranked, number)
    return rank
