"""Whose column is whose: the models of a table of outcomes, matched to the candidates of a pool."""

from __future__ import annotations

from pointsman.data.names import canonical
from pointsman.data.outcomes import Outcomes
from pointsman.errors import DataError
from pointsman.pool import Candidate, Pool

__all__ = ["match_columns"]


def match_columns(pool: Pool, outcomes: Outcomes) -> dict[str, int]:
    """Column of each candidate that has one, by candidate name: by its name, its model, or another spelling of that.

    Raises:
        DataError: no candidate has one, or one of the pair does not.
    """
    found = {c.name: column for c in pool if (column := _column(c, outcomes.models)) is not None}
    missing = [role for role in (pool.strong, pool.weak) if role is not None and role not in found]
    if not found or missing:
        wanted = ", ".join(f"{c.name} (model {c.model})" for c in pool if not missing or c.name in missing)
        have = ", ".join(outcomes.models[:8])
        msg = f"no column of {wanted}; the outcomes have {have}: rename a column, or name your models in the pool"
        raise DataError(msg)
    return found


def _column(candidate: Candidate, models: tuple[str, ...]) -> int | None:
    for name in (candidate.name, candidate.model):
        if name in models:
            return models.index(name)
    spelled = canonical(candidate.model)
    return next((column for column, name in enumerate(models) if canonical(name) == spelled), None)
