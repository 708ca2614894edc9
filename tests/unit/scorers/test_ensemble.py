"""Pooling: its formula in plain Python, and what follows from it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import PromptLength
from pointsman.errors import ConfigurationError
from pointsman.scorers import Ensemble
from pointsman.scorers.pooling import LogitPool
from tests.support.core import tiny_mf
from tests.support.outcomes import MODELS
from tests.support.scorers import ensemble, knn, svm

inside = st.floats(0.01, 0.99)
positive = st.floats(0, 3)
lists = st.integers(1, 4).flatmap(
    lambda k: st.tuples(
        *[st.lists(each, min_size=k, max_size=k) for each in (inside, positive, st.floats(-2, 2), positive)]
    )
)


def pooled(p, slopes, offsets, weights, prior, discount):
    z = [s * math.log(x / (1 - x)) + o for x, s, o in zip(p, slopes, offsets, strict=True)]
    total = sum(weights)
    if not total:
        return 1 / (1 + math.exp(-prior))
    centre = sum(w / total * x for w, x in zip(weights, z, strict=True))
    variance = sum(w / total * (x - centre) ** 2 for w, x in zip(weights, z, strict=True))
    out = prior + sum(w * (x - prior) for w, x in zip(weights, z, strict=True)) / math.sqrt(1 + discount * variance)
    return 1 / (1 + math.exp(-out))


@given(lists, st.floats(-2, 2), positive)
def test_the_pool_is_its_formula(columns, prior, discount):
    p, slopes, offsets, weights = columns
    pool = LogitPool(tuple(slopes), tuple((o,) for o in offsets), tuple(weights), (prior,), discount)
    found = pool.pool([np.array([x]) for x in p])[0]
    assert found == pytest.approx(pooled(p, slopes, offsets, weights, prior, discount), abs=1e-9)


@given(st.lists(inside, min_size=2, max_size=4), st.floats(-2, 2))
def test_disagreement_moves_the_result_to_the_prior_and_agreement_does_not(p, prior):
    k = len(p)
    plain, wary = (LogitPool((1.0,) * k, ((0.0,),) * k, (1 / k,) * k, (prior,), discount) for discount in (0, 2.0))
    base = 1 / (1 + math.exp(-prior))
    split = [np.array([x]) for x in p]
    assert abs(wary.pool(split)[0] - base) <= abs(plain.pool(split)[0] - base) + 1e-12
    assert (wary.pool(split)[0] - base) * (plain.pool(split)[0] - base) >= 0
    one = [np.array([p[0]])] * k
    assert wary.pool(one)[0] == pytest.approx(plain.pool(one)[0])


def test_members_that_say_nothing_leave_each_model_at_its_own_mean():
    pool = LogitPool((0.0,), ((-1.0, 2.0),), (1.0,), (-1.0, 2.0))
    found = pool.pool([np.random.default_rng(0).uniform(size=(5, 2))])
    assert np.allclose(found, 1 / (1 + np.exp([1.0, -2.0])))
    assert np.allclose(pool.select([1]).pool([np.full((1, 1), 0.3)]), 1 / (1 + math.exp(-2)))


def test_equal_say_is_the_mean_of_the_logits():
    members = (PromptLength(), knn(), svm())
    mixed = Ensemble.of(*members)
    text = ["prove that two is even"]
    logits = [math.log(p / (1 - p)) for p in (m.win_rate(text, "strong", "weak")[0] for m in members)]
    assert mixed.win_rate(text, "strong", "weak")[0] == pytest.approx(1 / (1 + math.exp(-sum(logits) / 3)), abs=1e-9)
    judged = [np.clip(m.quality(text)[0, 1], 1e-2, 1 - 1e-2) for m in members[1:]]
    logits = [math.log(p / (1 - p)) for p in judged]
    assert mixed.quality(text)[0, 1] == pytest.approx(1 / (1 + math.exp(-sum(logits) / 2)), abs=0.02)


def test_only_a_stored_pair_has_reference_win_rates():
    mixed = ensemble()
    assert len(mixed.reference_win_rates("strong", "weak")) == 40
    assert not len(mixed.reference_win_rates("weak", "strong"))


def test_one_slow_member_makes_a_slow_ensemble():
    class Slow:
        models = MODELS

        def quality(self, texts):
            return np.full((len(texts), 3), 0.5)

        def win_rate(self, texts, strong, weak):
            return np.full(len(texts), 0.5)

    mixed = Ensemble.of(Slow(), svm())
    assert not mixed.instant
    assert mixed.select(["weak", "strong"]).quality(["hello"]).shape == (1, 2)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigurationError, match="no model in common"):
        Ensemble.of(PromptLength())
    with pytest.raises(ConfigurationError, match="no model in common"):
        Ensemble.of(svm(), tiny_mf(("x", "y")))
    even = LogitPool.even
    with pytest.raises(ConfigurationError, match="pools of"):
        Ensemble(MODELS, (svm(),), even(2), even(1))
    with pytest.raises(ConfigurationError, match="does not know the model 'x'"):
        Ensemble(("x",), (svm(),), even(1), even(1))
    with pytest.raises(ConfigurationError, match="reference"):
        Ensemble(MODELS, (svm(),), even(1), even(1), (("strong", "weak"),))
    for bad in (((-1.0,), ((0.0,),), (1.0,)), ((1.0,), ((0.0,),), (math.nan,)), ((1.0,), ((0.0,),), (1.0, 1.0))):
        with pytest.raises(ConfigurationError, match="one slope"):
            LogitPool(*bad)
