"""Prompts from files: one to a line, or the prompt column of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pointsman.errors import DataError

__all__ = ["filled", "read_prompts"]

_TABLES = (".csv", ".jsonl", ".parquet")
_COLUMN = "prompt"


def read_prompts(path: str) -> list[str]:
    """The prompts of a file, empty ones left out.

    Raises:
        DataError: the file cannot be read, or is a table without a prompt column.
        MissingExtraError: it is parquet and pyarrow is not installed.
    """
    if Path(path).suffix.lower() in _TABLES:
        from pointsman.data.tables import read_columns, require

        columns = read_columns(path)
        require(columns, [_COLUMN], Path(path).name)
        return list(filled([str(value or "") for value in columns[_COLUMN]]))
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = (
            f"{path} cannot be read ({error}); give a UTF-8 text file with one prompt to a line, or a csv, jsonl or "
            "parquet file with a column 'prompt'"
        )
        raise DataError(msg) from error
    return list(filled(text.splitlines()))


def filled(prompts: Sequence[str]) -> Iterator[str]:
    """Those with words."""
    return (prompt for prompt in prompts if prompt.strip())
