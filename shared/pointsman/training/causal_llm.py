"""Trains a causal language model to rate, from 1 to 5, how well the weak model will answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.errors import DataError
from pointsman.scorers.causal_llm import CausalLLMScorer, Labels, widest_dtype
from pointsman.scorers.checkpoint import (
    checkpoint_folder,
    longest_input,
    open_network,
    open_tokenizer,
    pick_device,
    require,
)
from pointsman.scorers.rating import LABELS, SCALE, PromptFormat
from pointsman.training.bert import duels
from pointsman.training.loop import Descent, History, descend, hold_out, seeded
from pointsman.training.lora import LoRA, attach, merge

__all__ = ["Ratings", "full_descent", "lora_descent", "rate_battles", "rate_outcomes", "train_causal_llm"]

DEFAULT_LORA = LoRA()


@dataclass(frozen=True)
class Ratings:
    """How well the weak model answered some prompts.

    Attributes:
        prompts: n texts.
        scores: int64[n], 1 to 5; 4 and 5 are good enough.
    """

    prompts: tuple[str, ...]
    scores: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.prompts) != len(self.scores) or not np.isin(self.scores, range(1, SCALE + 1)).all():
            msg = f"ratings are one whole number from 1 to {SCALE} per prompt; give such scores"
            raise DataError(msg)


def rate_battles(battles: Battles, strong: str | Sequence[str], weak: str | Sequence[str]) -> Ratings:
    """Battles as ratings of the weak side: 5 where it won, 4 where it tied, 2 where it lost.

    Raises:
        DataError: there is no such battle.
    """
    found = duels(battles, strong, weak)
    scores = np.select([found.labels == 0, found.labels == 1], [5, 2], 4)
    return Ratings(found.prompts, scores.astype(np.int64))


def rate_outcomes(outcomes: Outcomes, weak: str) -> Ratings:
    """The weak model's own scores, in [0, 1], as ratings: 1 + 4 score, rounded. Prompts it did not answer are left out.

    Raises:
        DataError: the table does not have the model.
    """
    scores = outcomes.score(weak)
    rows = np.flatnonzero(~np.isnan(scores))
    return Ratings(tuple(outcomes.prompts[row] for row in rows), np.rint(1 + 4 * scores[rows]).astype(np.int64))


def full_descent(**changes: Any) -> Descent:
    """RouteLLM's hyper-parameters for full fine-tuning of an 8B model."""
    return replace(Descent(steps=2000, batch_size=8, learning_rate=1e-6), **changes)


def lora_descent(**changes: Any) -> Descent:
    """The same, with the larger steps that adapters want."""
    return replace(Descent(steps=2000, batch_size=8, learning_rate=2e-4, weight_decay=0.0), **changes)


def train_causal_llm(
    ratings: Ratings,
    base: str | Path,
    models: tuple[str, str],
    *,
    lora: LoRA | None = DEFAULT_LORA,
    labels: Labels = "digits",
    prompt: PromptFormat | None = None,
    max_length: int = 2048,
    validation: float = 0.1,
    settings: Descent | None = None,
    dtype: str | None = None,
    device: str | None = None,
    revision: str | None = None,
) -> tuple[CausalLLMScorer, History]:
    """Fine-tune a causal model; the same result twice on one machine's CPU.

    The loss is the cross-entropy of the score's token among all tokens, so that the model also learns to answer with a
    score.

    Args:
        ratings: see `rate_battles` and `rate_outcomes`.
        base: a local folder in Hugging Face's layout, or a name on the hub.
        models: (strong, weak).
        lora: adapters, merged into the weights at the end; None trains every weight.
        labels: "digits", or "special": the added tokens [[1]] to [[5]], which start as copies of the digits. Adapters
            leave the rows of added tokens as they are.
        prompt: what stands around the question; the tokenizer's chat template if not given, else the plain form.
        max_length: tokens of a prompt.
        validation: share of the ratings that is held out, to stop early.
        settings: `lora_descent()` or `full_descent()` if not given.
        dtype: of the frozen weights under adapters; bfloat16 where the device has it. Full training is in float32.
        device: where to train; the best there is if not given.
        revision: of the hub.

    Returns:
        The scorer, with the win rates of the held-out prompts as reference, and what happened.

    Raises:
        DataError: too few ratings, or all the same.
        ArtifactError: the base is not there or damaged.
        MissingExtraError: torch or transformers is not installed.
    """
    if len(np.unique(ratings.scores)) < 2:
        msg = f"all {len(ratings.scores)} prompts have the same rating; there is nothing to learn, give others"
        raise DataError(msg)
    settings = settings or (full_descent() if lora is None else lora_descent())
    rows, held_out = hold_out(len(ratings.prompts), validation, settings.seed)
    folder = checkpoint_folder(base, revision)
    place = pick_device(device)
    kind = "float32" if lora is None else dtype or widest_dtype(place)
    with seeded(settings.seed):
        tokenizer = open_tokenizer(folder)
        network = open_network("AutoModelForCausalLM", folder).to(device=place, dtype=getattr(require("torch"), kind))
        if labels == "special":
            _add_labels(network, tokenizer)
        length = longest_input(network, tokenizer, max_length)
        shape = PromptFormat.of(tokenizer) if prompt is None else prompt
        scorer = CausalLLMScorer(models, network, tokenizer, shape, labels, length, settings.batch_size)
        adapters = [] if lora is None else attach(network, lora)
        history = descend(network, _Loss(scorer, ratings), rows, held_out, settings)
        merge(adapters)
    return scorer.with_reference([ratings.prompts[row] for row in held_out]), history


def _add_labels(network: Any, tokenizer: Any) -> None:
    """The five special tokens, each starting as a copy of its digit, or a router has to find them among noise."""
    if tokenizer.add_tokens(list(LABELS), special_tokens=True) == 0:
        return  # a router that was trained with them before
    if len(tokenizer) > network.get_input_embeddings().weight.shape[0]:
        network.resize_token_embeddings(len(tokenizer))
    special = tokenizer.convert_tokens_to_ids(list(LABELS))
    digits = [tokenizer(str(score), add_special_tokens=False).input_ids[-1] for score in range(1, SCALE + 1)]
    with require("torch").no_grad():
        for table in (network.get_input_embeddings(), network.get_output_embeddings()):
            table.weight[special] = table.weight[digits]


@dataclass(frozen=True)
class _Loss:
    """Mean cross-entropy of the scores' tokens at the end of the prompts."""

    scorer: CausalLLMScorer
    ratings: Ratings

    def __call__(self, rows: Sequence[int]) -> Any:
        torch = require("torch")
        logits = self.scorer.next_logits([self.scorer.prompt(self.ratings.prompts[row]) for row in rows])
        target = [self.scorer.tokens[score - 1][0] for score in self.ratings.scores[list(rows)]]
        return torch.nn.functional.cross_entropy(logits, torch.tensor(target, device=logits.device))
