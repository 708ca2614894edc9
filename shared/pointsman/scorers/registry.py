"""What kinds of scorer an artifact can hold, and where they live; each is imported when one is met."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from pointsman.scorers.state import StorableScorer

__all__ = ["KINDS", "scorer_class"]

KINDS = {
    "adapted": "adapted:Adapted",
    "bert": "bert:BertScorer",
    "bert_onnx": "onnx:OnnxScorer",
    "calibrated": "calibrated:Calibrated",
    "causal_llm": "causal_llm:CausalLLMScorer",
    "ensemble": "ensemble:Ensemble",
    "kernel_svm": "kernel:KernelSVM",
    "knn": "knn:KNN",
    "mf": "mf:MatrixFactorization",
    "mlp": "mlp:MLP",
    "prompt_length": "length:PromptLength",
    "random": "random:RandomScorer",
    "svm": "svm:SVM",
    "sw_ranking": "sw_ranking:SWRanking",
}


def scorer_class(kind: str) -> type[StorableScorer] | None:
    """The class of a kind; None where there is no such kind.

    Raises:
        MissingExtraError: its package is not installed.
    """
    if kind not in KINDS:
        return None
    module, name = KINDS[kind].split(":")
    return cast("type[StorableScorer]", getattr(import_module(f"pointsman.scorers.{module}"), name))
