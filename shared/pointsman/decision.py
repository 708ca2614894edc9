"""The two records of a routed call: what was chosen and why (`Decision`), and what it cost (`Outcome`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, TypeVar

from pointsman.query import Source

__all__ = ["Decision", "Outcome"]

_Record = TypeVar("_Record", "Decision", "Outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One routing decision.

    Attributes:
        id: unique key of the decision; `Outcome.decision_id` refers to it.
        candidate: name of the chosen candidate in the pool.
        model: the model behind it.
        win_rate: P(the strong model's answer is better, ties counted half), in [0, 1]; None where the pool names no
            pair or there was nothing to score.
        quality: candidate -> predicted quality in [0, 1]; empty where there was nothing to score.
        threshold: the win rate from which the strong model is chosen; None for policies without one.
        policy: the policy, as it would be written in code.
        reason: one sentence for people.
        gated: candidate -> why it could not serve this call.
        matched: candidate -> how the scorer knows its model ("known", "family", "price" or "role", and the trained
            model that stands for it). Empty for scorers that do not look at the model.
        source: where the scored text was found.
        stage: which step of a pipeline asked; empty where the framework does not tell.
        estimated_cost_usd: candidate -> expected price of this call in USD; None where no price is known.
        latency_ms: time that deciding took, in milliseconds.
        sticky: the conversation's earlier choice was kept.
        forced: the caller named the candidate.
        fallback_from: the candidate that failed before this one was tried.
        escalated_from: the candidate whose answer was judged not good enough.
        router, router_version: the router that decided.
        arm: the arm of an A/B test that the call belongs to, see `pointsman.experiments`.
        notice: what the router noticed with this very call: that traffic has drifted, say, see `pointsman.live`.
    """

    id: str
    candidate: str
    model: str
    win_rate: float | None = None
    quality: dict[str, float] = field(default_factory=dict)
    threshold: float | None = None
    policy: str = ""
    reason: str = ""
    gated: dict[str, str] = field(default_factory=dict)
    matched: dict[str, str] = field(default_factory=dict)
    source: Source = "message"
    stage: str = ""
    estimated_cost_usd: dict[str, float | None] = field(default_factory=dict)
    latency_ms: float = 0.0
    sticky: bool = False
    forced: bool = False
    fallback_from: str | None = None
    escalated_from: str | None = None
    router: str = ""
    router_version: str = ""
    arm: str | None = None
    notice: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values; per-candidate fields are one dict deep."""
        return _as_dict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Decision:
        """The decision that `as_dict` wrote: unknown keys are ignored, missing ones take their defaults."""
        return _from_dict(cls, record, {"id": "", "candidate": "", "model": ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a routed call cost. A price that is not known is None, never 0.

    Attributes:
        decision_id: the decision that led here.
        input_tokens, output_tokens: tokens billed; cached and reasoning tokens are parts of them.
        cached_tokens: input tokens read from the provider's prompt cache.
        reasoning_tokens: output tokens spent on hidden reasoning.
        cost_usd: price of the call; of all calls where there were several, see `pointsman.costs.merge_outcomes`.
        baseline_cost_usd: price of the answering call's tokens on the pool's baseline (its strong model).
        saved_usd: baseline minus cost; negative when the call cost more.
        estimated: the token counts are ours and not the provider's.
        latency_ms: time from the call to the end of the answer, in milliseconds.
        error: type name of the error that ended the call, if one did.
        attempts: how many candidates were called.
    """

    decision_id: str
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    baseline_cost_usd: float | None = None
    saved_usd: float | None = None
    estimated: bool = False
    latency_ms: float = 0.0
    error: str | None = None
    attempts: int = 1

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return _as_dict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Outcome:
        """The outcome that `as_dict` wrote: unknown keys are ignored, missing ones take their defaults."""
        return _from_dict(cls, record, {"decision_id": ""})


def _as_dict(record: Decision | Outcome) -> dict[str, Any]:
    """`dataclasses.asdict` at a tenth of its time: fields are plain values, or dicts of them."""
    names, dicts, read = _LAYOUTS[type(record)]
    values = dict(zip(names, read(record), strict=True))
    for name in dicts:
        values[name] = values[name].copy()
    return values


def _layout(
    kind: type[Decision | Outcome],
) -> tuple[tuple[str, ...], tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """All fields, those that are dicts, and what reads them all."""
    names = tuple(f.name for f in fields(kind))
    return names, tuple(f.name for f in fields(kind) if f.default_factory is dict), attrgetter(*names)


_LAYOUTS = {kind: _layout(kind) for kind in (Decision, Outcome)}


def _from_dict(kind: type[_Record], record: Mapping[str, Any], required: dict[str, str]) -> _Record:
    known = {f.name for f in fields(kind)}
    return kind(**required | {key: value for key, value in record.items() if key in known})
