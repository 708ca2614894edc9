"""From the tokens of a call to its `Outcome`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pointsman.decision import Decision, Outcome

if TYPE_CHECKING:
    from pointsman.costs.usage import Usage
    from pointsman.pool import Pool

Number = TypeVar("Number", int, float)

__all__ = ["baseline_of", "merge_outcomes", "price_outcome"]


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


def merge_outcomes(last: Outcome, earlier: Sequence[Outcome]) -> Outcome:
    """One outcome for a call that took several: a cascade's rejected answers and judge, or fallbacks.

    Tokens, costs and attempts are sums, and one unknown makes its sum unknown. The baseline stays that of the call
    whose answer counts, for always calling the strong model would have taken one call; so what the others cost is
    taken off the saving. A call that ended in an error before any token is one that the provider refused: it counts as
    an attempt and costs nothing.

    Args:
        last: of the call whose answer counts, or that failed last; its id, latency and error are kept.
        earlier: of the others.
    """
    if not earlier:
        return last
    billed = [each for each in (*earlier, last) if each.error is None or each.input_tokens is not None]
    cost = _total([each.cost_usd for each in billed])
    baseline = last.baseline_cost_usd
    return replace(
        last,
        input_tokens=_total([each.input_tokens for each in billed]),
        output_tokens=_total([each.output_tokens for each in billed]),
        cached_tokens=_total([each.cached_tokens for each in billed]),
        reasoning_tokens=_total([each.reasoning_tokens for each in billed]),
        cost_usd=cost,
        saved_usd=None if cost is None or baseline is None else baseline - cost,
        estimated=any(each.estimated for each in billed),
        attempts=sum(each.attempts for each in (*earlier, last)),
    )


def _total(values: Sequence[Number | None]) -> Number | None:
    """Their sum; None where there is none or one is not known."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if known and len(known) == len(values) else None
