"""Matrix factorisation: what it learns from battles and outcomes, and how a model joins it."""

import time

import numpy as np
import pytest

from pointsman.data.convert import as_battles
from pointsman.data.outcomes import Battles
from pointsman.errors import ConfigurationError, DataError
from pointsman.evaluation.metrics import apgr
from pointsman.scorers import MatrixFactorization
from pointsman.scorers.numeric import sigmoid
from pointsman.training import train
from pointsman.training.factorise import Descent, Duels, _Adam, _first, _loss, _step
from pointsman.training.level import fit_level
from pointsman.training.mf import fit_mf, fit_mf_with_history
from tests.support.battles import Lookup
from tests.support.core import tiny_embedder
from tests.support.outcomes import synthetic, table

SMALL = {"dim": 16, "learning_rate": 3e-3}


def low_rank(seed: int, n: int = 3000, m: int = 13):
    """n prompts, m models of three traits and a level; the last model's level is the highest."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 12))
    traits = np.column_stack([vectors @ rng.normal(size=(12, 3)) / np.sqrt(12), np.ones(n)])
    skills = rng.normal(size=(4, m)) * np.array([[1.2], [1.2], [1.2], [0.7]])
    skills[3, -1] = skills[3].max() + 0.7
    truth = sigmoid(traits @ skills + 0.5)
    names = [f"p{i}" for i in range(n)]
    return Lookup(dict(zip(names, vectors, strict=True))), names, truth, (rng.random((n, m)) < truth).astype(float)


def test_the_gradient_is_that_of_the_loss():
    rng = np.random.default_rng(0)
    settings = Descent(dim=3, noise=0.0, weight_decay=0.0)
    vectors = rng.normal(size=(9, 4)).astype(np.float32)
    labels, weights = rng.choice([0, 0.5, 1], 9).astype("f4"), rng.uniform(0.2, 3, 9).astype("f4")
    duels = Duels(np.arange(9), rng.integers(0, 3, 9), rng.integers(0, 3, 9), labels, weights)
    now = {name: 2 * array for name, array in _first(4, 3, 3, rng).items()}
    seen = {}

    class Spy(_Adam):
        def step(self, parameters, gradient):
            seen.update(gradient)

    _step(now, Spy(now, settings), vectors, duels, settings, rng)
    wide = {name: array.astype(np.float64) for name, array in now.items()}
    for name, array in wide.items():
        for at in np.ndindex(array.shape):
            moved = [{**wide, name: array.copy()} for _ in range(2)]
            moved[0][name][at] += 1e-5
            moved[1][name][at] -= 1e-5
            slope = (_loss(moved[0], vectors, duels) - _loss(moved[1], vectors, duels)) / 2e-5
            assert seen[name][at] == pytest.approx(slope, abs=1e-4)


def test_two_runs_give_the_same_router_and_another_seed_another():
    data, embedder = synthetic(200, missing=0.1), tiny_embedder(dim=16)
    first, again, other = (fit_mf(data, embedder, seed=seed, **SMALL) for seed in (1, 1, 2))
    for name in ("model_vectors", "projection", "bias", "head", "reference"):
        assert (getattr(first, name) == getattr(again, name)).all()
    assert not np.allclose(first.projection, other.projection)


def test_it_stops_early_and_keeps_the_best_epoch():
    rng = np.random.default_rng(0)
    flips = table(synthetic(300).prompts, ("a", "b"), rng.integers(0, 2, (300, 2)))
    scorer, history = fit_mf_with_history(flips, tiny_embedder(dim=16), Descent(dim=16, learning_rate=3e-2, patience=4))
    assert len(history.loss) < 100
    assert history.best == int(np.argmin(history.validation))
    assert len(history.loss) - history.best == 4
    assert isinstance(scorer, MatrixFactorization)


def test_ties_pull_a_pair_together():
    texts = tuple(synthetic(300).prompts)
    won = np.where(np.arange(300) % 3 == 0, 1.0, 0.5)
    fit = fit_mf(Battles(texts, ("a",) * 300, ("b",) * 300, won), tiny_embedder(dim=16), **SMALL)
    assert float(fit.win_rate(texts, "a", "b").mean()) == pytest.approx(won.mean(), abs=0.05)


def test_model_vectors_have_unit_length_and_the_bias_of_the_paper():
    fit = fit_mf(synthetic(200), tiny_embedder(dim=16), **SMALL)
    assert np.allclose(np.linalg.norm(fit.model_vectors[:, :-1], axis=1), 1, atol=1e-5)
    assert (fit.model_vectors[:, -1] == 1).all()
    assert fit.link == "battle"
    assert np.abs(fit.bias).min() > 0


def test_quality_is_calibrated_on_outcomes_and_the_level_cancels_in_win_rates():
    embedder, names, truth, scores = low_rank(0)
    models = tuple(f"m{i}" for i in range(13))
    fit = fit_mf(table(names[:2000], models, scores[:2000]), embedder, **SMALL)
    found = fit.quality(names[2000:])
    assert np.abs(found.mean(axis=0) - truth[2000:].mean(axis=0)).max() < 0.08
    assert np.corrcoef(found.mean(axis=1), truth[2000:].mean(axis=1))[0, 1] > 0.9
    cut = MatrixFactorization(
        fit.models, embedder, fit.model_vectors[:, :-1], fit.projection[:, :-1], fit.bias[:-1], fit.head[:-1]
    )
    assert np.allclose(cut.win_rate(names[:50], "m0", "m1"), fit.win_rate(names[:50], "m0", "m1"), atol=1e-6)


def test_without_outcomes_the_models_mean_is_the_middle():
    fit = fit_mf(as_battles(synthetic(200)), tiny_embedder(dim=16), **SMALL)
    assert np.allclose(fit.delta(synthetic(20, seed=1).prompts).mean(axis=1), 0, atol=1e-4)


def test_the_level_finds_the_scale_it_was_made_with():
    rng = np.random.default_rng(0)
    x, deltas, weights = rng.normal(size=(4000, 3)), rng.normal(size=(4000, 5)), np.array([0.8, -0.5, 0.0])
    deltas -= deltas.mean(axis=1, keepdims=True)
    scores = (rng.random((4000, 5)) < sigmoid(1.7 * deltas + (x @ weights + 0.4)[:, None])).astype(float)
    scores[rng.random(scores.shape) < 0.3] = np.nan
    level = fit_level(x, deltas, scores, rng.random(4000) < 0.2)
    assert level.scale == pytest.approx(1.7, abs=0.1)
    assert level.offset == pytest.approx(0.4, abs=0.1)
    assert level.weights == pytest.approx(weights, abs=0.1)


@pytest.mark.parametrize(("name", "share"), [("mf", 0.95), ("knn", 0.9)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_model_that_joins_by_200_outcomes_is_routed_to_as_well_as_one_that_was_there(name, share, seed):
    """Mean quality of the routed answers to 95%; and what routing gains over the best single model, to 95% or 90%."""
    embedder, names, truth, scores = low_rank(seed)
    models = tuple(f"m{i}" for i in range(13))
    options = SMALL if name == "mf" else {"k": 40}
    full = train(name, table(names[:2000], models, scores[:2000]), embedder=embedder, **options)
    old = train(name, table(names[:2000], models[:-1], scores[:2000, :-1]), embedder=embedder, **options)
    probe = np.random.default_rng(seed).choice(2000, 200, replace=False)
    joined = old.with_model("m12", [names[i] for i in probe], scores[probe, -1])
    test, right = names[2000:], truth[2000:]

    def routed(scorer):
        picked = scorer.select(models).quality(test).argmax(axis=1)
        assert (picked == 12).mean() > 0.02
        return right[np.arange(1000), picked].mean()

    best = right.mean(axis=0).max()
    assert routed(joined) >= 0.95 * routed(full)
    assert routed(joined) - best >= share * (routed(full) - best) > 0.01
    assert (joined.quality(test)[:, :-1] == old.quality(test)).all()


def test_a_joined_model_survives_selection_and_bad_probes_are_refused():
    fit = fit_mf(synthetic(200), tiny_embedder(dim=16), **SMALL)
    prompts = list(synthetic(30, seed=2).prompts)
    joined = fit.with_model("new", prompts, [1.0] * 30)
    assert joined.known_models[-1].name == "new"
    assert joined.known_models[-1].skill > fit.known_models[0].skill
    assert joined.quality(prompts)[:, -1].mean() > joined.quality(prompts)[:, 0].mean()
    words = ("x", prompts[:2], ["good", "bad"]), ("x", [None, "why"], [1.0, 0.0])
    for bad in (
        *words,
        ("weak", prompts, [1.0] * 30),
        ("x", [], []),
        ("x", prompts, [1.0]),
        ("x", prompts[:1], [np.nan]),
    ):
        with pytest.raises(ConfigurationError):
            fit.with_model(*bad)


@pytest.mark.parametrize("epochs", [1, 40])
def test_a_joined_model_has_a_level_of_its_own(epochs):
    """Also where the known models hardly differ, as after few steps: those say nothing on how good a new one may be."""
    fit = fit_mf(synthetic(300), tiny_embedder(dim=16), **(SMALL | {"epochs": epochs}))
    prompts, test = list(synthetic(200, seed=2).prompts), list(synthetic(200, seed=3).prompts)
    right = np.random.default_rng(0).random(200)
    for level in (0.05, 0.5, 0.97):
        joined = fit.with_model("new", prompts, (right < level).astype(float))
        assert joined.quality(test)[:, -1].mean() == pytest.approx(level, abs=0.06)


@pytest.mark.parametrize(
    "option", [{"dim": 0}, {"noise": -1.0}, {"validation": 0.0}, {"validation": 1.0}, {"patience": 0}, {"epochs": 0}]
)
def test_options_out_of_range_are_refused(option):
    with pytest.raises(ConfigurationError):
        fit_mf(synthetic(60), tiny_embedder(), **option)


def test_one_prompt_cannot_be_trained_on_and_validated_on():
    same = Battles(("hello world",) * 40, ("a",) * 40, ("b",) * 40, np.tile([1.0, 0.0], 20))
    with pytest.raises(DataError):
        fit_mf(same, tiny_embedder())


def test_ten_thousand_rows_take_seconds():
    rng = np.random.default_rng(0)
    n = 10_000
    names = [f"p{i}" for i in range(n)]
    vectors = rng.normal(size=(n, 277)).astype(np.float32)
    hard = sigmoid(vectors[:, 0])
    scores = np.column_stack([rng.random(n) < 0.9 - 0.1 * hard, rng.random(n) < 0.9 - 0.6 * hard]).astype(float)
    started = time.process_time()
    fit = fit_mf(table(names, ("s", "w"), scores), Lookup(dict(zip(names, vectors, strict=True))), epochs=15)
    assert time.process_time() - started < 60
    assert apgr(fit.win_rate(names, "s", "w"), *scores.T) > 0.6
