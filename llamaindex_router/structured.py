"""A structured LLM that does not lose the question.

Core's `StructuredLLM` fills in the template before it asks the model inside, so that the question would be gone.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import TokenAsyncGen, TokenGen

from llamaindex_router.question import filling_in
from llamaindex_router.streams import ain_scope, in_scope

__all__ = ["RoutedStructuredLLM"]


class RoutedStructuredLLM(StructuredLLM):
    """What `RouterLLM.as_structured_llm` returns: a `StructuredLLM` whose calls are routed by the question."""

    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """The answer to a filled-in template, as JSON of the output class."""
        with filling_in(prompt, prompt_args):
            return super().predict(prompt, **prompt_args)

    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """`predict`, async."""
        with filling_in(prompt, prompt_args):
            return await super().apredict(prompt, **prompt_args)

    def stream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenGen:
        """Growing answers to a filled-in template; the model inside is asked when the first is read."""
        return in_scope(
            super().stream(prompt, **prompt_args),
            partial(filling_in, prompt, prompt_args),
        )

    async def astream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenAsyncGen:
        """`stream`, async."""
        return ain_scope(
            await super().astream(prompt, **prompt_args),
            partial(filling_in, prompt, prompt_args),
        )
