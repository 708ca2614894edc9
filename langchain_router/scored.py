"""Which words of a prompt are scored: the user's question, not the template, the context or the tools around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda

from langchain_router.framed import own_words
from langchain_router.messages import text_of, whole_text
from pointsman.costs import estimate_tokens
from pointsman.errors import ConfigurationError
from pointsman.query import Source

if TYPE_CHECKING:
    from langchain_core.prompts import BasePromptTemplate

__all__ = ["QUERY_KEY", "Scored", "Turns", "question", "with_question"]

QUERY_KEY = "router_query"
"""Names the question: the words in a config's `configurable`; in a message's `additional_kwargs` the words, or True for
the message itself."""
_SOURCE_KEY = "router_query_source"

Turns = Literal["last", "user", "conversation"]
Part = Literal["system", "tools", "context"]


@dataclass(frozen=True)
class Scored:
    """Which words of a prompt are scored.

    Args:
        turns: "last" for the user's last message, "user" for all of the user's, a number for the user's last so many,
            "conversation" for what the user and the models said.
        tokens: at most so many, the newest; an estimate. None for all of them.
        include: what is left out otherwise: "system" prompts, results of "tools", retrieved "context" in the user's
            messages.

    Raises:
        ConfigurationError: an argument is out of its range.
    """

    turns: Turns | int = "last"
    tokens: int | None = None
    include: frozenset[Part] = frozenset()

    def __post_init__(self) -> None:
        object.__setattr__(self, "include", frozenset(self.include))
        number = isinstance(self.turns, int) and not isinstance(self.turns, bool) and self.turns > 0
        if not number and self.turns not in get_args(Turns):
            msg = f"scored turns are {self.turns!r}; give 'last', 'user', 'conversation' or how many of the user's"
            raise ConfigurationError(msg)
        if self.tokens is not None and self.tokens < 1:
            msg = f"{self.tokens} tokens are to be scored; give 1 or more, or None for all"
            raise ConfigurationError(msg)
        if unknown := self.include - set(get_args(Part)):
            msg = f"include has {', '.join(sorted(unknown))}; it takes {', '.join(get_args(Part))}"
            raise ConfigurationError(msg)

    @classmethod
    def of(cls, value: Scored | str | int) -> Scored:
        """`value` itself, or these turns without a limit."""
        if value == "last":
            return _LAST
        return value if isinstance(value, cls) else cls(value)  # type: ignore[arg-type]  # others are refused above


_LAST = Scored()


def question(messages: Sequence[BaseMessage], scored: Scored = _LAST) -> tuple[str, Source]:
    """The words to score and where they were found: all text where no user has spoken."""
    if named := _named(messages):
        return named
    if scored is _LAST and _from_user(messages[-1]):  # most calls
        words, framed = own_words(text_of(messages[-1]))
        return words, "template" if framed else "message"
    turns = [message for message in messages if _from_user(message)]
    if not turns:
        return _newest([whole_text(messages)], scored.tokens), "prompt"
    if scored.turns == "last":
        kept = turns[-1:]
    elif isinstance(scored.turns, int):
        kept = turns[-scored.turns :]
    else:
        kept = turns
    own = {id(message) for message in kept}
    parts, source = [], "message"
    for message in messages:
        if id(message) in own:
            words, framed = (text_of(message), False) if "context" in scored.include else own_words(text_of(message))
            parts.append(words)
            source = "template" if framed and message is kept[-1] else source
        elif _asked_for(message, scored):
            parts.append(text_of(message))
    return _newest(parts, scored.tokens), source  # type: ignore[return-value]  # one of the two


def with_question(prompt: BasePromptTemplate[Any], variable: str) -> Runnable[dict[str, Any], PromptValue]:
    """The prompt template, saying which of its variables is the question: `with_question(prompt, "question") | model`.

    Args:
        prompt: any prompt template.
        variable: the one that holds the user's words.

    Raises:
        ConfigurationError: the template has no such variable.
    """
    known = [*prompt.input_variables, *prompt.optional_variables, *prompt.partial_variables]
    if variable not in known:
        msg = f"the template has no variable {variable!r}; it has {', '.join(known) or 'none'}"
        raise ConfigurationError(msg)

    def fill(values: dict[str, Any], config: RunnableConfig) -> PromptValue:
        return _tagged(prompt.invoke(values, config), values)

    async def afill(values: dict[str, Any], config: RunnableConfig) -> PromptValue:
        return _tagged(await prompt.ainvoke(values, config), values)

    def _tagged(filled: PromptValue, values: Any) -> PromptValue:
        given: Mapping[str, Any] = values if isinstance(values, Mapping) else {variable: values}
        words = given.get(variable, prompt.partial_variables.get(variable))
        if not isinstance(words, str):
            return filled
        *before, last = filled.to_messages()
        tag = {QUERY_KEY: words, _SOURCE_KEY: "template"}
        tagged = last.model_copy(update={"additional_kwargs": {**last.additional_kwargs, **tag}})
        return ChatPromptValue(messages=[*before, tagged])

    return RunnableLambda(fill, afill, name="with_question")


def _named(messages: Sequence[BaseMessage]) -> tuple[str, Source] | None:
    """The question of this turn, where one of its messages carries or is it."""
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            if not message.tool_calls:  # the turn before
                return None
        elif tag := message.additional_kwargs.get(QUERY_KEY):
            words = tag if isinstance(tag, str) else text_of(message)
            return words, "template" if message.additional_kwargs.get(_SOURCE_KEY) == "template" else "explicit"
    return None


def _asked_for(message: BaseMessage, scored: Scored) -> bool:
    """Whether a message of somebody else than the user counts."""
    if isinstance(message, SystemMessage):
        return "system" in scored.include
    if isinstance(message, ToolMessage | FunctionMessage):
        return "tools" in scored.include
    return isinstance(message, AIMessage) and scored.turns == "conversation"


def _newest(parts: Sequence[str], limit: int | None) -> str:
    """The parts one below the other; the last so many tokens of them."""
    return "\n".join(part for part in reversed(list(_from_the_end(parts, limit))) if part)


def _from_the_end(parts: Sequence[str], limit: int | None) -> Iterator[str]:
    left = limit
    for part in reversed(parts):
        size = 0 if left is None else estimate_tokens(part)
        if left is None or size <= left:
            yield part
            left = None if left is None else left - size
            continue
        if left > 0:
            yield part[-max(1, len(part) * left // size) :]
        return


def _from_user(message: BaseMessage) -> bool:
    """Whether the user spoke; a summary that an agent writes in the user's name is none of the user's."""
    if isinstance(message, HumanMessage):
        return "lc_source" not in message.additional_kwargs
    return isinstance(message, ChatMessage) and message.role == "user"
