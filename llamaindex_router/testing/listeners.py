"""What LlamaIndex's instrumentation says of a block of code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.span_handlers import BaseSpanHandler
from pydantic import Field

__all__ = ["Listener", "SpanWatch", "listening", "watching_spans"]

E = TypeVar("E")


class Listener(BaseEventHandler):
    """Keeps the events, in order."""

    events: list[Any] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        """Name of the handler."""
        return "contract_listener"

    def handle(self, event: Any, **kwargs: Any) -> None:  # noqa: ARG002  # the base class's signature
        """Keep an event."""
        self.events.append(event)

    def of(self, *kinds: type[E]) -> list[E]:
        """The events of these classes."""
        return [event for event in self.events if isinstance(event, kinds)]


class SpanWatch(BaseSpanHandler[Any]):
    """Keeps the ids of the spans that were opened, and of those that have ended."""

    opened: list[str] = Field(default_factory=list)
    ended: list[str] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        """Name of the handler."""
        return "contract_span_watch"

    def span_enter(self, id_: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002  # the base class's signature
        """A span opens."""
        self.opened.append(id_)

    def span_exit(self, id_: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002  # the base class's signature
        """A span ends."""
        self.ended.append(id_)

    def span_drop(self, id_: str, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002  # the base class's signature
        """A span ends with an error."""
        self.ended.append(id_)

    def new_span(self, *args: Any, **kwargs: Any) -> None:
        """Not called: `span_enter` keeps no span objects."""

    def prepare_to_exit_span(self, *args: Any, **kwargs: Any) -> None:
        """Not called: `span_exit` keeps no span objects."""

    def prepare_to_drop_span(self, *args: Any, **kwargs: Any) -> None:
        """Not called: `span_drop` keeps no span objects."""


@contextmanager
def listening() -> Iterator[Listener]:
    """All events dispatched inside, by any thread."""
    listener = Listener()
    root_dispatcher.add_event_handler(listener)
    try:
        yield listener
    finally:
        root_dispatcher.event_handlers[:] = [h for h in root_dispatcher.event_handlers if h is not listener]


@contextmanager
def watching_spans() -> Iterator[SpanWatch]:
    """All spans opened and ended inside, by any thread."""
    watch = SpanWatch()
    root_dispatcher.add_span_handler(watch)
    try:
        yield watch
    finally:
        root_dispatcher.span_handlers[:] = [h for h in root_dispatcher.span_handlers if h is not watch]
