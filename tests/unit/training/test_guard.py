"""A new router takes the old one's place only where held-out ratings show that it is worth more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pointsman import Candidate, Outcomes, Pool, PromptLength, Router, Threshold, train
from pointsman.data.feedback import RatedCall, outcomes_of
from pointsman.errors import ConfigurationError, DataError
from pointsman.training.guard import compare_routers, hold_out, replace_router
from tests.support.core import pair, tiny_embedder

EASY, HARD = "hello {}", "prove that two is even and why, " * 12 + "{}"


def outcomes(rows: int = 200, *, seed: int = 0, hard_weak: float = 0.2) -> Outcomes:
    """Easy prompts, which both models solve, and hard ones, which the weak one mostly does not."""
    rng = np.random.default_rng(seed)
    hard = np.arange(rows) % 2 == 1
    weak = np.where(hard, rng.random(rows) < hard_weak, rng.random(rows) < 0.9)
    strong = rng.random(rows) < 0.9
    return Outcomes(
        prompts=tuple((HARD if h else EASY).format(i) for i, h in enumerate(hard)),
        models=("strong", "weak"),
        scores=np.column_stack([strong, weak]).astype(float),
        prompt_ids=tuple(map(str, range(rows))),
        tasks=("",) * rows,
        costs=np.tile([0.002, 0.0001], (rows, 1)),
    )


def router(threshold: float) -> Router:
    return Router(pair(), PromptLength(), Threshold(threshold))


def test_a_better_router_is_seen_to_be_one() -> None:
    found = compare_routers(router(1.0), router(0.5), outcomes())
    assert (found.better, found.differing, found.known) == (True, 100, 100)
    assert found.cost_usd.value == pytest.approx(0.5 * 0.0019)
    assert 0 < found.worth_usd.low < found.worth_usd.value < found.worth_usd.high
    assert found.worth_usd.value == pytest.approx(0.01 * found.quality.value - found.cost_usd.value)
    back = compare_routers(router(0.5), router(1.0), outcomes())
    assert back.better is False
    assert back.worth_usd.value == pytest.approx(-found.worth_usd.value)


def test_quality_that_costs_more_than_it_is_worth_is_not_better() -> None:
    assert compare_routers(router(1.0), router(0.5), outcomes(), worth_usd=0.001).better is False


def test_equal_routers_have_nothing_to_replace() -> None:
    found = compare_routers(router(0.5), router(0.5), outcomes())
    assert (found.better, found.differing, found.worth_usd.value) == (False, 0, 0.0)
    assert "nothing to replace" in found.reason


def test_where_only_the_chosen_answer_is_rated_nothing_is_claimed() -> None:
    full = outcomes()
    chosen = [d.candidate for d in router(1.0).decide_batch(full.prompts)]
    rated = np.where(np.array(chosen)[:, None] == np.array(full.models), full.scores, np.nan)
    found = compare_routers(router(1.0), router(0.5), replace(full, scores=rated))
    assert (found.better, found.differing, found.known) == (False, 100, 0)
    assert "rate both models' answers to 20 of them or more" in found.reason


def test_gaps_at_random_leave_the_estimate_where_it_was() -> None:
    full = outcomes(4000)
    gaps = np.random.default_rng(1).random(full.scores.shape) < 0.5
    holed = replace(full, scores=np.where(gaps, np.nan, full.scores))
    whole, found = (compare_routers(router(1.0), router(0.5), rows) for rows in (full, holed))
    assert found.known < 0.35 * found.differing
    assert found.quality.low < whole.quality.value < found.quality.high
    assert found.quality.high - found.quality.low > whole.quality.high - whole.quality.low, "less is known"


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of the mean over the population that the prompts are drawn from: here a gain of 0.7 on half the prompts."""
    covered = 0
    for seed in range(60):
        quality = compare_routers(router(1.0), router(0.5), outcomes(120, seed=seed), resamples=300, seed=seed).quality
        covered += quality.low <= 0.35 <= quality.high
    assert covered >= 51, "95% of 60 is 57; fewer than 51 has a probability below 0.01"


def test_held_out_prompts_stay_held_out_as_rows_come() -> None:
    learn, held = hold_out(outcomes(300))
    assert len(learn) + len(held) == 300
    assert len(held) / 300 == pytest.approx(0.3, abs=0.09)
    more_learn, _ = hold_out(outcomes(600))
    assert set(held.prompts).isdisjoint(more_learn.prompts)


def test_replacing_writes_only_what_is_better(tmp_path: Path) -> None:
    folder = tmp_path / "router"
    router(1.0).save(folder)
    assert replace_router(folder, router(1.0), outcomes()).better is False
    assert replace_router(folder, router(0.5), outcomes()).better is True
    assert Router.load(folder).policy == Threshold(0.5)
    assert replace_router(folder, router(1.0), outcomes()).better is False
    assert Router.load(folder).policy == Threshold(0.5), "what stood there before is still there"


def test_what_cannot_be_compared() -> None:
    other = Router(Pool.pair("big", "small"), PromptLength(), Threshold(0.5))
    with pytest.raises(ConfigurationError, match="give both one pool"):
        compare_routers(router(0.5), other, outcomes())
    with pytest.raises(DataError, match="give a part of the prompts"):
        hold_out(outcomes(), share=1.0)
    unpriced = Pool.pair(Candidate("strong", model="nobody-1"), Candidate("weak", model="nobody-2"))
    routers = [Router(unpriced, PromptLength(), Threshold(t)) for t in (1.0, 0.5)]
    with pytest.raises(DataError, match="give its prices, or columns cost"):
        compare_routers(*routers, replace(outcomes(), costs=None))


def test_ratings_of_chosen_answers_alone_train_what_predicts_each_model_by_itself() -> None:
    calls = [RatedCall(f"hello world {i}", "weak", float(i % 3 > 0)) for i in range(30)]
    calls += [RatedCall(f"prove that two is even {i}", "strong", float(i % 4 > 0)) for i in range(30)]
    scorer = train("knn", outcomes_of(calls), embedder=tiny_embedder(), k=10)
    quality = scorer.quality(["hello world", "prove that two is even"])
    assert quality.shape == (2, 2)
    assert np.isfinite(quality).all()
