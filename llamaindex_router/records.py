"""Reading the record of routed calls back from what LlamaIndex hands to users."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse

from llamaindex_router.journal import Note, attached_notes, noting
from pointsman.decision import Decision, Outcome
from pointsman.records import ROUTING_KEY, Totals, decision_from, outcome_from

__all__ = ["RoutingRecorder", "routing_decision", "routing_outcome", "routing_totals"]


class RoutingRecorder:
    """Collects every routed call made inside a `with` block, in tasks and streams started there, too.

    Example:
        with RoutingRecorder() as recorder:
            answer = query_engine.query("Why is the sky blue?")
        print(recorder.totals.saved_usd)
    """

    def __init__(self) -> None:
        self._notes: list[Note] = []
        self._scopes: list[AbstractContextManager[None]] = []

    def __enter__(self) -> RoutingRecorder:
        scope = noting(self._notes)
        scope.__enter__()
        self._scopes.append(scope)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scopes.pop().__exit__(kind, error, trace)

    @property
    def notes(self) -> list[Note]:
        """The routing records, in the order of the decisions."""
        return self._notes

    @property
    def decisions(self) -> list[Decision]:
        """The decisions, in order."""
        return [decision for record in self._notes if (decision := decision_from(record)) is not None]

    @property
    def outcomes(self) -> list[Outcome]:
        """The outcomes of the calls that have ended, in the order of their decisions."""
        return [outcome for record in self._notes if (outcome := outcome_from(record)) is not None]

    @property
    def totals(self) -> Totals:
        """The sum over the calls that have ended."""
        return _sum(self._notes)


def routing_decision(response: object) -> Decision | None:
    """The decision behind a response.

    Args:
        response: of an LLM, a query or chat engine, or an agent; for the latter, the decision of the last call, which
            wrote it.

    Returns:
        The decision, or None where no router was asked.
    """
    notes = _notes_of(response)
    return decision_from(notes[-1]) if notes else None


def routing_outcome(response: object) -> Outcome | None:
    """The outcome behind a response, as `routing_decision`; None until a stream has ended, too."""
    notes = _notes_of(response)
    return outcome_from(notes[-1]) if notes else None


def routing_totals(response: object) -> Totals:
    """The sum over the routed calls behind a response that have ended.

    Args:
        response: of an LLM, of a query or chat engine (every call of the whole query), of an agent (every call of the
            run), or a `RoutingRecorder`. A streaming response is complete once it has been read.
    """
    return _sum(_notes_of(response))


def _notes_of(response: object) -> list[Note]:
    if isinstance(response, RoutingRecorder):
        return response.notes
    if isinstance(response, ChatResponse | CompletionResponse):
        record: Any = response.additional_kwargs.get(ROUTING_KEY)
        return [] if record is None else [record]
    return attached_notes(response)


def _sum(notes: Iterable[Note]) -> Totals:
    totals = Totals()
    for record in notes:
        decision, outcome = decision_from(record), outcome_from(record)
        if decision is not None and outcome is not None:
            totals.add(decision, outcome)
    return totals
