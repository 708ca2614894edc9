"""From the tokens of a call to its `Outcome`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pointsman.decision import Decision, Outcome

if TYPE_CHECKING:
    from pointsman.costs.usage import Usage
    from pointsman.pool import Pool

__all__ = ["baseline_of", "price_outcome"]


def price_outcome(
    decision: Decision,
    pool: Pool,
    usage: Usage | None,
    *,
    latency_ms: float,
    error: str | None = None,
    attempts: int = 1,
) -> Outcome:
    """The outcome of a call that used `usage`.

    The baseline is the same number of tokens at the price of the pool's baseline candidate: what always calling the
    strong model would have cost, if it had answered at the same length.

    Args:
        decision: the decision that led to the call.
        pool: the pool that it chose from.
        usage: tokens of the chosen candidate's call; None if the call ended before any could be known.
        latency_ms: from the call to the end of the answer.
        error: type name of the error that ended the call.
        attempts: how many candidates were called.
    """
    if usage is None:
        return Outcome(decision_id=decision.id, latency_ms=latency_ms, error=error, attempts=attempts)
    cost = pool.named(decision.candidate).price.cost(usage)
    baseline = baseline_of(pool, usage)
    return Outcome(
        decision_id=decision.id,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_usd=cost,
        baseline_cost_usd=baseline,
        saved_usd=None if cost is None or baseline is None else baseline - cost,
        estimated=usage.estimated,
        latency_ms=latency_ms,
        error=error,
        attempts=attempts,
    )


def baseline_of(pool: Pool, usage: Usage) -> float | None:
    """Price of `usage` on the pool's baseline candidate in USD; None where it is not known."""
    return None if pool.baseline is None else pool.baseline.price.cost(usage)
