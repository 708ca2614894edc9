"""Predicted quality of models, and the win rate of a strong over a weak one."""

from pointsman.scorers.base import Scorer
from pointsman.scorers.length import PromptLength
from pointsman.scorers.mf import MatrixFactorization
from pointsman.scorers.random import RandomScorer

__all__ = ["MatrixFactorization", "PromptLength", "RandomScorer", "Scorer"]
