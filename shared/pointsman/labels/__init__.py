"""Labels for answers that models gave: against a key, or by a chat model as judge.

    table = AnswerTable.read("answers.jsonl", key="key")
    outcomes = golden_labels(table).outcomes
    battles = LabelJudge(chat_model, price=Price(0.15, 0.6), cap_usd=5, journal="judged.jsonl").battles(table).data

`pointsman label` is the same on the command line. See docs/labels.md.
"""

from pointsman.labels.golden import Golden, golden_labels
from pointsman.labels.judge import Estimate, Judged, LabelJudge
from pointsman.labels.table import AnswerTable

__all__ = ["AnswerTable", "Estimate", "Golden", "Judged", "LabelJudge", "golden_labels"]
