"""Exact binomial tails and intervals."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.calibration.intervals import binomial_cdf, clopper_pearson, rows_to_halve
from pointsman.errors import DataError


def summed(k, n, p):
    p = Fraction(p)
    return float(sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)))


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(-1, 60), st.sampled_from(["1/50", "1/10", "1/3", "1/2", "9/10"]))
def test_the_tail_is_the_sum_of_its_terms(n, k, p):
    assert binomial_cdf(k, n, float(Fraction(p))) == pytest.approx(summed(min(k, n), n, p), abs=1e-12)


def test_large_samples_stay_exact():
    # P(X <= 300) for n = 15,000, p = .02 by the recurrence of its terms, in integers of 2^-200
    term, total = (1 - Fraction(1, 50)) ** 100, 0
    term = Fraction(round(term**150 * 2**600), 2**600)
    for i in range(301):
        total += term
        term = Fraction(round(term * (15_000 - i) / (i + 1) / 49 * 2**600), 2**600)
    assert binomial_cdf(300, 15_000, 0.02) == pytest.approx(float(total), abs=1e-11)


def test_the_interval_is_the_one_of_the_textbooks():
    # Clopper and Pearson, 3 of 10 and 0 of 10 at 95%
    assert clopper_pearson(3, 10) == pytest.approx((0.3, 0.0667, 0.6525), abs=1e-4)
    assert clopper_pearson(0, 10) == pytest.approx((0.0, 0.0, 0.3085), abs=1e-4)
    assert clopper_pearson(10, 10) == pytest.approx((1.0, 0.6915, 1.0), abs=1e-4)


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_is_refused(k, n):
    with pytest.raises(DataError, match="is no share"):
        clopper_pearson(k, n)


@pytest.mark.parametrize(("share", "n"), [(0.3, 1000), (0.5, 100), (0.02, 5000), (0.0, 50)])
def test_the_rows_to_halve_do(share, n):
    def width(rows):
        found = clopper_pearson(round(share * rows), rows)
        return found.high - found.low

    more = rows_to_halve(share, n)
    assert width(more) <= width(n) / 2 * 1.001
    assert width(int(more * 0.97)) > width(n) / 2
