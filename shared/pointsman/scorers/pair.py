"""What the scorers of one pair share: a number per prompt, read as a win rate and as two qualities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from pointsman.data.names import family
from pointsman.errors import ConfigurationError
from pointsman.matching import KnownModel

__all__ = ["PairScorer"]

Floats = NDArray[np.float64]
Self = TypeVar("Self", bound="PairScorer")

_SKILL = (0.75, 0.25)
"""Not measured: it only tells a pool's strong candidate from its weak one when neither is known by name."""


class PairScorer(ABC):
    """A scorer that has learned one strong and one weak model, as RouteLLM's neural routers do.

    Quality is P(this model is the one to take): the win rate for the strong model, its rest for the weak one. So
    quality and win rate always put the two models in the same order.

    Attributes:
        models: (strong, weak), of the training data. A pool of other models is matched to them by name, family or role.
        reference: win rates of some prompts, float64[r], from which a share of calls becomes a threshold; may be empty.
    """

    models: tuple[str, str]
    reference: Floats
    instant: ClassVar[bool] = False

    @abstractmethod
    def strong_wins(self, texts: Sequence[str]) -> Floats:
        """P(the strong model is the one to take), float64[n]."""

    @property
    def known_models(self) -> tuple[KnownModel, ...]:
        """The pair, strong first."""
        return tuple(
            KnownModel(name, family=family(name), skill=skill) for name, skill in zip(self.models, _SKILL, strict=True)
        )

    def quality(self, texts: Sequence[str]) -> Floats:
        """P(this model is the one to take), float64[n, 2]."""
        return _both(self.strong_wins(texts))

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> Floats:
        """P(strong is the one to take), float64[n].

        Raises:
            ConfigurationError: one of the two is not a model of this scorer.
        """
        return self._turn(self.strong_wins(texts), strong, weak)

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[Floats, Floats]:
        """Quality float64[n, 2] and win rate float64[n], from one pass of the network."""
        wins = self.strong_wins(texts)
        return _both(wins), self._turn(wins, strong, weak)

    def reference_win_rates(self, strong: str, weak: str) -> Floats:
        """Win rates of the reference prompts, float64[r]."""
        return self._turn(self.reference, strong, weak)

    def with_reference(self: Self, texts: Sequence[str]) -> Self:
        """The same scorer, carrying the win rates of these prompts."""
        found: Self = replace(cast("Any", self), reference=self.strong_wins(texts))  # every such scorer is a dataclass
        return found

    def _turn(self, wins: Floats, strong: str, weak: str) -> Floats:
        """The win rate of `strong`, whichever of the two it is."""
        for name in (strong, weak):
            if name not in self.models:
                msg = f"this scorer does not know the model {name!r}; it knows {' and '.join(self.models)}"
                raise ConfigurationError(msg)
        if strong == weak:
            return np.full(len(wins), 0.5)
        return wins if strong == self.models[0] else 1.0 - wins


def _both(wins: Floats) -> Floats:
    return np.column_stack([wins, 1.0 - wins])
