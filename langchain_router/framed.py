"""The user's words in a message that a template has framed with retrieved context.

Time grows with the length of the text and no faster, whatever the text is: it is spent on the event loop, and prompts
hold what others wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["own_words"]

_CONTEXT = (
    r"(?:retrieved |relevant |background |supporting )?"
    r"(?:context|documents?|sources?|passages?|snippets?|excerpts?|search results?|references|knowledge)"
    r"(?: information)?"
)
_QUESTION = r"(?:user(?:'s)? |standalone |follow[- ]?up |original )?(?:question|query|input|request)"
_ANSWER = r"(?:your |final |helpful ){0,3}(?:answer|response|reply)|assistant"
_LABEL = re.compile(
    rf"^[ \t]{{0,16}}[#*\[]{{0,6}}[ \t]{{0,4}}(?:(?P<context>{_CONTEXT})|(?P<question>{_QUESTION})|(?:{_ANSWER}))"
    r"[ \t]{0,4}[*\]]{0,4}[ \t]{0,4}:[*]*",
    re.IGNORECASE | re.MULTILINE,
)
_INTRODUCED = re.compile(
    rf"\b(?:following|provided|given|retrieved|pieces of)\b[^\n:]{{0,40}}\b{_CONTEXT}\b"
    rf"|\b{_CONTEXT} (?:is )?(?:below|above)\b",
    re.IGNORECASE,
)
"""How a template says that context follows, without a label of its own for it."""
_INTRODUCTION = 600
_BLOCK = re.compile(rf"<(?P<tag>{_CONTEXT.replace(' ', '[ _]')})\b[^<>]{{0,200}}>", re.IGNORECASE)
_ASKED = re.compile(rf"<(?P<tag>{_QUESTION.replace(' ', '[ _]')})>", re.IGNORECASE)


class _Element(NamedTuple):
    """Where an element begins and ends, and what is in it."""

    start: int
    end: int
    words: str


def own_words(text: str) -> tuple[str, bool]:
    """The user's words in a message, and whether a template with retrieved context was around them."""
    if "\n" not in text and "<" not in text:  # most messages
        return text, False
    if (asked := next(_elements(text, _ASKED), None)) is not None and asked.words.strip():
        return asked.words.strip(), True
    rest = _without_context(text)
    framed = rest != text and bool(rest.strip())
    rest = rest.strip() if framed else text
    labels = list(_LABEL.finditer(rest))
    asked_at = [row for row, label in enumerate(labels) if label["question"]]
    if asked_at and (framed or any(label["context"] for label in labels) or _introduced(rest, labels[asked_at[-1]])):
        row = asked_at[-1]
        end = labels[row + 1].start() if row + 1 < len(labels) else len(rest)
        words = rest[labels[row].end() : end].strip()
        if words:
            return words, True
    return rest, framed


def _elements(text: str, opening: re.Pattern[str]) -> Iterator[_Element]:
    """The elements whose opening tag this is, each up to its next closing tag."""
    at, open_for_good = 0, set[str]()
    while (opened := opening.search(text, at)) is not None:
        at, tag = opened.end(), opened["tag"].lower()
        if tag in open_for_good:
            continue
        closed = re.compile(f"</{re.escape(tag)}>", re.IGNORECASE).search(text, at)
        if closed is None:
            open_for_good.add(tag)  # and is not looked for again
            continue
        yield _Element(opened.start(), closed.end(), text[at : closed.start()])
        at = closed.end()


def _without_context(text: str) -> str:
    kept, at = [], 0
    for block in _elements(text, _BLOCK):
        kept.append(text[at : block.start])
        at = block.end
    return "".join([*kept, text[at:]]) if kept else text


def _introduced(text: str, asked: re.Match[str]) -> bool:
    """Whether the text begins by saying that context comes before the question."""
    return _INTRODUCED.search(text, 0, min(asked.start(), _INTRODUCTION)) is not None
