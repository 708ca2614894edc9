"""Where to cut a judge's scores: by share, and by how right the accepted answers must be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.cascade import cut_for_share, fit_cut
from pointsman.errors import DataError, PolicyError


def test_the_share_of_calls_that_escalate():
    scores = np.random.default_rng(0).random(1000)
    for share in (0.0, 0.1, 0.37, 0.5, 0.9):
        assert np.mean(scores < cut_for_share(scores, share)) == pytest.approx(share, abs=1.1e-3)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0, 1))
def test_ties_never_escalate_more_than_asked(scores, share):
    assert np.mean(np.array(scores) < cut_for_share(scores, share)) <= share + 1e-9


def test_the_lowest_cut_at_which_accepted_answers_are_good_enough():
    scores, right = [0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 0, 1, 0]
    # accepted from the top: 1, 1, 2/3, 3/4, 3/5
    assert fit_cut(scores, right, least=1.0) == 0.8
    assert fit_cut(scores, right, least=0.75) == 0.6
    assert fit_cut(scores, right, least=0.5) == 0.5


def test_equal_scores_are_accepted_together():
    assert fit_cut([0.9, 0.5, 0.5, 0.5], [1, 1, 0, 0], least=0.9) == 0.9


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.3, 0.5, 0.7]), st.booleans()), min_size=1, max_size=30))
def test_no_lower_cut_would_do(rows):
    scores, right = np.array([row[0] for row in rows]), np.array([float(row[1]) for row in rows])
    good = [cut for cut in np.unique(scores) if right[scores >= cut].mean() >= 0.6]
    if not good:
        with pytest.raises(DataError, match="at most"):
            fit_cut(scores, right, least=0.6)
    else:
        assert fit_cut(scores, right, least=0.6) == min(good)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: cut_for_share([0.5], 1.5), PolicyError),
        (lambda: fit_cut([0.5], [1], least=2), PolicyError),
        (lambda: cut_for_share([], 0.5), DataError),
        (lambda: cut_for_share([float("nan")], 0.5), DataError),
        (lambda: fit_cut([0.5, 0.4], [1], least=0.5), DataError),
        (lambda: fit_cut([0.5], [0], least=0.5), DataError),
    ],
)
def test_bad_rows_are_refused(call, error):
    with pytest.raises(error):
        call()
