"""Matrix factorisation: model vectors times prompt vectors (RouteLLM, arXiv 2406.18665, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointsman.data.names import family
from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError
from pointsman.matching import KnownModel
from pointsman.scorers.joining import checked_probe, fit_column
from pointsman.scorers.numeric import column_of, row_by_row, sigmoid, win_rate_from_quality
from pointsman.scorers.state import State

__all__ = ["MatrixFactorization"]

Floats = NDArray[np.floating]
Link = Literal["battle", "gain"]

_ARRAYS = ("model_vectors", "projection", "bias", "head", "reference")


@dataclass(frozen=True, eq=False)
class MatrixFactorization:
    """delta(M, q) = w2 . (v_M * (W1^T v_q + b)), read as a quality and, for a pair, as a win rate.

    Everything is linear in v_q, so the model side folds into one column per model: what runs per call is numpy alone.
    Quality is sigmoid(scale * delta + offset). The win rate is one of two readings of the same scores:

    * link "battle", RouteLLM's: sigmoid(delta(strong, q) - delta(weak, q)), one dot product for a fixed pair. It says
      who wins where somebody does, and it cannot fall again when a prompt is too hard for both.
    * link "gain": 1/2 + (quality(strong, q) - quality(weak, q)) / 2 + prior . (W1^T v_q + b), which for right-or-wrong
      answers is P(strong is better) with ties counted half, plus a prior of the prompt alone. It is largest where the
      strong model is right and the weak one is not, so neither for the easiest prompts nor for the hopeless ones.

    Args:
        models: m names.
        embedder: gives v_q, of length d.
        model_vectors: v_M, float[m, k].
        projection: W1, float[d, k].
        bias: b, float[k]; the paper has it, RouteLLM's code does not.
        head: w2, float[k].
        quality_scale: positive.
        quality_offset: the logit of quality at delta = 0.
        link: "battle" or "gain".
        prior: added to the win rate for the stronger model of the pair, float[k] over the hidden vector; "gain" only.
            None is no prior.
        reference: W1^T v_q + b for r reference prompts, float[r, k]; empty if the router carries none.
        known_models: what is known of each model, for matching those that were never trained on.

    Raises:
        ConfigurationError: the shapes do not fit one another, a number is not finite, or `quality_scale` is not
            positive.
    """

    models: tuple[str, ...]
    embedder: Embedder
    model_vectors: Floats
    projection: Floats
    bias: Floats
    head: Floats
    quality_scale: float = 1.0
    quality_offset: float = 0.0
    link: Link = "battle"
    prior: Floats | None = None
    reference: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    known_models: tuple[KnownModel, ...] = ()
    instant: ClassVar[bool] = True
    kind: ClassVar[str] = "mf"

    def __post_init__(self) -> None:
        m, d, k = len(self.models), self.embedder.dim, len(self.head)
        shapes = {
            "model_vectors": (self.model_vectors, (m, k)),
            "projection": (self.projection, (d, k)),
            "bias": (self.bias, (k,)),
            "head": (self.head, (k,)),
            "reference": (self.reference, (len(self.reference), k if len(self.reference) else 0)),
            "prior": (np.zeros(k) if self.prior is None else self.prior, (k,)),
        }
        for name, (array, expected) in shapes.items():
            if len(self.reference) == 0 and name == "reference":
                continue
            if array.shape != expected:
                msg = f"{name} has shape {array.shape}, expected {expected} for {m} models and vectors of length {d}"
                raise ConfigurationError(msg)
            if not np.isfinite(array).all():
                msg = f"{name} holds numbers that are not finite; train or load the scorer again"
                raise ConfigurationError(msg)
        if self.link not in get_args(Link) or (self.link == "battle" and self.prior is not None):
            msg = f"link is {self.link!r}; it is one of {', '.join(get_args(Link))}, and only 'gain' takes a prior"
            raise ConfigurationError(msg)
        if not self.quality_scale > 0:
            msg = f"quality_scale is {self.quality_scale}; it must be positive"
            raise ConfigurationError(msg)

    @cached_property
    def columns(self) -> NDArray[np.float64]:
        """What the hidden vector is multiplied with, float64[k, m + 1]: w2 * v_M per model, and last the prior."""
        prior = np.zeros(len(self.head)) if self.prior is None else self.prior
        models = self.model_vectors.astype(np.float64) * self.head
        return np.asarray(np.vstack([models, prior]).T, dtype=np.float64)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """The model side folded into the prompt's, float64[d, m + 1]: what is left per call is `v_q @ weights`."""
        return np.asarray(self.projection.astype(np.float64) @ self.columns)

    @cached_property
    def offsets(self) -> NDArray[np.float64]:
        """The bias folded in, float64[m + 1]."""
        return np.asarray(self.bias.astype(np.float64) @ self.columns)

    def delta(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Scores float64[n, m] on the logit scale."""
        return self._scores(self.embedder.encode(texts))[:, :-1]

    def quality(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Expected quality float64[n, m] in [0, 1]."""
        return self._quality(self.delta(texts))

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> NDArray[np.float64]:
        """P(strong is better, ties counted half), float64[n]."""
        return self._win_rate(self._scores(self.embedder.encode(texts)), strong, weak)

    def score(self, texts: Sequence[str], strong: str, weak: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Quality float64[n, m] and win rate float64[n], the texts read once."""
        return self.score_vectors(self.embedder.encode(texts), strong, weak)

    def score_vectors(
        self, vectors: NDArray[np.float32], strong: str, weak: str
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Quality float64[n, m] and win rate float64[n] of prompts given as vectors float32[n, d]."""
        scores = self._scores(vectors)
        quality = self._quality(scores[:, :-1])
        return quality, self._win_rate(scores, strong, weak, quality)

    def reference_win_rates(self, strong: str, weak: str) -> NDArray[np.float64]:
        """Win rates of the reference prompts, float64[r]; empty if the router carries none."""
        if not len(self.reference):
            return np.zeros(0)
        return self._win_rate(self.reference.astype(np.float64) @ self.columns, strong, weak)

    def select(self, models: Sequence[str]) -> MatrixFactorization:
        """The same factorisation with exactly these models as columns."""
        rows = [column_of(self.models, model) for model in models]
        known = tuple(self.known_models[row] for row in rows) if self.known_models else ()
        return replace(self, models=tuple(models), model_vectors=self.model_vectors[rows], known_models=known)

    def with_model(self, name: str, prompts: Sequence[str], scores: Sequence[float]) -> MatrixFactorization:
        """One model more, from its outcomes on a few prompts; what is predicted for the others does not change.

        Args:
            name: not yet among `models`.
            prompts: its probe set; a few dozen are a rough guess, 200 a fair one.
            scores: its quality on each, in [0, 1].

        Raises:
            ConfigurationError: the name is taken, there is no prompt, a score is missing or out of range, or the head
                has a 0, so that no vector is to be had from a column.
        """
        given = checked_probe(name, self.models, prompts, scores)
        if not self.head.all():
            msg = "a component of head is 0, so it tells no model from another; leave it out, and build the scorer anew"
            raise ConfigurationError(msg)
        hidden = self.embedder.encode(prompts).astype(np.float64) @ self.projection + self.bias
        column = fit_column(hidden, given, self.columns[:, :-1], self.quality_scale, self.quality_offset)
        vector = np.asarray(column / self.head, dtype=self.model_vectors.dtype)
        known = self.known_models
        if known:
            sample = self.reference.astype(np.float64) if len(self.reference) else hidden
            skill = round(float(self._quality(sample @ column).mean()), 4)
            known = (*known, KnownModel(name, family=family(name), skill=skill, rows=len(prompts)))
        vectors = np.vstack([self.model_vectors, vector])
        return replace(self, models=(*self.models, name), model_vectors=vectors, known_models=known)

    def with_embedder(self, embedder: Embedder) -> MatrixFactorization:
        """The same factorisation over the vectors of another embedder of the same length."""
        return replace(self, embedder=embedder)

    def to_state(self) -> State:
        """The scorer taken apart."""
        known = [asdict(model) for model in self.known_models] or [{"name": name} for name in self.models]
        settings = {
            "models": known,
            "quality_scale": self.quality_scale,
            "quality_offset": self.quality_offset,
            "link": self.link,
        }
        tensors = {name: getattr(self, name) for name in _ARRAYS}
        return State(settings, tensors | ({} if self.prior is None else {"prior": self.prior}), self.embedder)

    @classmethod
    def from_state(cls, state: State) -> MatrixFactorization:
        """The scorer put together again."""
        settings = state.settings
        known = tuple(KnownModel(**m | {"aliases": tuple(m.get("aliases", ()))}) for m in settings["models"])
        return cls(
            models=tuple(model.name for model in known),
            embedder=state.vectors_from,
            quality_scale=settings["quality_scale"],
            quality_offset=settings["quality_offset"],
            link=settings["link"],
            prior=state.tensors.get("prior"),
            known_models=known,
            **{name: state.tensors[name] for name in _ARRAYS},
        )

    def _scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Delta per model, and last the prior, float64[n, m + 1]."""
        return row_by_row(vectors.astype(np.float64), self.weights) + self.offsets

    def _win_rate(
        self, scores: NDArray[np.float64], strong: str, weak: str, quality: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        first, second = column_of(self.models, strong), column_of(self.models, weak)
        if self.link == "battle":
            return sigmoid(scores[:, first] - scores[:, second])
        if quality is None:
            quality = self._quality(scores[:, :-1])
        # for a text or a few, which is what a call asks of, plain Python is quicker than numpy
        rows = zip(quality[:, first].tolist(), quality[:, second].tolist(), scores[:, -1].tolist(), strict=True)
        return np.array([min(max(win_rate_from_quality(s, w) + prior, 0.0), 1.0) for s, w, prior in rows])

    def _quality(self, delta: NDArray[np.float64]) -> NDArray[np.float64]:
        return sigmoid(self.quality_scale * delta + self.quality_offset)
