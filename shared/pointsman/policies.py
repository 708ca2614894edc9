"""Who should serve a call, given predicted quality, cost and win rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import PolicyError
from pointsman.pool import Pool

__all__ = ["Always", "Policy", "PoolPolicy", "QualityFloor", "QualityMargin", "Threshold", "Utility", "bind_policy"]

Floats = NDArray[np.float64]
Choice = NDArray[np.intp]


@runtime_checkable
class Policy(Protocol):
    """Chooses a candidate for each query.

    A policy may also have `explain(column, quality, win_rate) -> str`, one sentence on a choice; `weighs_cost = True`,
    if it cannot choose without prices; and `bind(pool)`, see `PoolPolicy`.

    A candidate that cannot serve a query has quality -inf and cost +inf in its row, so that neither a maximum of
    quality nor a minimum of cost picks it.
    """

    def choose(self, quality: Floats, cost: Floats, win_rate: Floats | None) -> Choice:
        """Column chosen for each row.

        Args:
            quality: predicted quality, float64[n, m] in [0, 1].
            cost: expected cost in USD, float64[n, m]; NaN where no price is known.
            win_rate: P(the strong candidate is better), float64[n]; None where the pool names no pair.

        Returns:
            intp[n], each in [0, m).
        """
        ...


@runtime_checkable
class PoolPolicy(Policy, Protocol):
    """A policy that must know the pool before it can choose."""

    def bind(self, pool: Pool) -> Policy:
        """The policy for this pool.

        Raises:
            PolicyError: it cannot work with the pool.
        """
        ...


def bind_policy(policy: Policy, pool: Pool) -> Policy:
    """The policy for this pool; itself, if it need not know the pool.

    Raises:
        PolicyError: it cannot work with the pool.
    """
    return policy.bind(pool) if isinstance(policy, PoolPolicy) else policy


@dataclass(frozen=True)
class Threshold:
    """RouteLLM's rule: the strong model iff its win rate is at least alpha (arXiv 2406.18665, eq. 2).

    Args:
        alpha: in [0, 1]; higher is cheaper.
        strong, weak: columns of the pair; a pool sets them.

    Raises:
        PolicyError: alpha is not a number in [0, 1].
    """

    alpha: float
    strong: int = 0
    weak: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            msg = f"the threshold is {self.alpha}; give a win rate in [0, 1] (higher is cheaper)"
            raise PolicyError(msg)

    def bind(self, pool: Pool) -> Threshold:
        """The rule for the pool's pair."""
        if pool.strong is None or pool.weak is None:
            msg = f"a threshold needs a pair, and {pool} names none; use Pool(..., strong=..., weak=...)"
            raise PolicyError(msg)
        return replace(self, strong=pool.position(pool.strong), weak=pool.position(pool.weak))

    def choose(self, quality: Floats, cost: Floats, win_rate: Floats | None) -> Choice:  # noqa: ARG002  # protocol
        """Strong where `win_rate >= alpha`, else weak."""
        if win_rate is None:
            msg = "a threshold cuts win rates, and there are none; name strong and weak in the pool"
            raise PolicyError(msg)
        return np.where(win_rate >= self.alpha, self.strong, self.weak).astype(np.intp, copy=False)

    def explain(self, column: int, quality: float, win_rate: float | None) -> str:  # noqa: ARG002  # one signature
        """Why this column, for people."""
        rate = 0.0 if win_rate is None else win_rate
        return f"win rate {rate:.3f} {'>=' if column == self.strong else '<'} threshold {self.alpha:.3f}"

    def __str__(self) -> str:
        return f"Threshold({self.alpha:g})"


@dataclass(frozen=True)
class Utility:
    """RouterBench's rule: argmax of willingness_to_pay * quality - cost (arXiv 2403.12031).

    Args:
        willingness_to_pay: USD that one call's quality going from 0 to 1 is worth; the paper's lambda.

    Raises:
        PolicyError: it is negative or not finite.
    """

    willingness_to_pay: float
    weighs_cost: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.willingness_to_pay) and self.willingness_to_pay >= 0):
            msg = f"willingness_to_pay is {self.willingness_to_pay}; give USD per call, 0 or more"
            raise PolicyError(msg)

    def choose(self, quality: Floats, cost: Floats, win_rate: Floats | None) -> Choice:  # noqa: ARG002  # protocol
        """The column of highest utility; the cheaper one where two are equal."""
        usable = np.isfinite(cost)
        utility = np.where(usable, self.willingness_to_pay * np.where(usable, quality, 0.0) - cost, -np.inf)
        best = utility == utility.max(axis=1, keepdims=True)
        return np.asarray(np.where(best, cost, np.inf).argmin(axis=1), dtype=np.intp)

    def explain(self, column: int, quality: float, win_rate: float | None) -> str:  # noqa: ARG002  # one signature
        """Why this column, for people."""
        return f"highest utility at {self.willingness_to_pay:g} USD per answer; predicted quality {quality:.3f}"

    def __str__(self) -> str:
        return f"Utility({self.willingness_to_pay:g})"


