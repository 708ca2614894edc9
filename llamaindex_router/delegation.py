"""The four ways to hand a call to the model that is chosen for it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms import LLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from pydantic import Field, PrivateAttr, SerializeAsAny

from llamaindex_router.desk import Desk
from llamaindex_router.question import Asked

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

    if TYPE_CHECKING:  # at run time it is a plain attribute: a private one of pydantic's takes a microsecond more
        _desk: Desk = PrivateAttr()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Keep the signatures of methods that have spans: a span reads that of its method anew with every call."""
        super().__init_subclass__(**kwargs)
        for method in vars(cls).values():
            inside = getattr(method, "__wrapped__", None)
            if inspect.isfunction(inside):
                vars(inside)["__signature__"] = inspect.signature(inside)

    def _value(self, asked: Asked, act: Callable[[FunctionCallingLLM], T]) -> T:
        if self.rate_limiter is not None:
            self.rate_limiter.acquire()
        return self._desk.take(asked).value(act)

    async def _avalue(self, asked: Asked, act: Callable[[FunctionCallingLLM], Awaitable[T]]) -> T:
        if self.rate_limiter is not None:
            await self.rate_limiter.async_acquire()
        return await (await self._desk.atake(asked)).avalue(act)

    def _stream(
        self, asked: Asked, act: Callable[[FunctionCallingLLM], Generator[T, None, None]]
    ) -> Generator[T, None, None]:
        if self.rate_limiter is not None:
            self.rate_limiter.acquire()
        return self._desk.take(asked).stream(act)

    async def _astream(
        self, asked: Asked, act: Callable[[FunctionCallingLLM], Awaitable[AsyncGenerator[T, None]]]
    ) -> AsyncGenerator[T, None]:
        if self.rate_limiter is not None:
            await self.rate_limiter.async_acquire()
        return await (await self._desk.atake(asked)).astream(act)

    def _for(self, llm: LLM, messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        return self._desk.shown_to(llm, messages)


def without_defaults(kwargs: dict[str, Any], **options: bool) -> dict[str, Any]:
    """The keyword arguments to pass on: an option at its default is left out, for not every model's class knows it."""
    return kwargs | {name: value for name, value in options.items() if value != _DEFAULTS[name]}
