"""Predicted quality of models, and the win rate of a strong over a weak one.

What serves the shipped router is imported at once; the other kinds when they are first asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pointsman.scorers.base import Scorer
from pointsman.scorers.length import PromptLength
from pointsman.scorers.mf import MatrixFactorization
from pointsman.scorers.random import RandomScorer
from pointsman.scorers.registry import KINDS, scorer_class

if TYPE_CHECKING:
    from pointsman.scorers.bert import BertScorer
    from pointsman.scorers.causal_llm import CausalLLMScorer
    from pointsman.scorers.ensemble import Ensemble
    from pointsman.scorers.kernel import KernelSVM
    from pointsman.scorers.knn import KNN
    from pointsman.scorers.mlp import MLP
    from pointsman.scorers.onnx import OnnxScorer
    from pointsman.scorers.svm import SVM
    from pointsman.scorers.sw_ranking import SWRanking

__all__ = [
    "KNN",
    "MLP",
    "SVM",
    "BertScorer",
    "CausalLLMScorer",
    "Ensemble",
    "KernelSVM",
    "MatrixFactorization",
    "OnnxScorer",
    "PromptLength",
    "RandomScorer",
    "SWRanking",
    "Scorer",
]


def __getattr__(name: str) -> object:
    """A scorer that is not imported yet, by the name of its class."""
    kind = next((kind for kind, home in KINDS.items() if home.endswith(f":{name}")), None)
    if kind is None:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return scorer_class(kind)
