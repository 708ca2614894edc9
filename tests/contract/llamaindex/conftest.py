"""An event loop for LlamaIndex's synchronous code, which takes the thread's own and never closes it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.support.llamaindex_books")


@pytest.fixture(autouse=True)
def event_loop_of_core(request: pytest.FixtureRequest) -> Iterator[None]:
    """Core's `asyncio_run` makes a loop where the thread has none, and a loop left open is a warning."""
    if inspect.iscoroutinefunction(request.function):
        yield
        return
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.close()
    asyncio.set_event_loop(None)
