"""Live cascades: the cheapest candidate answers, a judge accepts or the next one is asked, and all calls are paid for.

    cascade = Cascade(LogprobJudge("minimum"), cut=0.6)
    verdict = drive(cascade.steps(decision, pool, question), call)

Both plugins run it; `call` is theirs. See docs/cascade.md.
"""

from pointsman.cascade.asking import AgreementJudge, ChatJudge, FunctionJudge
from pointsman.cascade.climb import Cascade, Verdict
from pointsman.cascade.cut import cut_for_share, fit_cut
from pointsman.cascade.logprobs import LogprobJudge
from pointsman.cascade.steps import Ask, Judge, adrive, drive

__all__ = [
    "AgreementJudge",
    "Ask",
    "Cascade",
    "ChatJudge",
    "FunctionJudge",
    "Judge",
    "LogprobJudge",
    "Verdict",
    "adrive",
    "cut_for_share",
    "drive",
    "fit_cut",
]
