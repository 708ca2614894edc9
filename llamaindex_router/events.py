"""The instrumentation events of a routed call: one when it is decided, one when it has ended.

Fields are named as in `pointsman.Decision` and `pointsman.Outcome` and are flat: scalars, and dicts of scalars by
candidate. No prompt text is in them, only its hash.
"""

from __future__ import annotations

import hashlib

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.base.event import BaseEvent
from llama_index_instrumentation.dispatcher import Dispatcher
from llama_index_instrumentation.event_handlers import NullEventHandler
from pydantic import ConfigDict, Field

from llamaindex_router.watch import Listener
from pointsman.decision import Decision, Outcome

__all__ = ["RoutingDecisionEvent", "RoutingOutcomeEvent", "announce_decision", "announce_outcome"]

_dispatcher = get_dispatcher(__name__)
_DEAF = (NullEventHandler, Listener)
"""Handlers that do nothing with these events: LlamaIndex's own for nothing, and ours for those of models."""


class _RoutingEvent(BaseEvent):
    """What both events share.

    They are dispatched with no `span_id`: OpenInference logs a warning for every event that it does not know inside a
    span, and the OpenTelemetry exporter falls back to the span that is active. `parent_span_id` is the span for others.
    """

    model_config = ConfigDict(protected_namespaces=())

    span_id: str | None = None
    parent_span_id: str | None = None


class RoutingDecisionEvent(_RoutingEvent):
    """A call was decided. The fields are those of `pointsman.Decision`.

    Attributes:
        query_hash: the first 16 hex digits of the sha256 of the text that was scored.
    """

    query_hash: str = ""
    id: str
    candidate: str
    model: str
    win_rate: float | None = None
    quality: dict[str, float] = Field(default_factory=dict)
    threshold: float | None = None
    policy: str = ""
    reason: str = ""
    gated: dict[str, str] = Field(default_factory=dict)
    matched: dict[str, str] = Field(default_factory=dict)
    source: str = "message"
    stage: str = ""
    estimated_cost_usd: dict[str, float | None] = Field(default_factory=dict)
    latency_ms: float = 0.0
    sticky: bool = False
    forced: bool = False
    fallback_from: str | None = None
    escalated_from: str | None = None
    router: str = ""
    router_version: str = ""
    arm: str | None = None
    notice: str | None = None

    @classmethod
    def class_name(cls) -> str:
        """Name of the event."""
        return "RoutingDecisionEvent"

    def decision(self) -> Decision:
        """The decision that the event tells of."""
        return Decision.from_dict(self.model_dump())


class RoutingOutcomeEvent(_RoutingEvent):
    """A routed call has ended. The fields are those of `pointsman.Outcome`."""

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

    @classmethod
    def class_name(cls) -> str:
        """Name of the event."""
        return "RoutingOutcomeEvent"

    def outcome(self) -> Outcome:
        """The outcome that the event tells of."""
        return Outcome.from_dict(self.model_dump())


def announce_decision(decision: Decision, text: str, parent_span_id: str | None) -> None:
    """Dispatch the event of a decision about `text`."""
    if not _heard():
        return
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    _dispatcher.event(RoutingDecisionEvent(parent_span_id=parent_span_id, query_hash=digest, **decision.as_dict()))


def announce_outcome(outcome: Outcome, parent_span_id: str | None) -> None:
    """Dispatch the event of an outcome."""
    if _heard():
        _dispatcher.event(RoutingOutcomeEvent(parent_span_id=parent_span_id, **outcome.as_dict()))


def _heard() -> bool:
    """Whether anybody listens; making an event that nobody hears takes as long as all the rest of the record."""
    dispatcher: Dispatcher | None = _dispatcher
    while dispatcher is not None:
        for handler in dispatcher.event_handlers:
            if type(handler) not in _DEAF:  # pydantic takes a microsecond to say what is an instance of what
                return True
        dispatcher = dispatcher.parent if dispatcher.propagate else None
    return False
