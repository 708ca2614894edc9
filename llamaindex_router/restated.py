"""Questions that LlamaIndex has put into other words around: what the user asked is inside, and is what counts."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

__all__ = ["Restated", "restated", "stuffed"]

_BAD_ANSWER = "Here is a previous bad answer."
_NOW_ANSWER = "Now answer the question.\n"
_RULE = "\n----------------\n"
_JUDGED = re.compile(r"Question: (.*?)\nResponse: ", re.DOTALL)
_CONTEXT_BELOW = ("Context information is below.", "Context information from multiple sources is below.")
_REFINED = "The original query is as follows: "
_EXPERT = "You are an expert Q&A system that strictly operates"
_QUERY = "\nQuery: "


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
    found = _stuffed(text.strip())
    return None if found is None else restated(found).question


def _stuffed(text: str) -> str | None:
    """The question in the prompts that core's synthesizers fill in: for completion models and for chat models.

    By searches that take no longer than in proportion to the text: prompts hold what others wrote.
    """
    if text.startswith(_CONTEXT_BELOW) and text.endswith("\nAnswer:"):
        _, asked, question = text.removesuffix("\nAnswer:").rpartition(_QUERY)
        return question.rstrip() if asked else None
    if text.startswith(_REFINED):
        question, answered, _ = text.removeprefix(_REFINED).partition("\nWe have provided an existing answer:")
        return question if answered else None
    if text.startswith(_EXPERT):
        before, answered, _ = text.rpartition("\nOriginal Answer:")
        asked_at = before.rfind(_QUERY) if answered else -1
        return None if asked_at < 0 else text[asked_at + len(_QUERY) :].partition("\nOriginal Answer:")[0]
    return None
