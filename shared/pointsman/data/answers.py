"""What an answer comes to: the letter of an option, a number, or its bare words, so that two can be compared."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["bare_words", "last_number", "option_letter", "short_answer"]

_NUMBER: Final = re.compile(r"(?:(?<![\w.])[-+])?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
_LETTER: Final = r"[(\[*_`\"']*([A-Z])(?=\s*(?:[)\]}*_`\"'.,:;!]|$|\n|because\b|since\b|as\b|which\b))"
_STATED_LETTER: Final = (
    re.compile(r"\\boxed\{\s*(?:\\text\{)?\(?([A-Za-z])\)?\s*\}"),
    # "the answer is (B)", "Answer: **B**", "the correct choice would be option B."
    re.compile(
        r"(?i:answers?|options?|choices?)[*_]*(?:\s+(?i:is|would\s+be)\b\s*:?|\s*[:=])[*_\s]*(?i:option\s+|choice\s+)?"
        + _LETTER
    ),
    re.compile(r"\b(?i:option|choice)\s+" + _LETTER),
)
_LONE_LETTER: Final = re.compile(r"\s*[*_`\"'(\[]*([A-Za-z])[*_`\"')\].:]*\s*")
_LEADING_LETTER: Final = re.compile(r"\s*[*_`\"'(\[]*([A-Z])[)\].:]")
_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")


def option_letter(text: str, options: str = "ABCDEFGHIJ") -> str | None:
    r"""The option that an answer chooses, as a capital letter; None where it names none.

    In this order: the whole text is a letter; \boxed{B}; the last "answer is B" or "option B"; the text begins with
    "B)" or "B.".

    Args:
        text: an answer.
        options: the letters that there are.
    """
    alone = _LONE_LETTER.fullmatch(text)
    found = [alone[1]] if alone else []
    for pattern in _STATED_LETTER:
        found += pattern.findall(text)[-1:]
    leading = _LEADING_LETTER.match(text)
    found += [leading[1]] if leading else []
    return next((letter.upper() for letter in found if letter.upper() in options), None)


def last_number(text: str) -> float | None:
    """The last number of a text, thousands separators taken out; None where it has none.

    What follows "####", GSM8K's mark, or stands in a box goes before what stands elsewhere.
    """
    marked = re.findall(r"####(.*)|\\boxed\{([^{}]*)\}", text)
    for part in ("".join(marked[-1]), text) if marked else (text,):
        numbers = _NUMBER.findall(part)
        if numbers:
            return float(numbers[-1].replace(",", ""))
    return None


def bare_words(text: str) -> str:
    """Lower case, without punctuation, English articles and extra blanks, much as SQuAD compares answers."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(" " if unicodedata.category(char)[0] in "PZC" else char for char in folded)
    return " ".join(_ARTICLES.sub(" ", letters).split())


def short_answer(text: str) -> str:
    """The letter that a text chooses, else its last number, else its bare words: what two answers agree on."""
    letter = option_letter(text)
    if letter is not None:
        return letter
    number = last_number(text)
    return bare_words(text) if number is None else f"{number:g}"
