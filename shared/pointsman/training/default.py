"""From a corpus to the shipped router: features, weights, fit, and the scorer that serves it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman.data.names import family
from pointsman.data.sources import Corpus, question
from pointsman.embedders import ConcatEmbedder, StaticEmbedder
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.errors import DataError
from pointsman.matching import KnownModel
from pointsman.scorers import MatrixFactorization
from pointsman.training.rasch import FitSettings, Response, fit_response

__all__ = ["Features", "build_scorer", "design", "fit_default", "known_models", "read_features"]

Floats = NDArray[np.float64]

REFERENCE_QUESTIONS = 320
"""As many as there are everyday prompts."""
ROW_WEIGHTS = {"llmfao_human": 20.0}
"""A row of LLMFAO is the mean of some twenty votes per model; every other row is one answer per model."""
_LENGTH = SurfaceFeatures.names.index("log_characters_to_400")


@dataclass(frozen=True)
class Features:
    """Prompt features of a corpus, once as the prompts are and once without their answer options.

    Attributes:
        static: float32 [n, 256], unit length.
        surface: float32 [n, s], as counted.
        bare_static: float32 [n, 256], of the question alone.
        bare_surface: float32 [n, s], of the question alone.
        framed: bool [n], whether the two differ.
    """

    static: NDArray[np.float32]
    surface: NDArray[np.float32]
    bare_static: NDArray[np.float32]
    bare_surface: NDArray[np.float32]
    framed: NDArray[np.bool_]


def read_features(embedder: StaticEmbedder, prompts: Sequence[str]) -> Features:
    """Features of prompts, with and without their answer options."""
    bare = [question(prompt) for prompt in prompts]
    counts = SurfaceFeatures()
    return Features(
        embedder.encode(prompts),
        counts.encode(prompts),
        embedder.encode(bare),
        counts.encode(bare),
        np.array([short != full for short, full in zip(bare, prompts, strict=True)]),
    )


def fit_default(
    corpus: Corpus, features: Features, rows: NDArray[np.bool_], settings: FitSettings
) -> tuple[Response, Floats, Floats]:
    """Fit on some rows of the corpus; a prompt with answer options counts half as it is and half as the bare question.

    Raises:
        DataError: there is no row, or the fit does not settle.

    Returns:
        The fit over [static * text_weight, standardised surface], and the surface's mean and scale, float64 [s] each.
    """
    if not rows.any():
        msg = "no prompt is left to train on; give outcomes of more than one source"
        raise DataError(msg)
    weight = np.array([ROW_WEIGHTS.get(source, 1.0) for source in corpus.sources[rows]])
    framed = features.framed[rows]
    weights = np.concatenate([np.where(framed, weight / 2, weight), weight[framed] / 2])
    surface = np.concatenate([features.surface[rows], features.bare_surface[rows][framed]]).astype(np.float64)
    static = np.concatenate([features.static[rows], features.bare_static[rows][framed]])
    scores = np.concatenate([corpus.scores[rows], corpus.scores[rows][framed]])
    mean = np.average(surface, axis=0, weights=weights)
    scale = np.sqrt(np.average((surface - mean) ** 2, axis=0, weights=weights)) + 1e-6
    vectors = design(static, surface, mean, scale, settings)
    tasks = np.concatenate([corpus.tasks[rows], corpus.tasks[rows][framed]])
    return fit_response(vectors, scores, weights, tasks, corpus.models, settings), mean, scale


def design(
    static: NDArray[np.float32], surface: NDArray[np.floating], mean: Floats, scale: Floats, settings: FitSettings
) -> Floats:
    """Prompt features as the fit sees them, float64 [n, 256 + s]."""
    return np.column_stack([static * settings.text_weight, np.clip((surface - mean) / scale, -4.0, 4.0)])


def build_scorer(
    corpus: Corpus,
    features: Features,
    embedder: StaticEmbedder,
    fitted: tuple[Response, Floats, Floats],
    settings: FitSettings,
    seed: int,
) -> MatrixFactorization:
    """The scorer that serves a fit: hidden vector [1, difficulty, length prior], model vector [ability, -1, 0]."""
    response, mean, scale = fitted
    width = embedder.dim
    full = ConcatEmbedder(
        (embedder, SurfaceFeatures()),
        np.concatenate([np.zeros(width), mean]).astype(np.float32),
        np.concatenate([np.ones(width), scale]).astype(np.float32),
    )
    projection = np.zeros((full.dim, 3), dtype=np.float32)
    projection[:width, 1] = response.weights[:width] * settings.text_weight
    projection[width:, 1] = response.weights[width:]
    projection[width + _LENGTH, 2] = settings.length_prior
    bias = np.array([1.0, response.offset, 0.0], dtype=np.float32)
    reference = full.encode(reference_prompts(corpus, seed)).astype(np.float64) @ projection.astype(np.float64) + bias
    vectors_m = np.column_stack([response.ability, -np.ones(len(corpus.models)), np.zeros(len(corpus.models))])
    return MatrixFactorization(
        models=corpus.models,
        embedder=full,
        model_vectors=vectors_m.astype(np.float32),
        projection=projection,
        bias=bias,
        head=np.ones(3, dtype=np.float32),
        link="gain",
        prior=np.array([0.0, 0.0, 1.0], dtype=np.float32),
        reference=reference.astype(np.float32),
        known_models=known_models(corpus, features, fitted, settings, np.ones(len(corpus), dtype=bool), seed),
    )


def reference_prompts(corpus: Corpus, seed: int) -> list[str]:
    """Prompts that stand for what users send: half everyday ones, written for this, half the corpus's questions.

    The corpus alone would not do: its prompts are exam questions, and at the threshold that splits them in half hardly
    any everyday prompt goes to the strong model.
    """
    lines = (Path(__file__).parent / "everyday.jsonl").read_text(encoding="utf-8").splitlines()
    everyday = [str(json.loads(line)["prompt"]) for line in lines]
    return everyday + [question(corpus.prompts[row]) for row in reference_rows(corpus, seed)]


def reference_rows(corpus: Corpus, seed: int) -> NDArray[np.intp]:
    """Some prompts of the corpus, as evenly over the tasks as these allow, in the corpus's order."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(corpus))
    rank = np.zeros(len(corpus), dtype=np.intp)
    for task in np.unique(corpus.tasks):
        members = order[corpus.tasks[order] == task]
        rank[members] = np.arange(len(members))
    return np.sort(np.argsort(rank, kind="stable")[:REFERENCE_QUESTIONS])


def known_models(
    corpus: Corpus,
    features: Features,
    fitted: tuple[Response, Floats, Floats],
    settings: FitSettings,
    rows: NDArray[np.bool_],
    seed: int = 0,
) -> tuple[KnownModel, ...]:
    """What is known of each model that some of these rows hold outcomes of; skill is over the reference questions."""
    response, mean, scale = fitted
    chosen = reference_rows(corpus, seed)
    vectors = design(features.bare_static[chosen], features.bare_surface[chosen], mean, scale, settings)
    skill = response.quality(vectors).mean(axis=0)
    counts = np.isfinite(corpus.scores[rows]).sum(axis=0)
    return tuple(
        KnownModel(
            name=name,
            aliases=tuple(alias for alias in corpus.aliases[name] if alias != name),
            family=family(name),
            skill=round(float(skill[column]), 4),
            rows=int(counts[column]),
        )
        for column, name in enumerate(corpus.models)
        if counts[column]
    )
