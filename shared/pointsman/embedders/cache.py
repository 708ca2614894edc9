"""A disk cache of vectors, so that no text is embedded twice."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.errors import ArtifactCorruptError, ConfigurationError

__all__ = ["CachedEmbedder"]

_SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
_WAIT_SECONDS = 30.0
_AT_ONCE = 500  # SQLite takes at least 999 parameters to a statement


@dataclass(frozen=True, eq=False)
class CachedEmbedder:
    """An embedder whose vectors are kept in one SQLite file, keyed by model and text.

    A model is its name, the length of its vectors, and its `fingerprint` where it has one: the embedders here say by it
    what becomes of long texts, and which weights they hold where they hold them. What a service changes behind a name
    that stays, nobody here can see: give another name then.

    The file holds hashes and vectors, never a text. (Who has a text can still find out whether it was embedded.) It may
    be shared: several models, threads and processes read and write it at once. Vectors are written after each batch of
    `batch_size` texts, so a run that is cut off goes on where it stopped.

    Args:
        embedder: computes what is not there yet.
        path: of the file; made, with its folder, when first used.
        name: of the model; the embedder's own if not given.
        batch_size: new texts to a call of the embedder.

    Raises:
        ConfigurationError: neither is there a name.
    """

    embedder: Embedder
    path: Path
    name: str = ""
    batch_size: int = 256

    def __post_init__(self) -> None:
        if not self._model:
            msg = f"a {type(self.embedder).__name__} does not say which model it is; pass name to the cache"
            raise ConfigurationError(msg)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.embedder.dim

    @property
    def uncached(self) -> Embedder:
        """The embedder itself: what an artifact keeps."""
        return self.embedder

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors float32[n, dim], the same bits whether computed or read.

        Raises:
            ArtifactCorruptError: the file is no such cache, or is damaged.
        """
        keys = [self._key(text) for text in texts]
        first: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            first.setdefault(key, row)
        with self._open() as connection:
            found = _read(connection, [*first])
            absent = [row for key, row in first.items() if key not in found]
            for start in range(0, len(absent), self.batch_size):
                rows = absent[start : start + self.batch_size]
                vectors = self.embedder.encode([texts[row] for row in rows]).astype("<f4")
                fresh = {keys[row]: vector.tobytes() for row, vector in zip(rows, vectors, strict=True)}
                with connection:
                    connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", fresh.items())
                found |= fresh
        return self._decode([found[key] for key in keys])

    def __len__(self) -> int:
        """Vectors in the file, of all models."""
        with self._open() as connection:
            return int(connection.execute("SELECT count(*) FROM vectors").fetchone()[0])

    @cached_property
    def _salt(self) -> bytes:
        """What tells this model's keys from others'."""
        fingerprint = getattr(self.embedder, "fingerprint", "")
        return hashlib.blake2b(f"{self._model}\0{self.dim}\0{fingerprint}".encode()).digest()

    @property
    def _model(self) -> str:
        return self.name or str(getattr(self.embedder, "name", ""))

    def _key(self, text: str) -> bytes:
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20, key=self._salt).digest()

    def _decode(self, rows: list[bytes]) -> NDArray[np.float32]:
        if any(len(row) != 4 * self.dim for row in rows):
            msg = f"{self.path} holds vectors that are not of length {self.dim}; delete the file"
            raise ArtifactCorruptError(msg)
        return np.frombuffer(b"".join(rows), dtype="<f4").reshape(len(rows), self.dim).astype(np.float32)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one call: none is shared among threads or carried over a fork."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS)) as connection:
                # SQLite's own journal mode: switching to another does not wait while others write, but fails
                connection.execute(_SCHEMA)
                yield connection
        except sqlite3.DatabaseError as error:
            msg = f"{self.path} cannot be used as a cache of vectors ({error}); delete it, or give another path"
            raise ArtifactCorruptError(msg) from error


def _read(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for start in range(0, len(keys), _AT_ONCE):
        part = keys[start : start + _AT_ONCE]
        marks = ",".join("?" * len(part))
        query = f"SELECT key, vector FROM vectors WHERE key IN ({marks})"  # noqa: S608  # question marks alone
        found.update(connection.execute(query, part).fetchall())
    return found
