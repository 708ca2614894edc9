"""Every public method of a LlamaIndex LLM, each handed whole to the model that is chosen for the call.

The whole method, and not the `chat` at its bottom: so the chosen model picks its own prompts, its own way to structured
output and its own reading of tool calls. None is decorated with LlamaIndex's callbacks: the chosen model's methods are,
and a second pair of events would count every token twice.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
)
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.core.types import Model, TokenAsyncGen, TokenGen
from pydantic import BaseModel

from llamaindex_router.delegation import Delegating, without_defaults
from llamaindex_router.question import from_messages, from_template, from_text
from llamaindex_router.structured import RoutedStructuredLLM
from pointsman.query import Needs

if TYPE_CHECKING:
    from llama_index.core.program.utils import FlexibleModel

__all__ = ["RoutedMethods"]

_STRUCTURED = Needs(structured_output=True)


class RoutedMethods(Delegating):
    """The methods that take text, messages and templates."""

    # -- chat and completion

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The chosen model's answer to a conversation."""
        return self._value(from_messages(messages), lambda llm: llm.chat(self._for(llm, messages), **kwargs))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat`, async."""
        return await self._avalue(from_messages(messages), lambda llm: llm.achat(self._for(llm, messages), **kwargs))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """`chat`, as a stream; the model is chosen at once."""
        return self._stream(from_messages(messages), lambda llm: llm.stream_chat(self._for(llm, messages), **kwargs))

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat`, async."""
        return await self._astream(
            from_messages(messages), lambda llm: llm.astream_chat(self._for(llm, messages), **kwargs)
        )

    def complete(self, prompt: str | None = None, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The chosen model's completion of a prompt.

        Raises:
            QueryError: there is no prompt, or it is not a str.
        """
        options = without_defaults(kwargs, formatted=formatted)
        return self._value(from_text(prompt), lambda llm: llm.complete(prompt or "", **options))

    async def acomplete(self, prompt: str | None = None, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """`complete`, async."""
        options = without_defaults(kwargs, formatted=formatted)
        return await self._avalue(from_text(prompt), lambda llm: llm.acomplete(prompt or "", **options))

    def stream_complete(
        self, prompt: str | None = None, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseGen:
        """`complete`, as a stream; the model is chosen at once."""
        options = without_defaults(kwargs, formatted=formatted)
        return self._stream(from_text(prompt), lambda llm: llm.stream_complete(prompt or "", **options))

    async def astream_complete(
        self, prompt: str | None = None, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """`stream_complete`, async."""
        options = without_defaults(kwargs, formatted=formatted)
        return await self._astream(from_text(prompt), lambda llm: llm.astream_complete(prompt or "", **options))

    # -- prompt templates: here the question is known

    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """The chosen model's answer to a template filled in with `prompt_args`."""
        return self._value(from_template(prompt, prompt_args), lambda llm: llm.predict(prompt, **prompt_args))

    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """`predict`, async."""
        return await self._avalue(from_template(prompt, prompt_args), lambda llm: llm.apredict(prompt, **prompt_args))

    def stream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenGen:
        """`predict`, as a stream of tokens; the model is chosen at once."""
        return self._stream(from_template(prompt, prompt_args), lambda llm: llm.stream(prompt, **prompt_args))

    async def astream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenAsyncGen:
        """`stream`, async."""
        return await self._astream(from_template(prompt, prompt_args), lambda llm: llm.astream(prompt, **prompt_args))

    # -- structured output, by the chosen model's own means

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """The chosen model's answer to a filled-in template, as an object of `output_cls`."""
        result: Model = self._value(
            from_template(prompt, prompt_args, _STRUCTURED),
            lambda llm: llm.structured_predict(output_cls, prompt, llm_kwargs, **prompt_args),
        )
        return result

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """`structured_predict`, async."""
        return await self._avalue(
            from_template(prompt, prompt_args, _STRUCTURED),
            lambda llm: llm.astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args),
        )

    def stream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Model | FlexibleModel, None, None]:
        """`structured_predict`, as a stream of objects that fill up; the model is chosen at once."""
        return self._stream(
            from_template(prompt, prompt_args, _STRUCTURED),
            lambda llm: llm.stream_structured_predict(output_cls, prompt, llm_kwargs, **prompt_args),
        )

    async def astream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Model | FlexibleModel, None]:
        """`stream_structured_predict`, async."""
        return await self._astream(
            from_template(prompt, prompt_args, _STRUCTURED),
            lambda llm: llm.astream_structured_predict(output_cls, prompt, llm_kwargs, **prompt_args),
        )

    def as_structured_llm(self, output_cls: type[BaseModel], **kwargs: Any) -> StructuredLLM:
        """An LLM that answers in objects of `output_cls`, routed call by call."""
        return RoutedStructuredLLM(llm=self, output_cls=output_cls, **kwargs)
