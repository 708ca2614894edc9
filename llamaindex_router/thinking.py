"""Thoughts stay with the model that had them.

A provider signs the thinking in its answers and refuses what it has not signed itself. So thinking blocks are marked
with the candidate that wrote them, and a model of another provider is not shown them.
"""

from __future__ import annotations

from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage, TextBlock, ThinkingBlock

from pointsman.pool import Pool

__all__ = ["signed", "without_foreign_thoughts"]

_WRITER = "router_candidate"
"""Key in a block's `additional_information`; conversations carry it wherever they are stored."""


def signed(message: ChatMessage, candidate: str) -> dict[str, ChatMessage]:
    """The message with its thoughts marked as this candidate's, as an update of a response; nothing if it has none."""
    if not _thinks(message):
        return {}
    blocks = [
        block.model_copy(update={"additional_information": block.additional_information | {_WRITER: candidate}})
        if isinstance(block, ThinkingBlock)
        else block
        for block in message.blocks
    ]
    return {"message": message.model_copy(update={"blocks": blocks})}


def without_foreign_thoughts(messages: Sequence[ChatMessage], candidate: str, pool: Pool) -> Sequence[ChatMessage]:
    """The messages as this candidate may see them: without thoughts of models that another provider serves.

    Thoughts that no router has marked are left where they are.
    """
    if not any(map(_thinks, messages)):
        return messages
    return [
        message.model_copy(update={"blocks": [b for b in message.blocks if not _is_foreign(b, candidate, pool)]})
        if _thinks(message)
        else message
        for message in messages
    ]


def _thinks(message: ChatMessage) -> bool:
    blocks = message.blocks
    if len(blocks) == 1 and type(blocks[0]) is TextBlock:  # so it is with most pieces of most streams
        return False
    return any(isinstance(block, ThinkingBlock) for block in blocks)


def _is_foreign(block: object, candidate: str, pool: Pool) -> bool:
    if not isinstance(block, ThinkingBlock):
        return False
    writer = block.additional_information.get(_WRITER)
    if writer is None or writer == candidate:
        return False
    provider = pool.named(candidate).provider
    return provider is None or writer not in pool.names or pool.named(writer).provider != provider
