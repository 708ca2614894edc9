"""The four ways to hand a call to the model that is chosen for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from typing import Any, Literal, TypeVar

from llama_index.core.base.llms.types import ChatMessage, LLMMetadata, MessageRole
from llama_index.core.llms import LLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from pydantic import Field, PrivateAttr, SerializeAsAny

from llamaindex_router.calls import Model, RoutedCall
from llamaindex_router.choice import Choice, Chooser
from llamaindex_router.fit import Fit
from llamaindex_router.question import Asked, to_the_root
from llamaindex_router.thinking import without_foreign_thoughts
from pointsman.router import Router

__all__ = ["Delegating", "without_defaults"]

T = TypeVar("T")
_DEFAULTS = {
    "formatted": False,
    "verbose": False,
    "allow_parallel_tool_calls": False,
    "tool_required": False,
    "error_on_no_tool_call": True,
    "error_on_tool_error": False,
}
"""Optional arguments of LlamaIndex's methods."""


class Delegating(FunctionCallingLLM):
    """Calls go to one of several models, chosen for each call; a subclass sets them up."""

    llms: dict[str, SerializeAsAny[LLM]] = Field(description="The models by name.", exclude=True, repr=False)

    _router: Router = PrivateAttr()
    _metadata: LLMMetadata = PrivateAttr()
    _children: dict[str, LLMMetadata] = PrivateAttr()
    _models: dict[str, Model] = PrivateAttr()
    _fit: Fit = PrivateAttr()
    _chooser: Chooser = PrivateAttr()
    _question: Literal["innermost", "root"] = PrivateAttr()

    def _value(self, asked: Asked, act: Callable[[FunctionCallingLLM], T]) -> T:
        if self.rate_limiter is not None:
            self.rate_limiter.acquire()
        return self._decide(asked).value(act)

    async def _avalue(self, asked: Asked, act: Callable[[FunctionCallingLLM], Awaitable[T]]) -> T:
        if self.rate_limiter is not None:
            await self.rate_limiter.async_acquire()
        return await (await self._adecide(asked)).avalue(act)

    def _stream(
        self, asked: Asked, act: Callable[[FunctionCallingLLM], Generator[T, None, None]]
    ) -> Generator[T, None, None]:
        if self.rate_limiter is not None:
            self.rate_limiter.acquire()
        return self._decide(asked).stream(act)

    async def _astream(
        self, asked: Asked, act: Callable[[FunctionCallingLLM], Awaitable[AsyncGenerator[T, None]]]
    ) -> AsyncGenerator[T, None]:
        if self.rate_limiter is not None:
            await self.rate_limiter.async_acquire()
        return await (await self._adecide(asked)).astream(act)

    def _decide(self, asked: Asked) -> RoutedCall:
        measured = self._fit.measured(self._about(asked))
        return self._call(measured, self._chooser.choose(measured))

    async def _adecide(self, asked: Asked) -> RoutedCall:
        about = self._about(asked)
        # counting a prompt that may not fit takes milliseconds, too long for an event loop
        measured = await asyncio.to_thread(self._fit.measured, about) if self._fit.near(about) else about
        return self._call(measured, await self._chooser.achoose(measured))

    def _about(self, asked: Asked) -> Asked:
        return to_the_root(asked) if self._question == "root" else asked

    def _call(self, asked: Asked, choice: Choice) -> RoutedCall:
        return RoutedCall(self._models, asked, choice, self._chooser, self._router.pool)

    def _for(self, llm: LLM, messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        """The messages as this model takes them.

        Chat engines write system messages in the role that `metadata` names, and a model may want another; and it may
        not be shown what a model of another provider thought.
        """
        name = next(name for name, child in self.llms.items() if child is llm)
        shown = without_foreign_thoughts(messages, name, self._router.pool)
        role = self._children[name].system_role
        if role == self._metadata.system_role or self._metadata.system_role != MessageRole.SYSTEM:
            return shown
        return [
            message.model_copy(update={"role": role}) if message.role == MessageRole.SYSTEM else message
            for message in shown
        ]


def without_defaults(kwargs: dict[str, Any], **options: bool) -> dict[str, Any]:
    """The keyword arguments to pass on: an option at its default is left out, for not every model's class knows it."""
    return kwargs | {name: value for name, value in options.items() if value != _DEFAULTS[name]}
