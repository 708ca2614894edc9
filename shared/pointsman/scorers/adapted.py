"""A scorer, and what a user's own outcomes taught it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError
from pointsman.matching import KnownModel
from pointsman.scorers.base import EmbeddingScorer, Scorer, SelectableScorer
from pointsman.scorers.numeric import column_of, row_by_row
from pointsman.scorers.sharing import score_once
from pointsman.scorers.state import State
from pointsman.scorers.vectors import check_arrays

__all__ = ["CLIP", "Adapted"]

Floats = NDArray[np.float64]
Single = NDArray[np.float32]

CLIP = 4.0
"""Bound on a standardised component, so that a text unlike any of the user's cannot dominate."""
_ARRAYS = ("intercepts", "slopes", "weights", "mean", "scale", "reference")


@dataclass(frozen=True, eq=False)
class Adapted:
    """intercept + slope * (what the base scorer says) + weights . z(q), cut to [0, 1], per model and for the pair.

    z(q) is the prompt's vector, standardised over the user's prompts. Intercept 0, slope 1 and no weights leave a
    number as the base has it. Win rates of another pair than the one that was learned move with the two qualities.

    Args:
        base: predicts for the models of `stands_for`.
        models: m names, of the user's models.
        stands_for: for each, the base's model that it is scored as.
        embedder: gives vectors of length d; the base's own where it has one, so that a text is read once.
        pair: (strong, weak) among `models` whose win rate was learned; None if none was.
        intercepts: float[m + 1], the pair's last.
        slopes: float[m + 1].
        weights: float[d, m + 1].
        mean: of the vectors, float32[d].
        scale: float32[d].
        reference: the pair's win rates for the user's prompts, each by a fit without it, float[r].
        known_models: what is known of each model, to match those of another pool.

    Raises:
        ConfigurationError: the shapes do not fit one another, a number is not finite, or a model is unknown.
    """

    base: Scorer
    models: tuple[str, ...]
    stands_for: tuple[str, ...]
    embedder: Embedder
    pair: tuple[str, str] | None
    intercepts: Single
    slopes: Single
    weights: Single
    mean: Single
    scale: Single
    reference: Single = field(default_factory=lambda: np.zeros(0, dtype=np.float32))
    known_models: tuple[KnownModel, ...] = ()
    kind: ClassVar[str] = "adapted"

    def __post_init__(self) -> None:
        m, d = len(self.models), self.embedder.dim
        check_arrays(
            intercepts=(self.intercepts, (m + 1,)),
            slopes=(self.slopes, (m + 1,)),
            weights=(self.weights, (d, m + 1)),
            mean=(self.mean, (d,)),
            scale=(self.scale, (d,)),
            reference=(self.reference, (self.reference.size,)),
        )
        for model in self.stands_for:
            column_of(self.base.models, model)
        if len(self.stands_for) != m or len(self.known_models) not in (0, m) or not (self.scale > 0).all():
            msg = f"{m} models, {len(self.stands_for)} that stand for them, {len(self.known_models)} known; adapt again"
            raise ConfigurationError(msg)

    @property
    def instant(self) -> bool:
        """Whether the base is quick enough for an event loop."""
        return bool(getattr(self.base, "instant", False))

    def quality(self, texts: Sequence[str]) -> Floats:
        """Expected quality float64[n, m] in [0, 1]."""
        return self.score(texts, self.models[0], self.models[0])[0]

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> Floats:
        """P(strong is better, ties counted half), float64[n]."""
        return self.score(texts, strong, weak)[1]

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[Floats, Floats]:
        """Quality float64[n, m] and win rate float64[n], the texts read once."""
        s, w = column_of(self.models, strong), column_of(self.models, weak)
        first, second = (weak, strong) if self._turned(strong, weak) else (strong, weak)
        base_first, base_second = (self.stands_for[column_of(self.models, name)] for name in (first, second))
        vectors = {id(self.embedder): self.embedder.encode(texts)}
        quality, rates = score_once(self.base, texts, base_first, base_second, vectors)
        before = quality[:, [column_of(self.base.models, model) for model in self.stands_for]]
        moves = row_by_row(self._standard(vectors[id(self.embedder)]), self.weights.astype(np.float64))
        after = np.clip(self.intercepts[:-1] + self.slopes[:-1] * before + moves[:, :-1], 0.0, 1.0)
        if self.pair == (first, second):
            learned = np.clip(self.intercepts[-1] + self.slopes[-1] * rates + moves[:, -1], 0.0, 1.0)
            return after, learned if (first, second) == (strong, weak) else 1.0 - learned
        lead = (after[:, s] - before[:, s]) - (after[:, w] - before[:, w])
        return after, np.clip(rates + lead / 2, 0.0, 1.0)

    def reference_win_rates(self, strong: str, weak: str) -> Floats:
        """Win rates float64[r] of the user's prompts; none for a pair that was not learned."""
        if self._turned(strong, weak):
            return 1.0 - self.reference.astype(np.float64)
        return self.reference.astype(np.float64) if (strong, weak) == self.pair else np.zeros(0)

    def select(self, models: Sequence[str]) -> Adapted:
        """The same with exactly these models as columns."""
        rows = [column_of(self.models, model) for model in models]
        stands = tuple(self.stands_for[row] for row in rows)
        ours = [*rows, len(self.models)]
        return replace(
            self,
            base=self.base.select(stands) if isinstance(self.base, SelectableScorer) else self.base,
            models=tuple(models),
            stands_for=stands,
            pair=self.pair if self.pair and set(self.pair) <= set(models) else None,
            intercepts=self.intercepts[ours],
            slopes=self.slopes[ours],
            weights=self.weights[:, ours],
            known_models=tuple(self.known_models[row] for row in rows) if self.known_models else (),
        )

    def with_embedder(self, embedder: Embedder) -> Adapted:
        """The same over the vectors of another embedder of the same length, the base too where it takes one."""
        base = self.base.with_embedder(embedder) if isinstance(self.base, EmbeddingScorer) else self.base
        return replace(self, base=base, embedder=embedder)

    def to_state(self) -> State:
        """The scorer taken apart."""
        settings = {
            "models": self.models,
            "stands_for": self.stands_for,
            "pair": self.pair,
            "known_models": [asdict(model) for model in self.known_models],
        }
        return State(settings, {name: getattr(self, name) for name in _ARRAYS}, self.embedder, (self.base,))

    @classmethod
    def from_state(cls, state: State) -> Adapted:
        """The scorer put together again."""
        (base,), settings = state.members, state.settings
        strong_weak = settings["pair"]
        return cls(
            base=base,
            models=tuple(settings["models"]),
            stands_for=tuple(settings["stands_for"]),
            embedder=state.vectors_from,
            pair=None if strong_weak is None else (strong_weak[0], strong_weak[1]),
            known_models=tuple(KnownModel(**m | {"aliases": tuple(m["aliases"])}) for m in settings["known_models"]),
            **{name: state.tensors[name] for name in _ARRAYS},
        )

    def _turned(self, strong: str, weak: str) -> bool:
        return (weak, strong) == self.pair and strong != weak

    def _standard(self, vectors: Single) -> Floats:
        return np.clip((vectors.astype(np.float64) - self.mean) / self.scale, -CLIP, CLIP)
