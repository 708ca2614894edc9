"""The routing record on LangChain's messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, LLMResult

from pointsman.decision import Decision, Outcome
from pointsman.records import ROUTING_KEY, decision_from, outcome_from

__all__ = ["answer_in", "marked", "marked_message", "routing_decision", "routing_outcome"]

M = TypeVar("M", bound=BaseMessage)


def routing_decision(message: BaseMessage) -> Decision | None:
    """Why a message's model was chosen; None for a message that no router sent for."""
    return decision_from(message.response_metadata.get(ROUTING_KEY))


def routing_outcome(message: BaseMessage) -> Outcome | None:
    """What a message cost; None for a message that no router sent for."""
    return outcome_from(message.response_metadata.get(ROUTING_KEY))


def marked_message(message: M, record: Mapping[str, Any]) -> M:
    """A copy of the message with the record; the message itself may lie in a cache or a history."""
    return message.model_copy(update={"response_metadata": {**message.response_metadata, ROUTING_KEY: record}})


def answer_in(output: object) -> AIMessage | None:
    """The model's message in what a call returned; None where it holds only what a parser made of it."""
    if isinstance(output, AIMessage):
        return output
    if isinstance(output, LLMResult):
        first = next((generation for row in output.generations for generation in row), None)
        return answer_in(first.message) if isinstance(first, ChatGeneration) else None
    return answer_in(output["raw"]) if isinstance(output, dict) and "raw" in output else None


def marked(output: Any, record: Mapping[str, Any]) -> Any:
    """A copy of what a call returned, its message with the record; other output untouched."""
    if isinstance(output, AIMessage):
        return marked_message(output, record)
    if isinstance(output, LLMResult):
        (first, *others), *more = output.generations
        if isinstance(first, ChatGeneration):
            first = first.model_copy(update={"message": marked_message(first.message, record)})
        return output.model_copy(update={"generations": [[first, *others], *more]})
    if answer_in(output) is not None:
        return {**output, "raw": marked(output["raw"], record)}
    return output
