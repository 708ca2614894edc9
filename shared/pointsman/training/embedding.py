"""The embedder that classical routers train on when none is given, and one that reads a text only once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pointsman.artifacts import read_shipped
from pointsman.embedders import ConcatEmbedder, Embedder, StaticEmbedder
from pointsman.embedders.surface import SurfaceFeatures

__all__ = ["Remembered", "default_embedder", "static_embedder"]

SHIPPED = "minilm-static"
TEXT_WEIGHT = 0.125
"""How much a component of the text vector counts beside a surface feature. There are 256 of them to some twenty, and
with equal say they drown what says how hard a prompt is. Of 1, 1/2, 1/4 and 1/8 the best for knn, svm and mlp alike on
the MMLU-Pro prompts that are not in MMLU, two pairs of models, 1,500 labels."""
LEAST_SCALE = 1e-3
"""A feature that hardly varies in training is not blown up."""


def static_embedder() -> StaticEmbedder:
    """The shipped static vectors.

    Raises:
        ArtifactError: they do not come with this installation.
    """
    return StaticEmbedder.from_artifact(read_shipped(SHIPPED, "embedder"))


def default_embedder(prompts: Sequence[str]) -> Embedder:
    """The shipped static vectors beside the surface features, standardised over the training prompts.

    Args:
        prompts: at least one.

    Raises:
        ArtifactError: the static embedder does not come with this installation.
    """
    parts = (static_embedder(), SurfaceFeatures())
    vectors = np.concatenate([part.encode(prompts) for part in parts], axis=1).astype(np.float64)
    mean, scale = vectors.mean(axis=0), np.maximum(vectors.std(axis=0), LEAST_SCALE)
    scale[: parts[0].dim] /= TEXT_WEIGHT
    return ConcatEmbedder(parts, mean.astype(np.float32), scale.astype(np.float32))


class Remembered:
    """An embedder that keeps the vectors of the texts it has read: fitting in folds reads each text many times.

    Args:
        embedder: whose vectors they are.
    """

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self._vectors: dict[str, NDArray[np.float32]] = {}

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.embedder.dim

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors float32[n, dim]."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        self._vectors |= dict(zip(fresh, self.embedder.encode(fresh), strict=True)) if fresh else {}
        rows = [self._vectors[text] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.dim)
