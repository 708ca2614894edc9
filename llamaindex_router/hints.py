"""What is known of calls before they are made: the question that somebody has named for all calls in a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

from llama_index_instrumentation.dispatcher import active_instrument_tags

from llamaindex_router.stages import Stage
from pointsman.errors import QueryError
from pointsman.query import Query, Source

__all__ = ["QUERY_TAG", "Hint", "hint", "hinted", "route_query"]

QUERY_TAG = "router.query"
"""The instrument tag that names the question, for code that sets tags anyway."""


class Hint(NamedTuple):
    """The question, where it was found, and the stage of calls that do not tell it themselves."""

    text: str
    source: Source
    stage: Stage | None = None


_hint: ContextVar[Hint | None] = ContextVar("llamaindex_router_hint", default=None)


def hint() -> Hint | None:
    """What is known of the call that is being made."""
    given = _hint.get()
    if given is not None and given.source == "explicit":
        return given
    tag = active_instrument_tags.get().get(QUERY_TAG)
    if not isinstance(tag, str) or not tag.strip():
        return given
    return Hint(tag, "explicit", None if given is None else given.stage)


@contextmanager
def route_query(text: str) -> Iterator[None]:
    """Name the question that all routed calls inside are about.

    It holds for the tasks and workflow steps started inside, too. A stream is decided when it is asked for, so it may
    be read after the block; a streaming query engine asks for it when it is first read, so that belongs inside.

    Args:
        text: the question.

    Raises:
        QueryError: `text` is not a str, or has no words.
    """
    if not Query(text).scorable:
        msg = f"route_query needs the words of a question, not {text!r}"
        raise QueryError(msg)
    with hinted(text, "explicit"):
        yield


@contextmanager
def hinted(text: str | None, source: Source, stage: Stage | None = None) -> Iterator[None]:
    """The question for the calls inside, where it is known before the call; what the caller named stays above all.

    Args:
        text: the question; None leaves everything as it is.
        source: where it was found.
        stage: of the calls inside, where they do not tell it themselves.
    """
    given = _hint.get()
    if text is None:
        found = given
    elif given is None or source == "explicit":
        found = Hint(text, source, stage)
    else:
        found = given._replace(stage=stage)
    token = _hint.set(found)
    try:
        yield
    finally:
        _hint.reset(token)
