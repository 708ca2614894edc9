"""The prompt-length router: long prompts go to the strong model. No training, and hard to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError
from pointsman.scorers.state import State

__all__ = ["PromptLength"]


@dataclass(frozen=True)
class PromptLength:
    """Win rate n^s / (n^s + c^s) for a prompt of n characters: logistic in log length.

    Its order is that of the length alone, so thresholds by share and APGR do not depend on c and s.

    Args:
        models: columns of `quality`, strongest first; empty serves any pool.
        midpoint: c, the characters at which the win rate is 1/2.
        slope: s, how sharply it rises.

    Raises:
        ConfigurationError: midpoint or slope is not positive.
    """

    models: tuple[str, ...] = ()
    midpoint: float = 300.0
    slope: float = 1.0
    instant: ClassVar[bool] = True
    kind: ClassVar[str] = "prompt_length"

    def __post_init__(self) -> None:
        if not (self.midpoint > 0 and self.slope > 0):
            msg = f"midpoint {self.midpoint} and slope {self.slope} must be positive"
            raise ConfigurationError(msg)

    @classmethod
    def fit(cls, texts: Sequence[str], *, models: Sequence[str] = (), slope: float = 1.0) -> PromptLength:
        """The router whose midpoint is the median length of `texts`.

        Raises:
            ConfigurationError: there is no text.
        """
        if not texts:
            msg = "cannot take the median length of no texts; pass some prompts"
            raise ConfigurationError(msg)
        return cls(tuple(models), max(1.0, float(np.median([len(text) for text in texts]))), slope)

    def quality(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """P(this model is the one to take), float64[n, m]: the win rate for the first model, its rest for the last."""
        rank = np.linspace(1.0, 0.0, len(self.models)) if len(self.models) > 1 else np.ones(len(self.models))
        win = self.win_rate(texts, "", "")[:, None]
        return np.asarray(win * rank + (1 - win) * (1 - rank), dtype=np.float64)

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> NDArray[np.float64]:  # noqa: ARG002  # protocol
        """Win rate by length, float64[n]; the pair plays no part."""
        length = np.array([len(text) for text in texts], dtype=np.float64)
        return np.asarray(length**self.slope / (length**self.slope + self.midpoint**self.slope), dtype=np.float64)

    def select(self, models: Sequence[str]) -> PromptLength:
        """The same router for other models."""
        return replace(self, models=tuple(models))

    def to_state(self) -> State:
        """The scorer taken apart."""
        return State({"models": self.models, "midpoint": self.midpoint, "slope": self.slope})

    @classmethod
    def from_state(cls, state: State) -> PromptLength:
        """The scorer put together again."""
        settings = state.settings
        return cls(tuple(settings["models"]), settings["midpoint"], settings["slope"])
