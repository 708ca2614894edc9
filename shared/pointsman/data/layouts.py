"""One way in for every layout of outcomes: the wide one, one's own columns, RouteLLM's folder, RouterBench's frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pointsman.data.convert import battles_to_outcomes
from pointsman.data.frame_pickle import read_frame_pickle
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.data.routellm import Benchmark, find_routellm, read_routellm
from pointsman.data.routerbench import is_routerbench, wide_columns
from pointsman.data.tables import Columns, read_columns
from pointsman.errors import ConfigurationError, DataError

__all__ = ["LAYOUTS", "Loaded", "column_map", "load_outcomes", "named_columns"]

LAYOUTS: Mapping[str, Benchmark] = {
    "routellm-mmlu": "mmlu",
    "routellm-gsm8k": "gsm8k",
    "routellm-mt-bench": "mt_bench",
}
"""Names of RouteLLM's benchmarks, for a folder that holds all three."""

_PLAIN = ("prompt", "prompt_id", "task", "time", "model_a", "model_b", "winner", "weight")
_PER_MODEL = ("score", "cost", "in_tok", "out_tok")
_PICKLES = (".pkl", ".pickle")


@dataclass(frozen=True, eq=False)
class Loaded:
    """Outcomes, and the columns beside them.

    Attributes:
        outcomes: n prompts.
        extra: column -> n values, of what the outcomes do not hold: sources, subjects, times.
        name: what to call them.
    """

    outcomes: Outcomes
    extra: Columns = field(default_factory=dict)
    name: str = "outcomes"

    def column(self, name: str) -> Sequence[object]:
        """The values of a column; "task" is always there.

        Raises:
            DataError: there is none of that name.
        """
        if name == "task":
            return self.outcomes.tasks
        if name not in self.extra:
            msg = f"{self.name}: no column {name!r}; there are {', '.join(list({'task': 0, **self.extra})[:12])}"
            raise DataError(msg)
        return self.extra[name]


def load_outcomes(path: str | Path, *, columns: Mapping[str, str] | None = None, layout: str | None = None) -> Loaded:
    """Read a file or folder in whatever layout it has.

    A folder is RouteLLM's. A pickle, or columns `eval_name` and `<model>|total_cost`, are RouterBench's. Columns
    `model_a` and `model_b` are those of battles: a model scores the share of a prompt's battles that it won. Anything
    else is a csv, jsonl or parquet file in the wide layout, after `columns` has given its columns their names there.

    Args:
        path: the file or folder.
        columns: name here -> name in the file, such as {"prompt": "question", "score|gpt-4": "gpt4_ok"}: prompt,
            prompt_id, task, time, score|<model>, cost|<model>, in_tok|<model>, out_tok|<model>; of battles also
            model_a, model_b, winner, weight.
        layout: one of `LAYOUTS`, for a folder.

    Raises:
        DataError: it is absent, or does not hold what its layout promises.
        ConfigurationError: a folder without a layout, or a name that there is not.
        MissingExtraError: the file is parquet and pyarrow is not installed.
    """
    file = Path(path)
    if layout is not None and layout not in LAYOUTS:
        msg = f"there is no layout {layout!r}; there are {', '.join(LAYOUTS)}"
        raise ConfigurationError(msg)
    if file.is_dir():
        return _from_folder(file, layout)
    if layout is not None:
        msg = f"layout {layout} is a folder's, and {file.name} is not one; leave the layout out"
        raise ConfigurationError(msg)
    named = named_columns(file, columns)
    if {"model_a", "model_b"} <= named.keys():
        return Loaded(battles_to_outcomes(Battles.from_columns(named, file.name)), {}, file.stem)
    kept = [row for row, prompt in enumerate(named.get("prompt", ())) if prompt]
    extra = {name: [values[row] for row in kept] for name, values in named.items() if _is_extra(name)}
    return Loaded(Outcomes.from_columns(named, file.name), extra, file.stem)


def named_columns(path: str | Path, columns: Mapping[str, str] | None = None) -> Columns:
    """The columns of a file under the names that they have here; arguments and errors as for `load_outcomes`."""
    file = Path(path)
    raw = read_frame_pickle(file) if file.suffix.lower() in _PICKLES else read_columns(file)
    if is_routerbench(raw) and not columns:
        raw = wide_columns(raw, file.name) | {name: values for name, values in raw.items() if "|" not in name}
    named = _renamed(raw, columns or {}, file.name)
    if "task" not in named and "eval_name" in named:
        named["task"] = named["eval_name"]
    return named


def column_map(pairs: Sequence[str]) -> dict[str, str]:
    """The map of "wide=theirs" texts.

    Raises:
        ConfigurationError: a text is not of that form, or names a column that the wide layout has not.
    """
    out = {}
    for text in pairs:
        wide, equals, theirs = text.partition("=")
        kind, bar, model = wide.partition("|")
        known = (bar and model and kind in _PER_MODEL) or wide in _PLAIN
        if not equals or not theirs or not known:
            per_model = ", ".join(f"{each}|MODEL" for each in _PER_MODEL)
            msg = f"{text!r}: write WIDE=YOURS, where WIDE is {', '.join(_PLAIN)}, {per_model}"
            raise ConfigurationError(msg)
        out[wide] = theirs
    return out


def _from_folder(folder: Path, layout: str | None) -> Loaded:
    if find_routellm(folder) is None:
        msg = f"{folder} is a folder, and not in RouteLLM's layout; give files"
        raise DataError(msg)
    if layout is None:
        msg = f"{folder} holds several benchmarks; say which: {', '.join(LAYOUTS)}"
        raise ConfigurationError(msg)
    outcomes = read_routellm(folder, LAYOUTS[layout])
    return Loaded(outcomes, {"subject": list(outcomes.tasks)}, f"routellm/{LAYOUTS[layout]}")


def _renamed(raw: Columns, names: Mapping[str, str], file: str) -> Columns:
    absent = [theirs for theirs in names.values() if theirs not in raw]
    if absent:
        msg = f"{file}: no column {', '.join(map(repr, absent))}; it has {', '.join(list(raw)[:12])}"
        raise DataError(msg)
    taken = {theirs: wide for wide, theirs in names.items()}
    return {name: values for name, values in raw.items() if name not in taken} | {
        wide: raw[theirs] for wide, theirs in names.items()
    }


def _is_extra(name: str) -> bool:
    return "|" not in name and name not in ("prompt", "prompt_id")
