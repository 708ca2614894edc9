"""What is asked of the models at construction, and read from them: once, for reading may reach a server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from llama_index.core.base.llms.types import LLMMetadata, MessageRole
from llama_index.core.constants import DEFAULT_CONTEXT_WINDOW, DEFAULT_NUM_OUTPUTS
from llama_index.core.llms import LLM

from pointsman.errors import ConfigurationError
from pointsman.lineup import line_up
from pointsman.pool import Candidate, Pool
from pointsman.query import Needs
from pointsman.router import Router

__all__ = ["Window", "build_pool", "merge_metadata", "name_models", "read_metadata"]

Window = Literal["smallest", "largest"]
"""Which of the models' context windows prompts are packed for."""

_MODULE = "llama_index.llms."
_PROVIDERS = {"vertex": "vertexai", "litellm": None, "langchain": None}
"""Modules of LlamaIndex whose name is not the provider's; None where the model's name has to tell."""
_UNNAMED = ("", "unknown")
_TOOL_METHODS = ("chat_with_tools", "achat_with_tools", "stream_chat_with_tools", "astream_chat_with_tools")


def name_models(strong: LLM | None, weak: LLM | None, llms: Mapping[str, LLM] | None) -> dict[str, LLM]:
    """The models by candidate name.

    Raises:
        ConfigurationError: neither a pair nor named models are given, or both are, or one is no model.
    """
    if (llms is None) == (strong is None and weak is None):
        msg = "give either strong= and weak=, or llms={name: LLM, ...}"
        raise ConfigurationError(msg)
    named = dict(llms) if llms is not None else {"strong": strong, "weak": weak}
    for name, llm in named.items():
        if not isinstance(llm, LLM):
            msg = f"{name} is {llm!r}; give an LLM of llama-index, such as llama_index.llms.openai.OpenAI(...)"
            raise ConfigurationError(msg)
    return {name: llm for name, llm in named.items() if llm is not None}


def read_metadata(name: str, llm: LLM) -> LLMMetadata:
    """A model's metadata.

    Raises:
        ConfigurationError: the model cannot tell, as OpenAI's class for a name that it does not know.
    """
    try:
        return llm.metadata
    except Exception as error:
        msg = f"the metadata of {name} ({llm.class_name()}) cannot be read: {error}; correct the model's settings"
        raise ConfigurationError(msg) from error


def build_pool(
    llms: Mapping[str, LLM],
    metadata: Mapping[str, LLMMetadata],
    candidates: Mapping[str, Candidate] | None,
    router: str | Router,
) -> Pool:
    """The pool of the models: what is given, completed by their metadata.

    Raises:
        ConfigurationError: `candidates` names a model that is not there, or says that one calls tools whose class has
            no method to.
    """
    pool = line_up([_describe(name, llm, metadata[name]) for name, llm in llms.items()], candidates, router)
    helpless = [c.name for c in pool if c.abilities.tools and not _can_call_tools(llms[c.name])]
    if helpless:
        msg = f"{', '.join(helpless)} cannot call tools, for the class has no chat_with_tools; give abilities without"
        raise ConfigurationError(msg)
    return pool


def merge_metadata(metadata: Mapping[str, LLMMetadata], pool: Pool, window: Window = "smallest") -> LLMMetadata:
    """What the models have in common, as LlamaIndex plans with it.

    The smallest context window (prompts are packed before a model is chosen) or the largest (the gates then rule out
    models that a prompt does not fit), the longest output, chat if all chat, tools if any calls tools (the gates rule
    out those that cannot).
    """
    pick = min if window == "smallest" else max
    parts = [metadata[c.name] for c in pool]
    windows = [c.window for c in pool if c.window is not None]
    roles = {part.system_role for part in parts}
    return LLMMetadata(
        context_window=pick(windows, default=DEFAULT_CONTEXT_WINDOW),
        num_output=max(DEFAULT_NUM_OUTPUTS if part.num_output < 0 else part.num_output for part in parts),
        is_chat_model=all(part.is_chat_model for part in parts),
        is_function_calling_model=any(c.abilities.tools for c in pool),
        model_name=f"router({'|'.join(c.model for c in pool)})",
        system_role=roles.pop() if len(roles) == 1 else MessageRole.SYSTEM,
    )


def _describe(name: str, llm: LLM, metadata: LLMMetadata) -> Candidate:
    """What a model says of itself: content other than text goes through chat, structured output works with any."""
    chats = metadata.is_chat_model
    return Candidate(
        name,
        model=_model_name(name, metadata),
        provider=_provider(llm),
        context_window=_window(metadata),
        # prompts are packed up to the room that a model says it needs for its answer
        reply_tokens=metadata.num_output if metadata.num_output > 0 else None,
        abilities=Needs(
            tools=metadata.is_function_calling_model and _can_call_tools(llm),
            structured_output=True,
            images=chats,
            audio=chats,
            documents=chats,
        ),
    )


def _can_call_tools(llm: LLM) -> bool:
    """Whether its class has a method to; agents need one alone, and a class may bring no other."""
    return any(hasattr(llm, name) for name in _TOOL_METHODS)


def _model_name(name: str, metadata: LLMMetadata) -> str:
    return name if metadata.model_name in _UNNAMED else metadata.model_name


def _window(metadata: LLMMetadata) -> int | None:
    """The context window; core's default stands for "nobody said", and rules nothing out."""
    window = metadata.context_window
    return None if window == DEFAULT_CONTEXT_WINDOW or window < 1 else window


def _provider(llm: LLM) -> str | None:
    """Who serves a model: LlamaIndex's integrations are modules named after it. None for anybody else's class."""
    for kind in type(llm).__mro__:
        if kind.__module__.startswith(_MODULE):
            name = kind.__module__[len(_MODULE) :].split(".")[0]
            return _PROVIDERS.get(name, name)
    return None
