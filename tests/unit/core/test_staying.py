"""A conversation keeps its model, unless leaving pays or is called for."""

from __future__ import annotations

import copy
import pickle

import pytest

from pointsman import Candidate, Decision, Outcome, Pool
from pointsman.costs.usage import Usage
from pointsman.errors import ConfigurationError
from pointsman.staying import Conversations, Stay, Turn

STRONG = Candidate("strong", model="gpt-4o", provider="openai")  # cached input at half the price
WEAK = Candidate("weak", model="gpt-4o-mini", provider="openai")
POOL = Pool.pair(STRONG, WEAK)
UNPRICED = Pool.pair("nobody-a", "nobody-b")


def decision(candidate: str, win_rate: float | None, *, pool: Pool = POOL, **facts: object) -> Decision:
    return Decision(
        id="d", candidate=candidate, model=pool.named(candidate).model, win_rate=win_rate, threshold=0.5, **facts
    )  # type: ignore[arg-type]


def test_a_first_turn_and_an_unchanged_choice_are_left_as_they_are() -> None:
    first = decision("weak", 0.2)
    assert Stay().settle(first, None, POOL) is first
    assert Stay().settle(first, Turn("weak"), POOL) is first


def test_a_dearer_model_is_moved_to_by_a_clear_win_rate_only() -> None:
    kept = Stay(margin=0.1).settle(decision("strong", 0.55), Turn("weak", 100), POOL, prompt_tokens=120)
    assert (kept.candidate, kept.model, kept.sticky) == ("weak", "gpt-4o-mini", True)
    assert "0.050 is less than the margin of 0.1" in kept.reason
    assert Stay(margin=0.1).settle(decision("strong", 0.61), Turn("weak", 100), POOL).candidate == "strong"


def test_a_cheaper_model_is_moved_to_where_that_saves_more_than_the_cache() -> None:
    saves = Stay().settle(decision("weak", 0.45), Turn("strong", 20_000), POOL, prompt_tokens=20_100)
    assert saves.candidate == "weak"


def test_a_long_cached_prompt_keeps_its_model() -> None:
    near = Candidate("near", input_price=2.0, output_price=9.0)  # cheaper than 2.5, dearer than the cached 1.25
    pool = Pool.pair(STRONG, near)
    turn = Turn("strong", 50_000)
    kept = Stay().settle(decision("near", 0.1, pool=pool), turn, pool, prompt_tokens=50_100)
    assert (kept.candidate, kept.sticky) == ("strong", True)
    assert "its prompt is cached" in kept.reason
    short = Stay().settle(decision("near", 0.1, pool=pool), Turn("strong", 50), pool, prompt_tokens=60)
    assert short.candidate == "near"


def test_without_prices_the_margin_speaks_both_ways() -> None:
    for candidate, previous, rate in (("nobody-a", "nobody-b", 0.55), ("nobody-b", "nobody-a", 0.45)):
        close = decision(candidate, rate, pool=UNPRICED)
        assert Stay().settle(close, Turn(previous), UNPRICED).sticky
        clear = decision(candidate, 0.5 + 3 * (rate - 0.5), pool=UNPRICED)
        assert not Stay().settle(clear, Turn(previous), UNPRICED).sticky


def test_without_a_threshold_predicted_quality_speaks() -> None:
    def scored(gain: float) -> Decision:
        quality = {"strong": 0.5 + gain, "weak": 0.5}
        return Decision(id="d", candidate="strong", model="gpt-4o", quality=quality)

    assert Stay(margin=0.1).settle(scored(0.05), Turn("weak"), POOL).sticky
    assert not Stay(margin=0.1).settle(scored(0.15), Turn("weak"), POOL).sticky


def test_nothing_scored_is_no_reason_to_leave() -> None:
    unscored = Decision(id="d", candidate="strong", model="gpt-4o")
    assert Stay().settle(unscored, Turn("weak"), POOL).candidate == "weak"


def test_a_tool_loop_is_not_interrupted() -> None:
    clear = decision("strong", 0.99)
    assert Stay().settle(clear, Turn("weak"), POOL, in_tool_loop=True).candidate == "weak"


def test_what_the_caller_names_or_a_gate_closes_goes_before() -> None:
    forced = decision("strong", 0.1, forced=True)
    assert Stay().settle(forced, Turn("weak"), POOL).candidate == "strong"
    gated = decision("strong", 0.1, gated={"weak": "no images"})
    assert Stay().settle(gated, Turn("weak"), POOL, in_tool_loop=True).candidate == "strong"
    gone = decision("strong", 0.5)
    assert Stay().settle(gone, Turn("one-that-left-the-pool"), POOL).candidate == "strong"


def test_a_turn_knows_what_lies_in_the_cache() -> None:
    chosen = decision("weak", 0.2)
    outcome = Outcome(decision_id="d", input_tokens=100, output_tokens=20)
    assert Turn.of(chosen, outcome) == Turn("weak", 120)
    assert Turn.of(chosen, outcome, Usage(60, 10)) == Turn("weak", 70), "the outcome is of several calls"
    assert Turn.of(chosen) == Turn.of(chosen, Outcome(decision_id="d", error="TimeoutError")) == Turn("weak", 0)


def test_conversations_are_kept_up_to_a_number_and_by_key() -> None:
    memory = Conversations(most=2)
    for key in ("a", "b", "a", "c"):
        memory.note(key, Turn(key))
    assert (memory.last("a"), memory.last("b"), memory.last("c")) == (Turn("a"), None, Turn("c"))
    memory.note(None, Turn("x"))
    assert memory.last(None) is None


def test_copies_start_without_conversations() -> None:
    memory = Conversations(most=7)
    memory.note("a", Turn("weak"))
    for other in (copy.deepcopy(memory), pickle.loads(pickle.dumps(memory))):  # noqa: S301  # our own
        assert (other.most, other.last("a")) == (7, None)


@pytest.mark.parametrize("margin", [-0.1, 1.1, float("nan")])
def test_a_margin_out_of_range_is_refused(margin: float) -> None:
    with pytest.raises(ConfigurationError, match="difference of win rates"):
        Stay(margin=margin)
