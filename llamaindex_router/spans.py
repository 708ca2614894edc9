"""The spans that are open around a call: which component makes it, for which question, and what it was answered before.

LlamaIndex opens a span for each method of its components. They are followed here, because a call itself knows little of
where it comes from: a selector, a condensing chat engine and an agent all hand a model nothing but messages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.response_synthesizers.base import BaseSynthesizer
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.tools.types import BaseTool
from llama_index.core.types import BasePydanticProgram
from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.span import active_span_id
from llama_index_instrumentation.span_handlers import BaseSpanHandler

from llamaindex_router.restated import restated

__all__ = [
    "Caller",
    "Note",
    "Span",
    "as_reading",
    "caller",
    "enclosing",
    "follow_spans",
    "found_chunks",
    "question_scope",
    "root_question",
    "said_to_agent",
]

Note = dict[str, Any]
"""A routing record: the decision, and once the call has ended the outcome."""

_ARGUMENTS = ("query_bundle", "str_or_query_bundle", "query_str", "query", "message")
"""Under which names components take the question."""
_PAUSE = "WaitingForEvent"
"""What a tool raises that waits for a person's answer: nothing has failed."""
_HELPERS = ("run_jobs", "run_jobs.<locals>.worker")
"""Core's functions that run a component's calls side by side, which have spans of their own."""
_RUN = "start_event"
"""Under which name a workflow takes what a run starts with; an agent's holds `user_msg`."""


@dataclass(slots=True, eq=False)
class Span:
    """An open span.

    Attributes:
        name: class and method, as in "CompactAndRefine.get_response".
        parent: the span around it.
        question: what its component was asked, if it was asked something.
        run_question: what the user asked of the agent whose run it is.
        is_run: it is the run of a workflow, such as an agent.
        is_means: it is a method of a model or of a program around one, or a helper; none asks on its own account.
        is_tool: it is a tool at work.
        chunks: what was retrieved for the answer that its component makes, if it is given that.
        notes: the records of the routed calls inside it.
        tool_error: what a tool inside this run raised since its model was last asked.
    """

    name: str
    parent: Span | None
    question: str | None = None
    run_question: str | None = None
    is_run: bool = False
    is_means: bool = False
    is_tool: bool = False
    chunks: Sequence[NodeWithScore] | None = None
    notes: list[Note] = field(default_factory=list)
    tool_error: str | None = None

    def upwards(self) -> Iterator[Span]:
        """This span and those around it, from the inside out."""
        span: Span | None = self
        while span is not None:
            yield span
            span = span.parent


OPEN: dict[str | None, Span] = {}
"""The open spans by id."""
_reading: ContextVar[Span | None] = ContextVar("llamaindex_router_reading", default=None)


def enclosing() -> Iterator[Span]:
    """The spans around the code that asks, from the inside out, each once.

    A streaming response makes its calls when it is read, after its spans have ended; reading it counts as inside.
    """
    reading, span = _reading.get(), OPEN.get(active_span_id.get())
    read = () if reading is None else tuple(reading.upwards())
    yield from read
    while span is not None:
        if span not in read:
            yield span
        span = span.parent


class Caller(NamedTuple):
    """Where a call comes from.

    Attributes:
        component: the innermost span that asks on its own account.
        question: the innermost question: what the nearest component that takes one was asked.
    """

    component: Span | None
    question: str | None


def caller() -> Caller:
    """Where the call that is being made comes from."""
    component = None
    for span in enclosing():
        if component is None and not span.is_means:
            component = span
        if span.question is not None:
            return Caller(component, span.question)
    return Caller(component, None)


def question_scope() -> Span | None:
    """The outermost of the spans that are about the innermost question: all that answers it happens inside."""
    found: Span | None = None
    for span in enclosing():
        if span.question is None:
            continue
        if found is not None and span.question != found.question:
            break
        found = span
    return found


def root_question() -> str | None:
    """The question behind everything: what the outermost component, or agent, was asked."""
    found = None
    for span in enclosing():
        found = span.question or span.run_question or found
    return found


