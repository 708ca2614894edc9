"""The static embedder that comes with pointsman, as a LlamaIndex embedding: an index with no key and no network."""

from __future__ import annotations

from functools import lru_cache

from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding

from pointsman.artifacts import read_shipped
from pointsman.embedders import StaticEmbedder

__all__ = ["PointsmanEmbedding"]


class PointsmanEmbedding(BaseEmbedding):
    """Vectors of the static embedder that ships with pointsman.

    Args:
        model_name: the shipped embedder.

    Raises:
        ArtifactError: when first used, if no such embedder ships.
    """

    model_name: str = "minilm-static"

    @classmethod
    def class_name(cls) -> str:
        """Name of the class in events and serialised forms."""
        return "PointsmanEmbedding"

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        vectors: list[Embedding] = _embedder(self.model_name).encode(texts).tolist()
        return vectors

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    def _get_query_embedding(self, query: str) -> Embedding:
        return self._get_text_embeddings([query])[0]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        return self._get_query_embedding(query)


@lru_cache(maxsize=4)
def _embedder(name: str) -> StaticEmbedder:
    return StaticEmbedder.from_artifact(read_shipped(name, "embedder"))
