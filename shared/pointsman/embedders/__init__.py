"""Prompt text to vectors."""

from pointsman.embedders.base import Embedder
from pointsman.embedders.concat import ConcatEmbedder
from pointsman.embedders.static import StaticEmbedder

__all__ = ["ConcatEmbedder", "Embedder", "StaticEmbedder"]
