"""Live cascades: the cheapest candidate answers, a judge accepts or the next one is asked, and all calls are paid for.

    cascade = Cascade(LogprobJudge("minimum"), cut=0.6)
    verdict = drive(cascade.steps(decision, pool, question), call)

A plugin makes the calls in its framework; `ask_cascade` makes them where there is none. See docs/cascade.md.
"""

from pointsman.cascade.asking import AgreementJudge, ChatJudge, FunctionJudge
from pointsman.cascade.climb import Cascade, Verdict
from pointsman.cascade.cut import cut_for_share, fit_cut
from pointsman.cascade.direct import Answered, aask_cascade, ask_cascade
from pointsman.cascade.logprobs import LogprobJudge
from pointsman.cascade.steps import Ask, Judge, adrive, drive

__all__ = [
    "AgreementJudge",
    "Answered",
    "Ask",
    "Cascade",
    "ChatJudge",
    "FunctionJudge",
    "Judge",
    "LogprobJudge",
    "Verdict",
    "aask_cascade",
    "adrive",
    "ask_cascade",
    "cut_for_share",
    "drive",
    "fit_cut",
]
