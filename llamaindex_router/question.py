"""The question behind a call: the words of the user that decide how hard it is, not the prompt around them.

In a query engine a model sees some 1,500 tokens of context and instructions around a question of 7. The question is
looked for in this order, and the decision says where it was found:

1. "explicit": named by the caller, with `route_query` or the instrument tag "router.query".
2. "template": a variable of the prompt template (`query_str` and its kin).
3. "span": what the component that makes the call was asked; selectors and chat engines fill in templates themselves.
4. "message": the last user message that a user wrote; tool observations, retry feedback and core's templates left out.
5. "prompt": the whole prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate
from llama_index.core.prompts.prompt_type import PromptType
from llama_index.core.schema import QueryBundle
from llama_index_instrumentation.dispatcher import active_instrument_tags

from llamaindex_router.blocks import needs_of
from llamaindex_router.messages import text_of, users_words
from llamaindex_router.restated import restated, stuffed
from llamaindex_router.spans import Caller, caller, root_question
from llamaindex_router.stages import Stage, run_id, stage_of_chat, stage_of_template, stage_of_text
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
    "to_the_root",
    "with_user_message",
]

VARIABLES = ("query_str", "question", "query", "input", "query_bundle")
"""Template variables that hold a question, the surest first."""
QUERY_TAG = "router.query"
"""The instrument tag that names the question, for code that sets tags anyway."""
_HYDE_VARIABLE = "context_str"
_NONE = Needs()

_hint: ContextVar[tuple[str, Source] | None] = ContextVar("llamaindex_router_hint", default=None)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks.

    Attributes:
        query: what is scored.
        prompt: texts that make up the whole prompt, in no format of a model: good enough to count tokens.
        messages: the conversation, if the call is one.
    """

    query: Query
    prompt: tuple[str, ...]
    messages: Sequence[ChatMessage] = ()

    @property
    def stage(self) -> Stage:
        """Which step of a pipeline asks."""
        return self.query.stage  # type: ignore[return-value]  # only stages are put there


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
    by = caller()
    found = _of_span(by) or _of_prompt(prompt)
    return _asked(found, (prompt,), _NONE, stage_of_text(by.component))


def from_messages(messages: Sequence[ChatMessage], needs: Needs | None = None) -> Asked:
    """What a chat asks, with the needs of the call beside those of the messages' content.

    Raises:
        QueryError: there is something else than messages among them.
    """
    by = caller()
    texts = tuple([text_of(message) for message in messages])
    found = _of_span(by) or _of_messages(messages, texts)
    wanted = needs_of(messages, needs)
    return _asked(found, texts, wanted, stage_of_chat(wanted.tools, by.component), messages)


def with_user_message(history: Sequence[ChatMessage] | None, message: str | ChatMessage | None) -> list[ChatMessage]:
    """The messages of a call that gives its last one apart, as the tool calling methods do."""
    last = ChatMessage(role=MessageRole.USER, content=message) if isinstance(message, str) else message
    return [*(history or ()), *(() if last is None else (last,))]


def from_template(prompt: BasePromptTemplate, args: Mapping[str, Any], needs: Needs | None = None) -> Asked:
    """What a prompt template asks once it is filled in; errors of filling it in are the template's own."""
    values = {**prompt.kwargs, **args}
    by = caller()
    stage = stage_of_template(prompt.metadata.get("prompt_type"), values, by.component)
    question = _question_of(prompt, values)
    found = _of_span(by) if question is None else (question, "template")
    if found is None and _named() is None:
        return _from_filled(prompt, args, needs, stage)
    inside = [message for value in values.values() for message in _messages_in(value)]
    if isinstance(prompt, ChatPromptTemplate):
        inside += prompt.message_templates
        frame = [message.content or "" for message in prompt.message_templates]
    else:
        frame = [prompt.get_template()]
    texts = (*frame, *(text for value in values.values() for text in _texts_in(value)))
    return _asked(found or ("", "template"), texts, needs_of(inside, needs), stage)


def template_question(prompt: BasePromptTemplate, args: Mapping[str, Any]) -> str | None:
    """The question among a template's variables; `args` override those that it holds already."""
    return _question_of(prompt, {**prompt.kwargs, **args})


def to_the_root(asked: Asked) -> Asked:
    """The same call, asked about the question behind everything instead of the one next to it."""
    root = None if asked.query.source == "explicit" else root_question()
    return asked if root is None else replace(asked, query=replace(asked.query, text=root, source="span"))


def _question_of(prompt: BasePromptTemplate, values: Mapping[str, Any]) -> str | None:
    for name in VARIABLES:
        value = values.get(name)
        text = value.query_str if isinstance(value, QueryBundle) else value
        if isinstance(text, str) and text.strip():
            return restated(text).question
    hyde = values.get(_HYDE_VARIABLE) if prompt.metadata.get("prompt_type") == PromptType.SUMMARY else None
    return hyde if isinstance(hyde, str) and hyde.strip() else None


def _from_filled(prompt: BasePromptTemplate, args: Mapping[str, Any], needs: Needs | None, stage: Stage) -> Asked:
    """No variable is known to hold a question: read the prompt as it will be sent."""
    messages = prompt.format_messages(**args)
    if len(messages) > 1 or isinstance(prompt, ChatPromptTemplate):
        asked = from_messages(messages, needs)
        return asked if stage == "custom" else replace(asked, query=replace(asked.query, stage=stage))
    texts = tuple(text_of(message) for message in messages)
    return _asked(("\n".join(texts), "prompt"), texts, needs_of(messages, needs), stage)


def _asked(
    found: tuple[str, Source],
    texts: tuple[str, ...],
    needs: Needs,
    stage: Stage,
    messages: Sequence[ChatMessage] = (),
) -> Asked:
    text, source = _named() or found
    tokens = sum([estimate_tokens(part) for part in texts])
    query = Query(text, source=source, prompt_tokens=tokens, needs=needs, conversation=run_id(), stage=stage)
    return Asked(query, texts, messages)


def _named() -> tuple[str, Source] | None:
    """The question where it is known before the call."""
    hint = _hint.get()
    if hint is not None and hint[1] == "explicit":
        return hint
    tag = active_instrument_tags.get().get(QUERY_TAG)
    return (tag, "explicit") if isinstance(tag, str) and tag.strip() else hint


def _of_prompt(prompt: str) -> tuple[str, Source]:
    inside = stuffed(prompt)
    return (prompt, "prompt") if inside is None else (inside, "message")


def _of_messages(messages: Sequence[ChatMessage], texts: tuple[str, ...]) -> tuple[str, Source]:
    words = users_words(messages, texts)
    return ("\n".join(texts), "prompt") if words is None else (words, "message")


def _of_span(by: Caller) -> tuple[str, Source] | None:
    return None if by.question is None else (by.question, "span")


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
