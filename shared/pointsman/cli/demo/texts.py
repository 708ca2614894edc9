"""What the demo asks, what its stand-ins answer and what they look up: texts that this project wrote itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

__all__ = ["Document", "Exchange", "Texts", "answer_to", "load_texts", "pieces"]

_FILE = Path(__file__).with_name("texts.json")
_UNKNOWN = "(A stand-in answered: it holds answers to the prompts of `pointsman demo` alone.)"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Exchange(_Frozen):
    """A prompt, and the answer that both stand-ins give."""

    prompt: str
    answer: str


class Document(_Frozen):
    """A chapter of the handbook that the query engine searches."""

    title: str
    text: str


class Texts(_Frozen):
    """All texts of the demo.

    Attributes:
        chain: for the LangChain chain, easy to hard.
        handbook: of a railway that does not exist.
        questions: on the handbook, easy to hard.
    """

    chain: tuple[Exchange, ...]
    handbook: tuple[Document, ...]
    questions: tuple[Exchange, ...]


@lru_cache(maxsize=1)
def load_texts() -> Texts:
    """The texts, from the file beside this module."""
    return Texts.model_validate_json(_FILE.read_text(encoding="utf-8"))


def answer_to(prompt: str) -> str:
    """The answer written for the question that stands in `prompt`, perhaps in the middle of a template."""
    texts = load_texts()
    known = (exchange for exchange in (*texts.chain, *texts.questions) if exchange.prompt in prompt)
    return max(known, key=lambda exchange: len(exchange.prompt), default=Exchange(prompt="", answer=_UNKNOWN)).answer


def pieces(answer: str) -> Iterator[str]:
    """The answer word by word, as a stream brings it; joined they are the answer again."""
    return (match.group() for match in re.finditer(r"\s*\S+|\s+$", answer))
