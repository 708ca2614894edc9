"""Several scorers as one, with less to say where they disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError
from pointsman.scorers.base import EmbeddingScorer, Scorer, SelectableScorer
from pointsman.scorers.numeric import column_of
from pointsman.scorers.pooling import LogitPool
from pointsman.scorers.sharing import score_once
from pointsman.scorers.state import State

__all__ = ["Ensemble"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Pools the win rates of its members, and the qualities of those that predict any, see `LogitPool`.

    A member whose `models` is empty looks at no model: it takes part in win rates only. Members over one embedder
    share its vectors, so a text is read once.

    Args:
        models: m names; each member that has models knows all of them.
        members: k scorers.
        win_pool: over all members.
        quality_pool: over the members that have models, in their order.
        pairs: (strong, weak) for which reference win rates are stored.
        reference: win rates of r prompts that the members had not seen, float[r, pairs].

    Raises:
        ConfigurationError: a member does not know a model, none predicts quality, or the pools or the reference do not
            fit the members.
    """

    models: tuple[str, ...]
    members: tuple[Scorer, ...]
    win_pool: LogitPool
    quality_pool: LogitPool
    pairs: tuple[tuple[str, str], ...] = ()
    reference: NDArray[np.floating] = field(default_factory=lambda: np.zeros((0, 0)))
    kind: ClassVar[str] = "ensemble"

    def __post_init__(self) -> None:
        judges = [member for member in self.members if member.models]
        for member in judges:
            for model in self.models:
                column_of(member.models, model)
        counts = (len(self.win_pool.weights), len(self.quality_pool.weights))
        columns = (len(self.win_pool.priors), len(self.quality_pool.priors))
        fits = counts == (len(self.members), len(judges)) and columns in ((1, 1), (1, len(self.models)))
        if not judges or not fits:
            msg = (
                f"pools of {counts} for {len(self.members)} members, {len(judges)} of which predict quality (1 or more)"
            )
            raise ConfigurationError(msg)
        if self.reference.ndim != 2 or self.reference.shape[1] != len(self.pairs):
            msg = (
                f"reference win rates {list(self.reference.shape)} for {len(self.pairs)} pairs; give one column to each"
            )
            raise ConfigurationError(msg)

    @classmethod
    def of(cls, *members: Scorer) -> Ensemble:
        """The members as they are, with equal say; fit one with `train("ensemble", ...)` for weights that are earned.

        Raises:
            ConfigurationError: no member predicts quality, or they share no model.
        """
        judges = [member for member in members if member.models]
        first = judges[0].models if judges else ()
        shared = tuple(model for model in first if all(model in judge.models for judge in judges))
        if not shared:
            msg = f"{len(members)} members, {len(judges)} of which predict quality, have no model in common; add one"
            raise ConfigurationError(msg)
        return cls(shared, members, LogitPool.even(len(members)), LogitPool.even(len(judges)))

    @property
    def instant(self) -> bool:
        """Whether every member is quick enough for an event loop."""
        return all(getattr(member, "instant", False) for member in self.members)

    def quality(self, texts: Sequence[str]) -> Floats:
        """Expected quality float64[n, m] in [0, 1]."""
        found = [member.quality(texts)[:, self._columns(member)] for member in self.members if member.models]
        return self.quality_pool.pool(found)

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> Floats:
        """P(strong is better, ties counted half), float64[n]."""
        return self.score(texts, strong, weak)[1]

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[Floats, Floats]:
        """Quality float64[n, m] and win rate float64[n], the texts read once."""
        vectors: dict[int, NDArray[np.float32]] = {}
        scores = [score_once(member, texts, strong, weak, vectors) for member in self.members]
        qualities = [
            quality[:, self._columns(member)]
            for member, (quality, _) in zip(self.members, scores, strict=True)
            if member.models
        ]
        return self.quality_pool.pool(qualities), self.win_pool.pool([rates for _, rates in scores])

    def reference_win_rates(self, strong: str, weak: str) -> Floats:
        """Win rates float64[r] of the reference prompts; none for a pair that was not stored."""
        if (strong, weak) not in self.pairs:
            return np.zeros(0)
        return self.reference[:, self.pairs.index((strong, weak))].astype(np.float64)

    def select(self, models: Sequence[str]) -> Ensemble:
        """The same members with exactly these models as columns."""
        members = tuple(
            member.select(models) if member.models and isinstance(member, SelectableScorer) else member
            for member in self.members
        )
        pool = self.quality_pool.select([column_of(self.models, model) for model in models])
        return replace(self, models=tuple(models), members=members, quality_pool=pool)

    def with_embedder(self, embedder: Embedder) -> Ensemble:
        """The same ensemble, each member that takes vectors over those of another embedder of the same length."""
        members = tuple(
            member.with_embedder(embedder) if isinstance(member, EmbeddingScorer) else member for member in self.members
        )
        return replace(self, members=members)

    def to_state(self) -> State:
        """The scorer taken apart."""
        pools = {"win_pool": asdict(self.win_pool), "quality_pool": asdict(self.quality_pool)}
        settings = {"models": self.models, "pairs": self.pairs, **pools}
        return State(settings, {"reference": self.reference}, members=self.members)

    @classmethod
    def from_state(cls, state: State) -> Ensemble:
        """The scorer put together again."""
        settings = state.settings
        return cls(
            models=tuple(settings["models"]),
            members=state.members,
            win_pool=LogitPool.from_settings(settings["win_pool"]),
            quality_pool=LogitPool.from_settings(settings["quality_pool"]),
            pairs=tuple((strong, weak) for strong, weak in settings["pairs"]),
            reference=state.tensors["reference"],
        )

    def _columns(self, member: Scorer) -> list[int]:
        return [column_of(member.models, model) for model in self.models]