@dataclass(frozen=True)
class QualityFloor:
    """The cheapest candidate predicted good enough; the best one where none is.

    Args:
        minimum: predicted quality in [0, 1].

    Raises:
        PolicyError: it is not a number in [0, 1].
    """

    minimum: float
    weighs_cost: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= 1:
            msg = f"the quality floor is {self.minimum}; give a quality in [0, 1]"
            raise PolicyError(msg)

    def choose(self, quality: Floats, cost: Floats, win_rate: Floats | None) -> Choice:  # noqa: ARG002  # protocol
        """The column of lowest cost among those at or above the floor."""
        enough = quality >= self.minimum
        cheapest = np.where(enough, cost, np.inf).argmin(axis=1)
        return np.asarray(np.where(enough.any(axis=1), cheapest, quality.argmax(axis=1)), dtype=np.intp)

    def explain(self, column: int, quality: float, win_rate: float | None) -> str:  # noqa: ARG002  # one signature
        """Why this column, for people."""
        if quality >= self.minimum:
            return f"cheapest with predicted quality {quality:.3f} >= {self.minimum:g}"
        return f"none reaches quality {self.minimum:g}; the best, at {quality:.3f}"

    def __str__(self) -> str:
        return f"QualityFloor({self.minimum:g})"


@dataclass(frozen=True)
class QualityMargin:
    """The cheapest candidate that is predicted at most a margin worse than the strong one.

    From -1, always the strong one, to 1, always the cheapest: a row of rules that a bound on the lost quality can be
    tested along, for any number of candidates.

    Args:
        margin: predicted quality in [-1, 1]; below 0 a candidate must be predicted better by so much.
        column: of the strong candidate, else of the dearest; a pool sets it.

    Raises:
        PolicyError: it is not a number in [-1, 1].
    """

    margin: float
    column: int = 0
    weighs_cost: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not -1 <= self.margin <= 1:
            msg = f"the quality margin is {self.margin}; give a difference of qualities in [-1, 1]"
            raise PolicyError(msg)

    def bind(self, pool: Pool) -> QualityMargin:
        """The rule for this pool; that its prices are known was seen to before."""
        return self if pool.baseline is None else replace(self, column=pool.position(pool.baseline.name))

    def choose(self, quality: Floats, cost: Floats, win_rate: Floats | None) -> Choice:  # noqa: ARG002  # protocol
        """The column of lowest cost within the margin; where the strong candidate cannot serve, of the best one."""
        strong = quality[:, self.column]
        there = np.isfinite(strong)
        near = quality >= np.where(there, strong - self.margin, quality.max(axis=1) - max(self.margin, 0.0))[:, None]
        near[:, self.column] = there
        return np.asarray(np.where(near, cost, np.inf).argmin(axis=1), dtype=np.intp)

    def explain(self, column: int, quality: float, win_rate: float | None) -> str:  # noqa: ARG002  # one signature
        """Why this column, for people."""
        if column == self.column:
            return f"no cheaper one is predicted within {self.margin:g} of its quality, {quality:.3f}"
        return f"cheapest within {self.margin:g} of the strong model's predicted quality; its own is {quality:.3f}"

    def __str__(self) -> str:
        return f"QualityMargin({self.margin:g})"


@dataclass(frozen=True)
class Always:
    """One candidate for every call, whatever the scores say.

    Args:
        name: the candidate.
        column: its column; a pool sets it.
    """

    name: str
    column: int = 0
    forces: ClassVar[bool] = True

    def bind(self, pool: Pool) -> Always:
        """The rule for this pool.

        Raises:
            PoolError: the pool has no candidate of that name.
        """
        return replace(self, column=pool.position(self.name))

    def choose(self, quality: Floats, cost: Floats, win_rate: Floats | None) -> Choice:  # noqa: ARG002  # protocol
        """That column."""
        return np.full(len(quality), self.column, dtype=np.intp)

    def explain(self, column: int, quality: float, win_rate: float | None) -> str:  # noqa: ARG002  # one signature
        """Why this column, for people."""
        return f"{self.name} was asked for by name"

    def __str__(self) -> str:
        return f"Always({self.name!r})"
