"""What becomes of a text that is longer than an encoder reads: cut, or read in pieces whose vectors are averaged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError, ScorerError

__all__ = ["LongText", "check_long_text", "encode_pieces", "split_characters"]

LongText = Literal["truncate", "mean_chunks"]
Vectors = NDArray[np.float32]


def check_long_text(long_text: str) -> None:
    """Whether this is one of the two ways.

    Raises:
        ConfigurationError: it is not.
    """
    if long_text not in get_args(LongText):
        msg = f"long_text is {long_text!r}; it is one of {', '.join(get_args(LongText))}"
        raise ConfigurationError(msg)


def split_characters(text: str, size: int) -> list[str]:
    """The text in pieces of at most `size` characters, cut after white space where there is some in the last half."""
    pieces = []
    while len(text) > size:
        cut = max(text.rfind(space, size // 2, size) for space in " \n\t") + 1 or size
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def encode_pieces(
    texts: Sequence[str],
    split: Callable[[str], list[str]],
    encode: Callable[[list[str]], Vectors],
    dim: int,
    long_text: LongText,
) -> Vectors:
    """Vectors float32[n, dim] of texts of any length.

    A blank text is the zero vector, and the encoder never sees it: some refuse it. With "truncate" a text's first
    piece speaks for it. With "mean_chunks" its vector is the mean over its pieces, each counted by its characters,
    brought back to their mean length, so that encoders of unit vectors still give unit vectors.

    Args:
        texts: n texts.
        split: a text in pieces that the encoder reads whole.
        encode: pieces to vectors [pieces, dim].
        dim: length of a vector.
        long_text: "truncate" or "mean_chunks".

    Raises:
        ScorerError: the encoder returned another shape, or numbers that are not finite.
    """
    pieces: list[str] = []
    owners: list[int] = []
    for row, text in enumerate(texts):
        if text.strip():
            parts = [part for part in split(text) if part.strip()]
            pieces += parts[:1] if long_text == "truncate" else parts
            owners += [row] * (len(pieces) - len(owners))
    out = np.zeros((len(texts), dim), dtype=np.float32)
    if not pieces:
        return out
    vectors = np.asarray(encode(pieces), dtype=np.float32)
    if vectors.shape != (len(pieces), dim) or not np.isfinite(vectors).all():
        msg = f"the embedder returned shape {vectors.shape}, expected finite numbers {(len(pieces), dim)}; check it"
        raise ScorerError(msg)
    first = np.flatnonzero(np.diff(owners, prepend=-1))
    for start, end in zip(first, [*first[1:], len(owners)], strict=True):
        weights = np.array([len(piece) for piece in pieces[start:end]], dtype=np.float32)
        out[owners[start]] = vectors[start] if end - start == 1 else _mean(vectors[start:end], weights)
    return out


def _mean(vectors: Vectors, weights: Vectors) -> Vectors:
    mean = np.average(vectors, axis=0, weights=weights)
    length = np.average(np.linalg.norm(vectors, axis=1), weights=weights)
    norm = np.linalg.norm(mean)
    return np.asarray(mean * (length / norm) if norm > 0 else mean, dtype=np.float32)
