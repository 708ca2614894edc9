"""Synthetic outcomes with something to learn: hard words make the weak model fail."""

from __future__ import annotations

import numpy as np

from pointsman.data.outcomes import Outcomes
from tests.support.core import WORDS

HARD = {"prove", "even", "why"}
MODELS = ("strong", "weak", "other")


def synthetic(n: int = 200, seed: int = 0, *, missing: float = 0.0) -> Outcomes:
    """n prompts of five words; P(right) is 0.9, or for each hard word less by 0.02 (strong), 0.25 or 0.12."""
    rng = np.random.default_rng(seed)
    prompts = [" ".join(rng.choice(WORDS, 5)) for _ in range(n)]
    hard = np.array([sum(word in HARD for word in prompt.split()) for prompt in prompts])
    right = np.clip(0.9 - hard[:, None] * np.array([0.02, 0.25, 0.12]), 0.02, 1.0)
    scores = (rng.random((n, 3)) < right).astype(np.float64)
    scores[rng.random((n, 3)) < missing] = np.nan
    return table(prompts, MODELS, scores)


def table(prompts, models, scores, tasks=None) -> Outcomes:
    """Outcomes with numbered rows."""
    ids = tuple(str(i) for i in range(len(prompts)))
    return Outcomes(tuple(prompts), tuple(models), np.asarray(scores, dtype=np.float64), ids, tasks or ("",) * len(ids))
