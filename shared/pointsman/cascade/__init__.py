"""Live cascades: the cheapest candidate answers, a judge accepts or the next one is asked, and all calls are paid for.

    cascade = Cascade(LogprobJudge("minimum"), cut=0.6)
    verdict = drive(cascade.steps(decision, pool, question), call)

A plugin makes the calls in its framework; `ask_cascade` makes them where there is none. See docs/cascade.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

# A plugin that may never run a cascade imports `steps` alone: the import of a plugin is on a budget.
_HOME = {
    "asking": ("AgreementJudge", "ChatJudge", "FunctionJudge"),
    "climb": ("Cascade", "Verdict"),
    "cut": ("cut_for_share", "fit_cut"),
    "direct": ("Answered", "aask_cascade", "ask_cascade"),
    "logprobs": ("LogprobJudge",),
    "steps": ("Ask", "Judge", "adrive", "drive"),
}
_LATER = {name: f"{__name__}.{module}" for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> object:
    """Each name from its module, imported when it is first asked for."""
    if name not in _LATER:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
