"""What the adapters to other frameworks' embedders share: pieces, batches, and a length that is found out once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.long_text import LongText, check_long_text, encode_pieces, split_characters
from pointsman.errors import ConfigurationError

__all__ = ["AdaptedEmbedder"]

MAX_CHARACTERS = 8000
"""Fits 8,191 tokens, the limit of the usual services, even where each character is a token."""
_PROBE = "length"


@dataclass(frozen=True, eq=False)
class AdaptedEmbedder(ABC):
    """Vectors of another framework's embedder. What it calls, and over which network, is its own affair.

    Args:
        model: the framework's object.
        long_text: "truncate" reads a text's first `max_characters`; "mean_chunks" averages over pieces of that length.
        max_characters: see there.
        batch_size: pieces to a call.
        name: how caches and records name the model; its own name if not given, and empty where it has none.
        length: of a vector; found out by embedding one word if not given.

    Raises:
        ConfigurationError: the model is of another type, or an argument out of range.
        MissingExtraError: the framework is not installed.
    """

    model: Any
    long_text: LongText = "truncate"
    max_characters: int = MAX_CHARACTERS
    batch_size: int = 64
    name: str = ""
    length: int | None = None

    def __post_init__(self) -> None:
        check_long_text(self.long_text)
        if min(self.max_characters, self.batch_size) < 1:
            msg = f"max_characters is {self.max_characters} and batch_size {self.batch_size}; both must be positive"
            raise ConfigurationError(msg)
        expected = self.framework_type()
        if not isinstance(self.model, expected):
            msg = f"a {type(self.model).__name__} is no {expected.__module__}.{expected.__name__}; pass one"
            raise ConfigurationError(msg)
        if not self.name:
            object.__setattr__(self, "name", self._own_name())

    @classmethod
    @abstractmethod
    def framework_type(cls) -> type:
        """The framework's base class; raises MissingExtraError where it is not installed."""

    @abstractmethod
    def embed(self, pieces: list[str]) -> list[list[float]]:
        """One call of the framework."""

    @cached_property
    def dim(self) -> int:
        """Length of a vector."""
        return self.length if self.length is not None else len(self.embed([_PROBE])[0])

    @property
    def fingerprint(self) -> str:
        """What decides a vector beside the model's name: caches keep apart by it."""
        return f"{self.long_text} {self.max_characters}"

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors float32[n, dim]; a blank text is the zero vector.

        Raises:
            ScorerError: the model returned another shape, or numbers that are not finite.
        """
        return encode_pieces(texts, self._split, self._encode, self.dim, self.long_text)

    def _split(self, text: str) -> list[str]:
        return split_characters(text, self.max_characters)

    def _encode(self, pieces: list[str]) -> NDArray[np.float32]:
        starts = range(0, len(pieces), self.batch_size)
        vectors = [vector for start in starts for vector in self.embed(pieces[start : start + self.batch_size])]
        if len({len(vector) for vector in vectors}) > 1:
            return np.zeros((0, 0), dtype=np.float32)  # no matrix: refused by the check of its shape
        return np.array(vectors, dtype=np.float32)

    def _own_name(self) -> str:
        for attribute in ("model", "model_name", "model_id"):
            found = getattr(self.model, attribute, None)
            if isinstance(found, str) and found not in ("", "unknown"):
                return f"{type(self.model).__name__}:{found}"
        return ""
