"""The published outcome tables that may train shipped weights, brought together as one corpus.

Licences: routellm, zeroeval Apache-2.0; mmlu_pro Apache-2.0 / MIT; ulab_llmrouter MIT; llmfao_human CC-BY-4.0.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pointsman.data.merge import hashes
from pointsman.data.names import canonical, is_base
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.data.routellm import mt_bench_marks
from pointsman.data.tables import read_columns

Floats = NDArray[np.float64]

_WIDE = (
    ("routellm/routellm_mmlu_gsm8k.parquet", "task"),
    ("mmlu_pro/mmlu_pro_outcomes.parquet", "src"),
    ("zeroeval/gsm.parquet", "task"),
    ("zeroeval/mmlu-redux.parquet", "task"),
    ("zeroeval/zebra-grid.parquet", "task"),
    ("ulab_llmrouter/llmrouter_default_9models.parquet", "task"),
)
_QUESTIONS = "routellm/mt_bench/question.jsonl"
_JUDGEMENTS = "routellm/mt_bench/judgements.jsonl"
_BATTLES = "llmfao_human/crowd_comparisons.parquet"
_AT_THE_TIME = {"GPT 3.5 Turbo": "gpt-3.5-turbo-0613"}
"""Names that LLMFAO, of September 2023, uses for what they meant then."""
# RouteLLM's MMLU and GSM8K are two benchmarks in one file, so they are two sources.
_SOURCE = {"routellm": "routellm/{task}", "zeroeval": "zeroeval/{task}"}

_OPTION_LINE = re.compile(r"(?m)^\(?[A-J][.):] .*$")
_FRAME = re.compile(r"Answer:|After careful thought, put you final answer in \\boxed\{\.\.\.\}\.")


@dataclass(frozen=True)
class Corpus:
    """Every source on one set of prompts and models.

    Attributes:
        prompts: n texts.
        models: m canonical names, sorted; base models are left out.
        scores: float64 [n, m], quality in [0, 1], NaN where a model did not answer.
        sources: n source names ("routellm/mmlu", "mmlu_pro", ...), the units that are held out one at a time.
        tasks: n "source/task" names, finer than sources.
        aliases: canonical name -> the spellings that the tables use.
        files: name and sha256 of each table.
    """

    prompts: tuple[str, ...]
    models: tuple[str, ...]
    scores: Floats
    sources: NDArray[np.str_]
    tasks: NDArray[np.str_]
    aliases: dict[str, tuple[str, ...]]
    files: tuple[dict[str, str], ...] = ()

    def __len__(self) -> int:
        """Number of prompts."""
        return len(self.prompts)


def data_folder(folder: str | Path | None = None) -> Path:
    """The folder of outcome tables: the argument, else POINTSMAN_DATA, else ``../shared/data``."""
    return Path(folder or os.environ.get("POINTSMAN_DATA") or "../shared/data")


def load_corpus(folder: str | Path | None = None) -> Corpus:
    """Read every source that may train shipped weights.

    Raises:
        DataError: A file is absent or not what its layout promises.
        MissingExtraError: pyarrow is not installed.
    """
    root = data_folder(folder)
    rows: list[tuple[str, str, str, dict[str, float]]] = []
    aliases: defaultdict[str, set[str]] = defaultdict(set)
    for file, task_column in _WIDE:
        rows += _wide_rows(root / file, task_column, aliases)
    rows += _mt_bench_rows(root / _QUESTIONS, root / _JUDGEMENTS, aliases)
    rows += _battle_rows(root / _BATTLES, aliases)
    models = tuple(sorted({name for row in rows for name in row[3]}))
    column = {name: index for index, name in enumerate(models)}
    scores = np.full((len(rows), len(models)), np.nan)
    for index, row in enumerate(rows):
        for name, score in row[3].items():
            scores[index, column[name]] = score
    return Corpus(
        prompts=tuple(row[2] for row in rows),
        models=models,
        scores=scores,
        sources=np.array([row[0] for row in rows]),
        tasks=np.array([f"{row[0]}/{row[1]}" for row in rows]),
        aliases={name: tuple(sorted(aliases[name])) for name in models},
        files=tuple(
            hashes([root / file for file in (*(file for file, _ in _WIDE), _QUESTIONS, _JUDGEMENTS, _BATTLES)])
        ),
    )


def question(prompt: str) -> str:
    """A prompt without the lines of its answer options and the frame around it; the prompt itself where little is left.

    Benchmarks write the same question with four options, ten or none; training sees it both ways, so that an option
    list does not tell the router which benchmark it is looking at.
    """
    bare = _FRAME.sub("", _OPTION_LINE.sub("", prompt)).strip()
    return bare if len(bare) > 8 else prompt


def fingerprint(prompt: str) -> str:
    """Letters and digits of the question's start: equal for one question in two benchmarks' layouts."""
    return re.sub(r"\W+", "", question(prompt).lower())[:300]


def _wide_rows(
    path: Path, task_column: str, aliases: defaultdict[str, set[str]]
) -> Iterable[tuple[str, str, str, dict[str, float]]]:
    table = Outcomes.read(path, task_column=task_column)
    columns: defaultdict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(table.models):
        if not is_base(name):
            columns[canonical(name)].append(index)
            aliases[canonical(name)].add(name)
    for row in range(len(table)):
        task = table.tasks[row].rsplit("-", 1)[0] if task_column == "src" else table.tasks[row]
        source = _SOURCE.get(path.parent.name, path.parent.name).format(task=task)
        found = {name: _mean(table.scores[row, indices]) for name, indices in columns.items()}
        yield source, task, table.prompts[row], {name: score for name, score in found.items() if score == score}


def _mean(scores: Floats) -> float:
    """Mean of what is there: a model that a table holds at several hosts counts once."""
    present = scores[~np.isnan(scores)]
    return float(present.mean()) if present.size else float("nan")


def _mt_bench_rows(
    questions: Path, judgements: Path, aliases: defaultdict[str, set[str]]
) -> Iterable[tuple[str, str, str, dict[str, float]]]:
    """MT-Bench: mean of the judge's 1 to 10 over both turns, as a share of 10; the first turn is the prompt."""
    marks, asked = mt_bench_marks(read_columns(judgements)), read_columns(questions)
    models = {model for model, _ in marks}
    for model in models:
        aliases[canonical(model)].add(model)
    for number, turns in zip(asked["question_id"], asked["turns"], strict=True):
        found = {canonical(model): float(np.mean(marks[model, number])) for model in models if marks[model, number]}
        yield "routellm/mt_bench", "mt_bench", turns[0], found


