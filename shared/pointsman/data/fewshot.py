"""Few-shot blocks: the worked examples that a benchmark puts before every question, and that a router should not read.

RouterBench stores ARC and Winogrande with an identical block of 1,200 to 1,700 characters in front. An encoder that
reads 128 or 256 tokens never sees the question, and every prompt of the benchmark has the same vector.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

__all__ = ["shared_prefixes", "strip_few_shot", "unwrap_list"]

LEAST_CHARACTERS = 200
LEAST_PROMPTS = 5
LEAST_SHARE = 0.2


def strip_few_shot(
    prompts: Sequence[str],
    groups: Sequence[str] | None = None,
    *,
    least_characters: int = LEAST_CHARACTERS,
    least_prompts: int = LEAST_PROMPTS,
    least_share: float = LEAST_SHARE,
) -> tuple[str, ...]:
    """The prompts without the block that many prompts of a group begin with.

    The block is the longest prefix that a prompt shares with enough others, cut back to its last blank line, or else
    to its last line end, so that the first words of the question stay. A prompt of which nothing would be left stays
    whole, and one that comes many times, as in battles, is one prompt: it shares nothing with itself.

    Args:
        prompts: n texts; a list printed as text, RouterBench's layout, is unwrapped first.
        groups: n names of benchmarks or subjects, each searched on its own; one group if not given.
        least_characters: a shorter prefix is not a block.
        least_prompts: a block is shared by at least so many prompts of its group,
        least_share: and by at least this share of them.

    Returns:
        n texts.
    """
    texts = [unwrap_list(prompt) for prompt in prompts]
    names = list(groups) if groups is not None else [""] * len(texts)
    out = list(texts)
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows_of.setdefault(name, []).append(row)
    for rows in rows_of.values():
        distinct = list(dict.fromkeys(texts[row] for row in rows))
        together = max(least_prompts, math.ceil(least_share * len(distinct)))
        shared = dict(zip(distinct, shared_prefixes(distinct, together).tolist(), strict=True))
        for row in rows:
            text, length = texts[row], shared[texts[row]]
            if length >= least_characters:
                out[row] = text[_boundary(text[:length]) :].strip() or text
    return tuple(out)


def shared_prefixes(prompts: Sequence[str], together: int) -> NDArray[np.intp]:
    """Characters of the longest prefix that each prompt shares with at least `together - 1` others, intp[n].

    In sorted order prompts with a common prefix stand side by side, so it is the best, over all runs of `together`
    prompts that hold this one, of the run's shortest overlap between neighbours.
    """
    lengths = np.zeros(len(prompts), dtype=np.intp)
    if together < 2 or len(prompts) < together:
        return lengths
    order = sorted(range(len(prompts)), key=lambda row: prompts[row])
    overlap = np.array([_overlap(prompts[a], prompts[b]) for a, b in pairwise(order)])
    runs = -_sliding_maximum(-overlap, together - 1)
    edge = np.zeros(together - 1, dtype=runs.dtype)
    lengths[order] = _sliding_maximum(np.concatenate([edge, runs, edge]), together)
    return lengths


def unwrap_list(prompt: str) -> str:
    """The texts of a printed list of texts, joined by blank lines; any other prompt as it is."""
    if not prompt.startswith(("['", '["')):
        return prompt
    try:
        parts = ast.literal_eval(prompt)
    except (SyntaxError, ValueError):
        return prompt
    if isinstance(parts, list) and all(isinstance(part, str) for part in parts):
        return "\n\n".join(parts)
    return prompt


def _overlap(a: str, b: str) -> int:
    """Length of the common prefix, by bisection."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


def _sliding_maximum(values: NDArray[np.intp], width: int) -> NDArray[np.intp]:
    """Maxima of all windows of this width, by doubling."""
    size = 1
    while size * 2 <= width:
        values = np.maximum(values[:-size], values[size:])
        size *= 2
    rest = width - size
    return np.maximum(values[: len(values) - rest], values[rest:])


def _boundary(prefix: str) -> int:
    """Where the question begins, at the latest."""
    blank = prefix.rfind("\n\n")
    return blank + 2 if blank >= 0 else prefix.rfind("\n") + 1
