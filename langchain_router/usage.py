"""Tokens of an answer, as the provider counted them, or as we estimate them where it did not."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import AIMessage, BaseMessage

from langchain_router.messages import whole_text
from pointsman.costs import Usage, count_tokens
from pointsman.query import clean_text

__all__ = ["counted_usage", "estimated_usage", "usage_of"]


def usage_of(answer: AIMessage | None, prompt: Sequence[BaseMessage], model: str) -> Usage:
    """Tokens billed for an answer.

    An answer from LangChain's cache is marked there with a cost of 0: nothing was billed for it.
    """
    return counted_usage(answer) or estimated_usage(answer, prompt, model)


def counted_usage(answer: AIMessage | None) -> Usage | None:
    """Tokens as the provider counted them; None where it did not."""
    counted = None if answer is None else answer.usage_metadata
    if not counted:
        return None
    if counted.get("total_cost") == 0:
        return Usage(0, 0)
    return Usage(
        input_tokens=counted["input_tokens"],
        output_tokens=counted["output_tokens"],
        cached_tokens=counted.get("input_token_details", {}).get("cache_read", 0),
        reasoning_tokens=counted.get("output_token_details", {}).get("reasoning", 0),
    )


def estimated_usage(answer: AIMessage | None, prompt: Sequence[BaseMessage], model: str) -> Usage:
    """Tokens of the prompt's and the answer's text."""
    asked = count_tokens(clean_text(whole_text(prompt)), model).tokens
    answered = 0 if answer is None else count_tokens(clean_text(whole_text([answer])), model).tokens
    return Usage(asked, answered, estimated=True)