def _battle_rows(path: Path, aliases: defaultdict[str, set[str]]) -> Iterable[tuple[str, str, str, dict[str, float]]]:
    """LLMFAO: per prompt, the share of its battles that a model won (Borda), a tie counting half."""
    battles = Battles.read(path, prompt="prompt_text", model_a="left", model_b="right")
    won: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for prompt, a, b, label in zip(battles.prompts, battles.model_a, battles.model_b, battles.labels, strict=True):
        for name, share in ((a, label), (b, 1 - label)):
            model = canonical(_AT_THE_TIME.get(name, name))
            aliases[model].add(name)
            won[prompt][model].append(float(share))
    for prompt, shares in won.items():
        yield "llmfao_human", "llmfao_human", prompt, {name: float(np.mean(share)) for name, share in shares.items()}


def near_copies(prompts: Sequence[str], vectors: NDArray[np.float32], held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which prompts are, or copy, a held-out one: same fingerprint, or cosine >= 0.95 between vectors.

    Args:
        prompts: n texts.
        vectors: float32 [n, d] of unit length.
        held_out: bool [n].

    Returns:
        bool [n], true for the held-out prompts and for every copy of one.
    """
    prints = [fingerprint(prompt) for prompt in prompts]
    held = {prints[row] for row in np.flatnonzero(held_out)}
    out: NDArray[np.bool_] = held_out | np.array([text in held for text in prints])
    target = vectors[held_out].T
    for start in range(0, len(vectors), 2048):
        block = slice(start, start + 2048)
        out[block] |= (vectors[block] @ target).max(axis=1) >= 0.95
    return out
