"""Cosine similarity to stored prompts, exact in integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError

__all__ = ["PromptIndex"]

Floats = NDArray[np.float64]

BLOCK = 256
"""Queries compared at a time: bounds the similarity matrix to 256 x N."""
_EXACT_IN_FLOAT32 = 1024
"""Products of two int8 codes whose sum stays below 2^24 in any order."""


@dataclass(frozen=True, eq=False)
class PromptIndex:
    """Vectors of N prompts as integer codes; a cosine needs no scale, so none is kept.

    A query is coded in the same way, and sums of products of integers are exact in floating point as long as they stay
    below its 53 (24) bits. So the whole comparison is one matrix product, and a prompt's similarities still do not
    depend on the prompts that it is compared with, to the last bit.

    Memory: N * d bytes in an artifact and twice that at 16 bits; four times as much again once the first query has
    come, for the table as floats. 14,000 prompts of length 273 at 8 bits: 3.8 MB and 15 MB. A cosine is off by some
    1e-3 at 8 bits, 1e-6 at 16.

    Args:
        codes: int8 or int16 [N, d], one row to a prompt.

    Raises:
        ConfigurationError: `codes` is of another type or shape.
    """

    codes: NDArray[np.int8] | NDArray[np.int16]

    def __post_init__(self) -> None:
        if self.codes.ndim != 2 or self.codes.dtype not in (np.int8, np.int16) or not len(self.codes):
            msg = f"codes are {self.codes.dtype}{list(self.codes.shape)}, expected int8 or int16 [prompts, dim]"
            raise ConfigurationError(msg)

    @classmethod
    def of(cls, vectors: NDArray[np.floating], *, bits: int = 8) -> PromptIndex:
        """The index of float vectors [N, d].

        Args:
            vectors: finite numbers.
            bits: 8 or 16.

        Raises:
            ConfigurationError: there is no vector, a number is not finite, or bits is neither.
        """
        if bits not in (8, 16):
            msg = f"bits is {bits}; it is 8 or 16"
            raise ConfigurationError(msg)
        if not np.isfinite(vectors).all():
            msg = "a prompt's vector holds a number that is not finite; mend the embedder"
            raise ConfigurationError(msg)
        return cls(_code(vectors, np.dtype(np.int8 if bits == 8 else np.int16)))

    def __len__(self) -> int:
        """Number of prompts."""
        return len(self.codes)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.codes.shape[1])

    def extended(self, vectors: NDArray[np.floating]) -> PromptIndex:
        """The index with more prompts behind its own."""
        return PromptIndex(np.concatenate([self.codes, _code(vectors, self.codes.dtype)]))

    def blocks(self, vectors: NDArray[np.floating]) -> Iterator[tuple[slice, Floats]]:
        """Cosines of queries [n, d] to all prompts, a few hundred queries at a time: (rows, float64[rows, N])."""
        codes = _code(vectors, self.codes.dtype)
        for start in range(0, len(codes), BLOCK):
            rows = slice(start, start + BLOCK)
            yield rows, self._cosines(codes[rows])

    def leave_one_out(self, rows: Sequence[int] | NDArray[np.intp]) -> Iterator[tuple[slice, Floats]]:
        """As `blocks`, for stored prompts as the queries; a prompt's similarity to itself is -inf."""
        picked = np.asarray(rows, dtype=np.intp)
        for block, cosines in self.blocks(self.codes[picked].astype(np.float32)):
            own = picked[block]
            cosines[np.arange(len(own)), own] = -np.inf
            yield block, cosines

    def sample(self, size: int) -> NDArray[np.intp]:
        """Up to `size` rows, evenly spaced."""
        return np.unique(np.linspace(0, len(self) - 1, min(size, len(self))).astype(np.intp))

    @cached_property
    def _table(self) -> NDArray[np.float32] | NDArray[np.float64]:
        return self.codes.astype(np.float32) if self.codes.dtype == np.int8 else self.codes.astype(np.float64)

    @cached_property
    def _norms(self) -> Floats:
        return _norms(self.codes)

    def _cosines(self, codes: NDArray[np.integer]) -> Floats:
        queries = codes.astype(self._table.dtype)
        step = _EXACT_IN_FLOAT32 if self._table.dtype == np.float32 else self.dim
        products = np.zeros((len(codes), len(self)))
        for start in range(0, self.dim, step):
            part = slice(start, start + step)
            products += np.matmul(queries[:, part], self._table[:, part].T)
        return np.asarray(products / _norms(codes)[:, None] / self._norms, dtype=np.float64)


def _code(vectors: NDArray[np.floating], dtype: np.dtype[np.signedinteger]) -> NDArray[np.int8] | NDArray[np.int16]:
    """Each row stretched to the whole range of the integer type and rounded."""
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0.0).astype(np.float64)
    stretched = vectors / np.where(largest > 0, largest, 1.0) * np.iinfo(dtype).max
    return np.asarray(np.rint(stretched), dtype=dtype)


def _norms(codes: NDArray[np.integer]) -> Floats:
    """Lengths of the rows; 1 for a row of zeros, whose cosine to anything is then 0."""
    squares = (codes.astype(np.int64) ** 2).sum(axis=1)
    return np.sqrt(np.where(squares > 0, squares, 1).astype(np.float64))
