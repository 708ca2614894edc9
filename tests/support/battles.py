"""A small arena: 7 models, 400 battles with ties on 400 prompts, vectors of length 8, the same on every machine."""

from __future__ import annotations

import math
from random import Random

import numpy as np

from pointsman.data.outcomes import Battles

MODELS = tuple(f"m{i}" for i in range(7))
QUERIES = tuple(f"q{i}" for i in range(6))
DIM = 8


class Lookup:
    """An embedder over a table of vectors."""

    def __init__(self, table):
        self.table = {text: np.asarray(vector, dtype=np.float32) for text, vector in table.items()}
        self.calls = 0

    @property
    def dim(self):
        return len(next(iter(self.table.values())))

    def encode(self, texts):
        self.calls += 1
        return np.array([self.table[text] for text in texts], dtype=np.float32).reshape(len(texts), self.dim)


def arena(seed: int = 5) -> tuple[Battles, Lookup]:
    """Battles, and vectors of their prompts and of six queries; only `Random.random` is drawn from, which is stable."""
    rng = Random(seed)  # noqa: S311  # a synthetic arena, no secret
    table, rows = {}, []
    for i in range(400):
        vector = [rng.random() * 2 - 1 for _ in range(DIM)]
        a = int(rng.random() * 7)
        b = (a + 1 + int(rng.random() * 6)) % 7
        stronger = 1 / (1 + math.exp((a - b) * 0.4 * (1 + vector[0])))
        label = 0.5 if rng.random() < 0.2 else float(rng.random() < stronger)
        table[f"p{i}"] = vector
        rows.append((f"p{i}", MODELS[a], MODELS[b], label))
    table |= {query: [rng.random() * 2 - 1 for _ in range(DIM)] for query in QUERIES}
    prompts, left, right, labels = zip(*rows, strict=True)
    return Battles(prompts, left, right, np.array(labels)), Lookup(table)
