"""With labels: the cheapest policy whose loss against always calling the strong model is bounded, and the proof."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.calibration.prompts import FEWEST, Scored
from pointsman.calibration.testing import LOSSES, Loss, fewest_rows, method_of, p_values, passed, shortfall
from pointsman.data.columns import match_columns
from pointsman.data.outcomes import Outcomes
from pointsman.errors import ConfigurationError, DataError, UnknownPriceError
from pointsman.policies import Policy
from pointsman.pool import Pool

__all__ = ["Proof", "check_request", "labels_of", "prove", "qualities", "select", "why_none"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Proof:
    """What testing a row of policies gave.

    Attributes:
        policy: the cheapest that passed; None where none did.
        p_value: its own; where none passed, that of the first.
        loss: its mean loss on the labelled prompts, or that of the first.
        tested: policies in the row.
        passed: how many passed.
        method: of the test.
    """

    policy: Policy | None
    p_value: float
    loss: float
    tested: int
    passed: int
    method: str


def check_request(eps: float, delta: float, loss: str) -> None:
    """Whether the guarantee that is asked for makes sense.

    Raises:
        ConfigurationError: a number is out of range, or there is no such loss.
    """
    if not (0 < eps < 1 and 0 < delta < 1):
        msg = f"eps is {eps} and delta is {delta}; give a loss of quality and a probability, each between 0 and 1"
        raise ConfigurationError(msg)
    if loss not in LOSSES:
        msg = f"there is no loss {loss!r}; there are {' and '.join(LOSSES)}"
        raise ConfigurationError(msg)


def labels_of(pool: Pool, outcomes: Outcomes) -> tuple[Outcomes, Floats]:
    """The rows that every candidate has a score in, and those scores by candidate, float64[n, m].

    Raises:
        DataError: a candidate has no column, a score is out of range, or too few rows are whole.
    """
    found = match_columns(pool, outcomes)
    missing = [c.name for c in pool if c.name not in found]
    if missing:
        msg = (
            f"no column of {', '.join(missing)}: a bound needs scores of every candidate; add them or shorten the pool"
        )
        raise DataError(msg)
    if pool.baseline is None:
        msg = f"{pool} names no strong model, and prices do not tell; name strong and weak, or give prices"
        raise UnknownPriceError(msg)
    shape = len(outcomes), len(outcomes.models)
    if outcomes.scores.shape != shape:
        msg = f"scores {outcomes.scores.shape} for {shape[0]} prompts and {shape[1]} models; give one to each"
        raise DataError(msg)
    scores = outcomes.scores[:, [found[name] for name in pool.names]]
    whole = np.asarray(~np.isnan(scores).any(axis=1))
    if whole.sum() < FEWEST:
        msg = f"{int(whole.sum())} prompts have scores of all of {', '.join(pool.names)}; give {FEWEST} or more"
        raise DataError(msg)
    if not ((scores[whole] >= 0) & (scores[whole] <= 1)).all():
        msg = "a score is not in [0, 1]; scale them, a bound on the loss needs bounded scores"
        raise DataError(msg)
    return outcomes.select(whole), scores[whole]


def qualities(scored: Scored, policies: Sequence[Policy], scores: Floats) -> Floats:
    """Quality of the answer that each policy chooses, float64[n, t]."""
    rows = np.arange(len(scores))
    return np.column_stack([scores[rows, scored.columns(policy)] for policy in policies])


def prove(scored: Scored, policies: Sequence[Policy], scores: Floats, eps: float, delta: float, loss: Loss) -> Proof:
    """Test a row of policies, from the safest to the cheapest, see `pointsman.calibration.testing`.

    The prompts are taken in an order drawn by a fixed seed, for a file is often sorted by task.
    """
    baseline = scored.pool.baseline
    column = 0 if baseline is None else scored.pool.position(baseline.name)
    losses = shortfall(scores[:, [column]], qualities(scored, policies, scores), loss)
    shuffled = losses[np.random.default_rng(0).permutation(len(losses))]
    return select(policies, shuffled, eps, delta, loss)


def select(policies: Sequence[Policy], losses: Floats, eps: float, delta: float, loss: Loss) -> Proof:
    """The last policy of the row that passes; losses float64[n, t], in an order that has nothing to do with them."""
    fresh = np.concatenate([[True], (losses[:, 1:] != losses[:, :-1]).any(axis=0)])  # neighbours often choose alike
    p = p_values(losses[:, fresh], eps, delta, loss)[np.cumsum(fresh) - 1]
    count = passed(p, delta)
    at = max(count - 1, 0)
    policy = policies[at] if count else None
    return Proof(policy, float(p[at]), float(losses[:, at].mean()), len(policies), count, method_of(losses, loss))


def why_none(proof: Proof, rows: int, eps: float, delta: float, loss: Loss) -> str:
    """Why nothing qualified, and what would help."""
    needed = fewest_rows(eps, delta, loss)
    if rows < needed:
        return f"{rows} prompts cannot show a loss of at most {eps:g}, even without one; give {needed} or more"
    return (
        f"the safest policy of {proof.tested} already lost {proof.loss:.4f} here (p = {proof.p_value:.2f}); raise eps"
    )
