"""Small real parts for the tests of the core: a seeded factorisation over a tiny static embedder."""

from __future__ import annotations

import json

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers

from pointsman import Candidate, MatrixFactorization, Pool
from pointsman.embedders import StaticEmbedder
from pointsman.matching import KnownModel

WORDS = ["hello", "world", "prove", "that", "two", "is", "even", "why"]


def pair(**facts: object) -> Pool:
    """A strong and a weak candidate with prices of their own, so that no test depends on list prices."""
    return Pool.pair(
        Candidate("strong", input_price=2.5, output_price=10.0, **facts),
        Candidate("weak", input_price=0.15, output_price=0.6, **facts),
    )


def tokenizer_json() -> str:
    vocabulary = {"[UNK]": 0} | {word: i + 1 for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return json.dumps(json.loads(tokenizer.to_str()))


def tiny_embedder(seed: int = 0, dim: int = 6) -> StaticEmbedder:
    rng = np.random.default_rng(seed)
    table = rng.integers(-127, 128, (len(WORDS) + 1, dim)).astype(np.int8)
    scale = rng.uniform(0.01, 0.02, len(table)).astype(np.float16)
    return StaticEmbedder.from_json(tokenizer_json(), table, scale)


def tiny_mf(
    models: tuple[str, ...] = ("strong", "weak", "other"), seed: int = 0, reference: int = 50
) -> MatrixFactorization:
    rng = np.random.default_rng(seed)
    embedder, k = tiny_embedder(seed), 4
    return MatrixFactorization(
        models=models,
        embedder=embedder,
        model_vectors=rng.normal(size=(len(models), k)).astype(np.float32),
        projection=rng.normal(size=(embedder.dim, k)).astype(np.float32),
        bias=rng.normal(size=k).astype(np.float32),
        head=rng.normal(size=k).astype(np.float32),
        quality_scale=0.7,
        quality_offset=0.2,
        reference=rng.normal(size=(reference, k)).astype(np.float16),
    )


def known(name: str, skill: float, *, family: str | None = None, rows: int = 1000) -> KnownModel:
    return KnownModel(name, (), family, skill, rows)
