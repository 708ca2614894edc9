"""Curves of many resamples at once are those of each resample alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.evaluation.curves import areas, call_curves, crossings
from pointsman.evaluation.metrics import apgr, call_curve, cpt


def drawn(seed, n, tied):
    rng = np.random.default_rng(seed)
    rates = rng.integers(0, 4, n) / 4 if tied else rng.random(n)
    strong, weak = (rng.random(n) < 0.9).astype(float), (rng.random(n) < 0.4).astype(float)
    picks = rng.integers(0, n, (6, n))
    return rates, strong, weak, picks, np.array([np.bincount(pick, minlength=n) for pick in picks])


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 60), st.booleans(), st.sampled_from([10, 4, None]))
def test_a_row_of_counts_is_that_resample(seed, n, tied, bins):
    rates, strong, weak, picks, counts = drawn(seed, n, tied)
    shares, gains = call_curves(rates, strong - weak, counts, bins=bins)
    for row, pick in enumerate(picks):
        gap = strong[pick].mean() - weak[pick].mean()
        if gap <= 0:
            continue
        want_shares, want_quality = call_curve(rates[pick], strong[pick], weak[pick], bins=bins)
        if bins is not None:
            assert shares[row] == pytest.approx(want_shares, abs=1e-12)
            assert gains[row] + weak[pick].mean() == pytest.approx(want_quality, abs=1e-12)
        recovered = gains[row : row + 1] / gap
        assert areas(shares[row : row + 1], recovered)[0] == pytest.approx(
            apgr(rates[pick], strong[pick], weak[pick], bins=bins), abs=1e-12
        )
        found = crossings(shares[row : row + 1], recovered, 0.5)[0]
        assert found == pytest.approx(cpt(rates[pick], strong[pick], weak[pick], 0.5, bins=bins), abs=1e-12)


def test_a_gain_for_each_resample():
    rng = np.random.default_rng(0)
    gains = rng.normal(size=(3, 40)) + 1
    together = call_curves(np.arange(40.0), gains, np.ones((3, 40)), bins=10)
    for row in range(3):
        alone = call_curves(np.arange(40.0), gains[row], np.ones((1, 40)), bins=10)
        assert together[1][row] == pytest.approx(alone[1][0])


def test_the_first_crossing_counts_though_the_curve_falls_back():
    shares = np.array([[0.0, 0.2, 0.4, 0.6, 1.0]])
    values = np.array([[0.0, 0.6, 0.4, 0.8, 1.0]])
    assert crossings(shares, values, 0.5)[0] == pytest.approx(0.2 * 0.5 / 0.6)
    assert crossings(shares, values, 0.7)[0] == pytest.approx(0.4 + 0.2 * 0.3 / 0.4)
    assert crossings(shares, values, 0.0)[0] == 0.0
    assert crossings(shares, values, 1.2)[0] == 1.0


def test_the_exact_curve_has_a_point_for_each_distinct_win_rate():
    shares, quality = call_curve([0.1, 0.5, 0.5, 0.9], [1, 1, 1, 1], [1, 0, 1, 0], bins=None)
    assert shares.tolist() == [0, 0.25, 0.75, 1.0]
    assert quality.tolist() == [0.5, 0.75, 1.0, 1.0]
