"""A router made the user's own: better where the labels say so, as it was where they do not."""

import numpy as np
import pytest

from pointsman import Candidate, Pool, PromptLength, QualityFloor, RandomScorer, Router, Threshold, load_router
from pointsman.errors import DataError
from pointsman.evaluation.metrics import apgr
from pointsman.scorers import Adapted
from pointsman.training.adapt import adapt_router
from pointsman.training.corrections import fit_correction, folds_of
from tests.support.core import pair, tiny_mf
from tests.support.outcomes import MODELS, synthetic, table


def start(scorer=None) -> Router:
    return Router(pair(), scorer or tiny_mf(MODELS), Threshold(0.5), name="mine")


def test_labels_make_a_bad_router_good():
    """The base is random weights; six numbers to a prompt do not tell all the words apart, so 0.6 is all there is."""
    found = adapt_router(start(), synthetic(600))
    test = synthetic(1000, seed=1)
    rates = found.router.scorer.win_rate(test.prompts, "strong", "weak")
    before = start().scorer.win_rate(test.prompts, "strong", "weak")
    after, was = (apgr(r, test.score("strong"), test.score("weak")) for r in (rates, before))
    assert after > max(0.56, was + 0.05)
    assert found.moved == "by prompt"
    assert found.error < found.error_before
    assert found.apgr == pytest.approx(after, abs=0.06)
    quality = found.router.scorer.quality(test.prompts).mean(axis=0)
    assert quality == pytest.approx(np.nanmean(test.scores[:, :2], axis=0), abs=0.05)


@pytest.mark.parametrize("scorer", [PromptLength(), RandomScorer(("strong", "weak"))], ids=["length", "random"])
def test_any_scorer_adapts(scorer):
    adapted = start(scorer).adapt(synthetic(400))
    test = synthetic(1000, seed=1)
    rates = adapted.scorer.win_rate(test.prompts, "strong", "weak")
    assert apgr(rates, test.score("strong"), test.score("weak")) > 0.57


def test_what_the_base_knows_survives_few_labels():
    """A base that knows what there is to know, and 50 labels that cannot teach it anything."""
    good = adapt_router(start(), synthetic(3000, seed=99)).router
    test = synthetic(1500, seed=100)

    def quality(router):
        rates = router.scorer.win_rate(test.prompts, "strong", "weak")
        return apgr(rates, test.score("strong"), test.score("weak"))

    losses = [quality(good) - quality(good.adapt(synthetic(50, seed=seed), seed=seed)) for seed in range(8)]
    assert np.mean(losses) < 0.02
    assert max(losses) < 0.08


def test_the_share_of_strong_calls_stays_and_a_share_reads_the_users_prompts():
    data = synthetic(300)
    router = start().with_policy(Threshold(start().threshold_for_share(0.3)))
    before = np.mean([d.candidate == "strong" for d in router.decide_batch(data.prompts)])
    adapted = router.adapt(data)
    after = np.mean([d.candidate == "strong" for d in adapted.decide_batch(data.prompts)])
    assert after == pytest.approx(before, abs=0.08)
    assert len(adapted.scorer.reference_win_rates("strong", "weak")) == 300
    assert (
        adapted.scorer.reference_win_rates("weak", "strong") == 1 - adapted.scorer.reference_win_rates("strong", "weak")
    ).all()


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_always_and_never_stay_what_they_are(alpha):
    assert start().with_policy(Threshold(alpha)).adapt(synthetic(60)).policy == Threshold(alpha)


def test_it_saves_and_loads_and_adapts_again(tmp_path):
    adapted = start().adapt(synthetic(300))
    adapted.save(tmp_path / "r")
    loaded = Router.load(tmp_path / "r")
    batch = list(synthetic(20, seed=5).prompts)
    assert isinstance(loaded.scorer, Adapted)
    assert loaded.name == "mine-adapted"
    ours, theirs = (r.scorer.score(batch, "strong", "weak") for r in (adapted, loaded))
    assert all((a == b).all() for a, b in zip(ours, theirs, strict=True))
    assert [d.candidate for d in loaded.decide_batch(batch)] == [d.candidate for d in adapted.decide_batch(batch)]
    twice = loaded.adapt(synthetic(200, seed=7))
    assert isinstance(twice.scorer, Adapted)
    assert isinstance(twice.scorer.base, Adapted)


def test_three_candidates_without_a_pair_and_one_without_labels():
    pool = Pool([Candidate(name, input_price=p, output_price=p) for name, p in zip(MODELS, (5, 1, 2), strict=True)])
    router = Router(pool, tiny_mf(MODELS), QualityFloor(0.5))
    data = synthetic(500)
    two = table(data.prompts, ("strong", "weak"), data.scores[:, :2])
    found = adapt_router(router, two)
    assert (found.error, found.apgr) == (None, None)
    test = list(synthetic(50, seed=3).prompts)
    quality, was = found.router.scorer.quality(test), tiny_mf(MODELS).quality(test)
    assert (quality[:, 2] == was[:, 2]).all()
    assert quality[:, :2].mean(axis=0) == pytest.approx(data.scores[:, :2].mean(axis=0), abs=0.06)
    lead = found.router.scorer.win_rate(test, "strong", "weak")
    back = found.router.scorer.win_rate(test, "weak", "strong")
    assert lead + back == pytest.approx(np.ones(50), abs=1e-6)


