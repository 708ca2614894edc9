"""RouteLLM's evaluation folder as outcomes: MMLU, GSM8K and MT-Bench, less the prompts that its training data hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
from pointsman.data.tables import Columns, numbers, read_columns, require, texts
from pointsman.errors import DataError

__all__ = ["STRONG", "WEAK", "Benchmark", "find_routellm", "mt_bench_marks", "read_routellm"]

Benchmark = Literal["mmlu", "gsm8k", "mt_bench"]

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
MODELS = (STRONG, WEAK)
_INSIDE = ("", "routellm/evals", "evals", "routellm")
_MARKS = 10.0


def find_routellm(folder: str | Path) -> Path | None:
    """The folder that holds mmlu/, gsm8k/ or mt_bench/: this one, or `routellm/evals` within it; None if there is none.

    Args:
        folder: a clone of RouteLLM's repository, its `routellm/evals`, or a folder of the same files.
    """
    roots = [Path(folder) / inside for inside in _INSIDE]
    return next((root for root in roots if any((root / name).is_dir() for name in get_args(Benchmark))), None)


def read_routellm(folder: str | Path, benchmark: Benchmark, *, decontaminate: bool = True) -> Outcomes:
    """Read one of RouteLLM's benchmarks, gpt-4-1106-preview against Mixtral-8x7B.

    MMLU's tasks are its 57 subjects. An MT-Bench score is the mean of the judge's 1 to 10 over both turns as a share of
    10; the first turn is the prompt and the category the task.

    Args:
        folder: see `find_routellm`.
        benchmark: "mmlu", "gsm8k" or "mt_bench".
        decontaminate: drop the prompts of `contaminated_prompts.jsonl`, as RouteLLM does.

    Raises:
        DataError: there is no such benchmark in the folder, or a file does not hold what the layout promises.
    """
    root = find_routellm(folder)
    if benchmark not in get_args(Benchmark) or root is None or not (root / benchmark).is_dir():
        msg = (
            f"{folder} holds no folder {benchmark}/ in RouteLLM's layout; give a clone of lm-sys/RouteLLM, "
            f"or fetch it: pointsman data fetch routellm"
        )
        raise DataError(msg)
    home = root / benchmark
    readers = {"mmlu": _mmlu, "gsm8k": _gsm8k, "mt_bench": _mt_bench}
    outcomes = readers[benchmark](home)
    if not decontaminate:
        return outcomes
    dropped = read_columns(home / "contaminated_prompts.jsonl")
    require(dropped, ["eval_prompt"], "contaminated_prompts.jsonl")
    seen = {str(prompt) for prompt in dropped["eval_prompt"]}
    return outcomes.select(np.array([prompt not in seen for prompt in outcomes.prompts]))


def _mmlu(home: Path) -> Outcomes:
    files = sorted((home / "responses").glob("mmlu_*.csv"))
    if not files:
        msg = f"{home / 'responses'} holds no mmlu_<subject>.csv; fetch them: pointsman data fetch routellm"
        raise DataError(msg)
    tables = [(path.stem.removeprefix("mmlu_"), *_answers(path)) for path in files]
    return Outcomes(
        prompts=tuple(prompt for _, prompts, _ in tables for prompt in prompts),
        models=MODELS,
        scores=np.concatenate([scores for _, _, scores in tables]),
        prompt_ids=tuple(f"{subject}/{row}" for subject, prompts, _ in tables for row in range(len(prompts))),
        tasks=tuple(subject for subject, prompts, _ in tables for _ in prompts),
    )


def _gsm8k(home: Path) -> Outcomes:
    prompts, scores = _answers(home / "gsm8k_responses.csv")
    return Outcomes(prompts, MODELS, scores, tuple(str(row) for row in range(len(prompts))), ("gsm8k",) * len(prompts))


def _answers(path: Path) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Prompts, and whether each model was right, [n, 2]."""
    columns = read_columns(path)
    require(columns, ["prompt", *MODELS], path.name)
    return texts(columns, "prompt", path.name), np.column_stack([numbers(columns, m, path.name) for m in MODELS])


def _mt_bench(home: Path) -> Outcomes:
    asked = read_columns(home / "question.jsonl")
    require(asked, ["question_id", "category", "turns"], "question.jsonl")
    marks = mt_bench_marks(read_columns(home / "judgements.jsonl"))
    numbered: Sequence[int] = asked["question_id"]
    scores = [
        [np.mean(marks[model, number]) if marks[model, number] else np.nan for model in MODELS] for number in numbered
    ]
    return Outcomes(
        prompts=texts({"turns": [_first(turns) for turns in asked["turns"]]}, "turns", "question.jsonl"),
        models=MODELS,
        scores=np.array(scores, dtype=np.float64),
        prompt_ids=tuple(str(number) for number in numbered),
        tasks=tuple(asked["category"]),
    )


def _first(turns: object) -> object:
    return turns[0] if isinstance(turns, list) and turns else turns


def mt_bench_marks(judged: Columns) -> defaultdict[tuple[str, int], list[float]]:
    """(model, question) -> the judge's marks as shares of 10, one a turn; a mark of -1 means that it gave none.

    Raises:
        DataError: a column is missing, or a mark is no number.
    """
    require(judged, ["question_id", "model", "score"], "judgements.jsonl")
    marks: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    given = numbers(judged, "score", "judgements.jsonl").tolist()
    for number, model, score in zip(judged["question_id"], judged["model"], given, strict=True):
        if score >= 0:
            marks[model, number].append(score / _MARKS)
    return marks
