"""Decision and outcome on the OpenTelemetry span that a call runs in, where there is one.

Phoenix, Langfuse, LangSmith and all others that speak OpenTelemetry show the attributes of spans; events of LlamaIndex
that they do not know they drop. OpenTelemetry is not imported here: where nobody in the process has, there is no span.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Protocol

from pointsman.decision import Decision, Outcome
from pointsman.records import decision_metadata, outcome_metadata

__all__ = ["CallSpan"]

OUTCOME = "routing_outcome"
_API = "opentelemetry.trace"


class _Span(Protocol):
    """What is used of `opentelemetry.trace.Span`."""

    def is_recording(self) -> bool:
        """Whether the span takes attributes: it is sampled, and has not ended."""
        ...

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several."""
        ...

    def add_event(self, name: str, attributes: Mapping[str, Any]) -> None:
        """Add an event."""
        ...


class CallSpan:
    """The span that is current when it is made: that of a routed call. It does nothing where nobody records one.

    Attributes are named as the run metadata on LangChain's side: `router_candidate`, `router_cost_usd` and so on.
    """

    def __init__(self) -> None:
        span = _current_span()
        # its methods and not itself: OpenInference has a stand-in for a span in the context, which becomes another's
        self._methods = None if span is None else (span.is_recording, span.set_attributes)

    def show_decision(self, decision: Decision) -> None:
        """Set the attributes of a decision; those of a later one of the same call replace them."""
        if self._methods is not None:
            self._show(decision_metadata(decision))

    def show_outcome(self, decision: Decision, outcome: Outcome) -> None:
        """Set the attributes of an outcome.

        A tracer may have ended the span with the last piece of a stream. Then the span around it gets an event: as
        attributes there, those of one call would be taken for those of all calls in it.
        """
        values = outcome_metadata(outcome)
        if self._show(values):
            return
        around = _current_span()
        if around is not None:
            around.add_event(OUTCOME, decision_metadata(decision) | values)

    def _show(self, values: Mapping[str, Any]) -> bool:
        """Whether the attributes could be set."""
        if self._methods is None:
            return False
        is_recording, set_attributes = self._methods
        if not is_recording():
            return False
        set_attributes(values)
        return True


def _current_span() -> _Span | None:
    api = sys.modules.get(_API)
    if api is None:
        return None
    span: _Span = api.get_current_span()
    return span if span.is_recording() else None
