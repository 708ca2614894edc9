"""pointsman: send each LLM call to the model it needs.

The scoring core, with no framework in it: predict how well each model would answer, choose, and keep the record.
`langchain_router` and `llamaindex_router` put that choice where applications have their LLM.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from pointsman.costs import Price, Usage, count_tokens
from pointsman.decision import Decision, Outcome
from pointsman.embedders import Embedder
from pointsman.errors import PointsmanError
from pointsman.gates import DEFAULT_GATES
from pointsman.policies import Always, Policy, QualityFloor, QualityMargin, Threshold, Utility
from pointsman.pool import Candidate, Pool
from pointsman.query import Needs, Query
from pointsman.router import Router, load_router
from pointsman.scorers import MatrixFactorization, PromptLength, RandomScorer, Scorer

if TYPE_CHECKING:
    from pointsman.calibrated import Calibration
    from pointsman.calibration import calibrate
    from pointsman.cascade import Cascade
    from pointsman.data.outcomes import Battles, Outcomes
    from pointsman.evaluation import Report, evaluate
    from pointsman.training import train

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_GATES",
    "Always",
    "Battles",
    "Calibration",
    "Candidate",
    "Cascade",
    "Decision",
    "Embedder",
    "MatrixFactorization",
    "Needs",
    "Outcome",
    "Outcomes",
    "PointsmanError",
    "Policy",
    "Pool",
    "Price",
    "PromptLength",
    "QualityFloor",
    "QualityMargin",
    "Query",
    "RandomScorer",
    "Report",
    "Router",
    "Scorer",
    "Threshold",
    "Usage",
    "Utility",
    "__version__",
    "calibrate",
    "count_tokens",
    "evaluate",
    "load_router",
    "train",
]

_LATER = {
    "Battles": "pointsman.data.outcomes",
    "Calibration": "pointsman.calibrated",
    "Cascade": "pointsman.cascade",
    "Outcomes": "pointsman.data.outcomes",
    "Report": "pointsman.evaluation",
    "evaluate": "pointsman.evaluation",
    "calibrate": "pointsman.calibration",
    "train": "pointsman.training",
}


def __getattr__(name: str) -> object:
    """What nobody needs to route a call, imported when it is first asked for."""
    if name not in _LATER:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
