"""Answers that wait for a label: prompts by models, and a key where one is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
from pointsman.data.tables import Columns, read_columns, require
from pointsman.errors import DataError
from pointsman.query import clean_text

__all__ = ["AnswerTable", "Key"]

Key = str | tuple[str, ...]
"""A right answer, or several of which each will do."""

_PREFIX = "answer|"


@dataclass(frozen=True)
class AnswerTable:
    """What models answered to prompts.

    Attributes:
        outcomes: the table to be labelled: prompts, models, costs and tokens; every score is missing.
        answers: n rows of m texts; None where a model did not answer.
        keys: n right answers; None where the file has no keys.
    """

    outcomes: Outcomes
    answers: tuple[tuple[str | None, ...], ...]
    keys: tuple[Key, ...] | None = None

    def __len__(self) -> int:
        """Number of prompts."""
        return len(self.outcomes)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the m models."""
        return self.outcomes.models

    @classmethod
    def read(cls, path: str | Path, *, key: str | None = None, task_column: str | None = None) -> AnswerTable:
        """Read one row a prompt: ``prompt``, then per model M ``answer|M``, and what else the wide layout may have.

        That is ``prompt_id``, ``task``, ``cost|M``, ``in_tok|M`` and ``out_tok|M``, see `Outcomes.read`. An empty
        answer is a missing one. In jsonl and parquet a key may be a list, of which each entry is right.

        Args:
            path: a csv, jsonl or parquet file.
            key: name of the column of right answers; every row must have one.
            task_column: see `Outcomes.read`.

        Raises:
            DataError: a column is missing, or holds something else.
            MissingExtraError: the file is parquet and pyarrow is not installed.
        """
        file, columns = Path(path).name, read_columns(path)
        models = tuple(name.removeprefix(_PREFIX) for name in columns if name.startswith(_PREFIX))
        if not models:
            raise DataError(f"{file}: no column 'answer|<model>'; give one per model, with the model's answers")
        require(columns, ["prompt", *([key] if key else [])], file)
        rows = [row for row, prompt in enumerate(columns["prompt"]) if prompt]
        unscored = {f"score|{model}": [None] * len(columns["prompt"]) for model in models}
        others = {name: values for name, values in columns.items() if not name.startswith("score|")}
        outcomes = Outcomes.from_columns(others | unscored, file, task_column=task_column)
        texts = [_texts(columns, f"{_PREFIX}{model}", file, rows) for model in models]
        keys = None if key is None else tuple(_key(columns, key, file, row) for row in rows)
        return cls(outcomes, tuple(zip(*texts, strict=True)), keys)

    def scored(self, scores: NDArray[np.float64]) -> Outcomes:
        """The outcomes with these scores, float64[n, m]."""
        return replace(self.outcomes, scores=scores)

    def select(self, rows: Sequence[int]) -> AnswerTable:
        """The table with these rows only."""
        keys = None if self.keys is None else tuple(self.keys[row] for row in rows)
        return AnswerTable(self.outcomes.select(list(rows)), tuple(self.answers[row] for row in rows), keys)


def _texts(columns: Columns, name: str, file: str, rows: Sequence[int]) -> list[str | None]:
    for row in rows:
        value = columns[name][row]
        if value is not None and not isinstance(value, str):
            raise DataError(f"{file}: row {row}, column {name!r}: {value!r} is no text; quote it")
    return [clean_text(columns[name][row] or "") or None for row in rows]


def _key(columns: Columns, name: str, file: str, row: int) -> Key:
    value = columns[name][row]
    several = value if isinstance(value, list) else [value]
    found = tuple(str(each) for each in several if each is not None and str(each).strip())
    if not found:
        raise DataError(f"{file}: row {row}, column {name!r}: there is no key; give one, or drop the row")
    return found if len(found) > 1 else found[0]
