"""`stream_events(version="v3")`: LangChain's protocol of content-block events, around a routed call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing
from typing import Any

from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream
from langchain_core.messages import AIMessage

from langchain_router.route import Route
from pointsman.records import ROUTING_KEY

__all__ = ["EVENTS", "event_stream", "event_stream_async"]

_FRAME = ("message-start", "content-block-start", "message-finish")
"""Events around what is said."""

Piece = tuple[dict[str, Any], AIMessage | None]
"""An event, and with the last one of a message the message."""


class _Events:
    """The chosen model's events."""

    def open(self, route: Route) -> Generator[Piece]:
        child: Any = route.target.stream_events(route.messages, route.config, version="v3", **route.kwargs)
        for event in child:
            yield event, child.output_message if _last(event) else None

    async def aopen(self, route: Route) -> AsyncGenerator[Piece]:
        opened: Any = route.target.astream_events(route.messages, route.config, version="v3", **route.kwargs)
        async with aclosing(await opened) as child:
            async for event in child:
                yield event, child.output_message if _last(event) else None

    def speaks(self, piece: Piece) -> bool:
        event, _ = piece
        if event.get("event") == "content-block-finish":
            return event["content"].get("type") != "text" or bool(event["content"].get("text"))
        return event.get("event") not in _FRAME

    def mark(self, route: Route, piece: Piece) -> dict[str, Any]:
        """The last event with the record, which becomes the message's response metadata; any other as it is."""
        event, message = piece
        if message is None:
            delta = event.get("delta") or {}
            route.hear(delta.get("text") or "")
            return event
        record = route.settle(message).response_metadata[ROUTING_KEY]
        return {**event, "metadata": {**(event.get("metadata") or {}), ROUTING_KEY: record}}

    def message(self, pieces: list[Piece]) -> AIMessage | None:
        whole = next((message for _, message in pieces if message is not None), None)
        blocks = [event["content"] for event, _ in pieces if event.get("event") == "content-block-finish"]
        if whole is None:
            return AIMessage(blocks) if blocks else None
        return whole if whole.content else whole.model_copy(update={"content": blocks})  # it holds no refusals


EVENTS = _Events()


def event_stream(events: Generator[Any]) -> ChatModelStream:
    """The stream of a call's events; it is decided when the first one is asked for."""
    stream = ChatModelStream()

    def pump() -> bool:
        try:
            stream.dispatch(next(events))
            if stream.done:  # nobody asks any more, and the run is still open
                next(events, None)
        except StopIteration:
            return False
        except BaseException as error:  # noqa: BLE001  # the stream raises it for whoever reads
            stream.fail(error)
            return False
        return True

    stream.bind_pump(pump)
    return stream


def event_stream_async(events: AsyncGenerator[Any]) -> AsyncChatModelStream:
    """The async twin: a task reads the events as soon as the first one is asked for."""
    stream = AsyncChatModelStream()

    async def produce() -> None:
        try:
            async with aclosing(events):
                async for event in events:
                    stream.dispatch(event)
        except asyncio.CancelledError as error:
            stream.fail(error)
            raise
        except BaseException as error:  # noqa: BLE001  # the stream raises it for whoever reads
            stream.fail(error)

    async def start() -> None:
        if stream._producer_task is None:  # noqa: SLF001  # where `aclose` and `await` look for the task
            stream._producer_task = asyncio.create_task(produce())  # noqa: SLF001

    stream.set_start(start)
    return stream


def _last(event: dict[str, Any]) -> bool:
    return event.get("event") == "message-finish"
