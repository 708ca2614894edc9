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
from typing_extensions import override

from langchain_router.plan import Plan
from langchain_router.runs import AsyncRun, Run
from pointsman.errors import ConfigurationError

__all__ = ["RoutedCalls"]


class RoutedCalls(BaseChatModel):
    """A chat model whose every call is planned, decided, and made by another."""

    @abstractmethod
    def _plan(self, model_input: LanguageModelInput, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Plan:
        """What a call's arguments ask for."""

    @override
    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:
        plan = self._plan(input, config, kwargs)
        with Run(self, plan) as route:
            return cast("AIMessage", route.settle(route.target.invoke(plan.messages, route.config, **plan.kwargs)))

    @override
    async def ainvoke(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AIMessage:
        plan = self._plan(input, config, kwargs)
        async with AsyncRun(self, plan) as route:
            answer = await route.target.ainvoke(plan.messages, route.config, **plan.kwargs)
            return cast("AIMessage", route.settle(answer))

    @override
    def stream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Iterator[AIMessageChunk]:
        plan = self._plan(input, config, kwargs)
        with Run(self, plan) as route:
            pieces = route.target.stream(plan.messages, route.config, **plan.kwargs)
            with closing(cast("Generator[Any]", pieces)):
                for piece in pieces:
                    yield route.piece(piece)
            if (rest := route.rest()) is not None:
                yield rest

    @override
    async def astream(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[AIMessageChunk]:
        plan = self._plan(input, config, kwargs)
        async with AsyncRun(self, plan) as route:
            pieces = route.target.astream(plan.messages, route.config, **plan.kwargs)
            async with aclosing(cast("AsyncGenerator[Any]", pieces)):
                async for piece in pieces:
                    yield route.piece(piece)
            if (rest := route.rest()) is not None:
                yield rest

    @override
    def stream_events(
        self, input: LanguageModelInput, config: RunnableConfig | None = None, *, version: Any = "v2", **kwargs: Any
    ) -> Any:
        if version != "v3":
            return super().stream_events(input, config, version=version, **kwargs)
        from langchain_router.events import event_stream  # the protocol is beta: only those who use it depend on it

        plan = self._plan(input, config, kwargs)
        return event_stream(Run(self, plan), plan)

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
        from langchain_router.events import event_stream_async

        plan = self._plan(model_input, config, kwargs)
        return event_stream_async(AsyncRun(self, plan), plan)

    @override
    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        msg = f"{type(self).__name__} has no model of its own to generate with; call invoke, stream or generate"
        raise ConfigurationError(msg)

    @property
    @override
    def _llm_type(self) -> str:
        return "pointsman-router"
