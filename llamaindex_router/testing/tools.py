"""Lines of the contract on tools, as agents use them."""

from __future__ import annotations

from typing import Any, cast

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, MessageRole
from llama_index.core.chat_engine.types import AgentChatResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import FunctionTool

from llamaindex_router.testing.base import Contract
from llamaindex_router.testing.calls import WITH_TOOLS, Calls

__all__ = ["ToolContract", "add"]

SUM = "What is 2 plus 3? Use the tool."


def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


TOOL = FunctionTool.from_defaults(add)


class ToolContract(Contract):
    """Calls of tools."""

    @pytest.fixture
    def tooled(self, calls: Calls) -> Calls:
        """The calls of a model that calls tools."""
        if not self.has_tools:
            pytest.skip("has_tools is False")
        return calls

    def selections(self, calls: Calls, response: ChatResponse, **options: Any) -> list[ToolSelection]:
        """The tool calls in a response, as agents read them."""
        return cast(FunctionCallingLLM, calls.llm).get_tool_calls_from_response(response, **options)

    @pytest.mark.parametrize("method", WITH_TOOLS)
    @pytest.mark.parametrize("given", ["text", "message", "history"])
    def test_a_tool_is_called(self, tooled: Calls, method: str, given: str) -> None:
        """The last item holds the call, with arguments that the tool takes, however the user's words are given."""
        message = ChatMessage(role=MessageRole.USER, content=SUM)
        asked: dict[str, dict[str, Any]] = {
            "text": {"user_msg": SUM},
            "message": {"user_msg": message},
            "history": {"chat_history": [message]},
        }
        answer = tooled(method, [TOOL], **asked[given])[-1]
        assert answer.message.role == MessageRole.ASSISTANT
        (selection,) = self.selections(tooled, answer)
        assert (selection.tool_name, set(selection.tool_kwargs)) == ("add", {"a", "b"})
        assert isinstance(TOOL(**selection.tool_kwargs).raw_output, int)

    @pytest.mark.parametrize("method", [name for name in WITH_TOOLS if "stream" in name])
    def test_every_item_of_a_stream_can_be_asked_for_its_calls(self, tooled: Calls, method: str) -> None:
        """FunctionAgent reads each one, with arguments still half written."""
        for item in tooled(method, [TOOL], user_msg=SUM):
            for selection in self.selections(tooled, item, error_on_no_tool_call=False):
                assert selection.tool_name == "add"

    @pytest.mark.parametrize("method", WITH_TOOLS)
    def test_a_tool_can_be_required(self, tooled: Calls, method: str) -> None:
        """`tool_required=True` ends in a call."""
        assert self.selections(tooled, tooled(method, [TOOL], user_msg=SUM, tool_required=True)[-1])

    @pytest.mark.parametrize("method", WITH_TOOLS)
    def test_a_result_is_answered(self, tooled: Calls, method: str) -> None:
        """With the tool's answer in the history, the model speaks; the history is not changed."""
        question = ChatMessage(role=MessageRole.USER, content=SUM)
        called = tooled("chat_with_tools", [TOOL], chat_history=[question])[-1]
        (selection,) = self.selections(tooled, called)
        result = ChatMessage(
            role=MessageRole.TOOL,
            content=TOOL(**selection.tool_kwargs).content,
            additional_kwargs={"tool_call_id": selection.tool_id, "name": selection.tool_name},
        )
        history = [question, called.message, result]
        before = [message.model_dump() for message in history]
        answer = tooled(method, [TOOL], chat_history=history)[-1]
        assert self.selections(tooled, answer, error_on_no_tool_call=False) == []
        assert answer.message.content
        assert [message.model_dump() for message in history] == before

    def test_no_call_is_an_error_where_one_is_asked_for(self, tooled: Calls) -> None:
        """`error_on_no_tool_call` is a ValueError, and without it an empty list."""
        answer = tooled("chat", [ChatMessage(role=MessageRole.USER, content=self.question)])[-1]
        assert self.selections(tooled, answer, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match=r"(?i)tool call"):
            self.selections(tooled, answer, error_on_no_tool_call=True)

    @pytest.mark.parametrize("method", ["predict_and_call", "apredict_and_call"])
    def test_a_tool_is_called_and_run(self, tooled: Calls, method: str) -> None:
        """The response is what the tool returned."""
        (answer,) = tooled(method, [TOOL], user_msg=SUM)
        assert isinstance(answer, AgentChatResponse)
        (output,) = answer.sources
        assert output.tool_name == "add"
        assert answer.response == str(output.raw_output) == str(add(**output.raw_input["kwargs"]))

    @pytest.mark.parametrize("method", ["predict_and_call", "apredict_and_call"])
    def test_an_error_of_a_tool_is_reported_or_raised(self, tooled: Calls, method: str) -> None:
        """As the caller wishes: `error_on_tool_error`."""

        def broken(a: int, b: int) -> int:
            """Add two whole numbers."""
            msg = f"cannot add {a} and {b}"
            raise RuntimeError(msg)

        tool = FunctionTool.from_defaults(broken, name="add")
        (answer,) = tooled(method, [tool], user_msg=SUM)
        assert answer.sources[0].is_error
        with pytest.raises(ValueError, match="cannot add"):
            tooled(method, [tool], user_msg=SUM, error_on_tool_error=True)
