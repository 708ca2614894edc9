"""Resamples of prompts, one set for all that is compared, so that differences are paired; figures with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import DataError

__all__ = ["LEVEL", "RESAMPLES", "TAILS", "Figure", "Resamples", "figure", "pivotal"]

Floats = NDArray[np.float64]

RESAMPLES = 1000
LEVEL = 0.95
TAILS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
_CELLS = 2_000_000
"""Numbers in a block of resamples: 16 MB as float64."""


@dataclass(frozen=True, slots=True)
class Figure:
    """An estimate with its 95% interval; NaN where there is none.

    Attributes:
        value: on the prompts as they are.
        low, high: ends of the bootstrap interval over prompts.
    """

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        """JSON values; what is not known is None."""
        return {name: _plain(getattr(self, name)) for name in ("value", "low", "high")}


@dataclass(frozen=True, eq=False)
class Resamples:
    """How often each prompt counts: once in row 0, and as a draw with replacement has it in the others.

    Attributes:
        counts: uint8[1 + resamples, n].
    """

    counts: NDArray[np.uint8]

    @classmethod
    def draw(cls, prompts: int, resamples: int = RESAMPLES, seed: int = 0) -> Resamples:
        """Resamples of prompts, all equally likely.

        Raises:
            DataError: no prompt, or fewer than 10 resamples, of which no interval can be read.
        """
        if prompts < 1 or resamples < 10:
            msg = f"{prompts} prompts and {resamples} resamples; give prompts, and 10 resamples or more"
            raise DataError(msg)
        rng = np.random.default_rng(seed)
        counts = np.ones((resamples + 1, prompts), dtype=np.uint8)
        for row in counts[1:]:
            row[:] = np.bincount(rng.integers(0, prompts, prompts), minlength=prompts)
        return cls(counts)

    @property
    def prompts(self) -> int:
        """How many there are."""
        return int(self.counts.shape[1])

    def blocks(self) -> Iterator[slice]:
        """Rows that are worked on at a time."""
        size = max(1, _CELLS // self.prompts)
        return (slice(start, start + size) for start in range(0, len(self.counts), size))

    def means(self, values: Floats, part: NDArray[np.bool_] | None = None) -> Floats:
        """Mean over the prompts of each resample, float64[1 + resamples, k].

        Args:
            values: float64[n, k], finite.
            part: bool[n], the prompts to take the mean over; all if not given. NaN where a resample has none of them.
        """
        if part is not None:
            values, taken = np.column_stack([values, np.ones(len(values))])[part], np.flatnonzero(part)
            sums = np.concatenate([self.counts[block][:, taken].astype(np.float64) @ values for block in self.blocks()])
            return np.asarray(sums[:, :-1] / np.where(sums[:, -1:] > 0, sums[:, -1:], np.nan))
        sums = np.concatenate([self.counts[block].astype(np.float64) @ values for block in self.blocks()])
        return sums / self.prompts


def figure(cloud: Floats) -> Figure:
    """The percentile interval of a statistic's values, the sample's own first; a resample without one is left out."""
    drawn = cloud[1:][np.isfinite(cloud[1:])]
    if not np.isfinite(cloud[0]) or len(drawn) < len(cloud) / 2:
        return Figure(float(cloud[0]), float("nan"), float("nan"))
    low, high = np.quantile(drawn, TAILS)
    return Figure(float(cloud[0]), float(low), float(high))


def pivotal(cloud: Floats, *, least: float = 0.0) -> Figure:
    """The basic bootstrap interval, for a statistic that any resample makes larger than the sample, such as an ECE."""
    found = figure(cloud)
    return Figure(found.value, max(least, 2 * found.value - found.high), max(least, 2 * found.value - found.low))


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
