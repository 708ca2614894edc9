"""A LlamaIndex LLM that answers with texts of ours, in the name of a real model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llama_index.core.base.llms.generic_utils import (
    achat_to_completion_decorator,
    astream_chat_to_completion_decorator,
    chat_to_completion_decorator,
    stream_chat_to_completion_decorator,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms import LLM
from llama_index.core.llms.callbacks import llm_chat_callback
from pydantic import Field

from pointsman.cli.demo.texts import answer_to, pieces
from pointsman.costs import count_tokens

__all__ = ["StandInLLM"]


class StandInLLM(LLM):
    """Answers prompts without a model.

    The name is that of the model whose place it takes, so that prices and matching are that model's. Usage is counted
    in that model's vocabulary: the text of all messages, and the answer.
    """

    model: str
    context_window: int = 128_000
    answers: Callable[[str], str] = Field(default=answer_to, exclude=True)

    @classmethod
    def class_name(cls) -> str:
        """How LlamaIndex names the class."""
        return "StandInLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """A chat model."""
        return LLMMetadata(model_name=self.model, context_window=self.context_window, is_chat_model=True)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
        """The whole answer."""
        return self._reply(messages)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponse:
        """The whole answer."""
        return self._reply(messages)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponseGen:
        """The answer word by word, the usage with its last word."""
        return self._stream(messages)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **_: Any) -> ChatResponseAsyncGen:
        """The answer word by word, the usage with its last word."""

        async def stream() -> ChatResponseAsyncGen:
            for response in self._stream(messages):
                yield response

        return stream()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002  # one signature
        """`chat` with one message."""
        return chat_to_completion_decorator(self.chat)(prompt, **kwargs)

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002  # one signature
        """`achat` with one message."""
        return await achat_to_completion_decorator(self.achat)(prompt, **kwargs)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: ARG002  # one signature
        """`stream_chat` with one message."""
        return stream_chat_to_completion_decorator(self.stream_chat)(prompt, **kwargs)

    async def astream_complete(
        self,
        prompt: str,
        formatted: bool = False,  # noqa: ARG002  # one signature
        **kwargs: Any,
    ) -> CompletionResponseAsyncGen:
        """`astream_chat` with one message."""
        return await astream_chat_to_completion_decorator(self.astream_chat)(prompt, **kwargs)

    def _reply(self, messages: Sequence[ChatMessage]) -> ChatResponse:
        answer = self.answers(messages[-1].content or "")
        return ChatResponse(message=_said(answer), raw=self._raw(messages, answer))

    def _stream(self, messages: Sequence[ChatMessage]) -> ChatResponseGen:
        answer = self.answers(messages[-1].content or "")
        said = ""
        for word in pieces(answer):
            said += word
            raw = self._raw(messages, answer) if said == answer else None
            yield ChatResponse(message=_said(said), delta=word, raw=raw)

    def _raw(self, messages: Sequence[ChatMessage], answer: str) -> dict[str, Any]:
        """What a provider's response holds beside the text."""
        asked = sum(count_tokens(message.content or "", self.model).tokens for message in messages)
        answered = count_tokens(answer, self.model).tokens
        usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
        return {"model": self.model, "usage": usage}


def _said(text: str) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, content=text)
