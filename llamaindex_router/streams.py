"""Streams whose every step runs inside a scope, so that a context variable holds there and nowhere else.

A generator shares the context of whoever asks for its next item: a variable that it set would leak to its reader.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

__all__ = ["ain_scope", "in_scope"]

T = TypeVar("T")
Scope = Callable[[], AbstractContextManager[None]]


class _End:
    """What comes after the last item."""


_END = _End()


def in_scope(items: Iterator[T], scope: Scope) -> Generator[T, None, None]:
    """The items of a stream, each fetched inside a scope of its own; the stream is closed with this one."""
    try:
        while True:
            with scope():
                item = next(items, _END)
            if isinstance(item, _End):
                return
            yield item
    finally:
        if isinstance(items, Generator):
            items.close()


async def ain_scope(items: AsyncIterator[T], scope: Scope) -> AsyncGenerator[T, None]:
    """`in_scope` for an async stream."""
    try:
        while True:
            with scope():
                item = await anext(items, _END)
            if isinstance(item, _End):
                return
            yield item
    finally:
        if isinstance(items, AsyncGenerator):
            await items.aclose()
