"""Reading a table from parquet, csv or jsonl into plain columns, and turning columns into checked numbers."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import DataError, MissingExtraError

Columns = dict[str, list[Any]]


def read_columns(path: str | Path) -> Columns:
    """Read a ``.parquet``, ``.csv`` or ``.jsonl`` file as column name -> values, missing values as None or "".

    Raises:
        DataError: The file is absent, of another kind, unreadable, or holds no rows.
        MissingExtraError: The file is parquet and pyarrow is not installed.
    """
    file = Path(path)
    readers = {".parquet": _read_parquet, ".csv": _read_csv, ".jsonl": _read_jsonl}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise DataError(f"{file.name}: cannot read a {file.suffix or 'nameless'} file; give .parquet, .csv or .jsonl")
    if not file.is_file():
        raise DataError(f"{file} does not exist; check the path, or set POINTSMAN_DATA to the data folder")
    columns = reader(file)
    if not columns or not next(iter(columns.values())):
        raise DataError(f"{file.name}: no rows; give a file with at least one")
    return columns


def require(columns: Columns, names: Sequence[str], file: str) -> None:
    """Raise DataError unless every named column is there."""
    absent = [name for name in names if name not in columns]
    if absent:
        raise DataError(f"{file}: no column {', '.join(map(repr, absent))}; it has {', '.join(list(columns)[:12])}")


def texts(columns: Columns, name: str, file: str) -> tuple[str, ...]:
    """A column of non-empty strings; raises DataError at the first other value."""
    for row, value in enumerate(columns[name]):
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{file}: row {row}, column {name!r}: expected text, found {value!r}; drop or fill the row")
    return tuple(columns[name])


def numbers(columns: Columns, name: str, file: str) -> NDArray[np.float64]:
    """A column of finite numbers as float64 [n], a missing value as NaN; raises DataError at the first other value."""
    out = np.full(len(columns[name]), np.nan)
    for row, value in enumerate(columns[name]):
        if value is None or value == "":
            continue
        try:
            out[row] = _BOOLEANS.get(value, value) if isinstance(value, str) else value
        except (TypeError, ValueError) as error:
            raise DataError(f"{file}: row {row}, column {name!r}: {value!r} is not a number") from error
        if np.isinf(out[row]):
            raise DataError(f"{file}: row {row}, column {name!r}: {value!r} is not finite")
    return out


_BOOLEANS = {"True": 1.0, "False": 0.0, "true": 1.0, "false": 0.0}


def _read_parquet(file: Path) -> Columns:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data") from error
    try:
        columns: Columns = parquet.read_table(file).to_pydict()
    except pa.ArrowInvalid as error:
        raise DataError(f"{file.name}: not a readable parquet file ({error})") from error
    return columns


def _read_csv(file: Path) -> Columns:
    with file.open(newline="", encoding="utf-8") as stream:
        header, *rows = [*csv.reader(stream)] or [[]]
    for row, values in enumerate(rows):
        if len(values) != len(header):
            raise DataError(f"{file.name}: row {row}: {len(values)} values under {len(header)} columns")
    return {name: [values[index] for values in rows] for index, name in enumerate(header)}


def _read_jsonl(file: Path) -> Columns:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n")):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{file.name}: line {number + 1} is not JSON ({error.msg})") from error
        if not isinstance(row, dict):
            raise DataError(f"{file.name}: line {number + 1} is not a JSON object")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
