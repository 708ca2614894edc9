"""Keeping benchmarks out of training data, and how like them the data are (RouteLLM, arXiv 2406.18665, app. B, C)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pointsman.data.convert import keep_rows
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.data.sources import fingerprint
from pointsman.embedders.base import Embedder
from pointsman.errors import DataError
from pointsman.scorers.index import PromptIndex

__all__ = ["contaminated", "decontaminate", "similarity_score"]

Data = TypeVar("Data", Outcomes, Battles, Outcomes | Battles)

THRESHOLD = 0.95


def contaminated(
    prompts: Sequence[str], benchmark: Sequence[str], embedder: Embedder, *, threshold: float = THRESHOLD
) -> NDArray[np.bool_]:
    """Which prompts are, or nearly are, a prompt of the benchmark, bool[n].

    Args:
        prompts: n texts.
        benchmark: its texts; strip few-shot blocks from both first, or all prompts look alike.
        embedder: whose cosines are compared. RouteLLM's threshold was set on text-embedding-3-small; vectors that say
            little apart from a text's length or topic reach it sooner, and then more is dropped than need be.
        threshold: contaminated from this cosine on. A question that is the same but for blanks, case, marks and its
            answer options always is, see `fingerprint`: of the 6,809 MMLU questions in MMLU-Pro, which has ten options
            for MMLU's four, the shipped static vectors alone find 4,295.

    Raises:
        DataError: the benchmark has no prompts.
    """
    asked = {fingerprint(prompt) or prompt for prompt in benchmark}
    same = np.array([(fingerprint(prompt) or prompt) in asked for prompt in prompts], dtype=bool)
    return same | (_nearest(prompts, benchmark, embedder) >= threshold)


def decontaminate(
    data: Data, benchmarks: Mapping[str, Sequence[str]], embedder: Embedder, *, threshold: float = THRESHOLD
) -> tuple[Data, dict[str, int]]:
    """The data without the prompts of the benchmarks, and how many rows each benchmark took.

    Args:
        data: outcomes or battles.
        benchmarks: name -> its prompts.
        embedder: see `contaminated`.
        threshold: see `contaminated`.

    Raises:
        DataError: a benchmark has no prompts, or nothing is left.
    """
    keep = np.ones(len(data), dtype=bool)
    dropped: dict[str, int] = {}
    for name, prompts in benchmarks.items():
        hit = contaminated(data.prompts, prompts, embedder, threshold=threshold)
        dropped[name] = int(hit.sum())
        keep &= ~hit
    if not keep.any():
        msg = f"all {len(data)} rows are prompts of {', '.join(benchmarks)}; train on other data"
        raise DataError(msg)
    return keep_rows(data, keep), dropped


def similarity_score(benchmark: Sequence[str], data: Sequence[str], embedder: Embedder) -> float:
    """S(B, D): the mean, over the benchmark's prompts, of the largest cosine to a prompt of the data (app. C).

    Raises:
        DataError: either has no prompts.
    """
    if not benchmark:
        msg = "the benchmark has no prompts; give at least one"
        raise DataError(msg)
    return float(_nearest(benchmark, data, embedder).mean())


def _nearest(prompts: Sequence[str], others: Sequence[str], embedder: Embedder) -> NDArray[np.float64]:
    """Largest cosine of each prompt to any of the others, float64[n]."""
    if not others:
        msg = "there are no prompts to compare with; give at least one"
        raise DataError(msg)
    index = PromptIndex.of(embedder.encode(list(dict.fromkeys(others))), bits=16)
    found = np.zeros(len(prompts))
    for rows, cosines in index.blocks(embedder.encode(prompts)):
        found[rows] = cosines.max(axis=1)
    return found
