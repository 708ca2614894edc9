"""A history made fit for the provider that is asked next.

What one provider writes into its answers another refuses: reasoning blocks and their signatures, items and ids of its
own, marks for its prompt cache, tool call ids in a form that is not allowed elsewhere. Where a pool has more than one
provider, the model that is asked gets copies without them; the caller's messages are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2s
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from langchain_router.record import routing_decision
from pointsman.pool import Pool

__all__ = ["family_of", "fit_for"]

_FAMILIES = {
    # names of LangChain's packages for the provider behind them
    "azure": "openai",
    "azure_openai": "openai",
    "mistralai": "mistral",
    "google_genai": "google",
    "google_vertexai": "google",
    "amazon_bedrock": "bedrock",
    "bedrock_converse": "bedrock",
    "aws": "bedrock",
}
_READ_CACHE_MARKS = {"anthropic", "bedrock", "openrouter", "litellm"}
_CACHE_MARKS = {"cache_control", "cachePoint"}
_TOOL_IDS = {
    "anthropic": re.compile(r"[A-Za-z0-9_-]{1,64}"),
    "bedrock": re.compile(r"[A-Za-z0-9_-]{1,64}"),
    "mistral": re.compile(r"[A-Za-z0-9]{9}"),
    "openai": re.compile(r".{1,40}", re.DOTALL),
}
_ANY_ID = re.compile(r".*", re.DOTALL)


def fit_for(messages: list[BaseMessage], name: str, pool: Pool) -> list[BaseMessage]:
    """The messages as the candidate's provider takes them.

    Args:
        messages: of the call.
        name: the candidate.
        pool: says who the providers are.

    Returns:
        The list itself where there is nothing to do, and for pools of one provider.
    """
    families = {candidate.name: family_of(candidate.provider) for candidate in pool}
    if len(set(families.values())) < 2:
        return messages
    target = families[name]
    fitted = [_fitted(message, target, families) for message in messages]
    if all(new is old for new, old in zip(fitted, messages, strict=True)):
        return messages
    return [message for message in fitted if message is not None]


def _fitted(message: BaseMessage, target: str | None, families: dict[str, str | None]) -> BaseMessage | None:
    """The message itself, or a copy; None where nothing of it is left that another provider could read."""
    if isinstance(message, AIMessage):
        author = _author(message, families)
        calls = [*message.tool_calls, *message.invalid_tool_calls]
        if author in (None, target) and all(_valid(call["id"], target) for call in calls):
            return message
        return _plain(message, target)
    update: dict[str, Any] = {}
    if isinstance(message, ToolMessage) and not _valid(message.tool_call_id, target):
        update["tool_call_id"] = _tool_id(message.tool_call_id, target)
    if isinstance(message.content, list) and target not in _READ_CACHE_MARKS and _is_marked(message.content):
        update["content"] = _unmarked(message.content)
    return message.model_copy(update=update) if update else message


def _plain(message: AIMessage, target: str | None) -> AIMessage | None:
    """Words and tool calls: what every provider reads."""
    text = str(message.text)
    if not (text or message.tool_calls or message.invalid_tool_calls):
        return None
    return AIMessage(
        content=text,
        name=message.name,
        tool_calls=[{**call, "id": _tool_id(call["id"], target)} for call in message.tool_calls],
        invalid_tool_calls=[{**call, "id": _tool_id(call["id"], target)} for call in message.invalid_tool_calls],
    )


def _author(message: AIMessage, families: dict[str, str | None]) -> str | None:
    """The provider family that wrote a message, as far as the message tells."""
    decision = routing_decision(message)
    if decision is not None and decision.candidate in families:
        return families[decision.candidate]
    return family_of(message.response_metadata.get("model_provider"))


def family_of(provider: str | None) -> str | None:
    """The provider behind a name that LangChain's packages give it."""
    return provider if provider is None else _FAMILIES.get(provider, provider)


def _valid(call_id: str | None, target: str | None) -> bool:
    return call_id is None or _TOOL_IDS.get(target or "", _ANY_ID).fullmatch(call_id) is not None


def _tool_id(call_id: str | None, target: str | None) -> str | None:
    """The id itself if the provider takes it, else one that follows from it: a call and its result stay together."""
    if call_id is None or _valid(call_id, target):
        return call_id
    digest = blake2s(call_id.encode("utf-8", "replace")).hexdigest()
    return digest[:9] if target == "mistral" else f"call_{digest[:24]}"


def _is_marked(blocks: Sequence[str | dict[str, Any]]) -> bool:
    return any(isinstance(block, dict) and not _CACHE_MARKS.isdisjoint(block) for block in blocks)


def _unmarked(blocks: Sequence[str | dict[str, Any]]) -> list[str | dict[str, Any]]:
    """The blocks without marks; a block that is nothing but a mark is left out."""
    bare = [
        {key: value for key, value in block.items() if key not in _CACHE_MARKS} if isinstance(block, dict) else block
        for block in blocks
    ]
    return [block for block in bare if block]
