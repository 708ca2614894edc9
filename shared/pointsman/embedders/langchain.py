"""Any LangChain `Embeddings` as an embedder."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from pointsman.embedders.adapted import AdaptedEmbedder
from pointsman.errors import MissingExtraError

__all__ = ["LangChainEmbedder"]


@dataclass(frozen=True, eq=False)
class LangChainEmbedder(AdaptedEmbedder):
    """Vectors of a `langchain_core.embeddings.Embeddings`, through its `embed_documents`; see `AdaptedEmbedder`.

    A prompt is embedded the same way when it trains a router and when it is routed, so `embed_query`, which some models
    treat otherwise, is never called.
    """

    @classmethod
    def framework_type(cls) -> type:
        """`langchain_core.embeddings.Embeddings`."""
        try:
            found: type = importlib.import_module("langchain_core.embeddings").Embeddings
        except ImportError as error:
            raise MissingExtraError("langchain-core", "langchain") from error
        return found

    def embed(self, pieces: list[str]) -> list[list[float]]:
        """One call of `embed_documents`."""
        vectors: list[list[float]] = self.model.embed_documents(pieces)
        return vectors
