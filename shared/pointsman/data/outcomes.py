"""Outcomes: how well each model answered each prompt. Battles: which of two answers a judge preferred."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pointsman.data.arena import battle_columns, is_arena
from pointsman.data.tables import Columns, numbers, read_columns, require, texts, write_columns
from pointsman.errors import DataError

Floats = NDArray[np.float64]

_WINNERS: Final[Mapping[str, float]] = {
    **dict.fromkeys(("a", "model_a", "left"), 1.0),
    **dict.fromkeys(("b", "model_b", "right"), 0.0),
    **dict.fromkeys(("tie", "tie (bothbad)", "tie (both bad)"), 0.5),
}
_NAMES: Final[Mapping[float, str]] = {1.0: "a", 0.0: "b", 0.5: "tie"}


@dataclass(frozen=True)
class Outcomes:
    """A table of prompts by models.

    Attributes:
        prompts: n texts.
        models: m model names, as the file spells them.
        scores: float64 [n, m], quality in [0, 1]; NaN where the model did not answer the prompt.
        prompt_ids: n identifiers, unique.
        tasks: n task names ("" where the file has none).
        costs: float64 [n, m], USD per call, or None where the file has no costs.
        input_tokens: float64 [n, m], or None.
        output_tokens: float64 [n, m], or None.
    """

    prompts: tuple[str, ...]
    models: tuple[str, ...]
    scores: Floats
    prompt_ids: tuple[str, ...]
    tasks: tuple[str, ...]
    costs: Floats | None = None
    input_tokens: Floats | None = None
    output_tokens: Floats | None = None

    def __len__(self) -> int:
        """Number of prompts."""
        return len(self.prompts)

    @classmethod
    def read(cls, path: str | Path, *, task_column: str | None = None) -> "Outcomes":
        """Read the wide layout.

        That is ``prompt``, then per model M ``score|M`` and where known ``cost|M``, ``in_tok|M`` and ``out_tok|M``.
        Rows without prompt text are dropped. ``prompt_id`` is optional (the row number stands in), and so is the task
        column: ``task_column``, else ``task``, else none.

        Raises:
            DataError: A column is missing, a value is no number or lies outside [0, 1], an identifier comes twice.
            MissingExtraError: The file is parquet and pyarrow is not installed.
        """
        return cls.from_columns(read_columns(path), Path(path).name, task_column=task_column)

    @classmethod
    def from_columns(cls, columns: Columns, file: str, *, task_column: str | None = None) -> "Outcomes":
        """Columns in the wide layout as `read` takes them from a file; `file` names them in errors.

        Raises:
            DataError: As for `read`.
        """
        require(columns, ["prompt", *([task_column] if task_column else [])], file)
        models = tuple(name[6:] for name in columns if name.startswith("score|"))
        if not models:
            raise DataError(f"{file}: no column 'score|<model>'; the wide layout has one per model")
        if not all(name.strip() for name in models):
            raise DataError(f"{file}: a column 'score|' names no model; write score|<model>")
        ids = [str(value) for value in columns.get("prompt_id", range(len(columns["prompt"])))]
        _unique(ids, file)
        keep = [row for row, prompt in enumerate(columns["prompt"]) if prompt]
        task = columns.get(task_column or "task", [""] * len(ids))
        return cls(
            prompts=texts(columns, "prompt", file, keep),
            models=models,
            scores=_matrix(columns, "score", models, file, upper=1.0)[keep],
            prompt_ids=tuple(ids[row] for row in keep),
            tasks=tuple(str(task[row]) for row in keep),
            costs=_optional(columns, "cost", models, keep, file),
            input_tokens=_optional(columns, "in_tok", models, keep, file),
            output_tokens=_optional(columns, "out_tok", models, keep, file),
        )

    def write(self, path: str | Path) -> None:
        """Write the layout that `read` reads, prompts and all.

        Raises:
            DataError: The ending is none of .parquet, .csv and .jsonl, or the folder does not exist.
            MissingExtraError: The file is to be parquet and pyarrow is not installed.
        """
        columns: dict[str, Sequence[Any]] = {"prompt_id": self.prompt_ids, "prompt": self.prompts, "task": self.tasks}
        tables = {"score": self.scores, "cost": self.costs, "in_tok": self.input_tokens, "out_tok": self.output_tokens}
        for kind, table in tables.items():
            if table is not None:
                columns |= {f"{kind}|{model}": list(table[:, column]) for column, model in enumerate(self.models)}
        write_columns(columns, path)

    def select(self, rows: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> "Outcomes":
        """The same table with these rows only, by index or by mask."""
        index = np.arange(len(self))[np.asarray(rows)]

        def cut(values: Floats | None) -> Floats | None:
            return None if values is None else values[index]

        return Outcomes(
            prompts=tuple(self.prompts[row] for row in index),
            models=self.models,
            scores=self.scores[index],
            prompt_ids=tuple(self.prompt_ids[row] for row in index),
            tasks=tuple(self.tasks[row] for row in index),
            costs=cut(self.costs),
            input_tokens=cut(self.input_tokens),
            output_tokens=cut(self.output_tokens),
        )

    def of(self, models: Sequence[str]) -> "Outcomes":
        """The same table with these models only, in this order; raises DataError for one that it does not have."""
        columns = [self._column(model) for model in models]

        def cut(values: Floats | None) -> Floats | None:
            return None if values is None else values[:, columns]

        return replace(
            self,
            models=tuple(models),
            scores=self.scores[:, columns],
            costs=cut(self.costs),
            input_tokens=cut(self.input_tokens),
            output_tokens=cut(self.output_tokens),
        )

    def score(self, model: str) -> Floats:
        """The scores of one model, float64 [n]; raises DataError for a model that the table does not have."""
        return self.scores[:, self._column(model)]

    def _column(self, model: str) -> int:
        if model not in self.models:
            raise DataError(f"no model {model!r} in these outcomes; they have {', '.join(self.models)}")
        return self.models.index(model)


@dataclass(frozen=True)
class Battles:
    """Pairwise preferences.

    Attributes:
        prompts: n texts.
        model_a: n model names.
        model_b: n model names.
        labels: float64 [n]: 1 where a was preferred, 0 where b was, 0.5 for a tie.
        weights: float64 [n], 0 or more: how much each battle counts beside the others, only their ratios matter; None
            for all alike.
    """

    prompts: tuple[str, ...]
    model_a: tuple[str, ...]
    model_b: tuple[str, ...]
    labels: Floats
    weights: Floats | None = None

    def __len__(self) -> int:
        """Number of battles."""
        return len(self.prompts)

    @property
    def counts(self) -> Floats:
        """The weights, float64 [n]; 1 for each battle where there are none."""
        return np.ones(len(self)) if self.weights is None else self.weights

    @classmethod
    def read(
        cls, path: str | Path, *, prompt: str = "prompt", model_a: str = "model_a", model_b: str = "model_b"
    ) -> "Battles":
        """Read one battle a row: prompt, two models and ``winner`` (a, b, model_a, model_b, left, right or tie).

        A column ``weight`` is optional: a number, 0 or more, in every row. Chatbot Arena's published layout, with
        ``winner_model_a``, ``winner_model_b`` and ``winner_tie``, is read as it is, see `pointsman.data.arena`.

        Args:
            path: A parquet, csv or jsonl file.
            prompt: Name of the prompt's column.
            model_a: Name of the first model's column (LLMFAO: "left").
            model_b: Name of the second model's column (LLMFAO: "right").

        Raises:
            DataError: A column is missing, a winner is none of these, or a weight is no such number.
            MissingExtraError: The file is parquet and pyarrow is not installed.
        """
        return cls.from_columns(read_columns(path), Path(path).name, prompt=prompt, model_a=model_a, model_b=model_b)

    @classmethod
    def from_columns(
        cls, columns: Columns, file: str, *, prompt: str = "prompt", model_a: str = "model_a", model_b: str = "model_b"
    ) -> "Battles":
        """Columns in the layout that `read` takes from a file; `file` names them in errors.

        Raises:
            DataError: As for `read`.
        """
        if is_arena(columns):
            columns = battle_columns(columns, file)
        require(columns, [prompt, model_a, model_b, "winner"], file)
        labels = np.empty(len(columns["winner"]))
        for row, winner in enumerate(columns["winner"]):
            known = _WINNERS.get(winner) if isinstance(winner, str) else None
            if known is None:
                raise DataError(f"{file}: row {row}, column 'winner': {winner!r} is none of {', '.join(_WINNERS)}")
            labels[row] = known
        asked, first, second = (texts(columns, name, file) for name in (prompt, model_a, model_b))
        return cls(asked, first, second, labels, _weights(columns, file) if "weight" in columns else None)

    def write(self, path: str | Path) -> None:
        """Write the layout that `read` reads; weights only where there are some.

        Raises:
            DataError: A label is none of 0, 1/2 and 1, which have a name; or as for `Outcomes.write`.
            MissingExtraError: As for `Outcomes.write`.
        """
        unnamed = [row for row, label in enumerate(self.labels.tolist()) if label not in _NAMES]
        if unnamed:
            raise DataError(f"row {unnamed[0]}: label {self.labels[unnamed[0]]:g} has no name; round it to 0, 0.5 or 1")
        columns: dict[str, Sequence[Any]] = {
            "prompt": self.prompts,
            "model_a": self.model_a,
            "model_b": self.model_b,
            "winner": [_NAMES[label] for label in self.labels.tolist()],
        }
        write_columns(columns if self.weights is None else columns | {"weight": list(self.weights)}, path)


def _weights(columns: Columns, file: str) -> Floats:
    weights = numbers(columns, "weight", file)
    wrong = np.flatnonzero(~(weights >= 0))
    if wrong.size:
        found = columns["weight"][wrong[0]]
        raise DataError(f"{file}: row {wrong[0]}, column 'weight': {found!r} is no number of 0 or more; mend the row")
    return weights


def _unique(ids: Sequence[str], file: str) -> None:
    seen: set[str] = set()
    for row, identifier in enumerate(ids):
        if identifier in seen:
            raise DataError(f"{file}: row {row}, column 'prompt_id': {identifier!r} comes twice; make it unique")
        seen.add(identifier)


def _matrix(columns: Columns, kind: str, models: Sequence[str], file: str, *, upper: float = np.inf) -> Floats:
    out = np.full((len(columns["prompt"]), len(models)), np.nan)
    for index, model in enumerate(models):
        name = f"{kind}|{model}"
        if name not in columns:
            continue
        out[:, index] = numbers(columns, name, file)
        wrong = np.flatnonzero((out[:, index] < 0) | (out[:, index] > upper))
        if wrong.size:
            value, bound = out[wrong[0], index], f"in [0, {upper:g}]" if np.isfinite(upper) else ">= 0"
            raise DataError(f"{file}: row {wrong[0]}, column {name!r}: {value:g} is not {bound}")
    return out


def _optional(columns: Columns, kind: str, models: Sequence[str], keep: Sequence[int], file: str) -> Floats | None:
    if not any(f"{kind}|{model}" in columns for model in models):
        return None
    return _matrix(columns, kind, models, file)[list(keep)]
