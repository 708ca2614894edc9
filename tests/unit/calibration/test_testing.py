"""The p-values are valid, and the row of policies is tested in its order."""

import numpy as np
import pytest

from pointsman.calibration.testing import fewest_rows, method_of, p_values, passed, shortfall

RUNS = 2000


def draws(mean, spread, n, seed=0):
    """Losses in {-1, 0, 1} of this mean, `spread` of them not 0: n prompts, RUNS samples."""
    lost = (spread + mean) / 2
    return np.random.default_rng(seed).choice([1.0, -1.0, 0.0], p=[lost, spread - lost, 1 - spread], size=(n, RUNS))


def bound(delta):
    """Rejections of a true hypothesis that chance allows: delta and two standard deviations."""
    return delta + 2 * np.sqrt(delta * (1 - delta) / RUNS)


@pytest.mark.parametrize("eps", [0.01, 0.05])
@pytest.mark.parametrize("delta", [0.1, 0.02])
@pytest.mark.parametrize("spread", [0.06, 0.3])
def test_a_net_loss_of_eps_is_seldom_certified(eps, delta, spread):
    losses = draws(eps, spread, 300)
    assert (p_values(losses, eps, delta, "net") <= delta).mean() <= bound(delta)


def test_a_net_loss_well_below_eps_mostly_is():
    losses = draws(0.01, 0.1, 1000)
    assert (p_values(losses, 0.05, 0.1, "net") <= 0.1).mean() > 0.9


@pytest.mark.parametrize("eps", [0.02, 0.1])
@pytest.mark.parametrize("graded", [False, True])
def test_a_shortfall_of_eps_is_seldom_certified(eps, graded):
    rng = np.random.default_rng(1)
    losses = (rng.random((400, RUNS)) < (2 * eps if graded else eps)) * (rng.random((400, RUNS)) if graded else 1.0)
    assert (p_values(losses, eps, 0.1, "worse") <= 0.1).mean() <= bound(0.1)


def test_losses_of_0_and_1_are_tested_exactly_and_others_by_a_bound():
    whole, graded = np.array([[0.0], [1.0]]), np.array([[0.0], [0.5]])
    assert method_of(whole, "worse").endswith("Clopper-Pearson")
    assert method_of(graded, "worse").endswith("Hoeffding-Bentkus")
    assert method_of(whole, "net").endswith("betting")
    # 1 loss in 100 at eps .05: (.95^100 + 100 .05 .95^99) by hand
    one = np.zeros((100, 1))
    one[0] = 1.0
    assert p_values(one, 0.05, 0.1, "worse")[0] == pytest.approx(0.0370812, abs=1e-6)


def test_policies_pass_up_to_the_first_that_fails():
    assert passed(np.array([0.01, 0.1, 0.11, 0.0]), 0.1) == 2
    assert passed(np.array([0.2, 0.0]), 0.1) == 0
    assert passed(np.array([0.0, 0.0]), 0.1) == 2


@pytest.mark.parametrize("loss", ["net", "worse"])
def test_fewest_rows_is_where_a_sample_without_loss_begins_to_pass(loss):
    rows = fewest_rows(0.02, 0.1, loss)
    assert p_values(np.zeros((rows, 1)), 0.02, 0.1, loss)[0] <= 0.1
    assert p_values(np.zeros((rows - 1, 1)), 0.02, 0.1, loss)[0] > 0.1
    if loss == "worse":
        assert rows == 114  # the least n with .98^n <= .1


def test_net_loss_sets_gains_off_and_the_other_does_not():
    strong, chosen = np.array([1.0, 0.0, 0.5]), np.array([0.0, 1.0, 0.5])
    assert shortfall(strong, chosen, "net").tolist() == [1.0, -1.0, 0.0]
    assert shortfall(strong, chosen, "worse").tolist() == [1.0, 0.0, 0.0]
