"""Several files as one table, whichever of the two layouts they have."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from pointsman.data.layouts import load_outcomes, named_columns
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.data.tables import Columns
from pointsman.errors import DataError

__all__ = ["hashes", "merge_battles", "merge_outcomes", "read_data"]


def read_data(
    paths: Sequence[str | Path], *, columns: Mapping[str, str] | None = None, layout: str | None = None
) -> Outcomes | Battles:
    """Read files that are all outcomes, or all battles; a file with a column `score|<model>` holds outcomes.

    Args:
        paths: csv, jsonl or parquet, RouterBench's pickle, or RouteLLM's folder.
        columns: what the columns of the files are, see `load_outcomes`.
        layout: of a folder, see `load_outcomes`.

    Raises:
        DataError: a file is absent or not what its layout promises, or the files are of both kinds.
        ConfigurationError: a folder without a layout, or a name that there is not.
        MissingExtraError: one is parquet and pyarrow is not installed.
    """
    parts = [_read(path, columns, layout) for path in paths]
    kinds = {type(part): Path(path).name for part, path in zip(parts, paths, strict=True)}
    if len(kinds) > 1:
        msg = f"{kinds[Outcomes]} holds outcomes and {kinds[Battles]} battles; give files of one kind"
        raise DataError(msg)
    battles = [part for part in parts if isinstance(part, Battles)]
    return merge_battles(battles) if battles else merge_outcomes([p for p in parts if isinstance(p, Outcomes)])


def _read(path: str | Path, columns: Mapping[str, str] | None, layout: str | None) -> Outcomes | Battles:
    file = Path(path)
    if layout is not None or file.is_dir():
        return load_outcomes(file, layout=layout).outcomes
    named = named_columns(file, columns)
    return (Outcomes if _is_wide(named, file.name) else Battles).from_columns(named, file.name)


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
    """Name and sha256 of each file, and of each file in a folder, for the record of what a router was made from."""
    found = [Path(path) for path in paths]
    files = [file for path in found for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [
        {"file": file.name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()} for file in files if file.is_file()
    ]
