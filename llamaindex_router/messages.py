"""Who said what in a conversation: agents write in the user's name, and what they write is no question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock

from llamaindex_router.restated import stuffed
from pointsman.errors import QueryError

__all__ = ["text_of", "trouble_in", "users_words"]

_UNREADABLE = (
    "Error while parsing the output:",  # ReActAgent: feedback on a reply that it could not read
    "FAILURE: Your previous response was empty.",
)
_OBSERVATION = "Observation:"  # ReActAgent: a tool's answer
_CODE_RESULT = "Result of executing the code given:"  # CodeActAgent
_NOT_THE_USER = (*_UNREADABLE, _OBSERVATION, _CODE_RESULT)
"""How messages begin that agents write in the user's name."""
_CONVERSATION = "<current_conversation>"
_USER_TURN = re.compile(r"<user>(.*?)</user>", re.DOTALL)
_TURN_TEXT = re.compile(r"<message>(.*?)</message>", re.DOTALL)
_FAILED = re.compile(
    r"\s*(encountered error|(an )?error|failed|failure|exception|\w+(?:Error|Exception))\b( \w+){0,3}\s*[:(]"
    r"|\s*Traceback \(most recent|.*\nTraceback \(most recent|\s*Tool \S+ not found\.",
    re.IGNORECASE | re.DOTALL,
)
"""How the results of tools read that have failed."""
_OF_THE_CALL_ALONE = ("id", "call_id", "tool_call_id", "index")


def text_of(message: object) -> str:
    """The text of a message.

    Raises:
        QueryError: it is no message.
    """
    if not isinstance(message, ChatMessage):
        msg = f"a chat takes ChatMessage objects, not {type(message).__name__}; wrap it: ChatMessage(content=...)"
        raise QueryError(msg)
    return message.content or ""


def users_words(messages: Sequence[ChatMessage], texts: Sequence[str]) -> str | None:
    """The last thing that the user said in words.

    Args:
        messages: the conversation.
        texts: of each message.

    Returns:
        None if no user spoke; nothing ("") where the user only showed something.
    """
    found = None
    for message, text in zip(reversed(messages), reversed(texts), strict=True):
        if message.role == MessageRole.USER and (words := _of_user(text)) is not None:
            if words.strip():
                return words
            found = ""
    return found


def trouble_in(messages: Sequence[ChatMessage]) -> str | None:
    """Why the model that works on the user's last words is not getting on with it; None if it is.

    A tool has failed, the same tool is called in the same way again, or the agent could not read the last reply.
    """
    turn = _current_turn(messages)
    for message in reversed(turn):
        if message.role == MessageRole.ASSISTANT:
            break
        text = message.content or ""
        if text.startswith(_UNREADABLE):
            return "its reply could not be read"
        result = text.removeprefix(_OBSERVATION).removeprefix(_CODE_RESULT)
        if _FAILED.match(result):
            return "a tool failed"
    calls = [call for message in turn if message.role == MessageRole.ASSISTANT and (call := _call_in(message))]
    return "it repeats itself" if len(set(calls)) < len(calls) else None


def _current_turn(messages: Sequence[ChatMessage]) -> Sequence[ChatMessage]:
    """What came after the last message that a user wrote."""
    for position in range(len(messages) - 1, -1, -1):
        message = messages[position]
        if message.role == MessageRole.USER and _of_user(message.content or "") is not None:
            return messages[position + 1 :]
    return messages


def _of_user(text: str) -> str | None:
    """A user message without what agents and templates wrap around it; None if an agent wrote it."""
    if text.startswith(_CONVERSATION):
        turns = ["\n".join(_TURN_TEXT.findall(turn)) for turn in _USER_TURN.findall(text)]
        return next((turn for turn in reversed(turns) if _of_user(turn) is not None), None)
    if text.lstrip().startswith(_NOT_THE_USER):
        return None
    return stuffed(text) or text


def _call_in(message: ChatMessage) -> str:
    """What a message of the model does, written so that doing the same again reads the same; empty if it only talks."""
    blocks = [f"{b.tool_name} {b.tool_kwargs}" for b in message.blocks if isinstance(b, ToolCallBlock)]
    if blocks:
        return "\n".join(blocks)
    # integrations that do not write blocks keep their provider's own form
    others = message.additional_kwargs.get("tool_calls") or ()
    if others:
        return "\n".join(_without_ids(call) for call in others)
    text = message.content or ""
    return _action_in(text)


def _action_in(text: str) -> str:
    """The last step of an agent that writes its calls into its text: from its action on, or its code."""
    acts = text.find("Action:")
    if acts >= 0 and text.find("Action Input:", acts) >= 0:
        return text[acts:]
    _, opened, code = text.partition("<execute>")
    code, closed, _ = code.partition("</execute>")
    return opened + code + closed if closed else ""


def _without_ids(call: object) -> str:
    fields = call if isinstance(call, dict) else getattr(call, "__dict__", {"call": call})
    return str({name: value for name, value in fields.items() if name not in _OF_THE_CALL_ALONE})
