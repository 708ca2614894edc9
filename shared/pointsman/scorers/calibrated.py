"""A scorer whose win rates for one pair mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError
from pointsman.matching import KnownModel
from pointsman.scorers.base import EmbeddingScorer, ReferenceScorer, Scorer, SelectableScorer
from pointsman.scorers.sharing import score_once
from pointsman.scorers.state import State

__all__ = ["Calibrated"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Calibrated:
    """curve(win rate of the base) for one pair; its qualities, and other pairs, stay as the base has them.

    The curve is piecewise linear and rises strictly, so that every ranking of prompts by win rate stays what it was.

    Args:
        base: predicts.
        pair: (strong, weak) that the curve was fitted for, by the base's names.
        knots: win rates of the base, ascending from 0 to 1, float64[k].
        values: what they mean, ascending in [0, 1], float64[k].

    Raises:
        ConfigurationError: the curve does not rise, or does not run from 0 to 1.
    """

    base: Scorer
    pair: tuple[str, str]
    knots: Floats
    values: Floats
    kind: ClassVar[str] = "calibrated"

    def __post_init__(self) -> None:
        ends = self.knots.shape == self.values.shape and self.knots.ndim == 1 and len(self.knots) > 1
        if not ends or self.knots[0] != 0 or self.knots[-1] != 1 or self.values.min() < 0 or self.values.max() > 1:
            msg = "the curve does not run from 0 to 1; fit it again with calibrate_win_rates"
            raise ConfigurationError(msg)
        if not ((np.diff(self.knots) > 0).all() and (np.diff(self.values) > 0).all()):
            msg = "the curve does not rise everywhere, so it would change the ranking; fit it with calibrate_win_rates"
            raise ConfigurationError(msg)

    def curve(self, win_rate: Floats) -> Floats:
        """The calibrated win rates, of the shape of `win_rate`."""
        return np.asarray(np.interp(win_rate, self.knots, self.values), dtype=np.float64)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: the base's."""
        return self.base.models

    @property
    def known_models(self) -> tuple[KnownModel, ...]:
        """What the base knows of them; empty where it knows their names alone."""
        return getattr(self.base, "known_models", ())

    @property
    def instant(self) -> bool:
        """Whether the base is quick enough for an event loop."""
        return bool(getattr(self.base, "instant", False))

    def quality(self, texts: Sequence[str]) -> Floats:
        """Expected quality float64[n, m] in [0, 1]: the base's."""
        return self.base.quality(texts)

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> Floats:
        """P(strong is better, ties counted half), float64[n]."""
        if (weak, strong) == self.pair:
            return 1.0 - self.win_rate(texts, weak, strong)
        return self._meant(self.base.win_rate(texts, strong, weak), strong, weak)

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[Floats, Floats]:
        """Quality float64[n, m] and win rate float64[n], the texts read once where the base can."""
        if (weak, strong) == self.pair:
            quality, rates = self.score(texts, weak, strong)
            return quality, 1.0 - rates
        quality, rates = score_once(self.base, texts, strong, weak, {})
        return quality, self._meant(rates, strong, weak)

    def reference_win_rates(self, strong: str, weak: str) -> Floats:
        """Win rates float64[r] of the base's reference prompts; none where it has none."""
        if (weak, strong) == self.pair:
            return 1.0 - self.reference_win_rates(weak, strong)
        found = self.base.reference_win_rates(strong, weak) if isinstance(self.base, ReferenceScorer) else np.zeros(0)
        return self._meant(found, strong, weak)

    def select(self, models: Sequence[str]) -> Calibrated:
        """The same with exactly these models as columns, where the base can."""
        return replace(self, base=self.base.select(models)) if isinstance(self.base, SelectableScorer) else self

    def with_embedder(self, embedder: Embedder) -> Calibrated:
        """The same over another embedder's vectors.

        Raises:
            ConfigurationError: the base takes none.
        """
        if not isinstance(self.base, EmbeddingScorer):
            msg = f"a {type(self.base).__name__} takes no embedder; leave embedder out"
            raise ConfigurationError(msg)
        return replace(self, base=self.base.with_embedder(embedder))

    def to_state(self) -> State:
        """The scorer taken apart."""
        return State({"pair": self.pair}, {"knots": self.knots, "values": self.values}, members=(self.base,))

    @classmethod
    def from_state(cls, state: State) -> Calibrated:
        """The scorer put together again."""
        (base,), (strong, weak) = state.members, state.settings["pair"]
        return cls(base, (strong, weak), state.tensors["knots"], state.tensors["values"])

    def _meant(self, rates: Floats, strong: str, weak: str) -> Floats:
        return self.curve(rates) if (strong, weak) == self.pair else rates
