"""Win rates that mean what they say, in the order that they had."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman import Always, Outcomes, Pool, PromptLength, RandomScorer, Router, Threshold, load_router
from pointsman.calibration import calibrate, calibrate_win_rates
from pointsman.calibration.curves import BLOCK, CURVES, isotonic, platt, pool_adjacent_violators
from pointsman.errors import ConfigurationError, DataError, PolicyError
from pointsman.evaluation.metrics import ece
from pointsman.scorers.calibrated import Calibrated
from tests.support.core import pair, tiny_embedder, tiny_mf
from tests.support.outcomes import synthetic, table

CURVE = (np.array([0.0, 0.4, 0.6, 1.0]), np.array([0.1, 0.5, 0.8, 0.9]))


def sample(n=4000, seed=0):
    """Win rates around 1/2, and outcomes as if they lay three times as far from it in logits."""
    rng = np.random.default_rng(seed)
    rates = np.clip(rng.normal(0.5, 0.08, n), 0.05, 0.95)
    truth = 1 / (1 + ((1 - rates) / rates) ** 3)
    return rates, (rng.random(n) < truth).astype(float), truth


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 5)), min_size=1, max_size=40))
def test_pooling_is_scikit_learns_isotonic_regression(pairs):
    isotonic_module = pytest.importorskip("sklearn.isotonic")
    values, weights = np.array(pairs, dtype=float).T
    expected = (
        isotonic_module.IsotonicRegression()
        .fit(np.arange(len(values)), values, weights)
        .predict(np.arange(len(values)))
    )
    np.testing.assert_allclose(pool_adjacent_violators(values, weights), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["platt", "isotonic"])
def test_a_curve_finds_what_the_rates_meant_and_rises_strictly(kind):
    rates, target, truth = sample()
    knots, values = CURVES[kind](rates, target)
    assert (np.diff(knots) > 0).all()
    assert (np.diff(values) > 0).all()
    assert (knots[0], knots[-1]) == (0.0, 1.0)
    said = np.interp(rates, knots, values)
    assert np.abs(said - truth).mean() < 0.02
    assert np.abs(rates - truth).mean() > 0.1


@pytest.mark.parametrize("fit", [platt, isotonic])
@pytest.mark.parametrize("rates", [np.full(200, 0.5), np.array([0.0, 1.0] * 100), np.linspace(1.0, 0.0, 200)])
def test_odd_rates_still_give_a_curve_that_rises(fit, rates):
    target = np.array([1.0, 0.0] * 100)
    knots, values = fit(rates, target)
    Calibrated(PromptLength(), ("a", "b"), knots, values)


def test_an_isotonic_knot_stands_on_enough_prompts():
    rates, target, _ = sample(1000)
    knots, _ = isotonic(rates, target)
    assert len(knots) <= 1000 / BLOCK + 2


@pytest.fixture
def wrapped():
    return Calibrated(tiny_mf(), ("strong", "weak"), *CURVE)


def test_only_the_pair_is_moved_and_both_ways_agree(wrapped):
    texts = ["prove that two is even", "hello world"]
    base = tiny_mf()
    quality, rates = wrapped.score(texts, "strong", "weak")
    np.testing.assert_array_equal(quality, base.quality(texts))
    np.testing.assert_allclose(rates, np.interp(base.win_rate(texts, "strong", "weak"), *CURVE))
    np.testing.assert_array_equal(rates, wrapped.win_rate(texts, "strong", "weak"))
    np.testing.assert_allclose(wrapped.win_rate(texts, "weak", "strong"), 1 - rates)
    np.testing.assert_allclose(wrapped.score(texts, "weak", "strong")[1], 1 - rates)
    np.testing.assert_array_equal(wrapped.win_rate(texts, "strong", "other"), base.win_rate(texts, "strong", "other"))
    reference = base.reference_win_rates("strong", "weak")
    np.testing.assert_allclose(wrapped.reference_win_rates("strong", "weak"), np.interp(reference, *CURVE))
    assert wrapped.instant
    assert wrapped.select(("weak", "strong")).models == ("weak", "strong")


def test_another_embedder_goes_to_the_base(wrapped):
    other = wrapped.with_embedder(tiny_embedder(seed=5))
    assert other.win_rate(["why"], "strong", "weak") != wrapped.win_rate(["why"], "strong", "weak")
    with pytest.raises(ConfigurationError, match="takes no embedder"):
        Calibrated(PromptLength(), ("a", "b"), *CURVE).with_embedder(tiny_embedder())


@pytest.mark.parametrize("base", [tiny_mf(), PromptLength(midpoint=9.0), RandomScorer(seed=2)])
def test_it_travels_in_the_artifact(base, tmp_path):
    router = Router(pair(), Calibrated(base, ("strong", "weak"), *CURVE), Threshold(0.5))
    router.save(tmp_path / "r")
    loaded = Router.load(tmp_path / "r")
    prompts = ["hello world", "why is that even", "prove two"]
    assert [d.win_rate for d in loaded.decide_batch(prompts)] == [d.win_rate for d in router.decide_batch(prompts)]
    assert loaded.decide(prompts[0]).win_rate != Router(pair(), base, Threshold(0.5)).decide(prompts[0]).win_rate


@pytest.mark.parametrize(
    ("knots", "values", "said"),
    [
        ([0.0, 1.0], [0.5, 0.5], "does not rise"),
        ([0.0, 0.5, 0.5, 1.0], [0.0, 0.1, 0.2, 1.0], "does not rise"),
        ([0.1, 1.0], [0.0, 1.0], "from 0 to 1"),
        ([0.0, 1.0], [0.0, 1.1], "from 0 to 1"),
        ([0.0], [0.0], "from 0 to 1"),
    ],
)
def test_a_curve_that_would_change_the_ranking_is_refused(knots, values, said):
    with pytest.raises(ConfigurationError, match=said):
        Calibrated(PromptLength(), ("a", "b"), np.array(knots), np.array(values))


def test_a_router_keeps_its_decisions_and_gets_honest_rates():
    data, fresh = synthetic(1500, seed=1), synthetic(1500, seed=2)
    router = Router(pair(), PromptLength(midpoint=18.0, slope=3.0), Threshold(0.6))
    found = calibrate_win_rates(router, data)
    before, after = router.decide_batch(fresh.prompts), found.router.decide_batch(fresh.prompts)
    assert [d.candidate for d in before] == [d.candidate for d in after]
    assert found.rows == 1500
    assert found.method != "unchanged"
    assert found.ece < 0.03 < found.ece_before
    assert found.brier < found.brier_before
    rates = np.array([d.win_rate for d in after])
    assert ece(rates, fresh.scores[:, 0], fresh.scores[:, 1]) < 0.03
    old = np.array([d.win_rate for d in before])
    np.testing.assert_array_equal(np.argsort(old, kind="stable"), np.argsort(rates, kind="stable"))


def test_rates_that_are_right_are_left_alone():
    _, target, truth = sample()
    knots, values = platt(truth, target)
    assert np.abs(np.interp(truth, knots, values) - truth).max() < 0.03


def test_an_earlier_calibration_is_dropped():
    data = synthetic(300)
    router = Router(pair(), tiny_mf(), Threshold(0.5))
    ready = router.with_calibration(calibrate(router, data, share=0.3))
    assert calibrate_win_rates(ready, data).router.calibration is None


def test_what_cannot_be_calibrated_is_one_error():
    data = synthetic(99)
    with pytest.raises(DataError, match="99 prompts have scores of both"):
        calibrate_win_rates(Router(pair(), tiny_mf(), Threshold(0.5)), data)
    with pytest.raises(PolicyError, match="names none"):
        calibrate_win_rates(Router(Pool(["strong", "weak"]), tiny_mf(), Always("weak")), data)
    with pytest.raises(DataError, match="no column of weak"):
        calibrate_win_rates(
            Router(pair(), tiny_mf(), Threshold(0.5)), table(data.prompts, ["strong"], data.scores[:, :1])
        )


@pytest.mark.data
def test_in_distribution_the_error_is_at_most_three_points(data_dir):
    pytest.importorskip("pyarrow")
    # the shipped router's training holds these prompts; BBH, which it does not hold, is in benchmarks/guarantees.py
    whole = Outcomes.read(data_dir / "routellm/routellm_mmlu_gsm8k.parquet", task_column="task")
    mmlu = whole.select(np.random.default_rng(0).permutation(np.flatnonzero([t == "mmlu" for t in whole.tasks])))
    fit, rest = mmlu.select(np.arange(1000)), mmlu.select(np.arange(1000, 4000))
    router = load_router("default", Pool.pair(*mmlu.models))
    length = Router(router.pool, PromptLength(), Threshold(0.5))
    for start in (router, length):
        ready = calibrate_win_rates(start, fit).router
        rates = [d.win_rate for d in ready.decide_batch(rest.prompts)]
        assert ece(rates, rest.scores[:, 0], rest.scores[:, 1]) <= 0.03


def test_one_prompt_a_hundred_times_is_not_a_hundred_prompts():
    same = table(["the same"] * 200, ["strong", "weak"], np.column_stack([np.arange(200) % 2, np.zeros(200)]))
    with pytest.raises(DataError, match="200 rows hold 1 different prompts; give 100 or more"):
        calibrate_win_rates(Router(pair(), tiny_mf(), Threshold(0.5)), same)
