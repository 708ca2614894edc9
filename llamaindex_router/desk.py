"""What a `RouterLLM` has behind its methods: the models, the router, and how a call gets from one to the other.

Apart from the pydantic model that LlamaIndex wants an LLM to be: a private attribute takes a microsecond there,
and a call needs a dozen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, cast

from llama_index.core.base.llms.types import ChatMessage, LLMMetadata, MessageRole
from llama_index.core.llms import LLM
from llama_index.core.llms.function_calling import FunctionCallingLLM

from llamaindex_router.calls import Model, RoutedCall
from llamaindex_router.children import Window, merge_metadata
from llamaindex_router.choice import Chooser
from llamaindex_router.fit import Fit
from llamaindex_router.question import Asked, to_the_root
from llamaindex_router.rag import with_features
from llamaindex_router.rules import Rule, Rules
from llamaindex_router.thinking import without_foreign_thoughts
from pointsman.failover import Failover
from pointsman.router import Router

__all__ = ["Desk", "Scored"]

Scored = Literal["innermost", "root"]
"""Which question is scored where one is made of another."""


class Desk:
    """Takes calls in.

    Args:
        llms: the models by candidate name.
        children: their metadata.
        router: decides.
        question: which question is scored.
        window: which context window prompts are packed for.
        stages: rules of stages that go before the defaults.
        failover: when another model is asked.

    Raises:
        ConfigurationError: a rule cannot work.
    """

    def __init__(
        self,
        llms: Mapping[str, LLM],
        children: Mapping[str, LLMMetadata],
        router: Router,
        question: Scored,
        window: Window,
        stages: Mapping[str, Rule],
        failover: Failover | None,
    ) -> None:
        self.router = router
        self.children = children
        self.question = question
        self.window = window
        self.metadata = merge_metadata(children, router.pool, window)
        self.chooser = Chooser(Rules(router, stages), failover)
        # judged by what it can do and not by its class: a model may bring its own methods for tools
        self._models = {
            name: Model(name, cast(FunctionCallingLLM, llm), children[name].model_name) for name, llm in llms.items()
        }
        self._fit = Fit.of(router.pool)

    def take(self, asked: Asked) -> RoutedCall:
        """The call, with its model chosen.

        Raises:
            NoCandidateError: no model can make it.
        """
        about = self._about(asked)
        measured = self._fit.measured(about) if self._fit.near(about) else about
        return RoutedCall(self._models, measured, self.chooser.choose(measured), self.chooser, self.router.pool)

    async def atake(self, asked: Asked) -> RoutedCall:
        """`take`, async."""
        about = self._about(asked)
        # counting a prompt that may not fit takes milliseconds, too long for an event loop
        measured = await asyncio.to_thread(self._fit.measured, about) if self._fit.near(about) else about
        choice = await self.chooser.achoose(measured)
        return RoutedCall(self._models, measured, choice, self.chooser, self.router.pool)

    def shown_to(self, llm: LLM, messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
        """The messages as this model takes them.

        Chat engines write system messages in the role that `metadata` names, and a model may want another; and it may
        not be shown what a model of another provider thought.
        """
        name = next(model.candidate for model in self._models.values() if model.llm is llm)
        shown = without_foreign_thoughts(messages, name, self.router.pool)
        role, common = self.children[name].system_role, self.metadata.system_role
        if role == common or common != MessageRole.SYSTEM:
            return shown
        return [
            message.model_copy(update={"role": role}) if message.role == MessageRole.SYSTEM else message
            for message in shown
        ]

    def _about(self, asked: Asked) -> Asked:
        about = to_the_root(asked) if self.question == "root" else asked
        return with_features(about, self.router.features)
