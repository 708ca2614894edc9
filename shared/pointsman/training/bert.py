"""Fine-tunes a sequence classifier on battles: the training code that RouteLLM did not publish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Battles
from pointsman.errors import DataError
from pointsman.scorers.bert import LABELS, BertScorer, Form, check_form
from pointsman.scorers.checkpoint import (
    checkpoint_folder,
    longest_input,
    open_network,
    open_tokenizer,
    pick_device,
    require,
)
from pointsman.training.loop import Descent, History, descend, hold_out, seeded

__all__ = ["Duels", "duels", "side", "train_bert"]


@dataclass(frozen=True)
class Duels:
    """Battles of a strong with a weak model.

    Attributes:
        prompts: n texts.
        labels: float64[n]: 1 where the strong model was preferred, 0 where the weak one was, 1/2 for a tie.
        dropped: battles of other models, or of two models of one side.
    """

    prompts: tuple[str, ...]
    labels: NDArray[np.float64]
    dropped: int


def duels(battles: Battles, strong: str | Sequence[str], weak: str | Sequence[str]) -> Duels:
    """The battles between one of `strong` and one of `weak`, seen from the strong side.

    Args:
        battles: of any models.
        strong: a name, or several: a tier, as in RouteLLM.
        weak: likewise.

    Raises:
        DataError: there is no such battle, or a model is on both sides.
    """
    strong, weak = side(strong), side(weak)
    both = sorted({*strong} & {*weak})
    if both:
        msg = f"{', '.join(both)} is on both sides; name each model as strong or as weak"
        raise DataError(msg)
    prompts, labels = [], []
    for prompt, a, b, label in zip(battles.prompts, battles.model_a, battles.model_b, battles.labels, strict=True):
        if (a in strong and b in weak) or (a in weak and b in strong):
            prompts.append(prompt)
            labels.append(label if a in strong else 1.0 - label)
    if not prompts:
        msg = f"none of {len(battles)} battles is between {', '.join(strong)} and {', '.join(weak)}; check the names"
        raise DataError(msg)
    return Duels(tuple(prompts), np.array(labels), len(battles) - len(prompts))


def side(names: str | Sequence[str]) -> tuple[str, ...]:
    """One name or several, as several."""
    return (names,) if isinstance(names, str) else tuple(names)


def train_bert(
    battles: Battles,
    base: str | Path,
    strong: str | Sequence[str],
    weak: str | Sequence[str],
    *,
    form: Form = "three_way",
    max_length: int = 512,
    validation: float = 0.1,
    settings: Descent | None = None,
    device: str | None = None,
    revision: str | None = None,
) -> tuple[BertScorer, History]:
    """Fine-tune a pretrained encoder; the same result twice on one machine's CPU.

    Args:
        battles: ties are used: as a label of their own in the form "three_way", as 1/2 in "sigmoid".
        base: a local folder in Hugging Face's layout, or a name on the hub.
        strong: the strong model, or several of its kind, the first of which names the scorer's column.
        weak: likewise.
        form: see `BertScorer`.
        max_length: tokens read of a text.
        validation: share of the battles that is held out, to stop early.
        settings: the paper's hyper-parameters if not given.
        device: where to train; the best there is if not given.
        revision: of the hub.

    Returns:
        The scorer, with the win rates of the held-out prompts as reference, and what happened.

    Raises:
        DataError: no battle of the pair, too few, or all with one result.
        ArtifactError: the base is not there or damaged.
        MissingExtraError: torch or transformers is not installed.
    """
    check_form(form, len(LABELS.get(form, ())))
    settings = settings or Descent()
    data = duels(battles, strong, weak)
    if len(np.unique(data.labels)) < 2:
        msg = f"all {len(data.labels)} battles have the same result; there is nothing to learn, give others"
        raise DataError(msg)
    rows, held_out = hold_out(len(data.prompts), validation, settings.seed)
    folder = checkpoint_folder(base, revision)
    with seeded(settings.seed):
        network = open_network(
            "AutoModelForSequenceClassification", folder, complete=False, num_labels=len(LABELS[form]), **_NEW_HEAD
        )
        network = network.float().to(pick_device(device))
        tokenizer = open_tokenizer(folder)
        length = longest_input(network, tokenizer, max_length)
        scorer = BertScorer((side(strong)[0], side(weak)[0]), network, tokenizer, form, length)
        history = descend(network, _Loss(scorer, data), rows, held_out, settings)
    return replace(scorer, reference=scorer.strong_wins([data.prompts[row] for row in held_out])), history


_NEW_HEAD = {"ignore_mismatched_sizes": True}
"""A base may carry a head for another task; it is replaced."""


@dataclass(frozen=True)
class _Loss:
    """Mean cross-entropy of some rows, in the scorer's form."""

    scorer: BertScorer
    data: Duels

    def __call__(self, rows: Sequence[int]) -> Any:
        torch = require("torch")
        labels = self.data.labels[list(rows)]
        logits = self.scorer.network(**self.scorer.inputs([self.data.prompts[row] for row in rows])).logits.float()
        if self.scorer.form == "sigmoid":
            target = torch.tensor(labels, dtype=logits.dtype, device=logits.device)
            return torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], target)
        target = torch.tensor(np.rint(2 * (1 - labels)).astype(np.int64), device=logits.device)
        return torch.nn.functional.cross_entropy(logits, target)
