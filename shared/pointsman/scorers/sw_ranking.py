"""Similarity-weighted ranking (RouteLLM, arXiv 2406.18665, section 4.1): a Bradley-Terry fit for each prompt."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError
from pointsman.scorers.bradley_terry import bradley_terry
from pointsman.scorers.index import PromptIndex
from pointsman.scorers.numeric import sigmoid
from pointsman.scorers.state import State
from pointsman.scorers.vectors import VectorScorer

__all__ = ["SWRanking"]

Floats = NDArray[np.float64]

REFERENCE_PROMPTS = 500
LEAST_WEIGHT = 1e-6
ELO_SCALE, ELO_LEVEL = 400.0, 1000.0


@dataclass(frozen=True, eq=False)
class SWRanking(VectorScorer):
    """Battles on prompts like this one count more: weight gamma^(1 + S), S = cos(q, q') / max over q'' of cos(q, q'').

    Models are merged into tiers of like strength, tiers are rated by Bradley-Terry under those weights, and
    P(strong wins) = 1 / (1 + e^(theta_weak - theta_strong)). Two models of one tier have 1/2. With two tiers that is
    the weighted mean of the outcomes; with more, Newton's method finds the optimum of the unpenalised logistic
    regression. Normalising by the query's own largest similarity is RouteLLM's code; its paper divides by that of q'.

    RouteLLM's code has a defect: a battle within one tier ends as a row of a single -ln 10, which reads as a game of
    that tier against a player of fixed rating 0. Here such a battle says nothing and is left out; `compatible` keeps
    it, to reproduce RouteLLM's numbers.

    Args:
        models: m names.
        embedder: gives vectors of length d.
        index: U distinct prompts, as vectors of length d.
        tiers: tier of each model, int[m] in [0, T).
        sizes: models of the training data in each tier, int[T].
        battles: int[B, 3], one row to a battle: prompt, tier of a, tier of b.
        labels: float[B], 1 where a won, 0 where b won, 0.5 for a tie.
        counts: float[B], how much each battle counts beside what its prompt's likeness gives it; None for all alike.
        gamma: how much faster the most similar prompt counts than one with cosine 0; RouteLLM has 10.
        compatible: count battles within a tier as RouteLLM does.

    Raises:
        ConfigurationError: the shapes or positions do not fit one another, or gamma is below 1.
    """

    index: PromptIndex
    tiers: NDArray[np.integer]
    sizes: NDArray[np.integer]
    battles: NDArray[np.integer]
    labels: NDArray[np.floating]
    counts: NDArray[np.floating] | None = None
    gamma: float = 10.0
    compatible: bool = False
    kind: ClassVar[str] = "sw_ranking"

    def __post_init__(self) -> None:
        t, battles = len(self.sizes), len(self.labels)
        fits = (
            self.tiers.shape == (len(self.models),)
            and self.battles.shape == (battles, 3)
            and (self.counts is None or (self.counts.shape == (battles,) and bool((self.counts > 0).all())))
            and self.index.dim == self.embedder.dim
            and all(array.dtype.kind == "i" for array in (self.tiers, self.sizes, self.battles))
            and _inside(self.tiers, t)
            and _inside(self.battles, np.array([len(self.index), t, t]))
        )
        if not fits:
            found = (
                f"{len(self.tiers)} tiers of {len(self.models)} models, {battles} battles on {len(self.index)} prompts"
            )
            msg = f"{found} do not fit one another; train or load the scorer again"
            raise ConfigurationError(msg)
        if not (math.isfinite(self.gamma) and self.gamma >= 1 and ((self.labels >= 0) & (self.labels <= 1)).all()):
            msg = f"gamma is {self.gamma}, which must be 1 or more, and labels must lie in [0, 1]"
            raise ConfigurationError(msg)

    def quality_of(self, vectors: NDArray[np.float32]) -> Floats:
        """P(this model beats a model drawn from the training data's), float64[n, m]."""
        return self._quality(self._theta(vectors))

    def score_vectors(self, vectors: NDArray[np.float32], strong: str, weak: str) -> tuple[Floats, Floats]:
        """Quality float64[n, m] and win rate float64[n] of prompts given as vectors float32[n, d]."""
        theta = self._theta(vectors)
        return self._quality(theta), self._pair(theta, strong, weak)

    def ratings(self, texts: Sequence[str]) -> Floats:
        """Ratings of the models for each prompt on RouteLLM's scale, 400 / ln 10 * theta + 1000, float64[n, m]."""
        theta = self._theta(self.embedder.encode(texts))[:, self.tiers]
        return np.asarray(ELO_SCALE / math.log(10) * theta + ELO_LEVEL, dtype=np.float64)

    def reference_win_rates(self, strong: str, weak: str) -> Floats:
        """Win rates of up to 500 of the training prompts, each without its own battles."""
        if len(self.index) < 2:
            return np.zeros(0)
        blocks = self.index.leave_one_out(self.index.sample(REFERENCE_PROMPTS))
        return self._pair(self._solve(cosines for _, cosines in blocks), strong, weak)

    def select(self, models: Sequence[str]) -> SWRanking:
        """The same battles with exactly these models as columns."""
        return replace(self, models=tuple(models), tiers=self.tiers[self._columns(models)])

    def to_state(self) -> State:
        """The scorer taken apart."""
        settings = {"models": self.models, "gamma": self.gamma, "compatible": self.compatible}
        tensors = {
            "codes": self.index.codes,
            "tiers": self.tiers,
            "sizes": self.sizes,
            "battles": self.battles,
            "labels": self.labels,
        }
        if self.counts is not None:
            tensors["counts"] = self.counts
        return State(settings, tensors, self.embedder)

    @classmethod
    def from_state(cls, state: State) -> SWRanking:
        """The scorer put together again."""
        settings, tensors = state.settings, state.tensors
        return cls(
            models=tuple(settings["models"]),
            embedder=state.vectors_from,
            index=PromptIndex(tensors["codes"]),
            tiers=tensors["tiers"],
            sizes=tensors["sizes"],
            battles=tensors["battles"],
            labels=tensors["labels"],
            counts=tensors.get("counts"),
            gamma=settings["gamma"],
            compatible=settings["compatible"],
        )

    def _theta(self, vectors: NDArray[np.float32]) -> Floats:
        return self._solve(cosines for _, cosines in self.index.blocks(vectors))

    def _solve(self, blocks: Iterator[Floats]) -> Floats:
        """Ratings float64[n, T] for blocks of cosines float64[rows, U]; a prompt at -inf has no say."""
        rows = [self._rate(self._weights(row)) for cosines in blocks for row in cosines]
        return np.array(rows).reshape(len(rows), len(self.sizes))

    def _weights(self, cosines: Floats) -> Floats:
        """gamma^(1 + S), float64[U]; all alike where no prompt has anything in common with the query.

        The floor keeps every rating finite when a prompt is left out that holds the only victory of a tier.
        """
        top = float(cosines.max())
        similarity = cosines / top if top > 0 else np.where(np.isfinite(cosines), 0.0, -np.inf)
        return np.maximum(self.gamma ** (1.0 + similarity), LEAST_WEIGHT)

    def _rate(self, weights: Floats) -> Floats:
        """Ratings of the tiers, float64[T], under weights float64[U] of the prompts."""
        players = len(self.sizes) + 1
        prompt, cells, share = self._games
        counts = np.bincount(cells, weights=weights[prompt] * share, minlength=players**2)
        wins = counts.astype(np.float64, copy=False).reshape(players, players)
        playing = np.flatnonzero(wins.sum(axis=0) + wins.sum(axis=1))
        theta = np.zeros(players)
        theta[playing] = bradley_terry(wins[np.ix_(playing, playing)])
        return np.asarray(theta[:-1] - theta[-1])

    @cached_property
    def _games(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
        """Both sides of every battle: its prompt, the cell of the table of wins, and the share won.

        The last player is the one of rating 0 that `compatible` battles within a tier are played against.
        """
        outsider, players = len(self.sizes), len(self.sizes) + 1
        prompt, a, b = self.battles.astype(np.intp).T
        a = np.where(a == b, outsider, a)
        counted = np.ones(len(a), dtype=bool) if self.compatible else a != outsider
        prompt, a, b, label = prompt[counted], a[counted], b[counted], self.labels[counted].astype(np.float64)
        cells = np.concatenate([a * players + b, b * players + a])
        weight = 1.0 if self.counts is None else self.counts[counted].astype(np.float64)
        return np.concatenate([prompt, prompt]), cells, np.concatenate([label * weight, (1.0 - label) * weight])

    def _quality(self, theta: Floats) -> Floats:
        own = theta[:, self.tiers]
        share = self.sizes / self.sizes.sum()
        return np.asarray(sum(share[t] * sigmoid(own - theta[:, [t]]) for t in range(len(share))), dtype=np.float64)

    def _pair(self, theta: Floats, strong: str, weak: str) -> Floats:
        s, w = (int(self.tiers[column]) for column in self._columns([strong, weak]))
        return sigmoid(theta[:, s] - theta[:, w])


def _inside(values: NDArray[np.integer], upper: int | NDArray[np.intp]) -> bool:
    return bool(((values >= 0) & (values < upper)).all())
