"""The state of a watch over traffic: what was seen, and whether it tripped."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pointsman.calibrated import Calibration, Certificate
from pointsman.live.evidence import Evidence
from pointsman.live.state import Shared

__all__ = ["Drift", "Fallback", "Watch"]

Fallback = Literal["keep", "share", "strong"]

RECENT = 500
"""Prompts that "now" is."""


@dataclass(frozen=True)
class Drift:
    """What was noticed, and what is done about it.

    Attributes:
        calls: calls that were watched until then.
        signal: the number that changed most: "win rate" (or "quality" for a pool without a pair), "distance" of the
            prompt's vector from the middle of the calibration prompts, or its part along one of their main "axis".
        evidence: against "nothing has changed"; calls that chance would take on average to bring so much.
        mean_before: of that number over the calibration prompts.
        mean_now: over the last 500 calls, or since the start if that is later.
        fallback: what the router does from here on.
        certificate: the one that is void now; None if there was none.
    """

    calls: int
    signal: str
    evidence: float
    mean_before: float
    mean_now: float
    fallback: Fallback
    certificate: Certificate | None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, for an event of a framework or a log."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"after {self.calls:,} calls traffic is no longer like the calibration prompts ({self.signal}: mean "
            f"{self.mean_before:.3f} then, {self.mean_now:.3f} now); fallback {self.fallback!r}, calibrate anew"
        )


class Watch(Shared):
    """Takes the numbers of each prompt, and trips once.

    Args:
        calibration: what the prompts are compared with.
        signal: what its scores are.
        fallback: what the router does then.
        limit: of the evidence.
        vectors: whether there are numbers of the prompts' vectors.
    """

    def __init__(
        self, calibration: Calibration, signal: str, fallback: Fallback, *, limit: float, vectors: bool
    ) -> None:
        super().__init__()
        features = calibration.vectors.features if vectors and calibration.vectors is not None else np.zeros((0, 0))
        samples = [calibration.scores, *features.T]
        axes = [f"axis {axis}" for axis in range(1, features.shape[1])]
        self._signals = [signal, "distance", *axes][: len(samples)]
        self._before = [float(sample.mean()) for sample in samples]
        self._evidence = Evidence(samples)
        self._recent: deque[NDArray[np.float64]] = deque(maxlen=RECENT)
        self._certificate, self._fallback, self._limit = calibration.certificate, fallback, limit
        self.calls = 0
        self.drift: Drift | None = None

    def see(self, rows: NDArray[np.float64]) -> Drift | None:
        """Take in prompts, float64[n, numbers]; the drift, if it is these that trip it, and not if it has tripped."""
        with self._lock:
            for row in rows:
                if self.drift is not None:
                    return None
                self.calls += 1
                self._recent.append(row)
                evidence = self._evidence.add(row.tolist())
                if evidence >= self._limit:
                    self.drift = self._found(evidence)
                    return self.drift
        return None

    @property
    def recent(self) -> NDArray[np.float64]:
        """The last prompts' numbers, float64[n, numbers]."""
        with self._lock:
            return np.array(self._recent)

    def _found(self, evidence: float) -> Drift:
        at = self._evidence.strongest
        return Drift(
            calls=self.calls,
            signal=self._signals[at],
            evidence=evidence,
            mean_before=self._before[at],
            mean_now=float(np.mean([row[at] for row in self._recent])),
            fallback=self._fallback,
            certificate=self._certificate,
        )
