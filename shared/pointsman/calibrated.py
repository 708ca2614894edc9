"""What calibration leaves with a router: its rule, the prompts that it was found on, and what is guaranteed of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import UnknownPriceError
from pointsman.policies import Always, Policy, Threshold, bind_policy
from pointsman.pool import Pool

__all__ = ["Calibration", "CalibrationWarning", "Certificate", "Estimate", "VectorSample", "always_strong", "line_of"]

Floats = NDArray[np.float64]
_ARRAYS = ("centre", "scale", "axes", "features")


class CalibrationWarning(UserWarning):
    """A saved router is loaded over other models than it was calibrated for, so its rule does not count."""


class Estimate(NamedTuple):
    """A number, and its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Certificate:
    """With probability 1 - delta over the labelled prompts, the policy's expected loss is at most eps.

    It holds for prompts drawn as those were, whatever the scorer, and for the models and the policy that were tested.

    Attributes:
        eps: bound on the expected loss against always calling the strong model, in units of quality.
        delta: probability that the bound does not hold.
        loss: "net", mean quality of the strong model less that of the chosen ones; or "worse", the expected shortfall
            of answers that are worse than the strong model's, with no credit for those that are better.
        rows: labelled prompts.
        data: sha256 of the prompts and the scores.
        date: of the calibration, UTC, as YYYY-MM-DD.
        policy: the rule, as it would be written in code.
        threshold: its win rate; None for a policy without one.
        method: of the test.
        p_value: of the hypothesis that the loss is above eps; at most delta.
        loss_seen: mean loss on the labelled prompts.
        strong_share: share of the labelled prompts that went to the strong model.
    """

    eps: float
    delta: float
    loss: str
    rows: int
    data: str
    date: str
    policy: str
    threshold: float | None
    method: str
    p_value: float
    loss_seen: float
    strong_share: float

    def __str__(self) -> str:
        return (
            f"{self.loss} loss <= {self.eps:g} with probability {1 - self.delta:g}: {self.policy}, "
            f"{self.rows:,} prompts, {self.date}, {self.method}"
        )


@dataclass(frozen=True, eq=False)
class VectorSample:
    """The calibration prompts' vectors, as the few numbers that drift is looked for in.

    A vector v becomes |u|^2 / d and its parts along k axes, where u = (v - centre) / scale. Centre, scale and axes are
    of one half of the prompts, the features of the other, so that they compare with those of a new prompt as equals.

    Attributes:
        centre: float32[d].
        scale: float32[d], above 0.
        axes: float32[k, d].
        features: float64[r, k + 1].
    """

    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    axes: NDArray[np.float32]
    features: Floats

    def __call__(self, vectors: NDArray[np.float32]) -> Floats:
        """Features float64[n, k + 1] of vectors float32[n, d]."""
        inner = (vectors.astype(np.float64) - self.centre) / self.scale
        return np.column_stack([(inner**2).mean(axis=1), inner @ self.axes.T.astype(np.float64)])


@dataclass(frozen=True, eq=False)
class Calibration:
    """A rule found on somebody's own prompts. `router.with_calibration(found)` puts it to use.

    Attributes:
        policy: the rule.
        asked: what was asked for.
        reason: one sentence on what was found.
        models: those it was found for: strong and weak, or all of the pool, its baseline first.
        prices: of each, USD per million tokens in and out; None where not known.
        rows: prompts.
        scores: the win rate of each, ascending; for a pool without a pair the mean predicted quality, float64[n].
        strong_share: expected share of calls to the strong model; None without one.
        usd_per_1000: expected cost of 1,000 calls; None where a price is not known.
        rows_to_halve: prompts that would halve the interval of the share; None where it has none.
        certificate: what is guaranteed; None where nothing was asked for or nothing qualified.
        vectors: what the prompts looked like; None where the scorer reads no vectors.
    """

    policy: Policy
    asked: str
    reason: str
    models: tuple[str, ...]
    prices: tuple[tuple[float | None, float | None], ...]
    rows: int
    scores: Floats = field(repr=False)
    strong_share: Estimate | None = None
    usd_per_1000: Estimate | None = None
    rows_to_halve: int | None = None
    certificate: Certificate | None = None
    vectors: VectorSample | None = field(default=None, repr=False)

    def fits(self, pool: Pool) -> bool:
        """Whether the pool is of the models that this was found for, at the same prices if the rule weighs cost."""
        models, prices = line_of(pool)
        weighed = getattr(self.policy, "weighs_cost", False)
        return models == self.models and (not weighed or prices == self.prices)

    def covers(self, pool: Pool, policy: Policy) -> bool:
        """Whether these are the models and the rule that this was found for."""
        return self.fits(pool) and policy == bind_policy(self.policy, pool)

    def as_dict(self) -> dict[str, Any]:
        """All but the arrays, as plain JSON values."""
        return {
            "policy": str(self.policy),
            "asked": self.asked,
            "reason": self.reason,
            "models": list(self.models),
            "prices": [list(price) for price in self.prices],
            "rows": self.rows,
            "strong_share": None if self.strong_share is None else self.strong_share._asdict(),
            "usd_per_1000": None if self.usd_per_1000 is None else self.usd_per_1000._asdict(),
            "rows_to_halve": self.rows_to_halve,
            "certificate": None if self.certificate is None else asdict(self.certificate),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The rest, for an artifact."""
        found: dict[str, NDArray[Any]] = {"scores": self.scores}
        return found | ({} if self.vectors is None else {name: getattr(self.vectors, name) for name in _ARRAYS})

    @classmethod
    def from_parts(cls, policy: Policy, settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Calibration:
        """What `as_dict` and `arrays` took apart.

        Raises:
            KeyError, TypeError: a part is missing.
        """
        share, usd, proof = (settings[name] for name in ("strong_share", "usd_per_1000", "certificate"))
        return cls(
            policy=policy,
            asked=settings["asked"],
            reason=settings["reason"],
            models=tuple(settings["models"]),
            prices=tuple((given, answered) for given, answered in settings["prices"]),
            rows=settings["rows"],
            scores=arrays["scores"],
            strong_share=None if share is None else Estimate(**share),
            usd_per_1000=None if usd is None else Estimate(**usd),
            rows_to_halve=settings["rows_to_halve"],
            certificate=None if proof is None else Certificate(**proof),
            vectors=VectorSample(**{name: arrays[name] for name in _ARRAYS}) if "axes" in arrays else None,
        )


def line_of(pool: Pool) -> tuple[tuple[str, ...], tuple[tuple[float | None, float | None], ...]]:
    """Models and prices that a calibration is of: those of strong and weak, or of all, the baseline first."""
    first = pool.baseline
    if pool.strong is not None and pool.weak is not None:
        line = [pool.named(pool.strong), pool.named(pool.weak)]
    else:
        line = ([] if first is None else [first]) + sorted((c for c in pool if c is not first), key=lambda c: c.model)
    return tuple(c.model for c in line), tuple((c.price.input, c.price.output) for c in line)


def always_strong(pool: Pool) -> Policy:
    """The rule that sends every call to the strong model: for a pair a threshold of 0, else the baseline by name.

    Raises:
        UnknownPriceError: the pool names no pair, and prices do not tell which of its models is the strong one.
    """
    if pool.strong is not None:
        return Threshold(0.0)
    if pool.baseline is None:
        msg = f"{pool} names no strong model, and prices do not tell; give input_price and output_price of each model"
        raise UnknownPriceError(msg)
    return Always(pool.baseline.name)
