"""What a routed pipeline of LlamaIndex did, seen at once: texts scored, models chosen, tokens and money counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler

from llamaindex_router import RoutingRecorder
from tests.support.llamaindex import PRICES, Pair

__all__ = ["Books", "Expected", "kept"]

Expected = tuple[str, str, str, str]
"""Text scored, where it was found, stage, candidate."""


@dataclass
class Books:
    """The books of one run."""

    pair: Pair
    recorder: RoutingRecorder = field(default_factory=RoutingRecorder)
    legacy: TokenCountingHandler = field(default_factory=lambda: TokenCountingHandler(tokenizer=str.split))

    @property
    def calls(self) -> list[Expected]:
        """The routed calls, in order."""
        decisions = self.recorder.decisions
        assert len(self.pair.scored) == len(decisions), "one text scored per call"
        return [
            (text, decision.source, decision.stage, decision.candidate)
            for text, decision in zip(self.pair.scored, decisions, strict=True)
        ]

    def check(self, expected: Sequence[Expected], *, in_order: bool = True, legacy: bool = True) -> None:
        """The calls are these, and each token of each model was counted and priced once."""
        if in_order:
            assert self.calls == list(expected)
        else:
            assert sorted(self.calls) == sorted(expected)
        self.check_money(legacy=legacy)

    def check_money(self, *, legacy: bool = True) -> None:
        """The models' own bills, ours and, unless told otherwise, those of LlamaIndex's counter agree to the token."""
        bills = {role: getattr(self.pair, role).billed for role in PRICES}
        spent = {role: tuple(map(sum, zip(*bill, strict=True))) for role, bill in bills.items() if bill}
        totals = self.recorder.totals
        assert totals.calls == sum(map(len, bills.values()))
        assert totals.by_candidate == {role: len(bills[role]) for role in spent}
        assert totals.tokens == {getattr(self.pair, role).name: counts for role, counts in spent.items()}
        assert not totals.estimated
        cost = sum(_price(role, *counts) for role, counts in spent.items())
        baseline = sum(_price("strong", *counts) for counts in spent.values())
        assert totals.cost_usd == pytest.approx(cost)
        assert totals.baseline_cost_usd == pytest.approx(baseline)
        assert totals.saved_usd == pytest.approx(baseline - cost)
        asked, answered = (sum(counts[side] for counts in spent.values()) for side in (0, 1))
        counted = (self.legacy.prompt_llm_token_count, self.legacy.completion_llm_token_count)
        assert not legacy or counted == (asked, answered)


@contextmanager
def kept(pair: Pair) -> Iterator[Books]:
    """Keep the books of what happens inside."""
    books = Books(pair)
    manager = CallbackManager([books.legacy])
    pair.llm.callback_manager = manager
    Settings.callback_manager = manager  # synthesizers hand that of the settings to their model
    try:
        with books.recorder:
            yield books
    finally:
        Settings._callback_manager = None


def _price(role: str, asked: int, answered: int) -> float:
    prices: dict[str, Any] = PRICES[role]
    return float((asked * prices["input_price"] + answered * prices["output_price"]) / 1e6)
