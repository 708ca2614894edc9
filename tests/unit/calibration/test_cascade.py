"""A cascade's cut with a guarantee: it holds as often as it says, and it is of use."""

import numpy as np
import pytest

from pointsman.calibration.cascade import certify_cut
from pointsman.errors import ConfigurationError, DataError


def rows(rng, n):
    """P(the weak model is right) is the judge's score, of density 2 s; the strong one is right nine times in ten."""
    scores = rng.beta(2, 1, n)
    return scores, (rng.random(n) < scores).astype(float), (rng.random(n) < 0.9).astype(float)


def true_loss(cut):
    """Expected net loss of a cut: the integral of (0.9 - s) 2 s from the cut to 1."""
    return 0.9 * (1 - cut**2) - 2 / 3 * (1 - cut**3)


def test_the_bound_fails_no_more_often_than_it_says():
    rng = np.random.default_rng(0)
    losses = [true_loss(certify_cut(*rows(rng, 400), eps=0.05, delta=0.1).cut) for _ in range(100)]
    assert np.mean(np.array(losses) > 0.05) <= 0.1
    assert np.mean(losses) > 0.0, "it does not send every call to the strong model"


def test_a_larger_bound_escalates_less():
    sample = rows(np.random.default_rng(1), 4000)
    tight, loose = (certify_cut(*sample, eps=eps) for eps in (0.03, 0.1))
    assert tight.cut > loose.cut
    assert 1 > tight.escalated > loose.escalated
    assert tight.loss_seen < 0.03
    assert tight.p_value <= 0.1
    assert tight.rows == 4000


def test_losses_are_counted_where_they_are_worse():
    sample = rows(np.random.default_rng(2), 4000)
    net, worse = (certify_cut(*sample, eps=0.05, loss=loss) for loss in ("net", "worse"))
    assert worse.cut > net.cut
    assert "Clopper-Pearson" in worse.method


def test_a_weak_model_that_is_as_good_needs_no_strong_one():
    scores = np.random.default_rng(3).random(500)
    found = certify_cut(scores, np.ones(500), np.ones(500), eps=0.02)
    assert found.escalated == pytest.approx(0.0, abs=0.01)


def test_what_cannot_be_shown_says_what_it_takes():
    with pytest.raises(DataError, match=r"by 20 rows, of which it takes \d+ or more"):
        certify_cut(*rows(np.random.default_rng(4), 20), eps=0.02)
    with pytest.raises(DataError, match="by 0 rows"):
        certify_cut([], [], [], eps=0.02)
    with pytest.raises(DataError, match="of one length"):
        certify_cut([0.5], [1.0, 0.0], [1.0], eps=0.02)
    with pytest.raises(DataError, match=r"in \[0, 1\]"):
        certify_cut([np.nan], [1.0], [1.0], eps=0.02)
    with pytest.raises(ConfigurationError, match="each between 0 and 1"):
        certify_cut([0.5], [1.0], [1.0], eps=0.0)
