"""Usage of calls whose response is not handed back: read from the chosen model's own events.

`predict` returns a str and `structured_predict` an object; the response with the token counts is only in the
`LLMChatEndEvent` or `LLMCompletionEndEvent` that the model dispatches. A context variable says whose events these are:
event handlers run in the context of the code that dispatches.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionStartEvent,
)
from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation.span import active_span_id

from llamaindex_router.usage import Response, read_usage
from pointsman.costs.usage import Usage

__all__ = ["Listener", "Watch", "watch_events"]

_watching: ContextVar[Watch | None] = ContextVar("llamaindex_router_watch", default=None)


@dataclass
class _LLMCall:
    """One start event and what came of it; `inner` are the calls that it made itself."""

    span_id: str | None
    ended: bool = False
    response: Response | None = None
    inner: list[_LLMCall] = field(default_factory=list)

    def total(self) -> list[Usage | None]:
        """Its own usage, for that covers the calls inside (a CustomLLM's chat is a completion, too), else theirs."""
        usage = read_usage(self.response)
        if usage is not None:
            return [usage]
        inside = [usage for call in self.inner for usage in call.total()]
        return inside or ([None] if self.ended else [])


class _Listening(AbstractContextManager[None]):
    """Entered for every piece of a stream, and a class for that: a generator would take five times as long."""

    __slots__ = ("_span_token", "_token", "_watch")

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __enter__(self) -> None:
        self._token = _watching.set(self._watch)
        self._span_token = active_span_id.set(self._watch.span_id)

    def __exit__(self, *error: object) -> None:
        active_span_id.reset(self._span_token)
        _watching.reset(self._token)


class Watch:
    """The model calls of one routed call.

    Args:
        model: name of the chosen model. Other models' calls are not counted: a tool may make some.
        span_id: the routed call's span, which spans that a stream opens while it is read belong to.
    """

    def __init__(self, model: str, span_id: str | None = None) -> None:
        self._model = model
        self.span_id = span_id
        self._calls: list[_LLMCall] = []
        self._open: list[_LLMCall] = []
        self._closed = False

    def listening(self) -> AbstractContextManager[None]:
        """Events dispatched inside are of this call."""
        return _Listening(self)

    def started(self, span_id: str | None, model: str | None) -> None:
        """A model call began."""
        if self._closed:
            return
        call = _LLMCall(span_id)
        if self._open:
            self._open[-1].inner.append(call)
        elif model is None or model == self._model:
            self._calls.append(call)
        self._open.append(call)

    def ended(self, span_id: str | None, response: Response | None) -> None:
        """A model call ended; those still open inside it have failed, for failures dispatch no end."""
        if self._closed:
            return
        for position in reversed(range(len(self._open))):
            call = self._open[position]
            if call.span_id == span_id:
                del self._open[position:]
                call.ended, call.response = True, response
                return

    def close(self) -> None:
        """Hear no later events: what a model leaves running in the background is of no call."""
        self._closed = True

    def usage(self) -> Usage | None:
        """The sum over the calls; None if none was seen, or one did not report its usage."""
        usages = [usage for call in self._calls for usage in call.total()]
        known = [usage for usage in usages if usage is not None]
        return sum(known[1:], known[0]) if known and len(known) == len(usages) else None


class Listener(BaseEventHandler):
    """Takes model events to the watch of the routed call that they belong to."""

    @classmethod
    def class_name(cls) -> str:
        """Name of the handler."""
        return "llamaindex_router_listener"

    def handle(self, event: Any, **kwargs: Any) -> None:  # noqa: ARG002  # the base class's signature
        """Look at the beginnings and ends of models' calls."""
        watch = _watching.get()
        if watch is None:
            return
        phase = _phase(event.__class__)
        if phase == "start":
            watch.started(event.span_id, event.model_dict.get("model_name"))
        elif phase == "end":
            watch.ended(event.span_id, event.response)


@lru_cache(maxsize=1024)
def _phase(kind: type) -> Literal["start", "end", "other"]:
    """Of a call; remembered, for a stream has an event per piece, and pydantic is slow to say what is a what."""
    if issubclass(kind, LLMChatStartEvent | LLMCompletionStartEvent):
        return "start"
    return "end" if issubclass(kind, LLMChatEndEvent | LLMCompletionEndEvent) else "other"


_LISTENER = Listener()


def watch_events() -> None:
    """Listen to the events of this process; done once, however often it is called."""
    if not any(handler is _LISTENER for handler in root_dispatcher.event_handlers):
        root_dispatcher.add_event_handler(_LISTENER)
