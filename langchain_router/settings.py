"""Model settings and tools made fit for another provider: what only some of them read is left out for the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.tools import BaseTool

from langchain_router.history import family_of

__all__ = ["fit_settings", "fit_tools", "provider_of"]

_CLAUDE = frozenset({"anthropic", "bedrock", "openrouter"})
_GPT = frozenset({"openai", "fireworks", "openrouter"})
_GOOGLE = frozenset({"google"})
_READERS = {
    # setting -> the provider families that read it; what stands not here is taken to be read by all
    "cache_control": _CLAUDE,
    "betas": _CLAUDE,
    "container": _CLAUDE,
    "context_management": _CLAUDE,
    "mcp_servers": _CLAUDE,
    "thinking": _CLAUDE,
    "prompt_cache_key": _GPT,
    "prompt_cache_options": _GPT,
    "prompt_cache_retention": _GPT,
    "previous_response_id": frozenset({"openai"}),
    "reasoning": _GPT,
    "reasoning_effort": _GPT | {"deepseek", "groq", "mistral", "perplexity", "together", "xai"},
    "store": _GPT,
    "truncation": _GPT,
    "verbosity": _GPT,
    "cached_content": _GOOGLE,
    "include_thoughts": _GOOGLE,
    "safety_settings": _GOOGLE,
    "thinking_budget": _GOOGLE,
    "thinking_level": _GOOGLE,
}
_OF_ONE_ACCOUNT = frozenset({"extra_headers", "extra_query"})
"""Headers of one provider's endpoint may hold its keys and its affinity: they go to no other."""


def provider_of(model: BaseChatModel) -> str | None:
    """The provider that a model names."""
    return model._get_ls_params().get("ls_provider")  # noqa: SLF001  # the one place where chat models name it


def fit_settings(settings: Mapping[str, Any], before: str | None, after: str | None) -> dict[str, Any]:
    """The settings of a call for a model of another provider.

    Args:
        settings: as they were made, for a model of the first provider.
        before: that provider, as LangChain names it; None if not known.
        after: the provider of the model that is called.
    """
    left, entered = family_of(before), family_of(after)
    if left == entered:
        return dict(settings)
    return {
        name: value
        for name, value in settings.items()
        if name not in _OF_ONE_ACCOUNT and (entered is None or entered in _READERS.get(name, {entered}))
    }


def fit_tools(tools: Sequence[BaseTool | dict[str, Any]], after: str | None) -> list[BaseTool | dict[str, Any]]:
    """The tools without marks for a prompt cache, where the provider reads none; the caller's are not touched."""
    if family_of(after) in _CLAUDE | {None}:
        return list(tools)
    return [_unmarked(tool) for tool in tools]


def _unmarked(tool: BaseTool | dict[str, Any]) -> BaseTool | dict[str, Any]:
    if isinstance(tool, BaseTool):
        extras = tool.extras
        if not extras or "cache_control" not in extras:
            return tool
        return tool.model_copy(update={"extras": _without_mark(extras) or None})
    bare = _without_mark(tool)
    if isinstance(bare.get("extras"), dict):
        bare["extras"] = _without_mark(bare["extras"])
    return bare


def _without_mark(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "cache_control"}
