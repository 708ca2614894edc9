"""k nearest prompts (RouterBench, arXiv 2403.12031): a model is as good here as it was on the prompts most like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError
from pointsman.scorers.index import PromptIndex
from pointsman.scorers.joining import checked_probe
from pointsman.scorers.state import State
from pointsman.scorers.vectors import QualityScorer

__all__ = ["KNN"]

Floats = NDArray[np.float64]

REFERENCE_PROMPTS = 1000


@dataclass(frozen=True, eq=False)
class KNN(QualityScorer):
    """Quality is the mean score over the k training prompts of highest cosine, among those that the model answered.

    The search is exact: one matrix product over all training prompts. A missing outcome does not count as a
    neighbour, so a model with few outcomes looks further than one with many. Memory is that of `PromptIndex`, plus two
    bytes per prompt and model for the scores.

    Args:
        models: m names.
        embedder: gives vectors of length d.
        index: N training prompts.
        scores: float16[N, m] in [0, 1], NaN where a model has no outcome; each model has at least one.
        k: neighbours; RouterBench has 5, 10 and 40.

    Raises:
        ConfigurationError: the shapes do not fit one another, k is not positive, or a model has no outcome.
    """

    index: PromptIndex
    scores: NDArray[np.float16]
    k: int = 40
    kind: ClassVar[str] = "knn"

    def __post_init__(self) -> None:
        expected = (len(self.index), len(self.models))
        if self.scores.shape != expected or self.index.dim != self.embedder.dim:
            found = f"{list(self.scores.shape)} scores, vectors of {self.index.dim}"
            msg = f"{found}; expected {list(expected)} scores and vectors of {self.embedder.dim}"
            raise ConfigurationError(msg)
        if self.k < 1:
            msg = f"k is {self.k}; give 1 or more, RouterBench has 5, 10 and 40"
            raise ConfigurationError(msg)
        empty = [model for column, model in enumerate(self.models) if not self._observed[:, column].any()]
        if empty:
            msg = f"no outcome of {', '.join(empty)}; leave the model out, or add outcomes"
            raise ConfigurationError(msg)

    def predict(self, vectors: NDArray[np.float32]) -> Floats:
        """Mean score of the k nearest prompts, float64[n, m]."""
        out = np.empty((len(vectors), len(self.models)))
        for rows, cosines in self.index.blocks(vectors):
            out[rows] = self._means(cosines)
        return out

    def reference_predictions(self) -> Floats:
        """`predict` for up to 1,000 of the training prompts, each without its own outcome."""
        sample = self.index.sample(REFERENCE_PROMPTS) if len(self.index) > 1 else np.zeros(0, dtype=np.intp)
        out = np.empty((len(sample), len(self.models)))
        for rows, cosines in self.index.leave_one_out(sample):
            out[rows] = self._means(cosines, spare=1)
        return out

    def select(self, models: Sequence[str]) -> KNN:
        """The same prompts with exactly these models as columns."""
        return replace(self, models=tuple(models), scores=self.scores[:, self._columns(models)])

    def with_model(self, name: str, prompts: Sequence[str], scores: Sequence[float]) -> KNN:
        """One model more, from its outcomes on a few prompts; what is predicted for the others does not change.

        Args:
            name: not yet among `models`.
            prompts: its probe set; a few dozen are a rough guess, 200 a fair one.
            scores: its quality on each, in [0, 1].

        Raises:
            ConfigurationError: the name is taken, there is no prompt, or a score is missing or out of range.
        """
        given = checked_probe(name, self.models, prompts, scores)
        table = np.full((len(self.index) + len(prompts), len(self.models) + 1), np.nan, dtype=np.float16)
        table[: len(self.index), :-1] = self.scores
        table[len(self.index) :, -1] = given
        index = self.index.extended(self.embedder.encode(prompts))
        return replace(self, models=(*self.models, name), index=index, scores=table)

    def to_state(self) -> State:
        """The scorer taken apart."""
        return State(
            {"models": self.models, "k": self.k}, {"codes": self.index.codes, "scores": self.scores}, self.embedder
        )

    @classmethod
    def from_state(cls, state: State) -> KNN:
        """The scorer put together again."""
        index = PromptIndex(state.tensors["codes"])
        models = tuple(state.settings["models"])
        return cls(models, state.vectors_from, index, state.tensors["scores"], state.settings["k"])

    @cached_property
    def _observed(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.scores)

    @cached_property
    def _groups(self) -> list[tuple[list[int], NDArray[np.intp]]]:
        """Models that answered the same prompts share one search: (columns, rows of those prompts)."""
        groups: dict[bytes, list[int]] = {}
        for column in range(len(self.models)):
            groups.setdefault(self._observed[:, column].tobytes(), []).append(column)
        return [(columns, np.flatnonzero(self._observed[:, columns[0]])) for columns in groups.values()]

    def _means(self, cosines: Floats, *, spare: int = 0) -> Floats:
        """Mean score of the k nearest per model; `spare` rows of each search may be left out of it."""
        out = np.empty((len(cosines), len(self.models)))
        for columns, rows in self._groups:
            near = cosines if len(rows) == len(self.index) else cosines[:, rows]
            k = max(1, min(self.k, len(rows) - spare))
            top = rows[np.argpartition(near, len(rows) - k, axis=1)[:, len(rows) - k :]]
            scores = self.scores[:, columns].astype(np.float64)
            # added one neighbour at a time: a sum over an axis would depend on the shape of the batch
            out[:, columns] = sum(scores[top[:, j]] for j in range(k)) / k
        return out
