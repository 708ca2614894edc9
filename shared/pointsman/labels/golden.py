"""Golden labels: answers against a key."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pointsman.data.answers import bare_words, last_number, option_letter
from pointsman.data.outcomes import Outcomes
from pointsman.errors import ConfigurationError, DataError
from pointsman.labels.table import AnswerTable, Key

__all__ = ["Golden", "Match", "golden_labels"]

Match = Literal["auto", "exact", "words", "choice", "number"]
Rule = Callable[[str, str], float | None]

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""How far a number may be off."""


@dataclass(frozen=True)
class Golden:
    """Golden labels.

    Attributes:
        outcomes: the answers' scores: 1 where right, 0 where wrong, NaN where there is no answer.
        unread: model -> answers in which no option or number was found; they count as wrong.
    """

    outcomes: Outcomes
    unread: dict[str, int]


def golden_labels(table: AnswerTable, match: Match | Callable[[str, str], float] = "auto") -> Golden:
    """Compare answers with the key.

    Args:
        table: with keys.
        match: "exact": the same text but for blanks at its ends. "words": the same words, without case, punctuation
            and articles. "choice": the option letter that the answer settles on. "number": the last number, or the one
            in a box or after "####", to a millionth. "auto": for each key, "choice" if it is a letter, "number" if it
            is a number, else "words". Or a function (answer, key) -> score in [0, 1].

    Raises:
        ConfigurationError: there is no such match.
        DataError: the table has no keys, a key is no letter or number where it must be, or a function returned
            something else than a score.
    """
    if not callable(match) and match not in get_args(Match):
        msg = f"there is no match {match!r}; give one of {', '.join(get_args(Match))}, or a function (answer, key)"
        raise ConfigurationError(msg)
    if table.keys is None:
        msg = "the answers have no key; name its column, AnswerTable.read(path, key=...) or --key"
        raise DataError(msg)
    scores = np.full((len(table), len(table.models)), np.nan)
    unread = dict.fromkeys(table.models, 0)
    for row, (answers, key) in enumerate(zip(table.answers, table.keys, strict=True)):
        for column, answer in enumerate(answers):
            if answer is None:
                continue
            found = _best(answer, key, match, table.outcomes.prompt_ids[row])
            unread[table.models[column]] += found is None
            scores[row, column] = found or 0.0
    return Golden(table.scored(scores), unread)


def _best(answer: str, key: Key, match: Match | Callable[[str, str], float], prompt_id: str) -> float | None:
    """The score against the key that fits best; None where the answer could not be read."""
    found = []
    for each in (key,) if isinstance(key, str) else key:
        score = match(answer, each) if callable(match) else _rule(match, each, prompt_id)(answer, each)
        if score is not None and not 0 <= score <= 1:
            msg = f"prompt {prompt_id}: the match gave {score} for the key {each!r}; a score lies in [0, 1]"
            raise DataError(msg)
        found.append(score)
    return max((score for score in found if score is not None), default=None)


def _rule(match: Match, key: str, prompt_id: str) -> Rule:
    kind = _kind(key) if match == "auto" else match
    readers: dict[str, Callable[[str], object]] = {"choice": option_letter, "number": last_number}
    if kind in readers and readers[kind](key) is None:
        msg = (
            f"prompt {prompt_id}: the key {key!r} holds no {'option letter' if kind == 'choice' else 'number'}; mend it"
        )
        raise DataError(msg)
    rules: dict[str, Rule] = {"exact": _exact, "words": _words, "choice": _choice, "number": _number}
    return rules[kind]


def _kind(key: str) -> Match:
    if option_letter(key) is not None:
        return "choice"
    try:
        float(key.strip().lstrip("$").rstrip("%").replace(",", ""))
    except ValueError:
        return "words"
    return "number"


def _exact(answer: str, key: str) -> float:
    return float(answer.strip() == key.strip())


def _words(answer: str, key: str) -> float:
    return float(bare_words(answer) == bare_words(key))


def _choice(answer: str, key: str) -> float | None:
    chosen = option_letter(answer)
    return None if chosen is None else float(chosen == option_letter(key))


def _number(answer: str, key: str) -> float | None:
    found, right = last_number(answer), last_number(key)
    if found is None or right is None:
        return None
    return float(math.isclose(found, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE))
