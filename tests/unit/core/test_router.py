"""A decision, end to end."""

import asyncio
import concurrent.futures
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman import (
    Always,
    Candidate,
    Decision,
    Outcome,
    Pool,
    PromptLength,
    Query,
    RandomScorer,
    Router,
    Threshold,
    Usage,
    Utility,
)
from pointsman.configure import configure_router, override
from pointsman.errors import ConfigurationError, PolicyError, QueryError, ScorerError, UnknownPriceError
from pointsman.records import Call, Totals, decision_from, outcome_from, routing_record
from tests.support.core import pair, tiny_mf

PROMPTS = ["hello world", "prove that two is even", "", "why " * 40]


@pytest.fixture
def router() -> Router:
    return Router(pair(), tiny_mf(), Threshold(0.5))


def same_but_for_id_and_time(a: Decision, b: Decision) -> bool:
    drop = ("id", "latency_ms")
    return {k: v for k, v in a.as_dict().items() if k not in drop} == {
        k: v for k, v in b.as_dict().items() if k not in drop
    }


def test_a_decision_says_what_was_chosen_and_why(router):
    decision = router.decide("prove that two is even")
    rate = router.scorer.win_rate(["prove that two is even"], "strong", "weak")[0]
    assert decision.win_rate == pytest.approx(rate)
    assert decision.candidate == ("strong" if rate >= 0.5 else "weak")
    assert decision.threshold == 0.5
    assert f"{rate:.3f}" in decision.reason
    assert set(decision.quality) == {"strong", "weak"}
    assert decision.estimated_cost_usd["strong"] > decision.estimated_cost_usd["weak"] > 0


def test_batch_single_and_async_decide_alike(router):
    batch = router.decide_batch(PROMPTS)
    for prompt, decision in zip(PROMPTS, batch, strict=True):
        assert same_but_for_id_and_time(decision, router.decide(prompt))
        assert same_but_for_id_and_time(decision, asyncio.run(router.adecide(prompt)))
    assert len({decision.id for decision in batch}) == len(PROMPTS)
    assert router.decide_batch([]) == []


def test_a_scorer_that_is_not_instant_leaves_the_event_loop_free():
    on_the_loop = []

    class Slow(PromptLength):
        instant = False

        def quality(self, texts):
            on_the_loop.append(threading.current_thread() is threading.main_thread())
            return super().quality(texts)

    router = Router(pair(), Slow(("strong", "weak")), Threshold(0.5))
    asyncio.run(router.adecide("q"))
    router.decide("q")
    assert on_the_loop == [False, True]


def test_threads_agree(router):
    expected = [d.candidate for d in router.decide_batch(PROMPTS)]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for candidates in threads.map(lambda _: [router.decide(p).candidate for p in PROMPTS], range(50)):
            assert candidates == expected


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[]), max_size=300))
def test_any_text_is_routed(text):
    decision = Router(pair(), tiny_mf(), Threshold(0.5)).decide(text)
    assert decision.candidate in ("strong", "weak")
    json.dumps(decision.as_dict())


@pytest.mark.parametrize("text", ["x" * 200_000, "\ud800" * 10, "🙂" * 5000, "\x00\x01"])
def test_hostile_text_is_routed(router, text):
    assert router.decide(text).win_rate is not None


@pytest.mark.parametrize("text", ["", "  \n"])
def test_without_words_the_safe_choice_is_made_and_said(router, text):
    decision = router.decide(text)
    assert decision.candidate == "strong"
    assert decision.win_rate is None
    assert decision.quality == {}
    assert "no words to score" in decision.reason
    assert router.with_policy(Always("weak")).decide(text).candidate == "weak"


def test_what_is_no_query_is_refused(router):
    with pytest.raises(QueryError):
        router.decide(None)


def test_forcing_and_per_call_overrides(router):
    forced = override(router, candidate="weak", threshold=0.0).decide("q")
    assert (forced.candidate, forced.forced) == ("weak", True)
    assert forced.win_rate is not None
    assert override(router, threshold=0.0).decide("q").candidate == "strong"
    assert override(router) is router
    with pytest.raises(ConfigurationError, match="no candidate named 'tiny'"):
        override(router, candidate="tiny")
    with pytest.raises(PolicyError):
        override(router, threshold=float("nan"))


def test_a_share_becomes_the_quantile_of_the_reference_win_rates(router):
    rates = router.scorer.reference_win_rates("strong", "weak")
    for share in (0.0, 0.2, 0.5, 1.0):
        assert (rates >= router.threshold_for_share(share)).mean() == pytest.approx(share, abs=1 / len(rates) + 1e-9)
    with pytest.raises(PolicyError, match="strong_share is 2"):
        router.threshold_for_share(2)
    with pytest.raises(PolicyError, match="carries no reference prompts"):
        Router(pair(), PromptLength(), Threshold(0.5)).threshold_for_share(0.5)


