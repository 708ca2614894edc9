"""Outcomes to battles and back."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.errors import DataError

__all__ = ["as_battles", "as_outcomes", "battles_to_outcomes", "keep_rows", "outcomes_to_battles"]

T = TypeVar("T")


def outcomes_to_battles(outcomes: Outcomes, *, per_prompt: int | None = None, seed: int = 0) -> Battles:
    """One battle for each prompt and pair of models that both answered it; equal scores are a tie.

    Args:
        outcomes: n prompts, m models.
        per_prompt: keep at most so many pairs of a prompt, drawn by chance; all m (m - 1) / 2 if None.
        seed: of that draw.

    Raises:
        DataError: no prompt has the scores of two models.
    """
    rng = np.random.default_rng(seed)
    rows: list[NDArray[np.intp]] = []
    pairs = np.array(list(combinations(range(len(outcomes.models)), 2)), dtype=np.intp).reshape(-1, 2)
    seen = ~np.isnan(outcomes.scores)
    for row in range(len(outcomes)):
        both = pairs[seen[row, pairs].all(axis=1)]
        if per_prompt is not None and len(both) > per_prompt:
            both = both[np.sort(rng.choice(len(both), per_prompt, replace=False))]
        rows.append(np.column_stack([np.full(len(both), row), both]))
    prompt, a, b = np.concatenate(rows or [np.zeros((0, 3), dtype=np.intp)]).T
    if not len(prompt):
        msg = f"none of {len(outcomes)} prompts has the scores of two models, so there is no battle; add outcomes"
        raise DataError(msg)
    labels = 0.5 + 0.5 * np.sign(outcomes.scores[prompt, a] - outcomes.scores[prompt, b])
    return Battles(
        tuple(outcomes.prompts[row] for row in prompt),
        tuple(outcomes.models[column] for column in a),
        tuple(outcomes.models[column] for column in b),
        labels.astype(np.float64),
    )


def battles_to_outcomes(battles: Battles) -> Outcomes:
    """A model's score on a prompt is the share of its battles there that it won, a tie counting half (Borda).

    Battles count by their weights within a prompt; what prompts as a whole weigh is lost, as outcomes have no weights.

    Prompts keep the order of their first battle, models are sorted, and a model without a battle on a prompt has NaN.
    A battle of a model with itself says nothing and is left out.
    """
    texts = list(dict.fromkeys(battles.prompts))
    models = sorted({*battles.model_a, *battles.model_b})
    row_of, column_of = ({name: i for i, name in enumerate(names)} for names in (texts, models))
    row, a, b = (
        np.array([positions[name] for name in names], dtype=np.intp)
        for positions, names in ((row_of, battles.prompts), (column_of, battles.model_a), (column_of, battles.model_b))
    )
    won, fought = np.zeros((2, len(texts), len(models)))
    for column, share in ((a, battles.labels), (b, 1.0 - battles.labels)):
        np.add.at(won, (row[a != b], column[a != b]), (share * battles.counts)[a != b])
        np.add.at(fought, (row[a != b], column[a != b]), battles.counts[a != b])
    scores = np.where(fought > 0, won / np.where(fought > 0, fought, 1.0), np.nan)
    ids = tuple(str(i) for i in range(len(texts)))
    return Outcomes(tuple(texts), tuple(models), scores, ids, ("",) * len(texts))


def as_outcomes(data: Outcomes | Battles) -> Outcomes:
    """The data as outcomes.

    Raises:
        DataError: it is neither outcomes nor battles.
    """
    return battles_to_outcomes(data) if isinstance(data, Battles) else _known(data, Outcomes)


def as_battles(data: Outcomes | Battles, *, per_prompt: int | None = None, seed: int = 0) -> Battles:
    """The data as battles; `per_prompt` and `seed` as for `outcomes_to_battles`.

    Raises:
        DataError: it is neither outcomes nor battles, or holds no battle.
    """
    if isinstance(data, Outcomes):
        return outcomes_to_battles(data, per_prompt=per_prompt, seed=seed)
    return _known(data, Battles)


@overload
def keep_rows(data: Outcomes, keep: NDArray[np.bool_]) -> Outcomes: ...


@overload
def keep_rows(data: Battles, keep: NDArray[np.bool_]) -> Battles: ...


def keep_rows(data: Outcomes | Battles, keep: NDArray[np.bool_]) -> Outcomes | Battles:
    """The same data with the rows of a mask bool[n] only."""
    if isinstance(data, Outcomes):
        return data.select(keep)
    return Battles(
        _pick(data.prompts, keep),
        _pick(data.model_a, keep),
        _pick(data.model_b, keep),
        np.asarray(data.labels[keep]),
        None if data.weights is None else np.asarray(data.weights[keep]),
    )


def _pick(values: Sequence[str], keep: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(value for value, kept in zip(values, keep, strict=True) if kept)


def _known(data: object, kind: type[T]) -> T:
    if not isinstance(data, kind):
        msg = f"data is a {type(data).__name__}; give Outcomes or Battles, see their .read(path)"
        raise DataError(msg)
    return data
