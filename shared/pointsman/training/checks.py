"""Whether data can be trained on, said before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointsman.data.convert import as_battles, as_outcomes, keep_rows
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.errors import DataError

__all__ = ["MINIMUM_ROWS", "check_battles", "check_outcomes"]

MINIMUM_ROWS = 20
"""Fewer prompts or battles than this cannot tell a router from chance."""
TIE = 0.5


def check_outcomes(data: Outcomes | Battles) -> Outcomes:
    """The data as outcomes that a router can learn from.

    Missing scores are fine. A prompt that comes twice stays twice: it is one more observation.

    Raises:
        DataError: fewer than 20 prompts or 2 models, a prompt or a model's name that is no text, a name twice, a model
            without any score, a score that is no number, infinite or outside [0, 1], or nothing to learn: no score
            varies over the prompts, or all models score alike on every prompt.
    """
    outcomes = as_outcomes(_sound(data) if isinstance(data, Battles) else data)
    outcomes = replace(outcomes, scores=_floats(outcomes.scores, "scores"))
    scores, models = outcomes.scores, outcomes.models
    _texts(outcomes.prompts, "prompt")
    _texts(models, "model")
    if len(set(models)) < len(models):
        msg = f"{', '.join(models)}: a model comes twice; rename or drop a column"
        raise DataError(msg)
    _enough(len(outcomes), "prompts")
    if scores.shape != (len(outcomes), len(models)) or len(models) < 2:
        msg = f"scores {scores.shape} for {len(outcomes)} prompts and {len(models)} models; a router needs 2 models"
        raise DataError(msg)
    wrong = np.argwhere(~(np.isnan(scores) | ((scores >= 0) & (scores <= 1))))
    if len(wrong):
        row, column = wrong[0]
        msg = f"row {row}, model {models[column]!r}: score {scores[row, column]:g} is not in [0, 1]; mend or drop it"
        raise DataError(msg)
    missing = np.isnan(scores).all(axis=0)
    if missing.any():
        names = ", ".join(models[column] for column in np.flatnonzero(missing))
        msg = f"no prompt has a score of {names}; leave the model out, or add outcomes"
        raise DataError(msg)
    low, high = (np.where(np.isnan(scores), edge, scores) for edge in (np.inf, -np.inf))
    compared = (~np.isnan(scores)).sum(axis=1) > 1  # none, where only the chosen model's answers were ever rated
    alike = compared.any() and (low.min(axis=1) >= high.max(axis=1))[compared].all()
    same = (low.min(axis=0) == high.max(axis=0)).all()
    if same or alike:
        what = f"no model's score varies over the {len(outcomes)} prompts"
        if not same:
            what = f"the models scored alike on each of the {int(compared.sum())} prompts that two of them answered"
        msg = f"{what}, so they say nothing on which to route; add prompts that went otherwise"
        raise DataError(msg)
    return outcomes


def check_battles(data: Outcomes | Battles, *, per_prompt: int | None = None, seed: int = 0) -> Battles:
    """The data as battles that a router can learn from, weights scaled to a mean of 1.

    Battles of a model with itself are left out, and those of weight 0.

    Args:
        data: outcomes are turned into battles.
        per_prompt: at most so many of a prompt; None for all.
        seed: of the draw of those.

    Raises:
        DataError: fewer than 20 battles, columns of different lengths, a label outside [0, 1], a weight below 0, or
            nothing but ties; or for outcomes what `check_outcomes` refuses.
    """
    known = check_outcomes(data) if isinstance(data, Outcomes) else data
    battles = _sound(as_battles(known, per_prompt=per_prompt, seed=seed))
    named = np.array([a != b for a, b in zip(battles.model_a, battles.model_b, strict=True)], dtype=bool)
    fair = keep_rows(battles, named & (battles.counts > 0))
    _enough(len(fair), "battles between two models")
    if (fair.labels == TIE).all():
        msg = f"all {len(fair)} battles are ties, so they say nothing on which to route; add others"
        raise DataError(msg)
    return fair if fair.weights is None else replace(fair, weights=fair.weights / fair.weights.mean())


def _sound(battles: Battles) -> Battles:
    """The battles, if their columns are of one length and hold what they must."""
    battles = replace(battles, labels=_floats(battles.labels, "labels"))
    columns = (battles.prompts, battles.model_a, battles.model_b, battles.labels, battles.counts)
    if len({len(column) for column in columns}) > 1:
        lengths = ", ".join(str(len(column)) for column in columns)
        msg = f"{lengths} prompts, models a, models b, labels and weights; give one of each to a battle"
        raise DataError(msg)
    _texts(battles.prompts, "prompt")
    _texts([*battles.model_a, *battles.model_b], "model")
    wrong = np.flatnonzero(~((battles.labels >= 0) & (battles.labels <= 1)))
    if len(wrong):
        msg = f"row {wrong[0]}: label {battles.labels[wrong[0]]:g} is not in [0, 1]; 1 is a win of a, 0.5 a tie"
        raise DataError(msg)
    wrong = np.flatnonzero(~(np.isfinite(battles.counts) & (battles.counts >= 0)))
    if len(wrong):
        msg = f"row {wrong[0]}: weight {battles.counts[wrong[0]]:g} is no number of 0 or more; mend or drop it"
        raise DataError(msg)
    return battles


def _texts(values: Sequence[object], what: str) -> None:
    wrong = next((value for value in values if not isinstance(value, str)), "")
    if wrong != "":
        msg = f"a {what} is {wrong!r} and no text; give each as a str"
        raise DataError(msg)


def _floats(values: ArrayLike, what: str) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        msg = f"the {what} are no table of numbers ({error}); give float64, NaN for what is missing"
        raise DataError(msg) from error


def _enough(rows: int, what: str) -> None:
    if rows < MINIMUM_ROWS:
        msg = f"{rows} {what} are too few to learn from; give {MINIMUM_ROWS} or more, a few hundred to be of use"
        raise DataError(msg)