def said_to_agent() -> str | None:
    """What the user said to the agent whose run this is; None where it was handed a conversation alone."""
    return next((span.run_question for span in enclosing() if span.is_run), None)


def found_chunks() -> Sequence[NodeWithScore] | None:
    """What was retrieved for the answer that is being made; None where no answer is made of chunks."""
    return next((span.chunks for span in enclosing() if span.chunks is not None), None)


@contextmanager
def as_reading(span: Span) -> Iterator[None]:
    """What happens inside happens for this span."""
    token = _reading.set(span)
    try:
        yield
    finally:
        _reading.reset(token)


def follow_spans(ended: Callable[[Span, object], None]) -> None:
    """Follow the spans of this process; done once, however often it is called.

    Args:
        ended: called with each span that returns, and with what it returns.
    """
    _FOLLOWER.ended = ended
    if not any(handler is _FOLLOWER for handler in root_dispatcher.span_handlers):
        root_dispatcher.add_span_handler(_FOLLOWER)


def _question_in(arguments: Mapping[str, Any]) -> str | None:
    for name in _ARGUMENTS:
        value = arguments.get(name)
        text = value.query_str if isinstance(value, QueryBundle) else value
        if isinstance(text, str) and text.strip():
            return restated(text).question
    return None


def _asked_of_run(start: object) -> str | None:
    message = getattr(start, "user_msg", None)
    text = getattr(message, "content", message)
    return text if isinstance(text, str) and text.strip() else None


@lru_cache(maxsize=1024)
def _kind(kind: type) -> Literal["means", "tool", "synthesizer", "other"]:
    """What a class is; asked for every span, and pydantic takes a microsecond to say what is an instance of what."""
    if issubclass(kind, BaseLLM | BasePydanticProgram):
        return "means"
    if issubclass(kind, BaseTool):
        return "tool"
    return "synthesizer" if issubclass(kind, BaseSynthesizer) else "other"


class _Follower(BaseSpanHandler[Any]):
    """Keeps `OPEN`."""

    ended: Callable[[Span, object], None] | None = None

    @classmethod
    def class_name(cls) -> str:
        return "llamaindex_router_follower"

    def span_enter(
        self,
        id_: str,
        bound_args: Any,
        instance: Any = None,
        parent_id: str | None = None,
        tags: dict[str, Any] | None = None,  # noqa: ARG002  # the base class's signature
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        span = Span(id_[:-37], OPEN.get(parent_id))  # a hyphen and a UUID
        kind = _kind(instance.__class__)
        if kind == "means" or span.name in _HELPERS:
            span.is_means = True
        else:
            arguments = bound_args.arguments
            span.question = _question_in(arguments)
            span.is_tool = kind == "tool"
            if kind == "synthesizer":
                span.chunks = arguments.get("nodes")
            if _RUN in arguments:
                span.is_run = True
                span.run_question = _asked_of_run(arguments[_RUN])
        OPEN[id_] = span

    def span_exit(self, id_: str, *args: Any, result: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        span = OPEN.pop(id_, None)
        if span is not None and self.ended is not None:
            self.ended(span, result)

    def span_drop(self, id_: str, *args: Any, err: BaseException | None = None, **kwargs: Any) -> None:  # noqa: ARG002
        span = OPEN.pop(id_, None)
        if span is not None and span.is_tool and isinstance(err, Exception) and type(err).__name__ != _PAUSE:
            run = next((around for around in span.upwards() if around.is_run), None)
            if run is not None:
                run.tool_error = type(err).__name__

    def new_span(self, *args: Any, **kwargs: Any) -> None:
        """Not called: `span_enter` keeps no span objects."""

    def prepare_to_exit_span(self, *args: Any, **kwargs: Any) -> None:
        """Not called: `span_exit` keeps no span objects."""

    def prepare_to_drop_span(self, *args: Any, **kwargs: Any) -> None:
        """Not called: `span_drop` keeps no span objects."""


_FOLLOWER = _Follower()
