"""Which routed calls belong to what: to a recorder, and to the query whose response a user holds.

A query engine's response says nothing of the calls behind it, so the spans around them are followed: each routed call
is noted with every span that is open around it, and when one ends with a response, its notes are attached to that. A
streaming response makes its calls when it is read, after all spans have ended; reading it counts as inside.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.chat_engine.types import AgentChatResponse, StreamingAgentChatResponse
from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.span import active_span_id
from llama_index_instrumentation.span_handlers import BaseSpanHandler

from llamaindex_router.streams import ain_scope, in_scope

__all__ = ["Note", "attached_notes", "follow_spans", "note", "noting"]

Note = dict[str, Any]
"""A routing record: the decision, and once the call has ended the outcome."""

_RESPONSES = (
    Response,
    PydanticResponse,
    StreamingResponse,
    AsyncStreamingResponse,
    AgentChatResponse,
    StreamingAgentChatResponse,
)
_ATTRIBUTE = "_pointsman_routing"


@dataclass(slots=True)
class _Span:
    """An open span, and the notes of the calls inside it."""

    parent: _Span | None
    notes: list[Note] = field(default_factory=list)


_reading: ContextVar[_Span | None] = ContextVar("llamaindex_router_reading", default=None)
_recording: ContextVar[tuple[list[Note], ...]] = ContextVar("llamaindex_router_recording", default=())


def note(record: Note) -> None:
    """Note a routed call wherever it belongs, once each."""
    for notes in _recording.get():
        notes.append(record)
    seen: set[int] = set()
    for innermost in (_SPANS.get(active_span_id.get()), _reading.get()):
        span = innermost
        while span is not None:
            if id(span) not in seen:
                seen.add(id(span))
                span.notes.append(record)
            span = span.parent


@contextmanager
def noting(notes: list[Note]) -> Iterator[None]:
    """Calls made inside are noted in `notes`, too."""
    token = _recording.set((*_recording.get(), notes))
    try:
        yield
    finally:
        _recording.reset(token)


def attached_notes(response: object) -> list[Note]:
    """The routed calls behind the response of a query or chat engine."""
    found: list[Note] = vars(response).get(_ATTRIBUTE, []) if isinstance(response, _RESPONSES) else []
    return found


def follow_spans() -> None:
    """Follow the spans of this process; done once, however often it is called."""
    if not any(handler is _FOLLOWER for handler in root_dispatcher.span_handlers):
        root_dispatcher.add_span_handler(_FOLLOWER)


@contextmanager
def _read_for(span: _Span) -> Iterator[None]:
    token = _reading.set(span)
    try:
        yield
    finally:
        _reading.reset(token)


def _attach(result: object, span: _Span) -> None:
    """Leave the notes with a response; the outermost span to return it comes last, and its notes are the fullest."""
    if not isinstance(result, _RESPONSES):
        return
    fresh = _ATTRIBUTE not in vars(result)
    if fresh and isinstance(result, StreamingResponse) and isinstance(result.response_gen, Generator):
        result.response_gen = in_scope(result.response_gen, partial(_read_for, span))
    elif fresh and isinstance(result, AsyncStreamingResponse) and isinstance(result.response_gen, AsyncGenerator):
        result.response_gen = ain_scope(result.response_gen, partial(_read_for, span))
    setattr(result, _ATTRIBUTE, span.notes)


_SPANS: dict[str | None, _Span] = {}
"""The open spans by id."""


class _Follower(BaseSpanHandler[Any]):
    """Keeps `_SPANS`; nothing of a span but its place and its result is looked at."""

    @classmethod
    def class_name(cls) -> str:
        return "llamaindex_router_follower"

    def span_enter(self, id_: str, *args: Any, parent_id: str | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        _SPANS[id_] = _Span(_SPANS.get(parent_id))

    def span_exit(self, id_: str, *args: Any, result: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        span = _SPANS.pop(id_, None)
        if span is not None:
            _attach(result, span)

    def span_drop(self, id_: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        _SPANS.pop(id_, None)

    def new_span(self, *args: Any, **kwargs: Any) -> None:
        """Not called: `span_enter` keeps no span objects."""

    def prepare_to_exit_span(self, *args: Any, **kwargs: Any) -> None:
        """Not called: `span_exit` keeps no span objects."""

    def prepare_to_drop_span(self, *args: Any, **kwargs: Any) -> None:
        """Not called: `span_drop` keeps no span objects."""


_FOLLOWER = _Follower()
