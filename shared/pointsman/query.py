"""What is scored (`Query`) and what the call asks of a model (`Needs`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Literal, get_args

from pointsman.errors import QueryError

__all__ = ["NO_NEEDS", "Needs", "Query", "Source", "clean_text"]

Source = Literal["explicit", "template", "span", "message", "prompt"]
"""Where the scored words came from: named by the caller, a template variable, an enclosing span, the last user
message, or the whole prompt."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Abilities: as `Query.needs` what a call asks for, as `Candidate.abilities` what a model can do.

    `tool_choice` is a call that names the tool to use, or insists on one; as an ability None means as for `tools`.
    """

    tools: bool = False
    structured_output: bool = False
    images: bool = False
    audio: bool = False
    documents: bool = False
    tool_choice: bool | None = None

    @classmethod
    def everything(cls) -> Needs:
        """All abilities: what is assumed of a candidate about which nothing is known."""
        return cls(**dict.fromkeys((f.name for f in fields(cls)), True))

    def missing_from(self, abilities: Needs) -> tuple[str, ...]:
        """Names of the abilities that these needs ask for and `abilities` lacks."""
        if self is NO_NEEDS or self == NO_NEEDS:  # most calls, and the fields take a fiftieth of a decision
            return ()
        return tuple(name for name in self.__slots__ if getattr(self, name) and not abilities._has(name))

    def _has(self, name: str) -> bool:
        able = getattr(self, name)
        return bool(self.tools if able is None else able)


NO_NEEDS = Needs()
"""What most calls ask."""
_SOURCES = get_args(Source)


@dataclass(frozen=True, slots=True)
class Query:
    """One call's question, as the router sees it.

    Args:
        text: the user's words that decide how hard the call is. Lone surrogates become U+FFFD, for no tokenizer takes
            them.
        source: where `text` was found.
        prompt_tokens: tokens of the whole prompt that will be sent, if known; `text` alone is measured otherwise.
        needs: abilities that the call asks of a model.
        conversation: a stable key of the conversation, if there is one.
        stage: which step of a pipeline asks ("refine", "selector"), where the framework tells.
        tags: free labels, carried into the record.
        reply_tokens: room that the call asks for its answer, if it names one.
        features: numbers about the call that are not in its words, such as how well its context was found; for scorers
            that read them, see `pointsman.scorers.base.FeatureScorer`.

    Raises:
        QueryError: `text` is no string, `source` is unknown, `prompt_tokens` is negative, or a feature is no number.
    """

    text: str
    source: Source = "message"
    prompt_tokens: int | None = None
    needs: Needs = NO_NEEDS
    conversation: str | None = None
    tags: tuple[str, ...] = ()
    stage: str = ""
    reply_tokens: int | None = None
    features: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            msg = f"a query's text must be a str, not {type(self.text).__name__}; pass the user's words"
            raise QueryError(msg)
        if self.source not in _SOURCES:
            msg = f"unknown query source {self.source!r}; use one of {', '.join(_SOURCES)}"
            raise QueryError(msg)
        if self.prompt_tokens is not None and self.prompt_tokens < 0:
            msg = f"prompt_tokens is {self.prompt_tokens}; give a count of 0 or more, or None where it is not known"
            raise QueryError(msg)
        if self.features:
            _check_numbers(self.features)
        object.__setattr__(self, "text", clean_text(self.text))

    @classmethod
    def of(cls, query: Query | str) -> Query:
        """`query` itself, or a query that holds just this text."""
        return query if isinstance(query, cls) else cls(query)  # type: ignore[arg-type]  # a non-str is refused above

    @property
    def scorable(self) -> bool:
        """Whether there are any words to score."""
        return bool(self.text) and not self.text.isspace()


def _check_numbers(features: Mapping[str, object]) -> None:
    wrong = [name for name, value in features.items() if not (isinstance(value, Real) and math.isfinite(value))]
    if wrong:
        msg = f"the features {', '.join(wrong)} are no finite numbers; leave out what is not known"
        raise QueryError(msg)


def clean_text(text: str) -> str:
    """`text` with lone surrogates (half of a UTF-16 pair, common in scraped JSON) replaced by U+FFFD."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
