"""A static embedder: one stored vector per token, averaged. No neural network runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.words import WordIds
from pointsman.errors import ConfigurationError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from pointsman.artifacts import Artifact

__all__ = ["StaticEmbedder"]

HEAD_CHARACTERS = 3000
TAIL_CHARACTERS = 1000
"""A long text is read at its start and its end, where instructions stand; this bounds the time of a decision."""


class StaticEmbedder:
    """Mean of token vectors, L2-normalised (model2vec: Tulkens & van Dongen, 2024).

    Token weights (SIF, Arora et al., 2017) are already in the vectors. Stored as int8 with one scale per row.

    Args:
        tokenizer: a `tokenizers.Tokenizer`; its ids are the rows of `table`.
        table: int8[vocabulary, dim].
        scale: float[vocabulary]; row i of the embedding is `table[i] * scale[i]`.
        shipped_as: name of the artifact that comes with the package, if this is one.
        version: version of that artifact.

    Raises:
        ConfigurationError: the tokenizer names rows that the table lacks.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        table: NDArray[np.int8],
        scale: NDArray[np.floating],
        *,
        shipped_as: str | None = None,
        version: str = "",
    ) -> None:
        if tokenizer.get_vocab_size() > len(table) or len(table) != len(scale):
            rows = f"{len(table)} rows and {len(scale)} scales for {tokenizer.get_vocab_size()} tokens"
            msg = f"the embedding has {rows}; table, scale and tokenizer must be of one vocabulary"
            raise ConfigurationError(msg)
        self.tokenizer = tokenizer
        self.table = table
        self.scale = scale
        self.shipped_as = shipped_as
        self.version = version
        self._ids = WordIds(tokenizer)
        self._scale = scale.astype(np.float32)

    @classmethod
    def from_json(cls, tokenizer: str, table: NDArray[np.int8], scale: NDArray[np.floating]) -> StaticEmbedder:
        """The embedder whose tokenizer is given as the JSON of the `tokenizers` package.

        Raises:
            ConfigurationError: that is no tokenizer, or not one of this table.
        """
        return cls(_parse(tokenizer), table, scale)

    @classmethod
    def from_artifact(cls, artifact: Artifact) -> StaticEmbedder:
        """The embedder in an artifact with `embedder.safetensors` and `tokenizer.json`.

        Raises:
            ArtifactError: a file is missing or damaged.
            ConfigurationError: the files are not of one vocabulary.
        """
        tensors = artifact.tensors("embedder.safetensors", ("table", "scale"))
        return cls(
            _parse(artifact.read_text("tokenizer.json")),
            tensors["table"],
            tensors["scale"],
            shipped_as=artifact.manifest.name,
            version=artifact.manifest.version,
        )

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.table.shape[1])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors float32[n, dim] of unit length; a text without a known token is the zero vector."""
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in enumerate(texts):
            # one by one: the tokenizer's batch call starts threads, which do not survive a fork
            ids = self._ids(_head_and_tail(text))
            if ids:
                rows = np.array(ids, dtype=np.intp)
                total = self._scale.take(rows) @ self.table.take(rows, axis=0).astype(np.float32)
                np.divide(total, max(math.sqrt(total.dot(total)), 1e-12), out=vectors[row])
        return vectors


def _head_and_tail(text: str) -> str:
    if len(text) <= HEAD_CHARACTERS + TAIL_CHARACTERS:
        return text
    return f"{text[:HEAD_CHARACTERS]} {text[-TAIL_CHARACTERS:]}"


def _parse(tokenizer: str) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(tokenizer)
    except Exception as error:  # the Rust side raises a bare Exception for any malformed file
        msg = f"not a tokenizer ({error}); pass the JSON that tokenizers.Tokenizer.to_str wrote"
        raise ConfigurationError(msg) from error
