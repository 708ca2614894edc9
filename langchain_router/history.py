"""A history made fit for the provider that is asked next.

What one provider writes into its answers another refuses: reasoning blocks and their signatures, items and ids of its
own, marks for its prompt cache, tool call ids in a form that is not allowed elsewhere. Where a pool has more than one
provider, the model that is asked gets copies without them; the caller's messages are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
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
_OWN_BLOCKS = {
    # content blocks that one provider family alone writes; LangChain's own kind of reasoning does not say whose it is
    "thinking": "anthropic",
    "redacted_thinking": "anthropic",
    "server_tool_use": "anthropic",
    "reasoning_content": "bedrock",
    "executable_code": "google",
    "function_call": "openai",
    "reasoning": "unknown",
}


def fit_for(messages: list[BaseMessage], name: str, pool: Pool) -> list[BaseMessage]:
    """The messages as the candidate's provider takes them.

    Args:
        messages: of the call.
        name: the candidate.
        pool: says who the providers are.

    Returns:
        The list itself where there is nothing to do, and for pools of one provider.
    """
    families = _families(pool)
    if not families:
        return messages
    target = families[name]
    renamed: dict[str, str] = {}
    fitted = [_fitted(message, target, families, renamed) for message in messages]
    if all(new is old for new, old in zip(fitted, messages, strict=True)):
        return messages
    return [message for message in fitted if message is not None]


@lru_cache(maxsize=64)
def _families(pool: Pool) -> dict[str, str | None]:
    """Candidate -> provider family; empty for pools of one."""
    families = {candidate.name: family_of(candidate.provider) for candidate in pool}
    return families if len(set(families.values())) > 1 else {}


def _fitted(
    message: BaseMessage, target: str | None, families: dict[str, str | None], renamed: dict[str, str]
) -> BaseMessage | None:
    """The message itself, or a copy; None where nothing of it is left that another provider could read.

    Args:
        message: one of the history, in its order.
        target: the provider family that is asked.
        families: candidate -> provider family.
        renamed: tool call id -> the one that the target takes; of the answers so far, and added to.
    """
    if isinstance(message, AIMessage):
        author = _author(message, families)
        ids = {call["id"] for call in [*message.tool_calls, *message.invalid_tool_calls] if call["id"]}
        wrong = {call_id for call_id in ids if not _TOOL_IDS.get(target or "", _ANY_ID).fullmatch(call_id)}
        if author is not None and author == target:
            return message
        if author is not None or wrong:
            renamed.update((call_id, _tool_id(call_id, target)) for call_id in wrong)
            return _plain(message, renamed)
    update: dict[str, Any] = {}
    if isinstance(message, ToolMessage) and message.tool_call_id in renamed:
        update["tool_call_id"] = renamed[message.tool_call_id]
    if isinstance(message.content, list) and target not in _READ_CACHE_MARKS and _is_marked(message.content):
        update["content"] = _unmarked(message.content)
    return message.model_copy(update=update) if update else message


def _plain(message: AIMessage, renamed: dict[str, str]) -> AIMessage | None:
    """Words and tool calls: what every provider reads."""
    text = str(message.text)
    if not (text or message.tool_calls or message.invalid_tool_calls):
        return None
    return AIMessage(
        content=text,
        name=message.name,
        tool_calls=[{**call, "id": renamed.get(call["id"] or "", call["id"])} for call in message.tool_calls],
        invalid_tool_calls=[
            {**call, "id": renamed.get(call["id"] or "", call["id"])} for call in message.invalid_tool_calls
        ],
    )


def _author(message: AIMessage, families: dict[str, str | None]) -> str | None:
    """The provider family that wrote a message, as far as the message tells."""
    decision = routing_decision(message)
    if decision is not None and decision.candidate in families:
        return families[decision.candidate]
    return family_of(message.response_metadata.get("model_provider")) or _known_by_its_blocks(message)


def _known_by_its_blocks(message: AIMessage) -> str | None:
    """The author of a message that has lost its metadata, or "unknown" for reasoning of nobody knows whom."""
    if not isinstance(message.content, list):
        return None
    blocks = [block for block in message.content if isinstance(block, dict)]
    if any("encrypted_content" in block or str(block.get("id", "")).startswith("rs_") for block in blocks):
        return "openai"
    kinds = (str(block.get("type")) for block in blocks)
    return next((_OWN_BLOCKS[kind] for kind in kinds if kind in _OWN_BLOCKS), None)


def family_of(provider: str | None) -> str | None:
    """The provider behind a name that LangChain's packages give it."""
    return provider if provider is None else _FAMILIES.get(provider, provider)


def _tool_id(call_id: str, target: str | None) -> str:
    """One that every provider takes, and the same for the same id: prompt caches go by that."""
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
