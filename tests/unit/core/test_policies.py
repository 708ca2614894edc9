"""Who should serve: the rules, against definitions written out independently."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from pointsman import Always, Candidate, Pool, QualityFloor, QualityMargin, RandomScorer, Router, Threshold, Utility
from pointsman.errors import PolicyError, PoolError
from tests.support.core import pair

shares = st.floats(0, 1)
tables = npst.arrays(np.float64, (5, 3), elements=shares)


@pytest.mark.parametrize("alpha", [float("nan"), -0.1, 1.1, float("inf")])
def test_a_threshold_is_a_win_rate(alpha):
    with pytest.raises(PolicyError, match=r"\[0, 1\]"):
        Threshold(alpha)


@pytest.mark.parametrize(
    ("policy", "value"),
    [(Utility, -1.0), (Utility, float("nan")), (Utility, float("inf")), (QualityFloor, 1.5), (QualityMargin, -1.5)],
)
def test_other_parameters_are_checked_too(policy, value):
    with pytest.raises(PolicyError, match=str(value)):
        policy(value)


@given(npst.arrays(np.float64, 20, elements=shares), shares)
def test_threshold_is_strong_iff_the_win_rate_reaches_it(win_rate, alpha):
    chosen = Threshold(alpha).bind(pair()).choose(np.zeros((20, 2)), np.zeros((20, 2)), win_rate)
    assert [pair().names[c] == "strong" for c in chosen] == [rate >= alpha for rate in win_rate]


def test_threshold_finds_the_pair_wherever_it_stands_in_the_pool():
    pool = Pool(["x", "weak", "strong"], strong="strong", weak="weak")
    chosen = Threshold(0.5).bind(pool).choose(np.zeros((2, 3)), np.zeros((2, 3)), np.array([0.4, 0.6]))
    assert [pool.names[c] for c in chosen] == ["weak", "strong"]


def test_threshold_without_a_pair_says_how_to_name_one():
    with pytest.raises(PolicyError, match="strong="):
        Threshold(0.5).bind(Pool(["a", "b"]))


@given(tables, tables, st.floats(0, 100))
def test_utility_is_the_argmax_of_routerbench(quality, cost, willingness):
    chosen = Utility(willingness).choose(quality, cost, None)
    for row, column in enumerate(chosen):
        utility = [willingness * q - c for q, c in zip(quality[row], cost[row], strict=True)]
        assert utility[column] == max(utility)


@given(tables, tables, shares)
def test_quality_floor_is_the_cheapest_good_enough_or_the_best(quality, cost, minimum):
    chosen = QualityFloor(minimum).choose(quality, cost, None)
    for row, column in enumerate(chosen):
        enough = [j for j in range(3) if quality[row, j] >= minimum]
        if enough:
            assert column in enough
            assert cost[row, column] == min(cost[row, j] for j in enough)
        else:
            assert quality[row, column] == quality[row].max()


@given(tables, tables, st.floats(-1, 1))
def test_quality_margin_is_the_cheapest_that_is_not_much_worse_than_the_strong_one(quality, cost, margin):
    chosen = QualityMargin(margin, column=1).choose(quality, cost, None)
    for row, column in enumerate(chosen):
        near = [j for j in range(3) if j == 1 or quality[row, j] >= quality[row, 1] - margin]
        assert column in near
        assert cost[row, column] == min(cost[row, j] for j in near)


def test_quality_margin_is_from_the_strong_candidate_else_the_dearest():
    prices = {"cheap": 1.0, "dear": 9.0, "middle": 3.0}
    candidates = [Candidate(name, input_price=usd, output_price=usd) for name, usd in prices.items()]
    assert QualityMargin(0.1).bind(Pool(candidates)).column == 1
    assert QualityMargin(0.1).bind(Pool(candidates, strong="middle", weak="cheap")).column == 2
    router = Router(Pool(candidates), RandomScorer(seed=1), QualityMargin(-1))
    assert {decision.candidate for decision in router.decide_batch(["a", "b", "c"])} == {"dear"}


@given(tables, tables, st.integers(0, 2), shares)
def test_a_candidate_that_cannot_serve_is_never_picked_by_score_or_cost(quality, cost, shut, minimum):
    quality[:, shut], cost[:, shut] = -np.inf, np.inf
    assert shut not in Utility(minimum).choose(quality, cost, None)
    assert shut not in QualityFloor(minimum).choose(quality, cost, None)
    for margin in (minimum, -minimum):
        assert shut not in QualityMargin(margin).choose(quality, cost, None)
        assert shut not in QualityMargin(margin, column=shut).choose(quality, cost, None)


def test_always_needs_a_candidate_of_that_name():
    with pytest.raises(PoolError, match="nobody"):
        Always("nobody").bind(pair())
    assert Always("weak").bind(pair()).choose(np.zeros((3, 2)), np.zeros((3, 2)), None).tolist() == [1, 1, 1]
