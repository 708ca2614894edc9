"""Once the period's money is spent every call goes to the cheapest model, and says so."""

import warnings
from datetime import datetime, timezone

import pytest

from pointsman import Always, Candidate, Decision, Outcome, Pool, PromptLength, RandomScorer, Router, Threshold
from pointsman.costs import budget as module
from pointsman.costs.budget import Budget
from pointsman.costs.ledger import Ledger, use_ledger
from pointsman.errors import ConfigurationError, DataError, UnknownPriceError
from pointsman.live import BudgetRouter, BudgetWarning
from tests.support.core import pair


def pay(ledger, usd):
    ledger.record(Decision(id="d", candidate="a", model="a"), Outcome(decision_id="d", cost_usd=usd))


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "calls.jsonl")


@pytest.fixture
def router():
    return Router(pair(), PromptLength(midpoint=5.0), Threshold(0.5))


def test_what_any_process_records_counts(ledger):
    budget = Budget(1.0, per="day", ledger=ledger)
    assert (budget.spent(), budget.left) == (0.0, 1.0)
    pay(ledger, 0.25)
    pay(Ledger(ledger.path), 0.5)
    pay(ledger, None)
    assert budget.spent() == budget.spent() == 0.75
    assert budget.left == 0.25
    assert Budget(1.0, per="hour", ledger=ledger).spent() == 0.75
    pay(ledger, 2.0)
    assert budget.left == 0.0


@pytest.mark.parametrize(("per", "later"), [("hour", (22, 4)), ("day", (23, 3)), ("month", None)])
def test_a_new_period_starts_at_nothing(ledger, monkeypatch, per, later):
    class Clock(datetime):
        at = datetime(2026, 11, 22, 3, 59, tzinfo=timezone.utc)

        @classmethod
        def now(cls, tz=None):
            return cls.at

    monkeypatch.setattr(module, "datetime", Clock)
    monkeypatch.setattr("pointsman.costs.ledger.datetime", Clock)
    budget = Budget(1.0, per=per, ledger=ledger)
    pay(ledger, 0.7)
    assert budget.spent() == 0.7
    day, hour = later or (1, 3)
    Clock.at = datetime(2026, 11 if later else 12, day, hour, 1, tzinfo=timezone.utc)
    assert budget.spent() == 0.0
    pay(ledger, 0.2)
    assert budget.spent() == 0.2


def test_half_a_line_waits_and_a_ledger_that_was_moved_is_read_anew(ledger):
    budget = Budget(1.0, per="day", ledger=ledger)
    pay(ledger, 0.25)
    line = ledger.path.read_bytes()
    with ledger.path.open("ab") as stream:
        stream.write(line[:40])
        stream.flush()
        assert budget.spent() == 0.25
        stream.write(line[40:])
    assert budget.spent() == 0.5
    ledger.path.write_bytes(b"")
    assert budget.spent() == 0.5
    ledger.path.unlink()
    assert budget.spent() == 0.5


def test_behind_a_line_that_is_no_record_the_others_still_count(ledger):
    budget = Budget(1.0, per="day", ledger=ledger)
    pay(ledger, 0.25)
    with ledger.path.open("ab") as stream:
        stream.write(b"\xff not a record\n")
    pay(ledger, 0.5)
    with pytest.raises(DataError, match="no record of a routed call"):
        budget.spent()
    assert budget.spent() == 0.75


def test_when_it_is_spent_the_cheapest_model_answers_until_it_is_not(ledger, router):
    thrifty = BudgetRouter(router, Budget(1.0, per="day", ledger=ledger))
    hard = "why is that even " * 5
    assert thrifty.decide(hard).candidate == "strong"
    assert "budget" not in thrifty.decide(hard).reason
    pay(ledger, 1.5)
    with pytest.warns(BudgetWarning, match=r"\$1 a day is spent in 20"):
        decision = thrifty.decide(hard)
    assert decision.notice.endswith("until it ends all calls go to the cheapest model")
    assert thrifty.decide(hard).notice is None
    assert thrifty.decide_batch([]) == []
    assert decision.candidate == "weak"
    assert decision.reason.endswith("the budget of $1 a day is spent")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        thrifty.decide(hard)  # said once in a period
    assert thrifty.instead(decision, {"weak": "down"}).candidate == "strong"
    assert thrifty.with_policy(Threshold(0.0)).decide("hi").candidate == "strong"
    assert thrifty.with_pool(pair()).decide(hard).candidate == "weak"
    assert thrifty.certificate is None
    assert thrifty.instant
    assert "$1 a day" in repr(thrifty)


def test_many_models(ledger):
    prices = {"a": 5.0, "b": 0.1, "c": 1.0}
    pool = Pool([Candidate(name, input_price=usd, output_price=usd) for name, usd in prices.items()])
    thrifty = BudgetRouter(Router(pool, RandomScorer(seed=1), Always("a")), Budget(0.0, per="day", ledger=ledger))
    with pytest.warns(BudgetWarning):
        assert thrifty.decide("why").candidate == "b"


def test_calls_of_a_plugin_count(ledger):
    pytest.importorskip("langchain_core")
    from langchain_router import routing_decision
    from pointsman.costs import ledger as ledgers
    from tests.support.langchain import HARD, priced, routed

    use_ledger(ledger)
    try:
        budget = Budget(1e-9, per="day", ledger=ledger)
        plain = Router(Pool.pair(*priced().values()), PromptLength(), Threshold(0.5))
        model = routed(router=BudgetRouter(plain, budget))
        assert routing_decision(model.invoke(HARD)).candidate == "strong"
        assert budget.left == 0.0
        with pytest.warns(BudgetWarning):
            assert routing_decision(model.invoke(HARD)).candidate == "weak"
    finally:
        ledgers._chosen.clear()


@pytest.mark.parametrize(("usd", "per"), [(-1.0, "day"), (float("nan"), "day"), (float("inf"), "day"), (1.0, "week")])
def test_odd_budgets_are_refused(ledger, usd, per):
    with pytest.raises(ConfigurationError, match="one of hour, day, month"):
        Budget(usd, per=per, ledger=ledger)


def test_a_wrong_ledger_and_unknown_prices_are_refused(ledger):
    unpriced = Router(
        Pool.pair(Candidate("s", model="mine-1"), Candidate("w", model="mine-2")), PromptLength(), Threshold(0.5)
    )
    with pytest.raises(UnknownPriceError, match="input_price"):
        BudgetRouter(unpriced, Budget(1.0, per="day", ledger=ledger))
    ledger.path.write_text("{}\n")
    with pytest.raises(DataError, match="no record of a routed call"):
        Budget(1.0, per="day", ledger=ledger)
