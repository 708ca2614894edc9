"""The question behind a call: the words of the user that decide how hard it is, not the prompt around them.

In a query engine a model sees some 1,500 tokens of context and instructions around a question of 7. The question is
looked for in this order, and the decision says where it was found:

1. "explicit": named by the caller with `route_query`.
2. "template": a variable of the prompt template (`query_str` and its kin).
3. "message": the last user message that a user wrote, tool observations and retry feedback left out.
4. "prompt": the whole prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate
from llama_index.core.prompts.prompt_type import PromptType
from llama_index.core.schema import QueryBundle

from llamaindex_router.blocks import needs_of
from pointsman.costs.tokens import estimate_tokens
from pointsman.errors import QueryError
from pointsman.query import Needs, Query, Source

__all__ = [
    "Asked",
    "from_messages",
    "from_template",
    "from_text",
    "hinted",
    "route_query",
    "template_question",
    "with_user_message",
]

VARIABLES = ("query_str", "question", "query", "input", "query_bundle")
"""Template variables that hold a question, the surest first."""
_HYDE_VARIABLE = "context_str"
_NOT_THE_USER = (
    "Observation:",  # ReActAgent: a tool's answer
    "Error while parsing the output:",  # ReActAgent: feedback on a reply that it could not read
    "FAILURE: Your previous response was empty.",
    "Result of executing the code given:",  # CodeActAgent
)
"""How messages begin that agents write in the user's name."""
_CONVERSATION = "<current_conversation>"
_USER_TURN = re.compile(r"<user>(.*?)</user>", re.DOTALL)
_TURN_TEXT = re.compile(r"<message>(.*?)</message>", re.DOTALL)

