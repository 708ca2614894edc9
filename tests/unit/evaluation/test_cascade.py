"""The simulated cascade: by hand, against a plain loop, and on RouterBench's own rows."""

import numpy as np
import pytest

from pointsman.data.outcomes import Outcomes
from pointsman.data.tables import read_columns
from pointsman.errors import DataError
from pointsman.evaluation.cascade import BUDGETS, simulate_cascade
from pointsman.evaluation.hull import aiq, non_decreasing_hull, oracle, zero_router

SCORES = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
COSTS = np.array([[1.0, 2.0, 10.0]] * 4)


def loop(scores, costs, wrong, budget, good=1.0):
    """One prompt after the other, as the method is told: mean cost and quality."""
    spent = gained = 0.0
    for score, cost, errs in zip(scores, costs, wrong, strict=True):
        left = budget
        for column in np.argsort(costs.mean(axis=0)):
            if column != np.argmin(costs.mean(axis=0)) and cost[column] >= left:
                break
            left -= cost[column]
            last = score[column]
            if (last >= good) != errs[column]:
                break
        spent += budget - left
        gained += last
    return spent / len(scores), gained / len(scores)


def table(seed, n=60):
    rng = np.random.default_rng(seed)
    scores = (rng.random((n, 4)) < [0.4, 0.5, 0.6, 0.8]).astype(float)
    return scores, rng.random((n, 4)) * [1, 2, 4, 9] + 0.1


def test_a_judge_without_error_by_hand():
    """Prompt 1 stops at model 1 (1 USD), prompt 2 at 2 (3), prompts 3 and 4 see all three (13)."""
    found = simulate_cascade(SCORES, COSTS, budgets=[100.0])
    assert found.cost.tolist() == [[1, 3, 13, 13]]
    assert found.quality.tolist() == [[1, 1, 1, 0]]
    assert found.calls.tolist() == [[1, 2, 3, 3]]
    assert found.points[0] == pytest.approx([7.5])
    assert found.points[1] == pytest.approx([0.75])


def test_the_budget_stops_before_the_call_that_would_use_it_up():
    found = simulate_cascade(SCORES, COSTS, budgets=[0.5, 3.0, 3.1, 13.0, 13.1])
    assert found.cost.mean(axis=1) == pytest.approx([1, 1, 2.5, 2.5, 7.5])
    assert found.quality.mean(axis=1) == pytest.approx([0.25, 0.25, 0.5, 0.5, 0.75])


def test_an_erring_judge_by_hand():
    """Only model 2 is right, and the judge errs with 1/4: so often is 1 accepted, and 2 rejected in favour of 3."""
    found = simulate_cascade([[0.0, 1.0, 0.0]], [[1.0, 2.0, 10.0]], error_rate=0.25, budgets=[100.0], good=1.0)
    assert found.calls[0, 0] == pytest.approx(1 + 3 / 4 + 3 / 16)
    assert found.cost[0, 0] == pytest.approx(1 + 3 / 4 * 2 + 3 / 16 * 10)
    assert found.quality[0, 0] == pytest.approx(3 / 4 * 3 / 4)


def test_the_expectation_is_the_mean_of_many_draws_of_a_plain_loop():
    scores, costs = table(3)
    rng = np.random.default_rng(4)
    for budget in (3.0, 8.0, 100.0):
        draws = [loop(scores, costs, rng.random(scores.shape) < 0.2, budget) for _ in range(400)]
        cost, quality = simulate_cascade(scores, costs, error_rate=0.2, budgets=[budget]).points
        error = np.std(draws, axis=0) / np.sqrt(len(draws))
        assert (np.abs(np.mean(draws, axis=0) - [cost[0], quality[0]]) < 4 * error + 1e-12).all()


@pytest.mark.parametrize("budget", [0.2, 2.0, 5.0, 100.0])
def test_a_seed_draws_the_errors_once(budget):
    scores, costs = table(5)
    order = np.argsort(costs.mean(axis=0))
    right = (scores >= 1)[:, order]
    accepted = np.random.default_rng(9).random(scores.shape) < np.where(right, 0.7, 0.3)
    wrong = np.empty_like(right)
    wrong[:, order] = accepted != right
    found = simulate_cascade(scores, costs, error_rate=0.3, budgets=[budget], seed=9)
    assert tuple(float(each[0]) for each in found.points) == pytest.approx(loop(scores, costs, wrong, budget))


def test_a_judge_who_is_always_wrong_takes_the_first_bad_answer():
    found = simulate_cascade(SCORES, COSTS, error_rate=1.0, budgets=[100.0])
    assert found.quality.tolist() == [[0, 0, 0, 0]]


def test_the_order_may_be_given_and_may_leave_models_out():
    found = simulate_cascade(SCORES, COSTS, budgets=[100.0], order=[2, 0])
    assert found.cost.tolist() == [[11, 10, 10, 11]]
    assert found.quality.tolist() == [[1, 1, 1, 0]]


@pytest.mark.parametrize(
    "wrong",
    [
        {"quality": [[np.nan, 1.0]]},
        {"quality": [[1.0]]},
        {"quality": [], "cost": []},
        {"cost": [[-1.0, 1.0]]},
        {"error_rate": 1.1},
        {"budgets": []},
        {"budgets": [0.0]},
        {"order": [0, 0]},
        {"order": [2]},
        {"order": []},
    ],
)
def test_what_cannot_be_simulated_is_refused(wrong):
    with pytest.raises(DataError):
        simulate_cascade(**{"quality": [[1.0, 0.0]], "cost": [[1.0, 2.0]], **wrong})


@pytest.mark.data
@pytest.mark.parametrize(("name", "perfect"), [("arc-challenge", 0.982), ("mbpp", 0.851), ("winogrande", 0.992)])
def test_on_routerbenchs_rows(data_dir, name, perfect):
    """RouterDC's test split; AIQ of a faultless judge was computed before this code was, over other budgets."""
    pytest.importorskip("pyarrow")
    path = data_dir / "routerbench_slice" / "routerbench_0shot_slice.parquet"
    rows, split = Outcomes.read(path, task_column="eval_name"), read_columns(path)["split_routerdc"]
    mine = [task == name and part == "test" for task, part in zip(rows.tasks, split, strict=True)]
    test = rows.select(np.array(mine) & ~(np.isnan(rows.scores) | np.isnan(rows.costs)).any(axis=1))
    low, high = test.costs.mean(axis=0).min(), test.costs.mean(axis=0).max()

    def area(error_rate, budgets=BUDGETS):
        found = simulate_cascade(test.scores, test.costs, error_rate=error_rate, budgets=budgets)
        return aiq(non_decreasing_hull(*found.points), low, high)

    assert area(0.0, np.logspace(-4, 2, 60)) == pytest.approx(perfect, abs=1.5e-3)
    areas = [area(error_rate) for error_rate in (0, 0.05, 0.1, 0.2, 0.4)]
    assert areas == sorted(areas, reverse=True)
    zero = aiq(zero_router(test.scores, test.costs), low, high)
    assert areas[1] > zero > areas[4]
    best = oracle(test.scores, test.costs)[1]
    assert simulate_cascade(test.scores, test.costs).points[1].max() == pytest.approx(best)
