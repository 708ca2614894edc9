"""What all examples share: which models were asked for, and the printed bill. No framework in it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import NoReturn

from pointsman import Decision, Outcome
from pointsman.cli.output import console, print_table, usd, win_rate
from pointsman.records import Totals

__all__ = ["asked_models", "print_decisions", "print_totals", "refuse"]


def asked_models() -> list[str]:
    """Two models as PROVIDER:MODEL, from the command line or from STRONG and WEAK; none stands for stand-ins."""
    given = sys.argv[1:] or [os.environ[name] for name in ("STRONG", "WEAK") if os.environ.get(name)]
    if len(given) not in (0, 2):
        refuse(f"usage: {sys.argv[0]} [STRONG WEAK], each as PROVIDER:MODEL; or set STRONG and WEAK")
    if not given:
        print("Stand-ins answer with texts of this project; decisions, token counts and list prices are real.\n")
    return given


def print_decisions(decisions: Iterable[Decision], outcomes: Iterable[Outcome]) -> None:
    """Every decision with what its call cost."""
    spent = {outcome.decision_id: outcome for outcome in outcomes}
    rows = [
        [d.stage or "-", d.model, win_rate(d.win_rate), usd(spent[d.id].cost_usd), d.reason]
        for d in decisions
        if d.id in spent
    ]
    print_table(console(), ["step", "model", "win rate", "cost", "why"], rows, numbers=["win rate", "cost"])


def print_totals(totals: Totals) -> None:
    """The bill."""
    counts = ", ".join(f"{model} {asked} in + {said} out" for model, (asked, said) in totals.tokens.items())
    baseline, saved = usd(totals.baseline_cost_usd), usd(totals.saved_usd)
    print(f"\ncalls: {totals.calls}; tokens: {counts}")
    print(f"cost {usd(totals.cost_usd)}; always the strong model {baseline}; saved {saved}\n")


def refuse(message: str) -> NoReturn:
    """Say what is wrong, and end as command lines do."""
    print(message, file=sys.stderr)
    sys.exit(2)
