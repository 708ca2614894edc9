"""Several files as one table, whichever of the two layouts they have."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.data.tables import Columns, read_columns
from pointsman.errors import DataError

__all__ = ["hashes", "merge_battles", "merge_outcomes", "read_data"]


def read_data(paths: Sequence[str | Path]) -> Outcomes | Battles:
    """Read files that are all outcomes, or all battles; a file with a column `score|<model>` holds outcomes.

    Raises:
        DataError: a file is absent or not what its layout promises, or the files are of both kinds.
        MissingExtraError: one is parquet and pyarrow is not installed.
    """
    wide = {str(path): _is_wide(read_columns(path), Path(path).name) for path in paths}
    if len(set(wide.values())) > 1:
        named = [next(Path(path).name for path, kind in wide.items() if kind is each) for each in (True, False)]
        msg = f"{named[0]} holds outcomes and {named[1]} battles; give files of one kind"
        raise DataError(msg)
    if all(wide.values()):
        return merge_outcomes([Outcomes.read(path) for path in paths])
    return merge_battles([Battles.read(path) for path in paths])


def _is_wide(columns: Columns, file: str) -> bool:
    if any(name.startswith("score|") for name in columns):
        return True
    if not {"model_a", "model_b", "winner"} & columns.keys():
        answers = any(name.startswith("answer|") for name in columns)
        mend = "label its answers first, pointsman label" if answers else f"it has {', '.join(list(columns)[:8])}"
        msg = f"{file}: neither columns score|<model> (outcomes) nor model_a, model_b and winner (battles); {mend}"
        raise DataError(msg)
    return False


def merge_outcomes(tables: Sequence[Outcomes]) -> Outcomes:
    """All rows over all models; a model has NaN on the prompts of a table without it. Token counts are left out.

    Raises:
        DataError: there is no table.
    """
    if len(tables) == 1:
        return tables[0]
    if not tables:
        msg = "there is no table of outcomes; give one or more"
        raise DataError(msg)
    models = tuple(dict.fromkeys(model for table in tables for model in table.models))
    parts = [np.full((len(table), len(models)), np.nan) for table in tables]
    costs = [part.copy() for part in parts]
    for table, scores, cost in zip(tables, parts, costs, strict=True):
        columns = [models.index(model) for model in table.models]
        scores[:, columns] = table.scores
        if table.costs is not None:
            cost[:, columns] = table.costs
    return Outcomes(
        prompts=tuple(text for table in tables for text in table.prompts),
        models=models,
        scores=np.concatenate(parts),
        prompt_ids=tuple(f"{number}:{each}" for number, table in enumerate(tables) for each in table.prompt_ids),
        tasks=tuple(task for table in tables for task in table.tasks),
        costs=np.concatenate(costs) if any(table.costs is not None for table in tables) else None,
    )


def merge_battles(tables: Sequence[Battles]) -> Battles:
    """All battles; where a table has weights, those of a table without are 1.

    Raises:
        DataError: there is no table.
    """
    if not tables:
        msg = "there is no table of battles; give one or more"
        raise DataError(msg)
    return Battles(
        tuple(text for table in tables for text in table.prompts),
        tuple(name for table in tables for name in table.model_a),
        tuple(name for table in tables for name in table.model_b),
        np.concatenate([table.labels for table in tables]),
        np.concatenate([table.counts for table in tables]) if any(t.weights is not None for t in tables) else None,
    )


def hashes(paths: Sequence[str | Path]) -> list[dict[str, str]]:
    """Name and sha256 of each file, for the record of what a router was made from."""
    return [{"file": Path(path).name, "sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest()} for path in paths]
