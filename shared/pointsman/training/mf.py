"""Fitting matrix factorisation (RouteLLM, arXiv 2406.18665, section 4.2), for any number of models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.data.names import family
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError, DataError
from pointsman.matching import KnownModel
from pointsman.scorers.mf import MatrixFactorization
from pointsman.training.checks import check_battles, check_outcomes
from pointsman.training.factorise import Descent, Duels, Factors, History, factorise
from pointsman.training.level import Level, fit_level
from pointsman.training.progress import progress_bar

__all__ = ["fit_mf", "fit_mf_with_history"]

Floats = NDArray[np.float64]

REFERENCE_PROMPTS = 1000
VALIDATION_PAIRS = 10
"""Pairs of models drawn for each validation prompt; one would make the loss too noisy to stop by."""
ENOUGH_HELD_OUT = 100
"""Prompts held out for validation that are a reference sample of their own; with fewer, training prompts join them."""


def fit_mf(
    data: Outcomes | Battles,
    embedder: Embedder,
    *,
    seed: int = 0,
    dim: int = 128,
    learning_rate: float = 3e-4,
    weight_decay: float = 1e-5,
    noise: float = 0.1,
    epochs: int = 100,
    batch_size: int = 64,
    patience: int = 10,
    validation: float = 0.1,
    progress: bool | None = None,
    history: dict[str, Any] | None = None,
) -> MatrixFactorization:
    """The factorisation of these battles, or of the duels that outcomes hold.

    RouteLLM's code, with three differences: a tie is a label of 1/2 and not left out; the projection has the bias that
    the paper writes and the code lacks; and early stopping looks at prompts, not rows, that were held out. Of outcomes,
    each epoch draws one pair of models per prompt, whose label is 1/2 + (y_a - y_b) / 2.

    A pair's lead says nothing of a level that all models share on a prompt. One more component carries it, on which
    every model's vector has a 1, so it cancels in win rates: fitted to the scores where there are outcomes, and such
    that the models' mean is 1/2 where there are only battles.

    Args:
        data: battles or outcomes.
        embedder: gives the prompt vectors.
        seed: the same seed and data give the same factorisation.
        dim: length of a model's vector.
        learning_rate: of Adam.
        weight_decay: Adam's L2 term.
        noise: standard deviation of the noise on a prompt vector's components, in training only.
        epochs: passes at most, each of 50 batches or more.
        batch_size: duels to a step.
        patience: epochs without a better validation loss after which to stop.
        validation: share of the prompts that is held out.
        progress: whether to draw a bar on stderr; if not given, where that is a terminal.
        history: takes the losses on the way, see `History`.

    Raises:
        DataError: nothing can be learned from the data.
        ConfigurationError: an option is out of range.
    """
    settings = Descent(dim, learning_rate, weight_decay, noise, epochs, batch_size, patience, seed)
    scorer, found = fit_mf_with_history(data, embedder, settings, validation=validation, progress=progress)
    if history is not None:
        history |= asdict(found)
    return scorer


def fit_mf_with_history(
    data: Outcomes | Battles,
    embedder: Embedder,
    settings: Descent | None = None,
    *,
    validation: float = 0.1,
    progress: bool | None = None,
) -> tuple[MatrixFactorization, History]:
    """`fit_mf`, and the losses on the way; arguments and errors as there."""
    chosen = settings or Descent()
    if not 0 < validation < 1:
        msg = f"the validation share is {validation}; give one in (0, 1), such as 0.1"
        raise ConfigurationError(msg)
    outcomes = check_outcomes(data)
    texts = list(dict.fromkeys(outcomes.prompts))
    rng = np.random.default_rng(chosen.seed)
    held = np.zeros(len(texts), dtype=bool)
    held[rng.permutation(len(texts))[: max(1, round(validation * len(texts)))]] = True
    position = {text: row for row, text in enumerate(texts)}
    if isinstance(data, Battles):
        draw, watched = _of_battles(check_battles(data), outcomes.models, position, held)
    else:
        draw, watched = _of_outcomes(outcomes, position, held, rng)
    vectors = embedder.encode(texts)
    with progress_bar("mf", chosen.epochs, show=progress) as tell:
        factors, history = factorise(vectors, len(outcomes.models), draw, watched, chosen, tell)
    level = None
    if isinstance(data, Outcomes):
        rows = np.array([position[text] for text in outcomes.prompts])
        x = vectors[rows].astype(np.float64)
        level = fit_level(x, _centred(factors, x), outcomes.scores, held[rows])
    return _scorer(outcomes, embedder, factors, level, vectors, held), history


def _of_battles(
    battles: Battles, models: tuple[str, ...], position: dict[str, int], held: NDArray[np.bool_]
) -> tuple[Callable[[np.random.Generator], Duels], Duels]:
    """What each epoch trains on, and what it is watched on."""
    column = {name: index for index, name in enumerate(models)}
    prompt, a, b = (
        np.array([table[name] for name in names], dtype=np.intp)
        for table, names in ((position, battles.prompts), (column, battles.model_a), (column, battles.model_b))
    )
    every = Duels(prompt, a, b, battles.labels.astype(np.float32), battles.counts.astype(np.float32))
    watched = held[prompt]
    train, test = every.rows(np.flatnonzero(~watched)), every.rows(np.flatnonzero(watched))
    _both(train, test)
    return (lambda _: train), test


def _of_outcomes(
    outcomes: Outcomes, position: dict[str, int], held: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Callable[[np.random.Generator], Duels], Duels]:
    """The same of outcomes: a pair per prompt, drawn anew for each epoch."""
    prompt = np.array([position[text] for text in outcomes.prompts], dtype=np.intp)
    paired = (~np.isnan(outcomes.scores)).sum(axis=1) >= 2
    train, test = (np.flatnonzero(paired & side) for side in (~held[prompt], held[prompt]))

    def draw(rows: NDArray[np.intp], generator: np.random.Generator) -> Duels:
        scores = outcomes.scores[rows]
        lots = np.where(np.isnan(scores), np.inf, generator.random(scores.shape))
        a, b = np.argsort(lots, axis=1)[:, :2].T
        each = np.arange(len(rows))
        labels = (0.5 + 0.5 * (scores[each, a] - scores[each, b])).astype(np.float32)
        return Duels(prompt[rows], a, b, labels, np.ones(len(rows), dtype=np.float32))

    watched = draw(np.repeat(test, VALIDATION_PAIRS), rng)
    _both(train, watched)
    return (lambda generator: draw(train, generator)), watched


def _both(*sides: NDArray[np.intp] | Duels) -> None:
    if not all(len(side) for side in sides):
        msg = "no prompt with two answers is left to train on, or to validate on; give more"
        raise DataError(msg)


def _centred(factors: Factors, vectors: Floats) -> Floats:
    """Delta of each model less the models' mean, float64[n, m]."""
    columns = (factors.models * factors.head).astype(np.float64)
    return np.asarray(factors.hidden(vectors) @ (columns - columns.mean(axis=0)).T)


