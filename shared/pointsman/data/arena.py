"""Chatbot Arena's published battles under the names that battles have here."""

from __future__ import annotations

import json
from typing import Any

from pointsman.data.tables import Columns
from pointsman.errors import DataError

__all__ = ["battle_columns", "is_arena"]

_MARKS = {"winner_model_a": "a", "winner_model_b": "b", "winner_tie": "tie"}
_MARKED = (1, "1", 1.0, True, "1.0", "True", "true")


def is_arena(columns: Columns) -> bool:
    """Whether columns are those of lmsys-arena-human-preference-55k: a mark for each way that a battle can end."""
    return "winner" not in columns and set(_MARKS) <= columns.keys()


def battle_columns(columns: Columns, file: str) -> Columns:
    """The same with a column `winner`, and with the first turn of each conversation as its prompt.

    Prompts are JSON lists of turns; routers read the first, as RouteLLM's do. Battles without a readable one are left
    out.

    Raises:
        DataError: a battle is not marked as ended in exactly one way.
    """
    winners = []
    for row, marks in enumerate(zip(*(columns[name] for name in _MARKS), strict=True)):
        ways = [way for way, mark in zip(_MARKS.values(), marks, strict=True) if mark in _MARKED]
        if len(ways) != 1:
            msg = f"{file}: row {row}: marked as {' and '.join(ways) or 'nothing'}; one of {', '.join(_MARKS)} is 1"
            raise DataError(msg)
        winners.append(ways[0])
    prompts = [_first_turn(prompt) for prompt in columns.get("prompt", [])]
    kept = [row for row, prompt in enumerate(prompts) if prompt]
    named: Columns = columns | {"winner": winners, "prompt": prompts}
    return {name: [values[row] for row in kept] for name, values in named.items() if name not in _MARKS}


def _first_turn(prompt: Any) -> str:
    """The first turn of a JSON list of turns; any other text as it is; "" for a turn that holds nothing."""
    try:
        turns = json.loads(prompt) if isinstance(prompt, str) and prompt.startswith("[") else [prompt]
    except json.JSONDecodeError:
        turns = [prompt]
    first = turns[0] if isinstance(turns, list) and turns else ""
    return first.strip() if isinstance(first, str) else ""
