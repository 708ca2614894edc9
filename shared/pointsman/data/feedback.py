"""Feedback on routed calls, as outcomes to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
from pointsman.errors import DataError

__all__ = ["RatedCall", "outcomes_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RatedCall:
    """A call that somebody has judged.

    Attributes:
        prompt: the words that were scored.
        model: the model that answered.
        score: quality of the answer in [0, 1].
        cost_usd: what the call cost, if known.
        task: name of the kind of call, if there is one.
    """

    prompt: str
    model: str
    score: float
    cost_usd: float | None = None
    task: str = ""


def outcomes_of(calls: Iterable[RatedCall], *, models: Sequence[str] = ()) -> Outcomes:
    """Rated calls as a table: a row per prompt, NaN for the models that were not asked, means where one was twice.

    Only the chosen model's answer is ever rated. So a model has scores on the prompts that the router thought right for
    it, and these are not a fair sample of all prompts: see docs/langsmith.md on what that biases, and on what helps.

    Args:
        calls: in any order.
        models: columns, in this order; those that no call names are left out.

    Raises:
        DataError: there is no call, a prompt is blank, or a score is not in [0, 1].
    """
    rows: dict[str, dict[str, list[RatedCall]]] = {}
    for number, call in enumerate(calls):
        if not call.prompt.strip() or not 0 <= call.score <= 1:
            msg = f"rated call {number} has the score {call.score} and {len(call.prompt)} characters of prompt; "
            raise DataError(msg + "give a prompt, and a score in [0, 1]")
        rows.setdefault(call.prompt.strip(), {}).setdefault(call.model, []).append(call)
    if not rows:
        msg = "no call has been rated; collect feedback first, and check its key"
        raise DataError(msg)
    seen = dict.fromkeys(model for row in rows.values() for model in row)
    columns = [model for model in models if model in seen] + [model for model in seen if model not in models]
    costs = _table(rows, columns, lambda call: call.cost_usd)
    return Outcomes(
        prompts=tuple(rows),
        models=tuple(columns),
        scores=_table(rows, columns, lambda call: call.score),
        prompt_ids=tuple(hashlib.sha256(prompt.encode()).hexdigest()[:16] for prompt in rows),
        tasks=tuple(next(call.task for calls in row.values() for call in calls) for row in rows.values()),
        costs=None if np.isnan(costs).all() else costs,
    )


def _table(
    rows: Mapping[str, Mapping[str, Sequence[RatedCall]]],
    columns: Sequence[str],
    value: Callable[[RatedCall], float | None],
) -> Floats:
    """Means of a value, float64 [prompts, models]; NaN where there is none."""
    table = np.full((len(rows), len(columns)), np.nan)
    for row, by_model in enumerate(rows.values()):
        for model, calls in by_model.items():
            known = [found for call in calls if (found := value(call)) is not None]
            if known:
                table[row, columns.index(model)] = float(np.mean(known))
    return table
