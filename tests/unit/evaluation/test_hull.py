"""Hulls and AIQ: against brute force, and against RouterBench's own rows."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.data.outcomes import Outcomes
from pointsman.data.tables import read_columns
from pointsman.errors import DataError
from pointsman.evaluation.hull import (
    aiq,
    guard,
    non_decreasing_hull,
    oracle,
    points_of,
    utility_choices,
    zero_router,
)

grid = st.integers(0, 8).map(lambda i: i / 8)
points = st.lists(st.tuples(grid, grid), min_size=1, max_size=9)


def best_mix(found, cost):
    """The highest quality of any mix of two points that costs no more, by trying all pairs."""
    reachable = [q for c, q in found if c <= cost]
    for c1, q1 in found:
        for c2, q2 in found:
            if c1 < cost < c2:
                reachable.append(q1 + (q2 - q1) * (cost - c1) / (c2 - c1))
    return max(reachable)


@given(points, st.lists(st.floats(0, 1.2), min_size=1, max_size=5))
def test_the_hull_is_the_best_mix_of_two_points(found, costs):
    hull = non_decreasing_hull(*zip(*found, strict=True))
    assert (np.diff(hull.cost) > 0).all()
    assert (np.diff(hull.quality) > 0).all()
    assert (np.diff(np.diff(hull.quality) / np.diff(hull.cost)) < 1e-12).all()
    for cost in costs:
        if cost >= hull.cost[0]:
            assert hull.at(cost) == pytest.approx(best_mix(found, cost), abs=1e-12)


@given(points, points)
def test_a_guarded_router_falls_below_neither_itself_nor_zero(router, models):
    zero = non_decreasing_hull(*zip(*models, strict=True))
    alone = non_decreasing_hull(*zip(*router, strict=True))
    both = guard(*zip(*router, strict=True), zero)
    low = max(zero.cost[0], alone.cost[0])
    for cost in np.linspace(low, 1.5, 9):
        assert both.at(cost) >= max(zero.at(cost), alone.at(cost)) - 1e-12


def test_aiq_in_both_normalisations():
    """From 0.2 at cost 1 to 0.6 at cost 3, flat to 5: paper (0.8 + 1.2) / 4, code the same area over 5."""
    hull = non_decreasing_hull([1.0, 3.0, 2.0], [0.2, 0.6, 0.1])
    assert aiq(hull, 1.0, 5.0) == pytest.approx((0.8 + 1.2) / 4)
    assert aiq(hull, 1.0, 5.0, normalisation="code") == pytest.approx(2.0 / 5)
    assert aiq(hull, 0.0, 5.0) == pytest.approx((0.2 + 2.0) / 5)
    assert aiq(hull, 0.0, 5.0, normalisation="code") == pytest.approx(2.0 / 5)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000))
def test_the_oracle_takes_the_cheapest_of_the_best(seed):
    rng = np.random.default_rng(seed)
    scores, costs = rng.integers(0, 3, (6, 3)) / 2, rng.uniform(size=(6, 3))
    scores[0, 0] = np.nan
    total_cost = total = 0.0
    for s, c in zip(scores, costs, strict=True):
        best = max(x for x in s if x == x)
        if best > 0:
            total += best
            total_cost += min(y for x, y in zip(s, c, strict=True) if x == best)
    assert oracle(scores, costs) == pytest.approx((total_cost / 6, total / 6))


def test_choices_move_from_the_cheapest_to_the_best():
    predicted = np.array([[0.9, 0.5], [0.6, 0.55]])
    choices = utility_choices(predicted, [0.02, 0.001], [0.0, 0.1, 10.0])
    assert choices.tolist() == [[1, 1], [0, 1], [0, 0]]
    cost, quality = points_of(choices, [[1, 0], [1, 1]], [[0.03, 0.01], [0.02, 0.01]])
    assert cost == pytest.approx([0.01, 0.02, 0.025])
    assert quality == pytest.approx([0.5, 1.0, 1.0])


def test_a_router_that_knows_nothing_is_the_zero_router():
    rng = np.random.default_rng(1)
    scores, costs = (rng.random((50, 4)) < [0.3, 0.5, 0.6, 0.9]).astype(float), rng.random((50, 4)) * [1, 2, 3, 9]
    means = np.broadcast_to(scores.mean(axis=0), scores.shape)
    pay = np.logspace(-3, 3, 400)
    hull = non_decreasing_hull(*points_of(utility_choices(means, costs.mean(axis=0), pay), scores, costs))
    zero = zero_router(scores, costs)
    assert hull.cost == pytest.approx(zero.cost)
    assert hull.quality == pytest.approx(zero.quality)


def test_a_hull_of_many_points_is_quick():
    """100,000 points, nearly all on the hull: sorting and one pass, where trying all pairs would take hours."""
    cost = np.random.default_rng(0).random(100_000)
    before = time.process_time()
    hull = non_decreasing_hull(cost, np.sqrt(cost))
    assert time.process_time() - before < 5
    assert len(hull.cost) > 99_000


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: non_decreasing_hull([], []),
        lambda: non_decreasing_hull([1, 2], [1]),
        lambda: non_decreasing_hull([np.nan], [1]),
        lambda: aiq(non_decreasing_hull([1], [1]), 2, 2),
        lambda: aiq(non_decreasing_hull([1], [1]), 1, 2, normalisation="mean"),
        lambda: zero_router([[1, np.nan]], [[1, 1]]),
        lambda: zero_router([[1, 0]], [[1, 1, 1]]),
        lambda: points_of(np.zeros((2, 3), dtype=np.intp), [[1, 0]], [[1, 1]]),
        lambda: points_of(np.zeros((2, 2), dtype=np.intp), [[np.nan, 0], [1, 1]], [[1, 1], [1, 1]]),
    ],
)
def test_tables_that_cannot_be_compared_are_refused(wrong):
    with pytest.raises(DataError):
        wrong()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "prompts", "zero", "best"),
    [
        ("arc-challenge", 437, 0.929, (0.00021, 0.989)),
        ("mbpp", 128, 0.683, (0.00050, 0.867)),
        ("winogrande", 380, 0.790, (0.00011, 0.997)),
    ],
)
def test_zero_and_oracle_on_routerbenchs_rows(data_dir, name, prompts, zero, best):
    """RouterDC's test split; the figures were computed before this code was, from the same rows."""
    pytest.importorskip("pyarrow")
    path = data_dir / "routerbench_slice" / "routerbench_0shot_slice.parquet"
    table, split = Outcomes.read(path, task_column="eval_name"), read_columns(path)["split_routerdc"]
    mine = [task == name and part == "test" for task, part in zip(table.tasks, split, strict=True)]
    whole = ~(np.isnan(table.scores) | np.isnan(table.costs)).any(axis=1)
    test = table.select(np.array(mine) & whole)
    assert len(test) == prompts
    means = test.costs.mean(axis=0)
    assert test.models[means.argmax()] == "gpt-4-1106-preview"
    hull = zero_router(test.scores, test.costs)
    assert aiq(hull, means.min(), means.max()) == pytest.approx(zero, abs=5e-4)
    cost, quality = oracle(test.scores, test.costs)
    assert (round(cost, 5), round(quality, 3)) == best
