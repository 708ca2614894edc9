"""pointsman: send each LLM call to the model it needs.

The scoring core, with no framework in it: predict how well each model would answer, choose, and keep the record.
`langchain_router` and `llamaindex_router` put that choice where applications have their LLM.
"""

from pointsman.costs import Price, Usage, count_tokens
from pointsman.decision import Decision, Outcome
from pointsman.embedders import Embedder
from pointsman.errors import PointsmanError
from pointsman.gates import DEFAULT_GATES
from pointsman.policies import Always, Policy, QualityFloor, Threshold, Utility
from pointsman.pool import Candidate, Pool
from pointsman.query import Needs, Query
from pointsman.router import Router, load_router
from pointsman.scorers import MatrixFactorization, PromptLength, RandomScorer, Scorer

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_GATES",
    "Always",
    "Candidate",
    "Decision",
    "Embedder",
    "MatrixFactorization",
    "Needs",
    "Outcome",
    "PointsmanError",
    "Policy",
    "Pool",
    "Price",
    "PromptLength",
    "QualityFloor",
    "Query",
    "RandomScorer",
    "Router",
    "Scorer",
    "Threshold",
    "Usage",
    "Utility",
    "__version__",
    "count_tokens",
    "load_router",
]
