"""The fit behind the shipped router, on outcomes whose truth is known."""

import numpy as np
import pytest

from pointsman.errors import DataError
from pointsman.training.rasch import FitSettings, fit_response, sigmoid

MODELS = ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "llama-3.1-8b-instruct", "someone-else")
ABILITY = np.array([1.5, 1.8, -0.5, 0.2])
WEIGHTS = np.array([0.8, -0.4, 0.0])
LOOSE = FitSettings(difficulty_penalty=1e-4, within_family=5.0, between_families=5.0)


def outcomes(n, seed=0, tasks=2):
    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(n, 3))
    chance = sigmoid(ABILITY - (vectors @ WEIGHTS + 0.3)[:, None])
    scores = (generator.random(chance.shape) < chance).astype(np.float64)
    return vectors, scores, np.ones(n), np.array([f"task{i % tasks}" for i in range(n)])


def test_the_truth_is_recovered():
    vectors, scores, weights, tasks = outcomes(20_000)
    found = fit_response(vectors, scores, weights, tasks, MODELS, LOOSE)
    np.testing.assert_allclose(found.weights, WEIGHTS, atol=0.05)
    np.testing.assert_allclose(found.ability - found.ability[3], ABILITY - ABILITY[3], atol=0.08)
    np.testing.assert_allclose(found.quality(vectors).mean(axis=0), scores.mean(axis=0), atol=0.01)


def test_the_fit_is_an_optimum_that_a_second_run_repeats_to_the_bit():
    data = outcomes(500)
    first, second = (fit_response(*data, MODELS, FitSettings()) for _ in range(2))
    assert first.ability.tobytes() == second.ability.tobytes()
    assert first.weights.tobytes() == second.weights.tobytes()
    predicted = first.quality(data[0])
    pull = FitSettings().difficulty_penalty * data[2].sum() * first.weights
    slope = data[0].T @ ((predicted - data[1]) / len(MODELS)).sum(axis=1)
    np.testing.assert_allclose(slope, pull, atol=1e-6)


def test_missing_scores_do_not_count():
    vectors, scores, weights, tasks = outcomes(400)
    extra = np.full((50, len(MODELS)), np.nan)
    padded = (np.vstack([vectors, np.full((50, 3), 9.0)]), np.vstack([scores, extra]))
    first = fit_response(vectors, scores, weights, tasks, MODELS, FitSettings())
    second = fit_response(*padded, np.ones(450), np.append(tasks, ["task0"] * 50), MODELS, FitSettings())
    np.testing.assert_allclose(second.ability, first.ability, atol=1e-7)
    np.testing.assert_allclose(second.weights, first.weights, atol=1e-7)


def test_models_are_compared_on_shared_tasks_only():
    """A model that only answered the easy task is not the better one for it."""
    vectors, scores, weights, _ = outcomes(4_000)
    hard = np.arange(4_000) % 2 == 0
    generator = np.random.default_rng(1)
    chance = sigmoid(ABILITY - (vectors @ WEIGHTS)[:, None] - np.where(hard, 2.0, -1.0)[:, None])
    scores = (generator.random(chance.shape) < chance).astype(np.float64)
    scores[hard, 3] = np.nan
    found = fit_response(vectors, scores, weights, np.where(hard, "hard", "easy"), MODELS, LOOSE)
    assert found.ability[3] - found.ability[2] == pytest.approx(0.7, abs=0.25)


def test_a_model_seen_once_stays_with_its_family():
    vectors, scores, weights, tasks = outcomes(2_000)
    scores[1:, 1] = np.nan
    scores[0, 1] = 0.0
    found = fit_response(vectors, scores, weights, tasks, MODELS, FitSettings())
    assert found.ability[1] == pytest.approx(found.ability[0], abs=0.3)
    assert found.ability[1] > found.ability[3]


def test_nothing_known_is_an_error():
    vectors, scores, weights, tasks = outcomes(5)
    with pytest.raises(DataError, match="nothing to fit"):
        fit_response(vectors, scores * np.nan, weights, tasks, MODELS, FitSettings())


def test_one_class_only_still_settles():
    vectors, scores, weights, tasks = outcomes(50)
    found = fit_response(vectors, np.ones_like(scores), weights, tasks, MODELS, FitSettings())
    assert np.isfinite(found.ability).all()
    assert found.quality(vectors).min() > 0.5
