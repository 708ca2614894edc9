"""Which routed calls belong to what: to a recorder, and to the query whose response a user holds.

A query engine's response says nothing of the calls behind it. So each routed call is noted with every span that is open
around it, and when one ends with a response, its notes are attached to that.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, partial
from typing import Any

from llama_index.core.base.response.schema import (
    AsyncStreamingResponse,
    PydanticResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.chat_engine.types import AgentChatResponse, StreamingAgentChatResponse
from llama_index.core.workflow import Event, StopEvent

from llamaindex_router.spans import Note, Span, as_reading, enclosing, follow_spans
from llamaindex_router.streams import ain_scope, in_scope

__all__ = ["Note", "attached_notes", "keep_journal", "note", "noting"]

_RESPONSES = (
    Response,
    PydanticResponse,
    StreamingResponse,
    AsyncStreamingResponse,
    AgentChatResponse,
    StreamingAgentChatResponse,
)
_ATTRIBUTE = "_pointsman_routing"

_recording: ContextVar[tuple[list[Note], ...]] = ContextVar("llamaindex_router_recording", default=())


def keep_journal() -> None:
    """Attach notes to responses from now on; done once, however often it is called."""
    follow_spans(_attach)


def note(record: Note) -> None:
    """Note a routed call wherever it belongs, once each."""
    for notes in _recording.get():
        notes.append(record)
    for span in enclosing():
        span.notes.append(record)


@contextmanager
def noting(notes: list[Note]) -> Iterator[None]:
    """Calls made inside are noted in `notes`, too."""
    token = _recording.set((*_recording.get(), notes))
    try:
        yield
    finally:
        _recording.reset(token)


def attached_notes(response: object) -> list[Note]:
    """The routed calls behind the response of a query or chat engine, or of an agent."""
    found: list[Note] = _attributes(response).get(_ATTRIBUTE, [])
    return found


def _attach(span: Span, result: Any) -> None:
    """Leave the notes with a response; the outermost span to return it comes last, and its notes are the fullest."""
    if not _may_carry(result.__class__):
        return
    if isinstance(result, StopEvent):  # how a workflow hands its result over
        result = result.result
    attributes = _attributes(result)
    fresh = _ATTRIBUTE not in attributes
    if fresh and isinstance(result, StreamingResponse) and isinstance(result.response_gen, Generator):
        result.response_gen = in_scope(result.response_gen, partial(as_reading, span))
    elif fresh and isinstance(result, AsyncStreamingResponse) and isinstance(result.response_gen, AsyncGenerator):
        result.response_gen = ain_scope(result.response_gen, partial(as_reading, span))
    attributes[_ATTRIBUTE] = span.notes


@lru_cache(maxsize=1024)
def _may_carry(kind: type) -> bool:
    """Whether what a span returns may be a response; most spans return something else."""
    return issubclass(kind, (*_RESPONSES, Event))


def _attributes(response: object) -> dict[str, Any]:
    """Where a response can carry something that it does not show; for what is no response, nowhere."""
    if isinstance(response, Event):  # an agent's output, say: a pydantic model, which would take an attribute for data
        return response.__pydantic_private__ or {}
    return vars(response) if isinstance(response, _RESPONSES) else {}
