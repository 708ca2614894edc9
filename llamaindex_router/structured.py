"""A structured LLM that does not lose the question, and is counted once.

Core's `StructuredLLM` fills in the template before it asks the model inside, so that the question would be gone. And it
calls back around a model that calls back itself, so that counters would count each answer twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.generic_utils import achat_to_completion_decorator, chat_to_completion_decorator
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    MessageRole,
)
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate
from llama_index.core.types import TokenAsyncGen, TokenGen
from pydantic import BaseModel

from llamaindex_router.journal import Note, noting
from llamaindex_router.question import filling_in
from pointsman.errors import ConfigurationError
from pointsman.records import ROUTING_KEY

__all__ = ["RoutedStructuredLLM"]


class RoutedStructuredLLM(StructuredLLM):
    """What `RouterLLM.as_structured_llm` returns: a `StructuredLLM` whose calls are routed by the question.

    Its responses carry the decision and the outcome, as those of `RouterLLM` do. A callback manager given to it is the
    router's and the models', for they are the ones that call back.

    Raises:
        ConfigurationError: it is given a rate limiter, which belongs to `RouterLLM`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name in ("callback_manager", "rate_limiter"):
            if name in settings:
                setattr(self, name, settings[name])

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "rate_limiter" and value is not None:
            msg = "rate_limiter would have no effect on a structured LLM; give it to the RouterLLM inside"
            raise ConfigurationError(msg)
        super().__setattr__(name, value)
        if name == "callback_manager":
            self.llm.callback_manager = value

    # -- chat and completion

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """JSON of the output class, and the object itself as `raw`.

        Raises:
            TypeError: the model has given something else.
        """
        notes: list[Note] = []
        with noting(notes):
            output = self.llm.structured_predict(self.output_cls, _template(messages), kwargs)
        return self._response(output, notes)

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """`chat`, async."""
        notes: list[Note] = []
        with noting(notes):
            output = await self.llm.astructured_predict(self.output_cls, _template(messages), kwargs)
        return self._response(output, notes)

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """`chat`, as a stream of objects that fill up; the model is chosen at once."""
        notes: list[Note] = []
        with noting(notes):
            outputs = self.llm.stream_structured_predict(self.output_cls, _template(messages), kwargs)
        return (self._response(output, notes) for output in outputs)

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """`stream_chat`, async."""
        notes: list[Note] = []
        with noting(notes):
            outputs = await self.llm.astream_structured_predict(self.output_cls, _template(messages), kwargs)
        return (self._response(output, notes) async for output in outputs)

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002  # core's signature
        """`chat` with one message."""
        return chat_to_completion_decorator(self.chat)(prompt, **kwargs)

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ARG002  # as above
        """`complete`, async."""
        return await achat_to_completion_decorator(self.achat)(prompt, **kwargs)

    # -- prompt templates: here the question is known

    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """The answer to a filled-in template, as JSON of the output class."""
        with filling_in(prompt, prompt_args):
            return super().predict(prompt, **prompt_args)

    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """`predict`, async."""
        with filling_in(prompt, prompt_args):
            return await super().apredict(prompt, **prompt_args)

    def stream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenGen:
        """Growing answers to a filled-in template; the model is chosen at once."""
        with filling_in(prompt, prompt_args):
            return super().stream(prompt, **prompt_args)

    async def astream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenAsyncGen:
        """`stream`, async."""
        with filling_in(prompt, prompt_args):
            return await super().astream(prompt, **prompt_args)

    def _response(self, output: object, notes: list[Note]) -> ChatResponse:
        record = notes[-1]
        if not isinstance(output, BaseModel):
            msg = f"{record['candidate']} has answered with {output!r}, which is no {self.output_cls.__name__}"
            raise TypeError(msg)
        message = ChatMessage(role=MessageRole.ASSISTANT, content=output.model_dump_json())
        return ChatResponse(message=message, raw=output, additional_kwargs={ROUTING_KEY: record})


def _template(messages: Sequence[ChatMessage]) -> ChatPromptTemplate:
    """Messages in the form that structured output is asked for in."""
    return ChatPromptTemplate(message_templates=messages)
