"""Surface features: cheap counts that say how hard a prompt is rather than what it is about."""

import re
from collections.abc import Sequence
from math import log1p

import numpy as np
from numpy.typing import NDArray

_WINDOW = 2_000  # characters whose composition is counted; the length feature always sees the whole text
_LONG_ENOUGH = 400  # characters from which on a longer prompt no longer speaks for the stronger model by itself
_OPTION = re.compile(rb"(?m)^[ \t]*\(?[A-J][.):][ \t]")
_NUMBER = re.compile(rb"\d+")
_SENTENCE = re.compile(rb"[.!?](?=\s|$)|\n+")

_CLASSES = (b"0123456789", b"+-*/=^<>\\_{}$%|~", b";(){}[]`#\"'&@", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b",;:", b"?")


class SurfaceFeatures:
    """Fixed, locale-free counts of a text. Nothing here is learned.

    All counts go through ``log1p`` and all shares lie in [0, 1]; standardising them is the caller's work, with a
    mean and a scale learned from training prompts. Composition is counted on the first 2,000 characters, so the cost
    is bounded; the first two features are of the length of the whole text.
    """

    names: tuple[str, ...] = (
        "log_characters",
        "log_characters_to_400",
        "log_words",
        "word_length",
        "long_word_share",
        "distinct_word_share",
        "words_per_sentence",
        "log_lines",
        "log_options",
        "log_numbers",
        "longest_number",
        "digit_share",
        "math_share",
        "code_share",
        "upper_share",
        "clause_share",
        "log_questions",
        "non_ascii_share",
    )

    @property
    def dim(self) -> int:
        """Number of features."""
        return len(self.names)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Count the features of each text.

        Args:
            texts: Any strings; the empty string and lone surrogates are fine.

        Returns:
            float32 [n, dim], finite, one row per text, columns as in ``names``.
        """
        out = np.empty((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            out[row] = _features(text)
        return out


def _features(text: str) -> list[float]:
    window = text[:_WINDOW]
    raw = window.encode("ascii", "ignore")
    total = max(len(window), 1)
    words = raw.lower().split()
    count = max(len(words), 1)
    numbers = _NUMBER.findall(raw)
    sentences = 1 + len(_SENTENCE.findall(raw.rstrip()))
    # for texts of this length, plain Python is quicker than numpy
    digits, maths, code, upper, clause, questions = (len(raw) - len(raw.translate(None, each)) for each in _CLASSES)
    return [
        log1p(len(text)),
        log1p(min(len(text), _LONG_ENOUGH)),
        log1p(len(words)),
        min(len(raw) / count, 20.0),
        len([word for word in words if len(word) > 8]) / count,
        len(set(words)) / count,
        log1p(len(words) / sentences),
        log1p(raw.count(b"\n")),
        log1p(len(_OPTION.findall(raw))),
        log1p(len(numbers)),
        float(min(max(map(len, numbers), default=0), 8)),
        digits / total,
        maths / total,
        code / total,
        upper / total,
        clause / total,
        log1p(questions),
        1.0 - len(raw) / total if window else 0.0,
    ]