def test_the_shipped_router_adapts_to_models_it_never_saw():
    data = synthetic(200)
    ours = table(data.prompts, ("acme/large-9", "tiny-1"), data.scores[:, :2])
    pool = Pool.pair(Candidate("big", model="acme/large-9"), Candidate("small", model="tiny-1"))
    router = load_router("default", pool).adapt(ours)
    decision = router.decide("prove that two is even")
    assert decision.matched == {"big": "known: acme/large-9", "small": "known: tiny-1"}
    test = synthetic(1000, seed=1)
    rates = router.scorer.win_rate(test.prompts, "acme/large-9", "tiny-1")
    assert apgr(rates, test.score("strong"), test.score("weak")) > 0.55
    again = router.with_pool(Pool.pair("acme/large-9", "tiny-1"))
    assert again.decide("prove that two is even").win_rate == decision.win_rate


def test_columns_are_found_by_name_model_and_spelling():
    data = synthetic(60)
    pool = Pool.pair(Candidate("big", model="gpt-4o"), Candidate("small", model="gpt-4o-mini"))
    router = load_router("default", pool)
    for names in (("big", "small"), ("gpt-4o", "gpt-4o-mini"), ("openai/gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18")):
        one = router.adapt(table(data.prompts, (*names, "other"), data.scores))
        assert one.scorer.models == ("gpt-4o", "gpt-4o-mini")
        assert one.scorer.reference.shape == (60,)


def bad(name):
    whole = synthetic(60)
    scores = whole.scores.copy()
    if name == "rows":
        return whole.select(np.arange(19)), "too few"
    if name == "pairs":
        scores[:50, 0] = np.nan
        return table(whole.prompts, MODELS, scores), "10 different prompts have scores of both strong and weak"
    if name == "one prompt":
        return table(whole.prompts[:1] * 60, MODELS, scores), "1 different prompts have scores of both"
    if name == "one class":
        scores[:, :2] = [1, 0.5]
        scores[:30, :2] = [0.5, 0]
        return table(whole.prompts, MODELS, scores), "ended alike"
    if name == "columns":
        return table(whole.prompts, ("a", "b", "c"), scores), "no column of strong"
    if name == "one column":
        return table(whole.prompts, ("strong", "b", "c"), scores), "no column of weak"
    scores[3, 0] = np.inf
    return table(whole.prompts, MODELS, scores), "row 3"


@pytest.mark.parametrize("name", ["rows", "pairs", "one prompt", "one class", "columns", "one column", "score"])
def test_bad_labels_are_named(name):
    data, said = bad(name)
    with pytest.raises(DataError, match=said):
        start().adapt(data)


def test_a_quality_that_one_prompt_alone_says_something_of_stays():
    data = synthetic(60)
    scores = data.scores.copy()
    prompts = [*data.prompts[:40], *data.prompts[:1] * 20]
    scores[:40, 2] = np.nan
    pool = Pool(MODELS, strong="strong", weak="weak")
    router = Router(pool, tiny_mf(MODELS), Threshold(0.5)).adapt(table(prompts, MODELS, scores))
    assert router.scorer.models[2] == "other"
    assert (router.scorer.intercepts[2], router.scorer.slopes[2]) == (0, 1)


def test_a_prompt_that_comes_twice_is_never_on_both_sides():
    prompts = tuple(f"p{i % 30}" for i in range(90))
    fold = folds_of(prompts, 10, 0)
    for text in set(prompts):
        assert len({int(f) for f, p in zip(fold, prompts, strict=True) if p == text}) == 1
    assert len(set(fold.tolist())) == 10


def test_a_correction_is_the_ridge_regression_that_it_says_it_is():
    rng = np.random.default_rng(0)
    for rows in (60, 500):
        z, base = rng.normal(size=(rows, 100)), rng.uniform(size=rows)
        target = np.clip(0.2 + 0.3 * base + 0.1 * z[:, 0] + 0.02 * rng.normal(size=rows), 0, 1)
        found = fit_correction(base, target, z, np.arange(rows) % 10)
        assert found.moved == "by prompt"
        left = target - found.intercept - found.slope * base - z @ found.weights
        pull = (z - z.mean(axis=0)).T @ left
        ridge = pull / found.weights
        assert np.ptp(ridge) / ridge.mean() < 1e-6
        assert left.mean() == pytest.approx(0, abs=1e-12)
        assert ((found.fitted - target) ** 2).mean() == pytest.approx(found.error)