_hint: ContextVar[tuple[str, Source] | None] = ContextVar("llamaindex_router_hint", default=None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks.

    Attributes:
        query: what is scored.
        prompt: texts that make up the whole prompt, in no format of a model: good enough to count tokens.
    """

    query: Query
    prompt: tuple[str, ...]


@contextmanager
def route_query(text: str) -> Iterator[None]:
    """Name the question that all routed calls inside are about.

    It holds for the tasks and workflow steps started inside, too. A stream is decided when it is asked for, so it may
    be read after the block; a streaming query engine asks for it when it is first read, so that belongs inside.

    Args:
        text: the question.

    Raises:
        QueryError: `text` is not a str, or has no words.
    """
    if not Query(text).scorable:
        msg = f"route_query needs the words of a question, not {text!r}"
        raise QueryError(msg)
    with hinted(text, "explicit"):
        yield


@contextmanager
def hinted(text: str | None, source: Source) -> Iterator[None]:
    """The question for the calls inside, where it is known before the call; what the caller named stays above all."""
    current = _hint.get()
    keep = text is None or (source != "explicit" and current is not None)
    token = _hint.set(current if keep or text is None else (text, source))
    try:
        yield
    finally:
        _hint.reset(token)


def from_text(prompt: object) -> Asked:
    """What a completion asks.

    Raises:
        QueryError: the prompt is missing or not a str.
    """
    if not isinstance(prompt, str):
        msg = f"No prompt provided in positional or keyword arguments: a completion needs a str, not {prompt!r}"
        raise QueryError(msg)
    return _asked((prompt, "prompt"), (prompt,), Needs())


def from_messages(messages: Sequence[ChatMessage], needs: Needs | None = None) -> Asked:
    """What a chat asks, with the needs of the call beside those of the messages' content.

    Raises:
        QueryError: there is something else than messages among them.
    """
    texts = tuple(_content(message) for message in messages)
    return _asked(_last_words(messages, texts), texts, needs_of(messages, needs))


def with_user_message(history: Sequence[ChatMessage] | None, message: str | ChatMessage | None) -> list[ChatMessage]:
    """The messages of a call that gives its last one apart, as the tool calling methods do."""
    last = ChatMessage(role=MessageRole.USER, content=message) if isinstance(message, str) else message
    return [*(history or ()), *(() if last is None else (last,))]


def from_template(prompt: BasePromptTemplate, args: Mapping[str, Any], needs: Needs | None = None) -> Asked:
    """What a prompt template asks once it is filled in; errors of filling it in are the template's own."""
    values = {**prompt.kwargs, **args}
    inside = [message for value in values.values() for message in _messages_in(value)]
    found = template_question(prompt, values)
    if found is None and _hint.get() is None:
        return _from_filled(prompt, args, needs)
    if isinstance(prompt, ChatPromptTemplate):
        inside += prompt.message_templates
        frame = [message.content or "" for message in prompt.message_templates]
    else:
        frame = [prompt.get_template()]
    texts = (*frame, *(text for value in values.values() for text in _texts_in(value)))
    return _asked((found or "", "template"), texts, needs_of(inside, needs))


def template_question(prompt: BasePromptTemplate, args: Mapping[str, Any]) -> str | None:
    """The question among a template's variables; `args` override those that it holds already."""
    values = {**prompt.kwargs, **args}
    for name in VARIABLES:
        value = values.get(name)
        text = value.query_str if isinstance(value, QueryBundle) else value
        if isinstance(text, str) and text.strip():
            return text
    hyde = values.get(_HYDE_VARIABLE) if prompt.metadata.get("prompt_type") == PromptType.SUMMARY else None
    return hyde if isinstance(hyde, str) and hyde.strip() else None


def _from_filled(prompt: BasePromptTemplate, args: Mapping[str, Any], needs: Needs | None) -> Asked:
    """No variable is known to hold a question: read the prompt as it will be sent."""
    messages = prompt.format_messages(**args)
    if len(messages) > 1 or isinstance(prompt, ChatPromptTemplate):
        return from_messages(messages, needs)
    texts = tuple(_content(message) for message in messages)
    return _asked(("\n".join(texts), "prompt"), texts, needs_of(messages, needs))


def _asked(found: tuple[str, Source], texts: tuple[str, ...], needs: Needs) -> Asked:
    text, source = _hint.get() or found
    tokens = sum(estimate_tokens(part) for part in texts)
    return Asked(Query(text, source=source, prompt_tokens=tokens, needs=needs), texts)


def _last_words(messages: Sequence[ChatMessage], texts: Sequence[str]) -> tuple[str, Source]:
    """The last thing that the user said in words; nothing where the user only showed something."""
    said = [
        words
        for message, text in zip(messages, texts, strict=True)
        if message.role == MessageRole.USER and (words := _of_user(text)) is not None
    ]
    if not said:
        return "\n".join(texts), "prompt"
    return next((words for words in reversed(said) if words.strip()), ""), "message"


def _of_user(text: str) -> str | None:
    """A user message without what agents wrap around it; None if an agent wrote it."""
    if text.startswith(_CONVERSATION):
        turns = ["\n".join(_TURN_TEXT.findall(turn)) for turn in _USER_TURN.findall(text)]
        return next((turn for turn in reversed(turns) if _of_user(turn) is not None), None)
    return None if text.lstrip().startswith(_NOT_THE_USER) else text


def _content(message: object) -> str:
    if not isinstance(message, ChatMessage):
        msg = f"a chat takes ChatMessage objects, not {type(message).__name__}; wrap it: ChatMessage(content=...)"
        raise QueryError(msg)
    return message.content or ""


def _messages_in(value: object) -> Iterable[ChatMessage]:
    """Messages among a template's values: multimodal synthesizers pass their chunks so."""
    if isinstance(value, ChatMessage):
        return (value,)
    return [item for item in value if isinstance(item, ChatMessage)] if isinstance(value, list) else ()


def _texts_in(value: object) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    messages = _messages_in(value)
    if messages:
        return [message.content or "" for message in messages]
    # a template among the values (Accumulate passes one) is not part of the prompt
    return () if isinstance(value, BasePromptTemplate) else (str(value),)
