"""RouterBench's published frames as outcomes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pointsman.data.frame_pickle import read_frame_pickle
from pointsman.data.outcomes import Outcomes
from pointsman.data.tables import Columns, require

__all__ = ["is_routerbench", "read_routerbench", "wide_columns"]

_COST, _ANSWER = "|total_cost", "|model_response"


def read_routerbench(path: str | Path) -> Outcomes:
    """Read `routerbench_0shot.pkl`, `routerbench_5shot.pkl` or their like, with costs in USD per call.

    Args:
        path: a pickled frame with `sample_id`, `prompt`, `eval_name`, and per model `<model>` (its score) and
            `<model>|total_cost`. It is read without running anything in it, see `pointsman.data.frame_pickle`.

    Raises:
        DataError: it is absent, damaged, names what a frame of plain columns does not need, or has other columns.
    """
    columns = read_frame_pickle(path)
    return Outcomes.from_columns(wide_columns(columns, Path(path).name), Path(path).name)


def is_routerbench(columns: Columns) -> bool:
    """Whether columns are in RouterBench's layout."""
    return "eval_name" in columns and any(name.endswith(_COST) for name in columns)


def wide_columns(columns: Columns, file: str) -> Columns:
    """RouterBench's columns under the wide layout's names; a repeated `sample_id` gets a number behind it.

    Raises:
        DataError: a column is missing.
    """
    models = [name.removesuffix(_COST) for name in columns if name.endswith(_COST)]
    require(columns, ["prompt", "eval_name", *models], file)
    seen: Counter[str] = Counter()
    ids = []
    for number, sample in enumerate(columns.get("sample_id", range(len(columns["prompt"])))):
        seen[str(sample)] += 1
        ids.append(str(sample) if seen[str(sample)] == 1 else f"{sample}#{number}")
    prompts = [str(prompt) if isinstance(prompt, list) else prompt for prompt in columns["prompt"]]
    out: Columns = {"prompt_id": ids, "prompt": prompts, "task": [str(name) for name in columns["eval_name"]]}
    for model in models:
        out[f"score|{model}"] = columns[model]
        out[f"cost|{model}"] = columns[model + _COST]
    return out
