"""Tables in parquet, csv or jsonl as plain columns, read and written, and columns as checked numbers."""

import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import DataError, MissingExtraError
from pointsman.query import clean_text

Columns = dict[str, list[Any]]


def read_columns(path: str | Path) -> Columns:
    """Read a ``.parquet``, ``.csv`` or ``.jsonl`` file as column name -> values, missing values as None or "".

    Raises:
        DataError: The file is absent, of another kind, unreadable, has a column twice, or holds no rows.
        MissingExtraError: The file is parquet and pyarrow is not installed.
    """
    file = Path(path)
    readers = {".parquet": _read_parquet, ".csv": _read_csv, ".jsonl": _read_jsonl}
    reader = readers.get(file.suffix.lower())
    if file.is_dir():
        raise DataError(f"{file} is a folder; give the files in it, .parquet, .csv or .jsonl")
    if reader is None:
        raise DataError(f"{file.name}: cannot read a {file.suffix or 'nameless'} file; give .parquet, .csv or .jsonl")
    if not file.is_file():
        raise DataError(f"{file} does not exist; check the path, or set POINTSMAN_DATA to the data folder")
    try:
        columns = reader(file)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file.name}: not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error
    if not columns or not next(iter(columns.values())):
        raise DataError(f"{file.name}: no rows; give a file with at least one")
    return columns


def require(columns: Columns, names: Sequence[str], file: str) -> None:
    """Raise DataError unless every named column is there."""
    absent = [name for name in names if name not in columns]
    if absent:
        raise DataError(f"{file}: no column {', '.join(map(repr, absent))}; it has {', '.join(list(columns)[:12])}")


def texts(columns: Columns, name: str, file: str, rows: Sequence[int] | None = None) -> tuple[str, ...]:
    """A column of non-empty strings, or these rows of it; raises DataError at the first other value.

    What no tokenizer takes is replaced as in a query that is routed, see `clean_text`.
    """
    values = columns[name]
    chosen = range(len(values)) if rows is None else rows
    for row in chosen:
        value = values[row]
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{file}: row {row}, column {name!r}: expected text, found {value!r}; drop or fill the row")
    return tuple(clean_text(values[row]) for row in chosen)


def numbers(columns: Columns, name: str, file: str) -> NDArray[np.float64]:
    """A column of finite numbers as float64 [n], a missing value as NaN; raises DataError at the first other value."""
    out = np.full(len(columns[name]), np.nan)
    for row, value in enumerate(columns[name]):
        if value is None or value == "":
            continue
        try:
            out[row] = _BOOLEANS.get(value, value) if isinstance(value, str) else value
        except (TypeError, ValueError, OverflowError) as error:
            shown = repr(value)[:40]
            raise DataError(f"{file}: row {row}, column {name!r}: {shown} is not a number") from error
        if np.isinf(out[row]):
            raise DataError(f"{file}: row {row}, column {name!r}: {value!r} is not finite")
    return out


def write_columns(columns: Mapping[str, Sequence[Any]], path: str | Path) -> None:
    """Write what `read_columns` reads, by the file's ending; None and NaN become missing values. Whole or not at all.

    Raises:
        DataError: The file is of another kind, or its folder does not exist.
        MissingExtraError: The file is to be parquet and pyarrow is not installed.
    """
    file = Path(path)
    writers = {".parquet": _write_parquet, ".csv": _write_csv, ".jsonl": _write_jsonl}
    writer = writers.get(file.suffix.lower())
    if writer is None:
        raise DataError(f"{file.name}: cannot write a {file.suffix or 'nameless'} file; give .parquet, .csv or .jsonl")
    if not file.parent.is_dir():
        raise DataError(f"{file.parent} is no folder to write {file.name} to; make it first")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        writer({name: [_plain(value) for value in values] for name, values in columns.items()}, draft)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


_LONGEST_FIELD = 1 << 30
"""Characters of one csv field; an answer may pass the csv module's own limit of 131,072."""
_BOOLEANS = {"True": 1.0, "False": 0.0, "true": 1.0, "false": 0.0}


def _read_parquet(file: Path) -> Columns:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data") from error
    try:
        columns: Columns = parquet.read_table(file).to_pydict()
    except (pa.ArrowException, OSError) as error:  # arrow's word for a damaged page is an OSError
        raise DataError(f"{file.name}: not a readable parquet file ({error}); save it again") from error
    return columns


def _read_csv(file: Path) -> Columns:
    csv.field_size_limit(_LONGEST_FIELD)
    with file.open(newline="", encoding="utf-8-sig") as stream:
        try:
            header, *rows = [row for row in csv.reader(stream) if row] or [[]]
        except csv.Error as error:
            raise DataError(f"{file.name}: not readable as csv ({error})") from error
    twice = [name for number, name in enumerate(header) if name in header[:number]]
    if twice:
        raise DataError(f"{file.name}: column {twice[0]!r} comes twice; rename or drop one")
    for row, values in enumerate(rows):
        if len(values) != len(header):
            raise DataError(f"{file.name}: row {row}: {len(values)} values under {len(header)} columns")
    return {name: [values[index] for values in rows] for index, name in enumerate(header)}


def _read_jsonl(file: Path) -> Columns:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").split("\n")):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:  # also a number of thousands of digits, and nesting as deep
            raise DataError(f"{file.name}: line {number + 1} is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise DataError(f"{file.name}: line {number + 1} is not a JSON object")
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _plain(value: Any) -> Any:
    """A value that every layout can hold."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, str):
        return clean_text(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def _write_parquet(columns: Columns, file: Path) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "data") from error
    parquet.write_table(pa.table(columns), file)


def _write_csv(columns: Columns, file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(
            ["" if value is None else value for value in row] for row in zip(*columns.values(), strict=True)
        )


def _write_jsonl(columns: Columns, file: Path) -> None:
    rows = zip(*columns.values(), strict=True)
    lines = [json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) + "\n" for row in rows]
    file.write_text("".join(lines), encoding="utf-8")
