"""RouteLLM's metrics against a direct transcription of how its evaluation counts, and against known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import DataError
from pointsman.evaluation.metrics import (
    agreement,
    apgr,
    brier,
    calibration_bins,
    call_curve,
    cpt,
    ece,
    pgr,
    preference,
    reliability,
)


def slow_apgr(rates, strong, weak):
    """Threshold by threshold, as RouteLLM's benchmarks.py and evaluate.py do it."""
    cuts = np.quantile(rates, np.linspace(0, 1, 11))
    points = []
    for index, cut in enumerate(cuts):
        chosen = rates >= cut if index != len(cuts) - 1 else rates > cut
        points.append((chosen.mean(), np.where(chosen, strong, weak).mean()))
    points.sort()
    shares, accuracy = np.array(points).T
    area = np.sum(np.diff(shares) * (accuracy[1:] + accuracy[:-1]) / 2)
    return (area - weak.mean()) / (strong.mean() - weak.mean())


@given(st.integers(0, 10_000), st.integers(15, 200), st.booleans())
def test_apgr_is_routellms(seed, n, tied):
    generator = np.random.default_rng(seed)
    rates = generator.integers(0, 5, n) / 5.0 if tied else generator.random(n)
    strong, weak = generator.random(n) + 1, generator.random(n)
    assert apgr(rates, strong, weak) == pytest.approx(slow_apgr(rates, strong, weak), abs=1e-12)


def test_perfect_and_inverse_order_mirror_each_other():
    weak = np.array([0.0] * 50 + [1.0] * 50)
    strong = np.ones(100)
    order = np.arange(100)[::-1]
    assert apgr(order, strong, weak) == pytest.approx(0.75)
    assert apgr(-order, strong, weak) == pytest.approx(0.25)


def test_constant_win_rate_mixes_nothing():
    shares, quality = call_curve(np.full(20, 0.4), np.ones(20), np.zeros(20))
    assert shares[0] == 0
    assert set(shares[1:]) == {1.0}
    assert quality[0] == 0
    assert quality[-1] == 1


def test_curve_runs_from_none_to_all():
    generator = np.random.default_rng(0)
    strong, weak = generator.random(37), generator.random(37)
    shares, quality = call_curve(generator.random(37), strong, weak)
    assert shares[0] == 0
    assert shares[-1] == 1
    assert (np.diff(shares) >= 0).all()
    assert quality[[0, -1]] == pytest.approx([weak.mean(), strong.mean()])


def test_cpt_is_the_first_crossing_though_the_curve_dips():
    strong = np.concatenate([np.ones(30), np.zeros(30), np.ones(40)])
    weak = np.concatenate([np.zeros(30), np.full(30, 0.5), np.zeros(40)])
    order = -np.arange(100.0)
    assert cpt(order, strong, weak, 0.3) == pytest.approx(0.165, abs=0.01)
    assert cpt(order, strong, weak, 1.0) == pytest.approx(1.0)
    assert cpt(order, strong, weak, 0.0) == 0.0


def test_pgr_ends():
    assert pgr([0.2, 0.5, 0.8], 0.8, 0.2) == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize(
    ("rates", "strong", "weak", "text"),
    [
        ([0.1, 0.2], [1, 1], [0], "one length"),
        ([], [], [], "one length"),
        ([0.1, np.nan], [1, 1], [0, 0], "NaN"),
        ([0.1, 0.2], [1, 1], [1, 1], "there is no gap to recover"),
        ([0.1, 0.2], [0, 1], [1, 1], "swap them"),
    ],
)
def test_bad_input_is_named(rates, strong, weak, text):
    with pytest.raises(DataError, match=text):
        apgr(rates, strong, weak)


def test_the_exact_curve_cuts_no_corners():
    """A perfect order on 40 prompts, 10 of which only the strong model gets right: up to 1 at a quarter, then flat."""
    strong, weak = np.ones(40), np.repeat([0.0, 1.0], [10, 30])
    order = -np.arange(40.0)
    assert apgr(order, strong, weak, bins=None) == pytest.approx(1 - 0.25 / 2)
    assert apgr(order, strong, weak) < apgr(order, strong, weak, bins=None)
    assert cpt(order, strong, weak, 0.95, bins=None) == pytest.approx(0.2375)


def test_preference_counts_a_tie_half():
    assert preference([1, 0.5, 0], [0, 0.5, 1]).tolist() == [1.0, 0.5, 0.0]


def test_win_rates_that_mean_what_they_say_are_calibrated():
    rng = np.random.default_rng(0)
    rates = rng.random(20_000)
    strong = (rng.random(20_000) < rates).astype(float)
    assert ece(rates, strong, 1 - strong) < 0.015
    assert ece(np.clip(rates + 0.2, 0, 1), strong, 1 - strong) > 0.15
    assert brier(rates, strong, 1 - strong) == pytest.approx(1 / 6, abs=0.005)
    assert brier([0.5, 0.5], [1, 0], [0, 1]) == 0.25


@given(st.integers(0, 1000), st.integers(1, 80), st.booleans())
def test_equal_win_rates_share_a_bin(seed, n, tied):
    rng = np.random.default_rng(seed)
    rates = rng.integers(0, 3, n) / 2 if tied else rng.random(n)
    member = calibration_bins(rates)
    assert set(member) == set(range(member.max() + 1))
    assert all(len(set(member[rates == rate])) == 1 for rate in rates)
    assert (np.diff(member[np.argsort(rates)]) >= 0).all()
    said, _, count = reliability(rates, np.ones(n), np.zeros(n))
    assert count.sum() == n
    assert np.average(said, weights=count) == pytest.approx(rates.mean())


def test_agreement_is_the_share_of_equal_choices():
    assert agreement([[0, 1, 1, 0], [0, 1, 0, 0]]) == 0.75
    assert agreement([[0, 0], [0, 0], [1, 0]]) == pytest.approx((1 + 0.5 + 0.5) / 3)
    with pytest.raises(DataError, match="two routers"):
        agreement([[0, 1]])