def test_only_one_rule_at_a_time(router):
    with pytest.raises(ConfigurationError, match="threshold and strong_share"):
        configure_router(pair(), router, threshold=0.4, strong_share=0.4)
    assert configure_router(pair(), router, threshold=0.4).decide("q").threshold == 0.4
    shared = configure_router(pair(), router, strong_share=0.3)
    assert shared.policy.alpha == pytest.approx(router.threshold_for_share(0.3))
    assert configure_router(pair(), router).decide("q").threshold == 0.5


def test_a_policy_that_weighs_cost_asks_for_prices_at_once():
    pool = Pool([Candidate("a", input_price=1, output_price=1), "no-such-model"])
    with pytest.raises(UnknownPriceError, match="no-such-model"):
        Router(pool, RandomScorer(), Utility(0.1))


def test_unknown_prices_stay_unknown_in_the_record():
    decision = Router(Pool.pair("no-such-a", "no-such-b"), RandomScorer(), Threshold(0.5)).decide("q")
    assert decision.estimated_cost_usd == {"no-such-a": None, "no-such-b": None}


@pytest.mark.parametrize(
    ("values", "says"),
    [(np.full((1, 2), np.nan), "not all in"), (np.full((1, 2), 1.5), "not all in"), (np.zeros((3, 2)), "shape")],
)
def test_a_scorer_that_returns_no_scores_is_named(values, says):
    class Broken(PromptLength):
        def quality(self, texts):
            return values

    with pytest.raises(ScorerError, match=f"Broken.*{says}"):
        Router(pair(), Broken(("strong", "weak")), Threshold(0.5)).decide("q")


def test_a_scorer_that_does_not_know_the_models_says_so():
    with pytest.raises(ConfigurationError, match="does not know weak"):
        Router(pair(), tiny_mf(models=("strong", "x", "y")), Threshold(0.5))


def test_n_models_go_by_utility_with_masked_gates():
    pool = Pool([Candidate(n, input_price=p, output_price=p) for n, p in (("strong", 9), ("weak", 1), ("other", 3))])
    router = Router(pool, tiny_mf(), Utility(0.05))
    for decision in router.decide_batch([Query(p, prompt_tokens=100) for p in PROMPTS if p]):
        utility = {n: 0.05 * decision.quality[n] - decision.estimated_cost_usd[n] for n in pool.names}
        assert decision.candidate == max(utility, key=utility.get)
        assert decision.win_rate is None


def test_records_round_trip_and_forgive(router):
    decision = router.decide("prove that two is even")
    record = json.loads(json.dumps(decision.as_dict()))
    assert Decision.from_dict(record | {"from_the_future": 1}) == decision
    assert Decision.from_dict({"candidate": "weak"}).model == ""
    assert Outcome.from_dict({"decision_id": "d", "new": 2}) == Outcome(decision_id="d")


def test_an_outcome_prices_the_call_and_its_baseline(router):
    decision = router.with_policy(Always("weak")).decide("q")
    outcome = Call(decision, router.pool).close(Usage(1_000_000, 1_000_000))
    assert outcome.cost_usd == pytest.approx(0.75)
    assert outcome.baseline_cost_usd == pytest.approx(12.5)
    assert outcome.saved_usd == pytest.approx(11.75)
    assert outcome.latency_ms > 0
    record = json.loads(json.dumps(routing_record(decision, outcome)))
    assert decision_from(record) == decision
    assert outcome_from(record) == outcome
    assert decision_from({}) is None
    assert outcome_from(routing_record(decision)) is None


def test_ids_are_32_hex_digits_and_differ(router):
    ids = {router.decide("q").id for _ in range(100)}
    assert len(ids) == 100
    assert all(len(each) == 32 and int(each, 16) >= 0 for each in ids)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_draws_ids_of_its_own():
    program = """
import os
from pointsman.router import _ids
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, b"%d" % _ids.getrandbits(128))
    os._exit(0)
os.wait()
print(int(os.read(read, 99)) != _ids.getrandbits(128))
"""
    command = [sys.executable, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # our own code
    assert done.stdout.strip() == "True"


def test_a_failed_call_has_an_outcome_without_a_cost(router):
    outcome = Call(router.decide("q"), router.pool).close(None, TimeoutError("late"))
    assert (outcome.error, outcome.cost_usd, outcome.input_tokens) == ("TimeoutError", None, None)


def test_totals_sum_and_do_not_invent():
    totals = Totals()
    router = Router(pair(), tiny_mf(), Always("weak"))
    for _ in range(3):
        decision = router.decide("q")
        totals.add(decision, Call(decision, router.pool).close(Usage(1000, 100)))
    assert totals.calls == 3
    assert totals.tokens == {"weak": (3000, 300)}
    assert totals.saved_usd == pytest.approx(totals.baseline_cost_usd - totals.cost_usd)
    totals.add(router.decide("q"), None)
    assert totals.cost_usd is None
