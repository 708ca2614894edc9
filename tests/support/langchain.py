"""Stand-ins for LangChain's side of the tests: a deterministic chat model, a recording handler, small routers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool, tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ConfigDict, Field

from langchain_router import RoutedChatModel
from pointsman import Candidate, Pool, PromptLength, Router, Threshold

__all__ = ["HARD", "FakeChat", "Movie", "Recording", "add", "priced", "routed", "router"]

HARD = "Prove that the square root of two is irrational, and say where each step of the argument comes from. " * 4
"""Long enough for the prompt-length router to call it hard."""


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Movie(BaseModel):
    """A movie."""

    title: str
    year: int


class FakeChat(BaseChatModel):
    """Answers from its own name and the prompt: same prompt, same answer, same tokens.

    With tools bound it calls them with arguments made from their schema, until it has seen a tool's result.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    model: str = "fake-1"
    answer: str | None = None
    usage: bool = True
    fails: str | Exception | None = None
    fails_after: int | None = None
    calls: list[list[BaseMessage]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "fake-chat"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "answer": self.answer}

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _reply(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> AIMessage:
        self.calls.append(list(messages))
        if self.fails is not None:
            raise self.fails if isinstance(self.fails, Exception) else RuntimeError(self.fails)
        text = self.answer if self.answer is not None else f"{self.model} says: an answer of several words"
        for mark in stop or []:
            text = text.split(mark)[0]
        calls = [] if isinstance(messages[-1], ToolMessage) else _tool_calls(kwargs.get("tools") or [], messages)
        asked = sum(len(str(message.content)) for message in messages)
        return AIMessage(
            content="" if calls else text,
            tool_calls=calls,
            response_metadata={"model_name": kwargs.get("model", self.model)},
            usage_metadata={
                "input_tokens": asked,
                "output_tokens": len(text),
                "total_tokens": asked + len(text),
                "input_token_details": {"cache_read": asked // 2},
                "output_token_details": {"reasoning": 1},
            }
            if self.usage
            else None,
        )

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=self._reply(messages, stop, kwargs))])

    def _stream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        whole = self._reply(messages, stop, kwargs)
        for count, word in enumerate(str(whole.content).split(" ") if whole.content else []):
            if self.fails_after == count:
                msg = "cut off"
                raise ConnectionError(msg)
            piece = AIMessageChunk(content=word if count == 0 else f" {word}")
            yield ChatGenerationChunk(message=piece)
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                usage_metadata=whole.usage_metadata,
                response_metadata=whole.response_metadata,
                tool_call_chunks=[
                    {"name": call["name"], "args": json.dumps(call["args"]), "id": call["id"], "index": row}
                    for row, call in enumerate(whole.tool_calls)
                ],
                chunk_position="last",
            )
        )

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages, stop, run_manager, **kwargs):
            yield chunk


def _tool_calls(tools: list[dict[str, Any]], messages: list[BaseMessage]) -> list[dict[str, Any]]:
    """One call to the first tool, its arguments made from its schema and from what stands in quotes in the prompt."""
    if not tools:
        return []
    function = tools[0]["function"]
    last = next((m for m in reversed(messages) if isinstance(m, HumanMessage)), messages[-1])
    schema = function.get("parameters", {})
    args = _value(schema, schema.get("$defs", {}), str(last.content))
    return [{"name": function["name"], "args": args, "id": "call_1", "type": "tool_call"}]


def _value(schema: dict[str, Any], definitions: dict[str, Any], prompt: str) -> Any:
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions, prompt)
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        return {key: _value(sub, definitions, prompt) for key, sub in schema.get("properties", {}).items()}
    if kind == "array":
        return [_value(schema.get("items", {}), definitions, prompt)]
    quoted = prompt.split("'")[1] if prompt.count("'") >= 2 else "a cat"
    return {"integer": 3, "number": 3.0, "boolean": True, "null": None}.get(str(kind), quoted)


class Recording(BaseCallbackHandler):
    """Writes down every event: (event, run id, parent run id, what came with it)."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any, Any, dict[str, Any]]] = []

    def _note(self, event: str, run_id: Any, parent_run_id: Any, **data: Any) -> None:
        self.events.append((event, run_id, parent_run_id, data))

    def named(self, event: str) -> list[tuple[Any, Any, dict[str, Any]]]:
        return [(run, parent, data) for name, run, parent, data in self.events if name == event]

    @property
    def order(self) -> list[str]:
        return [event[0] for event in self.events]

    def on_chain_start(self, serialized, inputs, *, run_id, parent_run_id=None, **kwargs) -> None:
        self._note("chain_start", run_id, parent_run_id, inputs=inputs, **kwargs)

    def on_chain_end(self, outputs, *, run_id, parent_run_id=None, **kwargs) -> None:
        self._note("chain_end", run_id, parent_run_id, outputs=outputs)

    def on_chain_error(self, error, *, run_id, parent_run_id=None, **kwargs) -> None:
        self._note("chain_error", run_id, parent_run_id, error=error)

    def on_chat_model_start(self, serialized, messages, *, run_id, parent_run_id=None, **kwargs) -> None:
        self._note("chat_model_start", run_id, parent_run_id, messages=messages, **kwargs)

    def on_llm_new_token(self, token, *, run_id, parent_run_id=None, **kwargs) -> None:
        self._note("token", run_id, parent_run_id, token=token)

    def on_llm_end(self, response, *, run_id, parent_run_id=None, **kwargs) -> None:
        self._note("llm_end", run_id, parent_run_id, response=response)

    def on_llm_error(self, error, *, run_id, parent_run_id=None, **kwargs) -> None:
        self._note("llm_error", run_id, parent_run_id, error=error)

    def on_custom_event(self, name, data, *, run_id, **kwargs) -> None:
        self._note("custom_event", run_id, None, name=name, data=data)


def priced() -> dict[str, Candidate]:
    """Prices of their own, so that no test depends on list prices."""
    return {
        "strong": Candidate("strong", input_price=10.0, output_price=30.0),
        "weak": Candidate("weak", input_price=1.0, output_price=2.0),
    }


def router(threshold: float = 0.5) -> Router:
    """By prompt length, at the given threshold; `HARD` goes to the strong model and a few words to the weak one."""
    return Router(Pool.pair("strong", "weak"), PromptLength(), Threshold(threshold))


def routed(**settings: Any) -> RoutedChatModel:
    """A router between two fakes."""
    defaults = {
        "strong": FakeChat(model="big"),
        "weak": FakeChat(model="small"),
        "router": router(),
        "candidates": priced(),
    }
    return RoutedChatModel(**defaults | settings)
