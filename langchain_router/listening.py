"""Callback handlers: what the caller's take, and one of the router's own for what pieces of an answer do not tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, BaseCallbackManager
from langchain_core.messages import AIMessage
from langchain_core.outputs import LLMResult
from typing_extensions import override

from langchain_router.record import answer_in

__all__ = ["Tap", "handlers_of", "show_tokens", "take_events"]

_KINDS = (BaseCallbackHandler, AsyncCallbackHandler)


class Tap(BaseCallbackHandler):
    """Sees the message behind an answer of which a parser leaves nothing, and tokens that go out before it is whole.

    Args:
        spoken: called when a token goes out; None where that says nothing.
    """

    run_inline = True

    def __init__(self, spoken: Callable[[], None] | None) -> None:
        self.answer: AIMessage | None = None
        self._spoken = spoken

    @property
    @override
    def ignore_chat_model(self) -> bool:
        """Its start, which LangChain would write out as a text for a handler that does not know of chat models."""
        return True

    @property
    @override
    def ignore_chain(self) -> bool:
        """Chains inside are none of its business."""
        return True

    @override
    def on_llm_new_token(self, token: Any, **kwargs: Any) -> None:
        if token and self._spoken is not None:
            self._spoken()

    def on_stream_event(self, event: Any, **kwargs: Any) -> None:  # noqa: ARG002  # LangChain's, from langchain-core 1.4
        """An event of LangChain's protocol of content blocks."""
        if event.get("event") not in ("message-start", "message-finish") and self._spoken is not None:
            self._spoken()

    @override
    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:
        self.answer = answer_in(response)


def take_events(handlers: Sequence[BaseCallbackHandler]) -> bool:
    """Whether any of them does something with a custom event; most tracers do not, and telling costs them a thread."""
    return any(_has_own(type(handler), "on_custom_event") for handler in handlers)


def show_tokens(handlers: Sequence[BaseCallbackHandler]) -> bool:
    """Whether any of them may show tokens to a reader before the answer is whole: LangGraph's and `astream_events`' do.

    A tracer, which keeps runs, shows none.
    """
    return any(
        hasattr(handler, "tap_output_iter")
        or (not hasattr(handler, "run_map") and (_has_own(type(handler), "on_llm_new_token")))
        for handler in handlers
    )


def handlers_of(callbacks: list[BaseCallbackHandler] | BaseCallbackManager | None) -> list[BaseCallbackHandler]:
    """The handlers in a `callbacks` argument."""
    return callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or []


def _overrides(handler: type, method: str) -> bool:
    return all(getattr(handler, method) is not getattr(kind, method) for kind in _KINDS)


_has_own: Callable[[type, str], bool] = lru_cache(maxsize=256)(_overrides)
