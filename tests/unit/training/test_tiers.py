"""Tiers against every way of cutting."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.errors import ConfigurationError
from pointsman.training.tiers import compute_tiers

ratings = st.lists(st.floats(800, 1300), min_size=1, max_size=8)


def spread(values, tiers):
    return sum(np.var([v for v, t in zip(values, tiers, strict=True) if t == tier]) for tier in set(tiers))


@given(ratings, st.integers(1, 5))
def test_no_other_cut_has_a_smaller_sum_of_variances(values, tiers):
    found = compute_tiers(values, tiers).tolist()
    n, count = len(values), min(tiers, len(values))
    assert set(found) == set(range(count))
    ranked = sorted(values, reverse=True)
    cuts = combinations(range(1, n), count - 1)
    least = min(sum(np.var(ranked[a:b]) for a, b in zip((0, *cut), (*cut, n), strict=True) if b > a) for cut in cuts)
    assert spread(values, found) == pytest.approx(least, abs=1e-6)
    for a, tier_a in zip(values, found, strict=True):
        for b, tier_b in zip(values, found, strict=True):
            assert not (a > b and tier_a > tier_b)


def test_variances_are_added_and_not_squares():
    """One outlier against a crowd: squares would cut the crowd, variances leave it whole."""
    values = [1000.0] * 8 + [990.0] * 8 + [980.0, 950.0]
    assert len(set(compute_tiers(values, 2)[:17].tolist())) == 1


@pytest.mark.parametrize(("values", "tiers"), [([], 2), ([1.0], 0), ([np.nan, 1.0], 2), ([[1.0]], 1)])
def test_what_cannot_be_cut_is_refused(values, tiers):
    with pytest.raises(ConfigurationError):
        compute_tiers(values, tiers)
