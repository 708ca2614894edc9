"""A LangChain chat model that answers with texts of ours, in the name of a real model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field

from pointsman.cli.demo.texts import answer_to, pieces
from pointsman.costs import count_tokens

__all__ = ["StandInChat"]


class StandInChat(BaseChatModel):
    """Answers prompts without a model.

    The name and provider are those of the model whose place it takes, so that prices and matching are that model's.
    Usage is counted in that model's vocabulary: the text of all messages, and the answer.
    """

    model: str
    provider: str | None = "openai"
    answers: Callable[[str], str] = Field(default=answer_to, exclude=True)

    @property
    def _llm_type(self) -> str:
        return "stand-in"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.model, "provider": self.provider}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop, **kwargs)
        if self.provider is None:
            del params["ls_provider"]  # the base class makes one up from the name of this class
        else:
            params["ls_provider"] = self.provider
        return params

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  # one signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  # one signature
        **_: Any,
    ) -> ChatResult:
        answer = self.answers(messages[-1].text)
        message = AIMessage(
            content=answer,
            usage_metadata=self._usage(messages, answer),
            response_metadata={"model_name": self.model},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  # one signature
        run_manager: CallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> Iterator[ChatGenerationChunk]:
        answer = self.answers(messages[-1].text)
        for piece in pieces(answer):
            chunk = ChatGenerationChunk(message=AIMessageChunk(content=piece))
            if run_manager is not None:
                run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk
        last = AIMessageChunk(
            content="",
            usage_metadata=self._usage(messages, answer),
            response_metadata={"model_name": self.model},
            chunk_position="last",
        )
        yield ChatGenerationChunk(message=last)

    def _usage(self, messages: Sequence[BaseMessage], answer: str) -> UsageMetadata:
        asked = sum(count_tokens(message.text, self.model).tokens for message in messages)
        answered = count_tokens(answer, self.model).tokens
        return UsageMetadata(input_tokens=asked, output_tokens=answered, total_tokens=asked + answered)
