"""Any LlamaIndex `BaseEmbedding` as an embedder."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from pointsman.embedders.adapted import AdaptedEmbedder
from pointsman.errors import MissingExtraError

__all__ = ["LlamaIndexEmbedder"]


@dataclass(frozen=True, eq=False)
class LlamaIndexEmbedder(AdaptedEmbedder):
    """Vectors of a `llama_index.core.embeddings.BaseEmbedding`, through its `get_text_embedding_batch`.

    See `AdaptedEmbedder`. The model's own `embed_batch_size` cuts a batch once more.
    """

    @classmethod
    def framework_type(cls) -> type:
        """`llama_index.core.base.embeddings.base.BaseEmbedding`."""
        try:
            found: type = importlib.import_module("llama_index.core.base.embeddings.base").BaseEmbedding
        except ImportError as error:
            raise MissingExtraError("llama-index-core", "llamaindex") from error
        return found

    def embed(self, pieces: list[str]) -> list[list[float]]:
        """One call of `get_text_embedding_batch`."""
        vectors: list[list[float]] = self.model.get_text_embedding_batch(pieces)
        return vectors
