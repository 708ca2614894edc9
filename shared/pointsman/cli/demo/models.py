"""The demo's models: stand-ins, or real ones by "provider:model"."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pointsman.cli.arguments import model_spec
from pointsman.errors import ConfigurationError, PointsmanError

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel
    from llama_index.core.llms import LLM

__all__ = ["STRONG", "WEAK", "chat_pair", "llm_pair", "provider_errors"]

STRONG, WEAK = "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"
"""Models whose places the stand-ins take."""

# provider, as LangChain names it -> module below llama_index.llms, and its class
_LLMS = {
    "anthropic": ("anthropic", "Anthropic"),
    "bedrock_converse": ("bedrock_converse", "BedrockConverse"),
    "cohere": ("cohere", "Cohere"),
    "deepseek": ("deepseek", "DeepSeek"),
    "google_genai": ("google_genai", "GoogleGenAI"),
    "groq": ("groq", "Groq"),
    "mistralai": ("mistralai", "MistralAI"),
    "ollama": ("ollama", "Ollama"),
    "openai": ("openai", "OpenAI"),
    "openrouter": ("openrouter", "OpenRouter"),
    "together": ("together", "TogetherLLM"),
}


@contextmanager
def provider_errors(what: str) -> Iterator[None]:
    """Turn whatever a provider's package raises into one error of ours.

    Raises:
        ConfigurationError: something else than an error of ours was raised inside.
    """
    try:
        yield
    except PointsmanError:
        raise
    except Exception as error:  # each provider has an exception tree of its own
        told = " ".join(str(error).split())
        msg = f"{what} failed: {type(error).__name__}: {told}; check its package, its key and the model's name"
        raise ConfigurationError(msg) from error


def chat_pair(strong: str | None, weak: str | None) -> tuple[BaseChatModel, BaseChatModel]:
    """LangChain's two models: those named, or the stand-ins where none is; errors as for `chat_model`."""
    if strong is not None and weak is not None:
        return chat_model(strong), chat_model(weak)
    from pointsman.cli.demo.standin_chat import StandInChat

    return StandInChat(model=STRONG), StandInChat(model=WEAK)


def llm_pair(strong: str | None, weak: str | None) -> tuple[LLM, LLM]:
    """LlamaIndex's two models: those named, or the stand-ins where none is; errors as for `llm`."""
    if strong is not None and weak is not None:
        return llm(strong), llm(weak)
    from pointsman.cli.demo.standin_llm import StandInLLM

    return StandInLLM(model=STRONG), StandInLLM(model=WEAK)


def chat_model(spec: str) -> BaseChatModel:
    """The LangChain chat model that a "provider:model" names.

    Raises:
        ConfigurationError: langchain or the provider's package is missing, or the model cannot be made.
    """
    if importlib.util.find_spec("langchain") is None:
        msg = "langchain, which makes chat models by name, is not installed; run: pip install langchain"
        raise ConfigurationError(msg)
    from langchain.chat_models import init_chat_model

    provider, model = model_spec(spec)
    with provider_errors(f"LangChain's {spec}"):
        built: BaseChatModel = init_chat_model(model, model_provider=provider)
    return built


def llm(spec: str) -> LLM:
    """The LlamaIndex LLM that a "provider:model" names.

    Raises:
        ConfigurationError: no provider is named or it is unknown, its package is missing, or the LLM cannot be made.
    """
    provider, model = model_spec(spec)
    if provider not in _LLMS:
        msg = f"{spec} names no provider that the demo knows; write PROVIDER:MODEL with one of {', '.join(_LLMS)}"
        raise ConfigurationError(msg)
    module, name = _LLMS[provider]
    try:
        kind = getattr(importlib.import_module(f"llama_index.llms.{module}"), name)
    except ModuleNotFoundError as error:
        package = f"llama-index-llms-{module.replace('_', '-')}"
        msg = f"LlamaIndex's package for {provider} is not installed; run: pip install {package}"
        raise ConfigurationError(msg) from error
    with provider_errors(f"LlamaIndex's {spec}"):
        built: LLM = kind(model=model)
    return built
