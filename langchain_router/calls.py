"""The doors of a chat model, each leading through the router's run to the same door of the chosen model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from typing import Any, cast

from langchain_core.language_models.base import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from pydantic import ConfigDict
from typing_extensions import override

from langchain_router.conduct import Conduct
from langchain_router.doors import INVOKE, STREAM, Door
from langchain_router.plan import Plan
from langchain_router.runs import AsyncRun, Run
from pointsman.errors import ConfigurationError

__all__ = ["RoutedCalls"]


class RoutedCalls(BaseChatModel):
    """A chat model whose every call is planned, decided, and made by another."""

    model_config = ConfigDict(defer_build=True)  # of this class there are no objects, and a schema takes milliseconds

    @property
    @abstractmethod
    def conduct(self) -> Conduct:
        """What happens around a choice."""

    @abstractmethod
    def _plan(self, model_input: LanguageModelInput, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Plan:
        """What a call's arguments ask for."""

    def _through(
        self, door: Door, model_input: LanguageModelInput, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Generator[Any]:
        """A call: the pieces of its answer, from the first candidate that has one."""
        with Run(self, self.conduct, self._plan(model_input, config, kwargs), door) as run:
            while True:
                with run.route() as route, closing(run.pieces(route)) as pieces:
                    for piece in pieces:
                        yield from route.ready(piece)
                    yield from route.rest()
                    return

    async def _athrough(
        self, door: Door, model_input: LanguageModelInput, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> AsyncGenerator[Any]:
        """The same from a coroutine."""
        async with AsyncRun(self, self.conduct, self._plan(model_input, config, kwargs), door) as run:
            while True:
                with await run.route() as route:
                    async with aclosing(run.pieces(route)) as pieces:
                        async for piece in pieces:
                            for ready in route.ready(piece):
                                yield ready
                    for ready in route.rest():
                        yield ready
                    return

    @override
    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        (answer,) = self._through(INVOKE, input, config, kwargs)
        return cast("AIMessage", answer)

    @override
    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        (answer,) = [answer async for answer in self._athrough(INVOKE, input, config, kwargs)]
        return cast("AIMessage", answer)

    @override
    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        return self._through(STREAM, input, config, kwargs)

    @override
    def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        return self._athrough(STREAM, input, config, kwargs)

    @override
    def stream_events(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, *, version: Any = "v2", **kwargs: Any
    ) -> Any:
        if version != "v3":
            return super().stream_events(input, config, version=version, **kwargs)
        from langchain_router.events import EVENTS, event_stream  # the protocol is beta: only its users depend on it

        return event_stream(self._through(EVENTS, input, config, kwargs))

    @override
    def astream_events(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, *, version: Any = "v2", **kwargs: Any
    ) -> Any:
        if version != "v3":
            return super().astream_events(input, config, version=version, **kwargs)
        return self._event_stream_async(input, config, kwargs)

    async def _event_stream_async(
        self, model_input: LanguageModelInput, config: RunnableConfig | None, kwargs: dict[str, Any]
    ) -> Any:
        from langchain_router.events import EVENTS, event_stream_async

        return event_stream_async(self._athrough(EVENTS, model_input, config, kwargs))

    @override
    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        msg = f"{type(self).__name__} has no model of its own to generate with; call invoke, stream or generate"
        raise ConfigurationError(msg)

    @property
    @override
    def _llm_type(self) -> str:
        return "pointsman-router"
