"""What a training recipe is worth on prompts that it did not see, told before the router is fitted on all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pointsman.data.convert import as_outcomes, keep_rows
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.errors import DataError
from pointsman.evaluation.metrics import apgr
from pointsman.training.corrections import folds_of
from pointsman.training.train import train

__all__ = ["LEAST_PROMPTS", "Validation", "validate"]

LEAST_PROMPTS = 20
"""Held-out prompts with both answers; with fewer nothing is told."""


@dataclass(frozen=True)
class Validation:
    """Figures of held-out prompts.

    Attributes:
        prompts: how many have answers of both models.
        squared_error: mean of (win rate - y)^2, where y is 1 (strong better), 1/2 (tie) or 0.
        squared_error_constant: the same of the mean of y.
        apgr: RouteLLM's average gap recovered; None where the strong model was not the better one there.
        apgr_length: the same of prompt length.
    """

    prompts: int
    squared_error: float
    squared_error_constant: float
    apgr: float | None
    apgr_length: float | None

    def __str__(self) -> str:
        """One line of it."""
        error = f"squared error {self.squared_error:.4f} (constant {self.squared_error_constant:.4f})"
        if self.apgr is None or self.apgr_length is None:
            return f"validation on {self.prompts:,} prompts: {error}"
        return f"validation on {self.prompts:,} prompts: APGR {self.apgr:.3f} (length {self.apgr_length:.3f}), {error}"


def validate(
    name: str, data: Outcomes | Battles, strong: str, weak: str, *, folds: int = 5, seed: int = 0, **options: Any
) -> Validation | None:
    """Train on all folds of the prompts but one, and score that one; None if it has too few prompts to tell.

    A prompt that comes twice is on one side only.

    Args:
        name: of the router, as for `train`.
        data: outcomes or battles.
        strong: a model of the data.
        weak: another one.
        folds: 2 or more; the share held out is one of them.
        seed: of the split, and of the training.
        options: of the router.

    Raises:
        DataError: the rest is too little to train on, or any other fault that `train` finds.
        ConfigurationError: as for `train`.
    """
    held = folds_of(data.prompts, folds, seed) == 0
    test = as_outcomes(keep_rows(data, held))
    if strong not in test.models or weak not in test.models:
        return None
    s, w = test.score(strong), test.score(weak)
    both = ~(np.isnan(s) | np.isnan(w))
    if both.sum() < LEAST_PROMPTS:
        return None
    try:
        scorer = train(name, keep_rows(data, ~held), seed=seed, **options)
    except DataError as error:
        msg = f"{error} (of the prompts left beside {int(held.sum())} held out for validation; or give --validation 0)"
        raise DataError(msg) from error
    texts = [prompt for prompt, known in zip(test.prompts, both, strict=True) if known]
    s, w = s[both], w[both]
    rates, wins = scorer.win_rate(texts, strong, weak), 0.5 + 0.5 * (s - w)
    better = s.mean() > w.mean()
    return Validation(
        prompts=len(texts),
        squared_error=float(((rates - wins) ** 2).mean()),
        squared_error_constant=float(wins.var()),
        apgr=apgr(rates, s, w) if better else None,
        apgr_length=apgr([len(text) for text in texts], s, w) if better else None,
    )
