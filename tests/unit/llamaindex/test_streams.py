"""Streams in a scope: each step inside, the reader outside, and the end passed on."""

from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from llamaindex_router.streams import ain_scope, in_scope

here = ContextVar("here", default="outside")


@contextmanager
def inside():
    token = here.set("inside")
    try:
        yield
    finally:
        here.reset(token)


def numbers(seen, closed):
    try:
        for number in range(3):
            seen.append(here.get())
            yield number
        raise_if_asked = closed.count("raise")
        if raise_if_asked:
            raise RuntimeError("broken")
    finally:
        closed.append("closed")


async def anumbers(seen, closed):
    for number in numbers(seen, closed):
        yield number


def test_each_step_is_inside_and_the_reader_is_not():
    seen, closed, outside = [], [], []
    outside.extend((number, here.get()) for number in in_scope(numbers(seen, closed), inside))
    assert seen == ["inside"] * 3
    assert outside == [(0, "outside"), (1, "outside"), (2, "outside")]
    assert closed == ["closed"]


async def test_each_async_step_is_inside_and_the_reader_is_not():
    seen, closed, outside = [], [], []
    outside.extend([(number, here.get()) async for number in ain_scope(anumbers(seen, closed), inside)])
    assert seen == ["inside"] * 3
    assert outside == [(0, "outside"), (1, "outside"), (2, "outside")]


def test_closing_closes_what_is_read():
    seen, closed = [], []
    stream = in_scope(numbers(seen, closed), inside)
    assert next(stream) == 0
    stream.close()
    assert closed == ["closed"]
    assert here.get() == "outside"


async def test_closing_an_async_stream_closes_what_is_read():
    closed = []

    async def source():
        try:
            yield 1
            yield 2
        finally:
            closed.append("closed")

    stream = ain_scope(source(), inside)
    assert await anext(stream) == 1
    await stream.aclose()
    assert closed == ["closed"]


def test_errors_go_through():
    stream = in_scope(numbers([], ["raise"]), inside)
    with pytest.raises(RuntimeError, match="broken"):
        list(stream)
    assert here.get() == "outside"


def test_none_is_an_item_and_not_the_end():
    assert list(in_scope(iter([None, 0, ""]), inside)) == [None, 0, ""]
