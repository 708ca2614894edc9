"""A scorer's models, matched to a pool's candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError, PolicyError, ScorerError
from pointsman.matching import match_pool
from pointsman.pool import Candidate, Pool
from pointsman.scorers.base import (
    EmbeddingScorer,
    FeatureScorer,
    JointScorer,
    KnowsModels,
    ReferenceScorer,
    Scorer,
    SelectableScorer,
)

__all__ = ["BoundScorer", "bind", "over"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BoundScorer:
    """A scorer whose columns are the candidates of a pool.

    Attributes:
        scorer: narrowed to the pool's models where it can be.
        columns: the scorer's column for each candidate; None where they stand in the pool's order.
        models: the scorer's model for each candidate.
        matched: candidate -> how its model was found; empty for scorers that look at no model.
        pair: the scorer's models for strong and weak, where the pool names them.
        joint: the scorer, if it gives quality and win rate in one pass.
        reader: the scorer, if it reads features of a call beside its words.
    """

    scorer: Scorer
    columns: NDArray[np.intp] | None
    models: tuple[str, ...]
    matched: dict[str, str]
    pair: tuple[str, str] | None
    joint: JointScorer | None
    reader: FeatureScorer | None

    def score(
        self, texts: Sequence[str], features: Sequence[Mapping[str, float]] | None = None
    ) -> tuple[Floats, Floats | None]:
        """Quality float64[n, candidates], and win rates float64[n] where there is a pair.

        Args:
            texts: what is asked.
            features: `Query.features` of each; None for none.

        Raises:
            ScorerError: the scorer returned the wrong shape, or numbers outside [0, 1].
        """
        scorer, joint = self.scorer, self.joint
        if features is not None and self.reader is not None:
            scorer = self.reader.with_features(features)
            joint = _joint(scorer)
        if self.pair is None:
            quality, rates = scorer.quality(texts), None
        elif joint is not None:
            quality, rates = joint.score(texts, *self.pair)
        else:
            quality, rates = scorer.quality(texts), scorer.win_rate(texts, *self.pair)
        checked = self._checked(quality, (len(texts), len(self.scorer.models)), "quality")
        if self.columns is not None:
            checked = checked[:, self.columns]
        return checked, None if rates is None else self._checked(rates, (len(texts),), "win rates")

    def reference_win_rates(self) -> Floats:
        """Win rates of the scorer's reference prompts for the pair, float64[r].

        Raises:
            PolicyError: there is no pair, or the scorer carries no reference prompts.
        """
        if self.pair is None:
            msg = "a share of strong calls needs a pair; name strong and weak in the pool"
            raise PolicyError(msg)
        found = self.scorer.reference_win_rates(*self.pair) if isinstance(self.scorer, ReferenceScorer) else np.zeros(0)
        if not len(found):
            msg = f"a {type(self.scorer).__name__} carries no reference prompts; give a threshold instead of a share"
            raise PolicyError(msg)
        return found

    def _checked(self, values: Floats, shape: tuple[int, ...], what: str) -> Floats:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != shape:
            msg = f"{type(self.scorer).__name__} returned {what} of shape {array.shape}, expected {shape}; mend it"
            raise ScorerError(msg)
        if not all(0 <= value <= 1 for value in array.ravel().tolist()):
            msg = f"{type(self.scorer).__name__} returned {what} that are not all in [0, 1]; mend it"
            raise ScorerError(msg)
        return array


def bind(pool: Pool, scorer: Scorer) -> BoundScorer:
    """The scorer, with a column for each candidate.

    Raises:
        ConfigurationError: it does not know one of the models and has no way to find a relative.
    """
    if not scorer.models:
        models, matched = pool.names, {}
    elif isinstance(scorer, KnowsModels) and scorer.known_models:
        matches = match_pool(pool, scorer.known_models)
        models = tuple(match.model for match in matches)
        matched = {name: str(match) for name, match in zip(pool.names, matches, strict=True)}
    else:
        models = tuple(_exact(candidate, scorer) for candidate in pool)
        matched = {name: f"known: {model}" for name, model in zip(pool.names, models, strict=True)}
    narrowed = scorer.select(models) if isinstance(scorer, SelectableScorer) else scorer
    columns = None
    if tuple(narrowed.models) != models:
        columns = np.array([narrowed.models.index(model) for model in models], dtype=np.intp)
    pair = None
    if pool.strong is not None and pool.weak is not None:
        pair = (models[pool.position(pool.strong)], models[pool.position(pool.weak)])
    reader = narrowed if isinstance(narrowed, FeatureScorer) else None
    return BoundScorer(narrowed, columns, models, matched, pair, _joint(narrowed), reader)


def over(scorer: Scorer, embedder: Embedder) -> Scorer:
    """The scorer over another embedder's vectors.

    Raises:
        ConfigurationError: it takes none, or vectors of another length.
    """
    if isinstance(scorer, EmbeddingScorer):
        return scorer.with_embedder(embedder)
    msg = f"a {type(scorer).__name__} takes no embedder; leave embedder out"
    raise ConfigurationError(msg)


def _joint(scorer: Scorer) -> JointScorer | None:
    """The scorer, if it is one: asked once per pool, for asking takes longer than the answer."""
    return scorer if isinstance(scorer, JointScorer) else None


def _exact(candidate: Candidate, scorer: Scorer) -> str:
    for name in (candidate.model, candidate.name):
        if name in scorer.models:
            return name
    known = ", ".join(scorer.models[:8])
    msg = f"the scorer does not know {candidate.name} (model {candidate.model}); it knows {known}"
    raise ConfigurationError(msg)
