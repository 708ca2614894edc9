"""The methods that call tools: only models that can are considered, and each one's calls are read by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    ToolCallBlock,
)
from llama_index.core.llms import LLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.llms.utils import parse_partial_json
from llama_index_instrumentation import get_dispatcher

from llamaindex_router.delegation import without_defaults
from llamaindex_router.question import Asked, from_messages, with_user_message
from llamaindex_router.surface import RoutedMethods
from pointsman.query import Needs

if TYPE_CHECKING:
    from llama_index.core.chat_engine.types import AgentChatResponse
    from llama_index.core.tools.types import BaseTool

__all__ = ["RoutedToolMethods", "selection_of"]

_TOOLS = Needs(tools=True)
_dispatcher = get_dispatcher(__name__)
"""LlamaIndex makes spans of all methods of a model but those that chat with tools."""


class RoutedToolMethods(RoutedMethods):
    """The methods that take tools."""

    @_dispatcher.span
    def chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        """The chosen model's answer, which may be calls of tools; pass it to `get_tool_calls_from_response`.

        Raises:
            NoCandidateError: no model calls tools.
        """
        options = without_defaults(
            kwargs,
            verbose=verbose,
            allow_parallel_tool_calls=allow_parallel_tool_calls,
            tool_required=tool_required,
        )
        return self._value(
            _asked(user_msg, chat_history, _TOOLS),
            lambda llm: llm.chat_with_tools(
                tools, user_msg=user_msg, chat_history=self._history(llm, chat_history), **options
            ),
        )

    @_dispatcher.span
    async def achat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        """`chat_with_tools`, async."""
        options = without_defaults(
            kwargs,
            verbose=verbose,
            allow_parallel_tool_calls=allow_parallel_tool_calls,
            tool_required=tool_required,
        )
        return await self._avalue(
            _asked(user_msg, chat_history, _TOOLS),
            lambda llm: llm.achat_with_tools(
                tools, user_msg=user_msg, chat_history=self._history(llm, chat_history), **options
            ),
        )

    @_dispatcher.span
    def stream_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponseGen:
        """`chat_with_tools`, as a stream; the model is chosen at once."""
        options = without_defaults(
            kwargs,
            verbose=verbose,
            allow_parallel_tool_calls=allow_parallel_tool_calls,
            tool_required=tool_required,
        )
        return self._stream(
            _asked(user_msg, chat_history, _TOOLS),
            lambda llm: llm.stream_chat_with_tools(
                tools, user_msg=user_msg, chat_history=self._history(llm, chat_history), **options
            ),
        )

    @_dispatcher.span
    async def astream_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> ChatResponseAsyncGen:
        """`stream_chat_with_tools`, async."""
        options = without_defaults(
            kwargs,
            verbose=verbose,
            allow_parallel_tool_calls=allow_parallel_tool_calls,
            tool_required=tool_required,
        )
        return await self._astream(
            _asked(user_msg, chat_history, _TOOLS),
            lambda llm: llm.astream_chat_with_tools(
                tools, user_msg=user_msg, chat_history=self._history(llm, chat_history), **options
            ),
        )

    def predict_and_call(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        error_on_no_tool_call: bool = True,
        error_on_tool_error: bool = False,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """What the tools return that the chosen model calls.

        Where no model of the pool calls tools, the chosen one is led to it by prompts (ReAct), as LlamaIndex does.
        """
        options = without_defaults(
            kwargs,
            verbose=verbose,
            allow_parallel_tool_calls=allow_parallel_tool_calls,
            error_on_no_tool_call=error_on_no_tool_call,
            error_on_tool_error=error_on_tool_error,
        )
        return self._value(
            _asked(user_msg, chat_history, self._tools_if_any),
            lambda llm: llm.predict_and_call(
                tools, user_msg=user_msg, chat_history=self._history(llm, chat_history), **options
            ),
        )

    async def apredict_and_call(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        error_on_no_tool_call: bool = True,
        error_on_tool_error: bool = False,
        **kwargs: Any,
    ) -> AgentChatResponse:
        """`predict_and_call`, async."""
        options = without_defaults(
            kwargs,
            verbose=verbose,
            allow_parallel_tool_calls=allow_parallel_tool_calls,
            error_on_no_tool_call=error_on_no_tool_call,
            error_on_tool_error=error_on_tool_error,
        )
        return await self._avalue(
            _asked(user_msg, chat_history, self._tools_if_any),
            lambda llm: llm.apredict_and_call(
                tools, user_msg=user_msg, chat_history=self._history(llm, chat_history), **options
            ),
        )

    @property
    def _tools_if_any(self) -> Needs:
        """Tools are asked for where some model can call them; where none can, any will do without."""
        return Needs(tools=self.metadata.is_function_calling_model)

    def _history(self, llm: LLM, chat_history: list[ChatMessage] | None) -> list[ChatMessage] | None:
        return None if chat_history is None else list(self._for(llm, chat_history))


def _asked(user_msg: str | ChatMessage | None, chat_history: list[ChatMessage] | None, needs: Needs) -> Asked:
    return from_messages(with_user_message(chat_history, user_msg), needs)


def selection_of(call: ToolCallBlock) -> ToolSelection:
    """A tool call as LlamaIndex runs it; arguments may be JSON that is still being written."""
    given = call.tool_kwargs
    arguments: dict[str, Any] = given if isinstance(given, dict) else parse_partial_json(given) if given else {}
    return ToolSelection(tool_id=call.tool_call_id or "", tool_name=call.tool_name, tool_kwargs=arguments)
