"""The record of a call as the frameworks take it: flat metadata for traces, and the clock from call to outcome."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pointsman.costs.ledger import current_ledger
from pointsman.costs.outcomes import merge_outcomes, price_outcome
from pointsman.costs.usage import Usage
from pointsman.decision import Decision, Outcome
from pointsman.pool import Pool

__all__ = [
    "EVENT_NAME",
    "ROUTING_KEY",
    "Call",
    "Totals",
    "decision_from",
    "decision_metadata",
    "outcome_from",
    "outcome_metadata",
    "routing_record",
]

ROUTING_KEY = "routing"
"""Where answers carry their record."""
EVENT_NAME = "routing_decision"

_OUTCOME = "outcome"


def routing_record(decision: Decision | None, outcome: Outcome | None = None) -> dict[str, Any]:
    """What an answer carries under `ROUTING_KEY`: the decision's fields, and the outcome's under "outcome".

    A stream carries the decision on its first chunk and the outcome on its last; merged, they are one record.
    """
    record = {} if decision is None else decision.as_dict()
    return record if outcome is None else record | {_OUTCOME: outcome.as_dict()}


def decision_from(record: Mapping[str, Any] | None) -> Decision | None:
    """The decision in a routing record; None where there is no record."""
    return Decision.from_dict(record) if record and "candidate" in record else None


def outcome_from(record: Mapping[str, Any] | None) -> Outcome | None:
    """The outcome in a routing record; None where there is none (yet)."""
    return Outcome.from_dict(record[_OUTCOME]) if record and _OUTCOME in record else None


@dataclass
class Call:
    """One routed call: opened with its decision, closed once with what it used.

    Attributes:
        decision: whose candidate is called.
        pool: where its price is.
        attempts: candidates called, those of `earlier` left out.
        started: when the call began, by `time.perf_counter`.
        earlier: what other calls for the same answer cost: a cascade's, or fallbacks.
    """

    decision: Decision
    pool: Pool
    attempts: int = 1
    started: float = field(default_factory=time.perf_counter)
    earlier: tuple[Outcome, ...] = ()

    def close(self, usage: Usage | None, error: BaseException | None = None, *, goes_on: bool = False) -> Outcome:
        """The outcome of all calls together, with the time since the call was opened; it goes to the ledger.

        Args:
            usage: of the last one; None if it ended before any could be known.
            error: that it ended with.
            goes_on: another candidate takes over. Then this is `earlier` for it, and the whole goes to the ledger once.
        """
        last = price_outcome(
            self.decision,
            self.pool,
            usage,
            latency_ms=(time.perf_counter() - self.started) * 1e3,
            error=None if error is None else type(error).__name__,
            attempts=self.attempts,
        )
        outcome = merge_outcomes(last, self.earlier)
        if not goes_on and (ledger := current_ledger()) is not None:
            ledger.record(self.decision, outcome)
        return outcome


@dataclass
class Totals:
    """Sums over calls; a cost that is not known for every call is None.

    A call that ended in an error before any token was refused, and costs nothing.

    Attributes:
        calls: routed calls.
        by_candidate: candidate -> calls.
        tokens: model -> (input, output) tokens, those of all calls for an answer under the model that gave it.
        cost_usd, baseline_cost_usd, saved_usd: sums in USD.
        estimated: some token counts are ours and not the provider's.
    """

    calls: int = 0
    by_candidate: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, tuple[int, int]] = field(default_factory=dict)
    cost_usd: float | None = 0.0
    baseline_cost_usd: float | None = 0.0
    saved_usd: float | None = 0.0
    estimated: bool = False

    def add(self, decision: Decision, outcome: Outcome | None) -> None:
        """Count one call."""
        self.calls += 1
        self.by_candidate[decision.candidate] = self.by_candidate.get(decision.candidate, 0) + 1
        if outcome is None:
            self.cost_usd = self.baseline_cost_usd = self.saved_usd = None
            return
        if outcome.error is not None and outcome.input_tokens is None:
            return
        asked, answered = self.tokens.get(decision.model, (0, 0))
        self.tokens[decision.model] = (
            asked + (outcome.input_tokens or 0),
            answered + (outcome.output_tokens or 0),
        )
        self.cost_usd = _sum(self.cost_usd, outcome.cost_usd)
        self.baseline_cost_usd = _sum(self.baseline_cost_usd, outcome.baseline_cost_usd)
        self.saved_usd = _sum(self.saved_usd, outcome.saved_usd)
        self.estimated = self.estimated or outcome.estimated


def decision_metadata(decision: Decision) -> dict[str, Any]:
    """Flat scalars for the metadata of a run, known when the call starts; a value that is not known is left out."""
    values = {
        "router_candidate": decision.candidate,
        "router_win_rate": decision.win_rate,
        "router_threshold": decision.threshold,
        "router_policy": decision.policy,
        "router_reason": decision.reason,
        "router_version": decision.router_version,
        "router_stage": decision.stage or None,
        "router_decision_id": decision.id,
        "router_arm": decision.arm,
        "router_notice": decision.notice,
    }
    return {key: value for key, value in values.items() if value is not None}


def outcome_metadata(outcome: Outcome) -> dict[str, Any]:
    """Flat scalars for the metadata of a run, known when the call ends."""
    values = {
        "router_cost_usd": outcome.cost_usd,
        "router_baseline_cost_usd": outcome.baseline_cost_usd,
        "router_saved_usd": outcome.saved_usd,
    }
    return {key: value for key, value in values.items() if value is not None}


def _sum(total: float | None, value: float | None) -> float | None:
    return None if total is None or value is None else total + value
