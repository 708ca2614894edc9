"""What the demo has to show for each prompt."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pointsman.decision import Decision, Outcome
from pointsman.records import Totals

__all__ = ["Row", "totals_of"]


@dataclass(frozen=True)
class Row:
    """One routed prompt.

    Attributes:
        framework: "LangChain" or "LlamaIndex".
        prompt: what was asked, without the template around it.
        answer: what came back.
        decision, outcome: the record of the call.
    """

    framework: str
    prompt: str
    answer: str
    decision: Decision
    outcome: Outcome

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON values."""
        return {
            "framework": self.framework,
            "prompt": self.prompt,
            "answer": self.answer,
            "decision": self.decision.as_dict(),
            "outcome": self.outcome.as_dict(),
        }


def totals_of(rows: Iterable[Row]) -> Totals:
    """Sums over the rows."""
    totals = Totals()
    for row in rows:
        totals.add(row.decision, row.outcome)
    return totals
