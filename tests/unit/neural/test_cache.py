"""The cache of vectors: nothing twice, nothing mixed up, nothing readable, many at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import numpy as np
import pytest

from pointsman import Embedder
from pointsman.embedders.cache import CachedEmbedder
from pointsman.errors import ArtifactCorruptError, ConfigurationError


@dataclass
class Counting:
    dim: int = 3
    name: str = "counting"
    factor: float = 1.0
    fingerprint: str = "truncate 256 0a1b"
    calls: list = field(default_factory=list)

    def encode(self, texts):
        self.calls.append(list(texts))
        rows = [[self.factor * (sum(map(ord, text)) % 97) / 7, *[1.0] * (self.dim - 1)] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.dim)


TEXTS = ["one", "two", "", "one", "secret words", "\ud800"]


def test_no_text_is_embedded_twice(tmp_path):
    inner = Counting()
    cache = CachedEmbedder(inner, tmp_path / "deep/vectors.sqlite")
    assert isinstance(cache, Embedder)
    expected = Counting().encode(TEXTS)
    for _ in range(2):
        assert np.array_equal(cache.encode(TEXTS), expected)
    assert inner.calls == [["one", "two", "", "secret words", "\ud800"]]
    assert np.array_equal(CachedEmbedder(Counting(), cache.path).encode([*TEXTS[::-1], "new"])[:6], expected[::-1])
    assert len(cache) == 6
    assert cache.encode([]).shape == (0, 3)


def test_a_run_that_is_cut_off_keeps_its_batches(tmp_path):
    class Failing(Counting):
        def encode(self, texts):
            if len(self.calls) == 2:
                raise ConnectionError("cut off")
            return super().encode(texts)

    cache = CachedEmbedder(Failing(), tmp_path / "c.sqlite", batch_size=2)
    with pytest.raises(ConnectionError):
        cache.encode(list("abcdefg"))
    rest = Counting()
    found = CachedEmbedder(rest, cache.path, batch_size=2).encode(list("abcdefg"))
    assert np.array_equal(found, Counting().encode(list("abcdefg")))
    assert rest.calls == [["e", "f"], ["g"]]


@pytest.mark.parametrize("other", [Counting(name="other"), Counting(dim=4), Counting(fingerprint="other weights")])
def test_models_do_not_share_vectors(tmp_path, other):
    other.factor = 2.0
    CachedEmbedder(Counting(), tmp_path / "c.sqlite").encode(TEXTS)
    assert np.array_equal(CachedEmbedder(other, tmp_path / "c.sqlite").encode(TEXTS), other.encode(TEXTS))


def test_a_name_is_needed(tmp_path):
    with pytest.raises(ConfigurationError, match="does not say which model"):
        CachedEmbedder(Counting(name=""), tmp_path / "c.sqlite")
    CachedEmbedder(Counting(name=""), tmp_path / "c.sqlite", name="given").encode(["a"])


def test_no_text_is_in_the_file(tmp_path):
    CachedEmbedder(Counting(), tmp_path / "c.sqlite").encode(["a secret that nobody may read"])
    for path in tmp_path.iterdir():
        assert b"secret" not in path.read_bytes()


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / "c.sqlite"
    path.write_bytes(b"not a database at all, but some other file" * 100)
    with pytest.raises(ArtifactCorruptError, match="delete it"):
        CachedEmbedder(Counting(), path).encode(["a"])
    path.unlink()
    cache = CachedEmbedder(Counting(), path)
    cache.encode(["a"])
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("UPDATE vectors SET vector = x'00'")
    connection.close()
    with pytest.raises(ArtifactCorruptError, match="not of length 3"):
        cache.encode(["a"])


def fill(path, start):
    texts = [f"text {n}" for n in range(start, start + 60)]
    return CachedEmbedder(Counting(), path, batch_size=7).encode(texts)


@pytest.mark.parametrize("workers", ["threads", "processes"])
def test_many_read_and_write_at_once(tmp_path, workers):
    path, starts = tmp_path / "c.sqlite", [0, 30, 60, 0, 30, 60, 90, 90]
    if workers == "threads":
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(fill, [path] * 8, starts))
    else:
        with get_context("spawn").Pool(2) as pool:
            found = pool.starmap(fill, [(path, start) for start in starts])
    for start, vectors in zip(starts, found, strict=True):
        assert np.array_equal(vectors, Counting().encode([f"text {n}" for n in range(start, start + 60)]))
    assert len(CachedEmbedder(Counting(), path)) == 150
