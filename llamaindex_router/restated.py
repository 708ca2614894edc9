"""Questions that LlamaIndex has put into other words around: what the user asked is inside, and is what counts."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

__all__ = ["Restated", "restated", "stuffed"]

_BAD_ANSWER = "Here is a previous bad answer."
_NOW_ANSWER = "Now answer the question.\n"
_RULE = "\n----------------\n"
_JUDGED = re.compile(r"Question: (.*?)\nResponse: ", re.DOTALL)
_STUFFED = (
    re.compile(
        r"\s*Context information (?:from multiple sources )?is below\..*\nQuery: (.*?)\s*\nAnswer:\s*", re.DOTALL
    ),
    re.compile(r"\s*The original query is as follows: (.*?)\nWe have provided an existing answer:.*", re.DOTALL),
    re.compile(
        r"\s*You are an expert Q&A system that strictly operates.*\nQuery: (.*?)\nOriginal Answer:.*", re.DOTALL
    ),
)
"""The prompts that core's synthesizers fill in: for completion models and for chat models."""


class Restated(NamedTuple):
    """A question and who put words around it."""

    question: str
    by: Literal["retry", "evaluation"] | None = None


def restated(text: str) -> Restated:
    """The question in a text: of a retry with feedback, of an evaluator, or the text itself."""
    if _BAD_ANSWER in text:
        feedback, _, question = text.rpartition(_NOW_ANSWER)
        if feedback:
            return Restated(question, "retry")
        question, rule, _ = text.partition(_RULE + _BAD_ANSWER)
        if rule:
            return Restated(question, "retry")
    if (judged := _JUDGED.match(text)) is not None:
        return Restated(judged[1], "evaluation")
    return Restated(text)


def stuffed(text: str) -> str | None:
    """The question in a prompt that one of core's templates was made into; None if it was none of them."""
    if "\n" not in text:  # most questions, and no prompt of core's
        return None
    found = next((match for pattern in _STUFFED if (match := pattern.fullmatch(text)) is not None), None)
    return None if found is None else restated(found[1]).question
