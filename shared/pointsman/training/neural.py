"""The fine-tuned routers under the call that trains every router."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.embedders.base import Embedder
from pointsman.scorers.bert import BertScorer, Form
from pointsman.scorers.causal_llm import CausalLLMScorer
from pointsman.training.bert import train_bert
from pointsman.training.causal_llm import full_descent, lora_descent, rate_battles, rate_outcomes, train_causal_llm
from pointsman.training.checks import check_battles
from pointsman.training.loop import Descent, History
from pointsman.training.lora import LoRA

__all__ = ["fit_bert", "fit_causal_llm"]

Fitted = TypeVar("Fitted", BertScorer, CausalLLMScorer)


def fit_bert(
    data: Outcomes | Battles,
    embedder: Embedder | None,
    *,
    base: str | Path,
    strong: str,
    weak: str,
    seed: int = 0,
    form: Form = "three_way",
    max_length: int = 512,
    steps: int | None = None,
    history: dict[str, Any] | None = None,
) -> BertScorer:
    """`train_bert` on battles, or on outcomes turned into battles.

    Args:
        data: of the two models at least; weights of battles play no part.
        embedder: plays no part; the encoder reads the text itself.
        base: folder or hub name of a pretrained encoder.
        strong: the strong model's name in the data.
        weak: the weak model's.
        seed: of the order, the split and the new head.
        form: "three_way" as in RouteLLM's code, or "sigmoid" as in its paper.
        max_length: tokens read of a prompt.
        steps: of the optimiser; the paper's 2,000 if not given.
        history: takes the losses on the way, see `History`.
    """
    del embedder
    settings = _steps(replace(Descent(), seed=seed), steps)
    options: dict[str, Any] = {"form": form, "max_length": max_length, "settings": settings}
    return _keeping(history, train_bert(check_battles(data), base, strong, weak, **options))


def fit_causal_llm(
    data: Outcomes | Battles,
    embedder: Embedder | None,
    *,
    base: str | Path,
    strong: str,
    weak: str,
    seed: int = 0,
    full: bool = False,
    max_length: int = 2048,
    steps: int | None = None,
    history: dict[str, Any] | None = None,
) -> CausalLLMScorer:
    """`train_causal_llm` on the weak model's outcomes, or on battles of the two models.

    Args:
        data: outcomes of the weak model, or battles, whose weights play no part.
        embedder: plays no part; the model reads the text itself.
        base: folder or hub name of a causal language model.
        strong: the strong model's name.
        weak: the weak model's.
        seed: of the order, the split and the adapters.
        full: train every weight, and not adapters.
        max_length: tokens of a prompt.
        steps: of the optimiser; RouteLLM's 2,000 if not given.
        history: takes the losses on the way, see `History`.
    """
    del embedder
    ratings = rate_battles(data, strong, weak) if isinstance(data, Battles) else rate_outcomes(data, weak)
    settings = _steps(full_descent(seed=seed) if full else lora_descent(seed=seed), steps)
    lora = None if full else LoRA()
    pair = (strong, weak)
    return _keeping(history, train_causal_llm(ratings, base, pair, lora=lora, max_length=max_length, settings=settings))


def _keeping(history: dict[str, Any] | None, trained: tuple[Fitted, History]) -> Fitted:
    """The scorer; the losses go to who wants them."""
    scorer, found = trained
    if history is not None:
        history |= asdict(found)
    return scorer


def _steps(settings: Descent, steps: int | None) -> Descent:
    return settings if steps is None else replace(settings, steps=steps)
