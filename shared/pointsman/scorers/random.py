"""The random router: the baseline that every learned one has to beat."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.scorers.state import State

__all__ = ["RandomScorer"]


@dataclass(frozen=True)
class RandomScorer:
    """Win rates uniform on [0, 1], drawn from the text and the seed.

    RouteLLM draws anew on every call. Here the same text has the same draw under one seed, in any thread, order or
    batch, so that a decision can be repeated; average over seeds for a baseline's expectation.

    Args:
        models: columns of `quality`; empty serves any pool.
        seed: another seed is another router.
    """

    models: tuple[str, ...] = ()
    seed: int = 0
    instant: ClassVar[bool] = True
    kind: ClassVar[str] = "random"

    def quality(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Independent uniform draws per text and column, float64[n, m]."""
        return np.array(
            [[self._draw(f"quality {column}", text) for column in range(len(self.models))] for text in texts],
            dtype=np.float64,
        ).reshape(len(texts), len(self.models))

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> NDArray[np.float64]:  # noqa: ARG002  # protocol
        """Uniform draws, float64[n]; the pair plays no part."""
        return np.array([self._draw("win", text) for text in texts], dtype=np.float64)

    def reference_win_rates(self, strong: str, weak: str) -> NDArray[np.float64]:  # noqa: ARG002  # protocol
        """An even grid: the quantiles of the uniform distribution itself."""
        return np.linspace(0.0, 1.0, 1001, dtype=np.float64)

    def select(self, models: Sequence[str]) -> RandomScorer:
        """The same router for other models."""
        return replace(self, models=tuple(models))

    def to_state(self) -> State:
        """The scorer taken apart."""
        return State({"models": self.models, "seed": self.seed})

    @classmethod
    def from_state(cls, state: State) -> RandomScorer:
        """The scorer put together again."""
        return cls(tuple(state.settings["models"]), state.settings["seed"])

    def _draw(self, what: str, text: str) -> float:
        key = f"{self.seed} {what} {text}".encode("utf-8", "replace")
        bits = int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "big")
        return (bits >> 11) * 2.0**-53
