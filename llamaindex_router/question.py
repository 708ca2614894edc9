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

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate, RichPromptTemplate
from llama_index.core.prompts.prompt_type import PromptType
from llama_index.core.schema import QueryBundle

from llamaindex_router.blocks import needs_of
from llamaindex_router.hints import hint, hinted
from llamaindex_router.messages import text_of, users_words
from llamaindex_router.restated import restated, stuffed
from llamaindex_router.spans import Caller, caller, root_question, said_to_agent
from llamaindex_router.stages import Stage, run_id, stage_of_chat, stage_of_template, stage_of_text, takes_a_step
from pointsman.costs.tokens import estimate_tokens
from pointsman.errors import QueryError
from pointsman.query import NO_NEEDS, Needs, Query, Source

__all__ = [
    "Asked",
    "filling_in",
    "from_messages",
    "from_template",
    "from_text",
    "to_the_root",
    "with_user_message",
]

VARIABLES = ("query_str", "question", "query", "input", "query_bundle")
"""Template variables that hold a question, the surest first."""
_HYDE_VARIABLE = "context_str"
_CONTENT = re.compile(r"\|\s*(image|audio|video|document)\b")
"""Filters of a Jinja template that make content of a value."""


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
    def stage(self) -> str:
        """Which step of a pipeline asks."""
        return self.query.stage


@contextmanager
def filling_in(prompt: BasePromptTemplate, args: Mapping[str, Any]) -> Iterator[None]:
    """The calls inside are made with this template, which is filled in before they are made."""
    values = {**prompt.kwargs, **args}
    stage = stage_of_template(prompt.metadata.get("prompt_type"), values, caller().component)
    with hinted(_question_of(prompt, values), "template", stage):
        yield


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
    return _asked(found, (prompt,), NO_NEEDS, stage_of_text(by.component))


def from_messages(messages: Sequence[ChatMessage], needs: Needs | None = None) -> Asked:
    """What a chat asks, with the needs of the call beside those of the messages' content.

    Raises:
        QueryError: there is something else than messages among them.
    """
    by = caller()
    texts = tuple([text_of(message) for message in messages])
    found = _of_span(by) or _of_messages(messages, texts, by)
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
    if found is None and hint() is None:
        return _from_filled(prompt, args, needs, stage)
    inside = [message for value in values.values() for message in _messages_in(value)]
    if isinstance(prompt, ChatPromptTemplate):
        inside += prompt.message_templates
        frame = [message.content or "" for message in prompt.message_templates]
    else:
        frame = [prompt.get_template()]
        if isinstance(prompt, RichPromptTemplate) and _CONTENT.search(frame[0]):
            inside += prompt.format_messages(**args)  # what it shows besides text is known once it is filled in
    texts = (*frame, *(text for value in values.values() for text in _texts_in(value)))
    return _asked(found or ("", "template"), texts, needs_of(inside, needs), stage)


def to_the_root(asked: Asked) -> Asked:
    """The same call, asked about the question behind everything instead of the one next to it."""
    root = None if asked.query.source == "explicit" else root_question()
    return asked if root is None else replace(asked, query=replace(asked.query, text=root, source="span"))


def _question_of(prompt: BasePromptTemplate, values: Mapping[str, Any]) -> str | None:
    made = prompt.function_mappings or {}
    for name in VARIABLES:
        value = made[name](**values) if name in made and name not in values else values.get(name)
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
        return replace(asked, query=replace(asked.query, stage=stage))
    texts = tuple(text_of(message) for message in messages)
    return _asked(("\n".join(texts), "prompt"), texts, needs_of(messages, needs), stage)


def _asked(
    found: tuple[str, Source],
    texts: tuple[str, ...],
    needs: Needs,
    stage: Stage,
    messages: Sequence[ChatMessage] = (),
) -> Asked:
    given = hint()
    text, source = found if given is None else (given.text, given.source)
    if stage == "custom" and given is not None and given.stage is not None:
        stage = given.stage
    tokens = sum([estimate_tokens(part) for part in texts])
    query = Query(text, source=source, prompt_tokens=tokens, needs=needs, conversation=run_id(), stage=stage)
    return Asked(query, texts, messages)


def _of_prompt(prompt: str) -> tuple[str, Source]:
    inside = stuffed(prompt)
    return (prompt, "prompt") if inside is None else (inside, "message")


def _of_messages(messages: Sequence[ChatMessage], texts: tuple[str, ...], by: Caller) -> tuple[str, Source]:
    words = users_words(messages, texts)
    if words is None:
        return "\n".join(texts), "prompt"
    if takes_a_step(by.component):  # an agent with a state writes it around the user's words, in a form of anybody's
        said = said_to_agent()
        words = said if said is not None and said in words else words
    return words, "message"


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
