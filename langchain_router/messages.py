"""What the router reads of a conversation: its texts, the size of the prompt, what it asks of a model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from pointsman.costs import count_tokens, estimate_tokens, near_window
from pointsman.query import NO_NEEDS, Needs, clean_text

__all__ = ["attachments", "prompt_size", "text_of", "whole_text"]

_KINDS = {
    # content block types of LangChain (v0 and v1) and of providers -> ability
    "image": "images",
    "image_url": "images",
    "input_image": "images",
    "audio": "audio",
    "input_audio": "audio",
    "document": "documents",
    "file": "documents",
    "input_file": "documents",
}
_MEDIA = {"image": "images", "audio": "audio", "application": "documents", "text": "documents"}


def text_of(message: BaseMessage) -> str:
    """The text of a message; the text blocks one below the other where it has content blocks."""
    if isinstance(message.content, str):
        return message.content
    parts = (block if isinstance(block, str) else block.get("text") for block in message.content)
    return "\n".join(part for part in parts if isinstance(part, str) and part)


def whole_text(messages: Sequence[BaseMessage]) -> str:
    """All that a model reads as text: every message, and the arguments of tool calls."""
    return "\n".join([part for message in messages for part in (text_of(message), *_calls(message)) if part])


def prompt_size(messages: Sequence[BaseMessage], windows: Iterable[int]) -> int:
    """Tokens of all messages: estimated, and counted where the estimate comes near a context window."""
    text = whole_text(messages)
    size = estimate_tokens(text)
    return count_tokens(clean_text(text)).tokens if near_window(size, windows) else size


def attachments(
    messages: Sequence[BaseMessage], *, tools: bool, structured_output: bool, tool_choice: bool = False
) -> Needs:
    """The abilities that a call asks for: those of its content blocks, and those that are told."""
    found = {kind for message in messages if isinstance(message.content, list) for kind in _kinds(message.content)}
    if not (found or tools or structured_output or tool_choice):
        return NO_NEEDS
    return Needs(
        tools=tools,
        structured_output=structured_output,
        images="images" in found,
        audio="audio" in found,
        documents="documents" in found,
        tool_choice=tool_choice or None,
    )


def _calls(message: BaseMessage) -> Sequence[str]:
    if not isinstance(message, AIMessage):
        return ()
    return [
        f"{call['name']} {json.dumps(call['args'], default=str, ensure_ascii=False)}" for call in message.tool_calls
    ]


def _kinds(blocks: list[str | dict[str, Any]]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, dict):
            media = str(block.get("mime_type", "")).partition("/")[0]
            kind = _MEDIA.get(media) or _KINDS.get(str(block.get("type")))
            if kind is not None:
                yield kind
            elif isinstance(inner := block.get("content"), list):  # of a tool's result, as Anthropic has it
                yield from _kinds(inner)
