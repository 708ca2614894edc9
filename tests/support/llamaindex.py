"""Scripted LlamaIndex models that report usage as real ones do, and a scorer that remembers what it was shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    LLMMetadata,
    MessageRole,
    TextBlock,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.custom import CustomLLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from pydantic import Field

from llamaindex_router import RouterLLM
from pointsman import Candidate, Pool, Router, Threshold

PRICES = {
    "strong": {"input_price": 10.0, "output_price": 100.0},
    "weak": {"input_price": 1.0, "output_price": 10.0},
}
"""USD per million tokens, so that a cost in a test is a sum in the head."""


def tokens(text: str) -> int:
    """What the scripted models bill: a token per word."""
    return len(text.split())


def said_to(messages: Sequence[ChatMessage]) -> str:
    return "\n".join(message.content or "" for message in messages)


class ScriptedLLM(FunctionCallingLLM):
    """A chat model with tools, decorated as LlamaIndex's integrations are; a stream has its usage on the last chunk.

    It calls each tool once, with `tool_args`, and writes its calls in a form that only it can read.
    """

    name: str = "scripted"
    answer: str | Callable[[str], str] = "an answer"
    tool_args: dict[str, Any] = Field(default_factory=dict)
    window: int = 8000
    calls_tools: bool = True
    reports: bool = True
    error: Exception | None = None
    system_role: MessageRole = MessageRole.SYSTEM
    heard: list[str] = Field(default_factory=list, exclude=True)
    entered: list[str] = Field(default_factory=list, exclude=True)
    billed: list[tuple[int, int]] = Field(default_factory=list, exclude=True)

    @classmethod
    def class_name(cls) -> str:
        return "scripted_llm"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(
            model_name=self.name,
            context_window=self.window,
            num_output=64,
            is_chat_model=True,
            is_function_calling_model=self.calls_tools,
            system_role=self.system_role,
        )

    def _reply(self, method: str, prompt: str, tools: Sequence[Any] = ()) -> tuple[str, list[dict[str, Any]], Any]:
        self.entered.append(method)
        self.heard.append(prompt)
        if self.error is not None:
            raise self.error
        calls = [{"by": self.name, "tool": tool.metadata.name, "args": self.tool_args} for tool in tools]
        text = "" if calls else self.answer if isinstance(self.answer, str) else self.answer(prompt)
        usage = {"prompt_tokens": tokens(prompt), "completion_tokens": tokens(text) + len(calls)}
        self.billed.append((usage["prompt_tokens"], usage["completion_tokens"]))
        return text, calls, {"usage": usage} if self.reports else {}

    def _chat(self, method: str, messages: Sequence[ChatMessage], kwargs: dict[str, Any]) -> list[ChatResponse]:
        answered = any(message.role == MessageRole.TOOL for message in messages)
        text, calls, raw = self._reply(method, said_to(messages), () if answered else kwargs.get("tools", ()))
        extra = {"tool_calls": calls} if calls else {}
        chunks = []
        words = text.split(" ") if text else [""]
        for i, word in enumerate(words):
            delta = word if i == 0 else f" {word}"
            message = ChatMessage(role="assistant", content=" ".join(words[: i + 1]), additional_kwargs=dict(extra))
            last = i == len(words) - 1
            chunks.append(
                ChatResponse(message=message, delta=delta, raw=raw if last else {}, additional_kwargs={"n": i})
            )
        return chunks

    def _complete(self, method: str, prompt: str) -> list[CompletionResponse]:
        return [
            CompletionResponse(
                text=c.message.content or "", delta=c.delta, raw=c.raw, additional_kwargs=c.additional_kwargs
            )
            for c in self._chat(method, [ChatMessage(content=prompt)], {})
        ]

    @llm_chat_callback()
    def chat(self, messages, **kwargs):
        return self._chat("chat", messages, kwargs)[-1].model_copy(update={"delta": None})

    @llm_chat_callback()
    async def achat(self, messages, **kwargs):
        return self._chat("achat", messages, kwargs)[-1].model_copy(update={"delta": None})

    @llm_chat_callback()
    def stream_chat(self, messages, **kwargs):
        chunks = self._chat("stream_chat", messages, kwargs)
        return (chunk for chunk in chunks)

    @llm_chat_callback()
    async def astream_chat(self, messages, **kwargs):
        chunks = self._chat("astream_chat", messages, kwargs)

        async def stream():
            for chunk in chunks:
                yield chunk

        return stream()

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        return self._complete("complete", prompt)[-1].model_copy(update={"delta": None})

    @llm_completion_callback()
    async def acomplete(self, prompt, formatted=False, **kwargs):
        return self._complete("acomplete", prompt)[-1].model_copy(update={"delta": None})

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        chunks = self._complete("stream_complete", prompt)
        return (chunk for chunk in chunks)

    @llm_completion_callback()
    async def astream_complete(self, prompt, formatted=False, **kwargs):
        chunks = self._complete("astream_complete", prompt)

        async def stream():
            for chunk in chunks:
                yield chunk

        return stream()

    def _prepare_chat_with_tools(self, tools, user_msg=None, chat_history=None, **kwargs):
        last = (
            [ChatMessage(role="user", content=user_msg)]
            if isinstance(user_msg, str)
            else [user_msg]
            if user_msg
            else []
        )
        return {"messages": [*(chat_history or []), *last], "tools": tools}

    def get_tool_calls_from_response(self, response, error_on_no_tool_call=True, **kwargs):
        calls = response.message.additional_kwargs.get("tool_calls", [])
        if not calls and error_on_no_tool_call:
            raise ValueError("no tool call")
        assert all(call["by"] == self.name for call in calls), "only the model that wrote a tool call can read it"
        return [
            ToolSelection(tool_id=f"{self.name}-{i}", tool_name=call["tool"], tool_kwargs=call["args"])
            for i, call in enumerate(calls)
        ]


class PlainLLM(CustomLLM):
    """A completion model: no chat, no tools. LlamaIndex makes its chat out of completions, with events for both."""

    name: str = "plain"
    answer: str = "a plain answer"
    reports: bool = True
    heard: list[str] = Field(default_factory=list, exclude=True)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name=self.name)

    def _reply(self, prompt: str) -> CompletionResponse:
        self.heard.append(prompt)
        usage = {"prompt_tokens": tokens(prompt), "completion_tokens": tokens(self.answer)}
        return CompletionResponse(text=self.answer, delta=self.answer, raw={"usage": usage} if self.reports else None)

    @llm_completion_callback()
    def complete(self, prompt, formatted=False, **kwargs):
        return self._reply(prompt)

    @llm_completion_callback()
    def stream_complete(self, prompt, formatted=False, **kwargs):
        reply = self._reply(prompt)
        return (chunk for chunk in [reply])


@dataclass(frozen=True)
class Keyword:
    """Sends texts with the word to the strong model, and remembers every text that it was shown."""

    word: str = "hard"
    models: tuple[str, ...] = ()
    seen: list[str] = field(default_factory=list)
    instant: ClassVar[bool] = True

    def quality(self, texts: Sequence[str]) -> np.ndarray:
        rates = self.win_rate(texts, "", "")
        return np.stack([rates if i == 0 else 1 - rates for i in range(len(self.models))], axis=1)

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> np.ndarray:
        self.seen.extend(texts)
        return np.array([0.9 if self.word in text else 0.1 for text in texts])

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[np.ndarray, np.ndarray]:
        rates = self.win_rate(texts, strong, weak)
        return np.stack([rates if i == 0 else 1 - rates for i in range(len(self.models))], axis=1), rates

    def select(self, models: Sequence[str]) -> Keyword:
        return Keyword(self.word, tuple(models), self.seen)


def keyword_router(scorer: Keyword) -> Router:
    pool = Pool.pair(*(Candidate(name, **prices) for name, prices in PRICES.items()))
    return Router(pool, scorer, Threshold(0.5), name="keyword")


@dataclass
class Pair:
    """A router over two scripted models, with everything in reach that a test looks at."""

    llm: RouterLLM
    strong: ScriptedLLM
    weak: ScriptedLLM
    scorer: Keyword

    @property
    def scored(self) -> list[str]:
        return self.scorer.seen

    @property
    def entered(self) -> list[str]:
        """Model and method of every call that reached a model."""
        return [f"{name}.{method}" for name in ("strong", "weak") for method in getattr(self, name).entered]


def scripted_pair(strong: dict[str, Any] | None = None, weak: dict[str, Any] | None = None, **settings: Any) -> Pair:
    scorer = Keyword()
    big = ScriptedLLM(**{"name": "big", "answer": "the strong answer is long"} | (strong or {}))
    small = ScriptedLLM(**{"name": "small", "answer": "the weak answer"} | (weak or {}))
    llm = RouterLLM(strong=big, weak=small, router=keyword_router(scorer), **settings)
    return Pair(llm, big, small, scorer)


def text_message(text: str, role: str = "user") -> ChatMessage:
    return ChatMessage(role=role, blocks=[TextBlock(text=text)])


def deltas(chunks: Iterator[Any]) -> list[str]:
    return [chunk if isinstance(chunk, str) else chunk.delta for chunk in chunks]
