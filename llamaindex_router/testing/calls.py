"""One way to call all methods of an LLM, and what the contract asks them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, MessageRole
from llama_index.core.llms import LLM

__all__ = ["ASYNC", "CHAT", "COMPLETE", "PREDICT", "STREAMS", "WITH_TOOLS", "Calls", "conversation", "said"]

T = TypeVar("T")

CHAT = ("chat", "achat", "stream_chat", "astream_chat")
COMPLETE = ("complete", "acomplete", "stream_complete", "astream_complete")
PREDICT = ("predict", "apredict", "stream", "astream")
WITH_TOOLS = ("chat_with_tools", "achat_with_tools", "stream_chat_with_tools", "astream_chat_with_tools")
STREAMS = ("stream_chat", "astream_chat", "stream_complete", "astream_complete", "stream", "astream")
ASYNC = tuple(name for name in (*CHAT, *COMPLETE, *PREDICT, *WITH_TOOLS) if name.startswith("a"))


@dataclass(frozen=True)
class Calls:
    """An LLM, and an event loop for its async methods.

    One loop per test: a client that keeps its connections is bound to the loop that it was first used in.
    """

    llm: LLM
    loop: asyncio.AbstractEventLoop

    @classmethod
    @contextmanager
    def of(cls, llm: LLM) -> Iterator[Calls]:
        """The calls of a model for the length of a `with`; the loop is the thread's own, for core's sync code."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        try:
            yield cls(llm, loop)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            asyncio.set_event_loop(None)

    def __call__(self, method: str, *args: Any, **kwargs: Any) -> list[Any]:
        """What a method gives: the items of a stream read to its end, or its one result."""
        return self.read(getattr(self.llm, method)(*args, **kwargs))

    def read(self, result: Any) -> list[Any]:
        """A result, awaited and read to its end."""
        if inspect.isawaitable(result):
            result = self.wait(result)
        if isinstance(result, AsyncIterator):
            return self.wait(_collected(result))
        return list(result) if isinstance(result, Iterator) else [result]

    def wait(self, awaitable: Awaitable[T]) -> T:
        """The result of something awaitable."""
        return self.loop.run_until_complete(_awaited(awaitable))


def conversation(*turns: str) -> list[ChatMessage]:
    """A system message, and turns of the user and the assistant."""
    roles = (MessageRole.USER, MessageRole.ASSISTANT)
    spoken = [ChatMessage(role=roles[row % 2], content=turn) for row, turn in enumerate(turns)]
    return [ChatMessage(role=MessageRole.SYSTEM, content="Answer briefly."), *spoken]


def said(item: object) -> str:
    """The text of a result, or of an item of a stream as far as it has come."""
    if isinstance(item, ChatResponse):
        return item.message.content or ""
    return item.text if isinstance(item, CompletionResponse) else str(item)


async def _collected(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable
