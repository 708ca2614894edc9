"""`stream_events(version="v3")`: LangChain's protocol of content-block events, around a routed call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

from langchain_core.language_models.chat_model_stream import AsyncChatModelStream, ChatModelStream

from langchain_router.plan import Plan
from langchain_router.route import Route
from langchain_router.runs import AsyncRun, Run
from pointsman.records import ROUTING_KEY

__all__ = ["event_stream", "event_stream_async"]

Event = dict[str, Any]


def event_stream(run: Run, plan: Plan) -> ChatModelStream:
    """The stream of the chosen model's events; it is decided when the first one is asked for."""
    stream = ChatModelStream()
    events = _events(run, plan)

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


def event_stream_async(run: AsyncRun, plan: Plan) -> AsyncChatModelStream:
    """The async twin: a task reads the chosen model's events as soon as the first one is asked for."""
    stream = AsyncChatModelStream()

    async def produce() -> None:
        try:
            async with aclosing(_events_async(run, plan)) as events:
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


def _events(run: Run, plan: Plan) -> Iterator[Event]:
    with run as route:
        child = route.target.stream_events(plan.messages, route.config, version="v3", **plan.kwargs)
        for event in child:
            yield _marked(event, child, route)


async def _events_async(run: AsyncRun, plan: Plan) -> AsyncGenerator[Event, None]:
    async with run as route:
        opened: Any = route.target.astream_events(plan.messages, route.config, version="v3", **plan.kwargs)
        child = await opened
        async with aclosing(child):
            async for event in child:
                yield _marked(event, child, route)


def _marked(event: Event, child: Any, route: Route) -> Event:
    """The last event with the record, which becomes the message's response metadata; any other as it is."""
    if event.get("event") != "message-finish":
        return event
    answer = route.settle(child.output_message)
    return {**event, "metadata": {**(event.get("metadata") or {}), ROUTING_KEY: answer.response_metadata[ROUTING_KEY]}}
