"""Several embedders side by side, put on one scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError

__all__ = ["ConcatEmbedder"]


class ConcatEmbedder:
    """The vectors of several embedders, concatenated and standardised.

    `(x - mean) / scale`, cut to [-clip, clip], so that a text unlike any seen in training cannot dominate a score.

    Args:
        parts: the embedders, in order.
        mean, scale: float32[dim], of the training prompts; zeros and ones leave a part as it is.
        clip: bound on the standardised value.

    Raises:
        ConfigurationError: mean and scale are not of one length, hold other than finite numbers, or a scale or the
            bound is not positive.
    """

    def __init__(
        self, parts: Sequence[Embedder], mean: NDArray[np.float32], scale: NDArray[np.float32], clip: float = 4.0
    ) -> None:
        shaped = mean.ndim == 1 and mean.shape == scale.shape
        usable = np.isfinite(mean).all() and (np.isfinite(scale) & (scale > 0)).all()
        if not (shaped and usable and clip > 0):
            msg = f"mean {mean.shape}, scale {scale.shape} and clip {clip} standardise nothing; train or load it anew"
            raise ConfigurationError(msg)
        self.parts = tuple(parts)
        self.mean = mean
        self.scale = scale
        self.clip = clip

    @property
    def dim(self) -> int:
        """Length of a vector: the sum over the parts."""
        return sum(part.dim for part in self.parts)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Standardised vectors float32[n, dim]."""
        vectors = np.concatenate([part.encode(texts) for part in self.parts], axis=1)
        vectors -= self.mean
        vectors /= self.scale
        return np.asarray(np.minimum(np.maximum(vectors, -self.clip), self.clip))  # at half of np.clip's time
