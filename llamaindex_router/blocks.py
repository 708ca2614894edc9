"""What the content of messages asks of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from llama_index.core.base.llms.types import (
    AudioBlock,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    VideoBlock,
)

from pointsman.query import NO_NEEDS, Needs

__all__ = ["needs_of"]


def needs_of(messages: Iterable[ChatMessage], needs: Needs | None = None) -> Needs:
    """`needs`, and those of every image, audio and document in the messages; a video needs a model that sees."""
    found = needs or NO_NEEDS
    for message in messages:
        for block in _flat(message.blocks):
            if isinstance(block, ImageBlock | VideoBlock):
                found = replace(found, images=True)
            elif isinstance(block, AudioBlock):
                found = replace(found, audio=True)
            elif isinstance(block, DocumentBlock):
                found = replace(found, documents=True)
    return found


def _flat(blocks: Iterable[object]) -> Iterator[object]:
    """The blocks, and those that citable blocks and citations hold."""
    for block in blocks:
        if isinstance(block, TextBlock):
            continue
        if isinstance(block, CitableBlock):
            yield from _flat(block.content)
        elif isinstance(block, CitationBlock):
            yield from _flat([block.cited_content])
        else:
            yield block