def _scorer(
    outcomes: Outcomes,
    embedder: Embedder,
    factors: Factors,
    level: Level | None,
    vectors: NDArray[np.float32],
    held: NDArray[np.bool_],
) -> MatrixFactorization:
    """The runtime form, with the level as its last component."""
    shared = factors.head * factors.models.mean(axis=0)
    scale = 1.0 if level is None else level.scale
    towards = np.zeros(len(factors.projection)) if level is None else level.weights / scale
    projection = np.column_stack([factors.projection, towards - factors.projection @ shared])
    bias = np.append(factors.bias, -factors.bias @ shared)
    sample = np.flatnonzero(held if held.sum() >= ENOUGH_HELD_OUT else np.ones_like(held))
    sample = sample[np.unique(np.linspace(0, len(sample) - 1, REFERENCE_PROMPTS).astype(np.intp))]
    hidden = vectors[sample].astype(np.float64) @ projection + bias
    return MatrixFactorization(
        models=outcomes.models,
        embedder=embedder,
        model_vectors=np.column_stack([factors.models, np.ones(len(factors.models))]).astype(np.float32),
        projection=projection.astype(np.float32),
        bias=bias.astype(np.float32),
        head=np.append(factors.head, 1.0).astype(np.float32),
        quality_scale=scale,
        quality_offset=0.0 if level is None else level.offset,
        reference=hidden.astype(np.float32),
        known_models=_known(outcomes),
    )


def _known(outcomes: Outcomes) -> tuple[KnownModel, ...]:
    """What is known of each model, so that others find a relative."""
    skill = np.nanmean(outcomes.scores, axis=0)
    rows = (~np.isnan(outcomes.scores)).sum(axis=0)
    return tuple(
        KnownModel(name, family=family(name), skill=round(float(skill[column]), 4), rows=int(rows[column]))
        for column, name in enumerate(outcomes.models)
    )
