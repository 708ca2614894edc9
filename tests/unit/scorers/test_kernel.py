"""svm with the exponential kernel: the formula in plain Python, leaving one out for real, and what hardness is for."""

import math

import numpy as np
import pytest

from pointsman.errors import ConfigurationError
from pointsman.training import train
from pointsman.training.exact import inverse_of_lower, ridge_exactly
from pointsman.training.kernel import RIDGES, _kernel, _Ridge, _scale, _squares, fit_kernel
from tests.support.core import tiny_embedder
from tests.support.outcomes import HARD, MODELS, synthetic, table
from tests.support.scorers import kernel_svm

TEXTS = ["hello world", "prove that two is even", "why is two even", ""]


def test_it_is_a_weighted_sum_of_kernels_twice_over():
    scorer = kernel_svm()
    points = scorer.points.astype(float)
    for text in TEXTS:
        x = [float(v) * float(s) for v, s in zip(scorer.embedder.encode([text])[0], scorer.scale, strict=True)]
        near = [sum((a - float(b)) ** 2 for a, b in zip(x, point, strict=True)) for point in points]
        weights = [float(w) for w in scorer.hardness_weights]
        hard = weights[-1] + sum(math.exp(-math.sqrt(d)) * w for d, w in zip(near, weights[:-1], strict=True))
        hard = min(max(hard, -4), 4)
        kernel = [math.exp(-math.sqrt(d + (hard - float(h)) ** 2)) for d, h in zip(near, scorer.hardness, strict=True)]
        quality = [
            float(b) + sum(k * float(w) for k, w in zip(kernel, column, strict=True))
            for b, column in zip(scorer.intercepts, scorer.quality_weights.T, strict=True)
        ]
        lead = [
            float(b) + sum(k * float(w) for k, w in zip(kernel, column, strict=True))
            for b, column in zip(scorer.intercepts, scorer.win_weights.T, strict=True)
        ]
        assert scorer.quality([text])[0] == pytest.approx(np.clip(quality, 0, 1), abs=1e-5)
        win = min(max(0.5 + (lead[0] - lead[1]) / 2, 0), 1)
        assert scorer.win_rate([text], "strong", "weak")[0] == pytest.approx(win, abs=1e-5)


@pytest.mark.parametrize("points", [30, 12])
def test_leaving_a_row_out_in_closed_form_is_leaving_it_out(points):
    rng = np.random.default_rng(0)
    x, y, trust = rng.normal(size=(30, 4)), rng.uniform(size=(30, 1)), rng.uniform(0.3, 1.0, 30)
    stored = x[:points]
    inner = _kernel(_squares(stored, stored))
    fit = _Ridge(_kernel(_squares(x, stored)), inner, trust)
    out = fit.left_out(y, 0.5)
    for row in (0, 7, 29):
        rest = np.arange(30) != row
        again = _Ridge(_kernel(_squares(x[rest], stored)), inner, trust[rest])
        predicted = _kernel(_squares(x[row : row + 1], stored)) @ again.weights(y[rest], 0.5)
        assert out[row, 0] == pytest.approx(predicted[0, 0], abs=1e-6)


def test_with_every_prompt_stored_it_is_kernel_ridge_regression():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 3)), rng.uniform(size=(40, 2))
    kernel = _kernel(_squares(x, x))
    weights = _Ridge(kernel, kernel, np.ones(40)).weights(y, 2.0)
    assert kernel @ weights == pytest.approx(kernel @ np.linalg.solve(kernel + 2.0 * np.eye(40), y), abs=1e-4)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_the_exact_fit_solves_the_same_equations(precision):
    """600 rows, so that the factor is inverted in parts; leaving one out is compared with leaving it out."""
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(600, 3)), rng.uniform(size=(600, 2))
    kernel = _kernel(_squares(x, x)).astype(precision)
    weights, out = ridge_exactly(kernel, y, 2.0)
    assert weights.dtype == precision
    assert weights == pytest.approx(np.linalg.solve(kernel + 2.0 * np.eye(600), y), abs=1e-4)
    for row in (0, 300, 599):
        rest = np.arange(600) != row
        again, _ = ridge_exactly(kernel[np.ix_(rest, rest)], y[rest], 2.0)
        assert out[row] == pytest.approx(kernel[row, rest] @ again, abs=1e-4)


def test_the_factor_is_inverted():
    factor = np.tril(np.random.default_rng(0).normal(size=(700, 700))) / 50 + 2 * np.eye(700)
    assert inverse_of_lower(factor) @ factor == pytest.approx(np.eye(700), abs=1e-9)


def test_above_the_usual_number_an_exact_fit_is_as_exact(monkeypatch):
    """At one penalty the fits by eigenvectors and by Cholesky's factor are one; rows lack answers here and there."""
    data, embedder = synthetic(300), tiny_embedder(dim=16)
    scores = data.scores[:, :2].copy()
    scores[250:, 0] = scores[290:] = np.nan
    pair, batch = table(data.prompts, MODELS[:2], scores), list(synthetic(50, seed=5).prompts)
    monkeypatch.setattr("pointsman.training.kernel.RIDGES", np.array([3.0]))
    usual = fit_kernel(pair, embedder)
    monkeypatch.setattr("pointsman.training.kernel.POINTS", 100)
    large = fit_kernel(pair, embedder, points=300)
    assert len(usual.points) == 300
    assert len(large.points) == 290  # none that no model answered
    assert large.quality(batch) == pytest.approx(usual.quality(batch), abs=1e-3)
    assert large.win_rate(batch, *MODELS[:2]) == pytest.approx(usual.win_rate(batch, *MODELS[:2]), abs=1e-3)
    assert np.sort(large.reference[:, 1]) == pytest.approx(np.sort(usual.reference[:, 1]), abs=1e-3)
    assert len(fit_kernel(pair, embedder, points=299).points) == 299  # Nystroem's


def test_an_exact_fit_of_many_takes_hardness_from_some(monkeypatch):
    monkeypatch.setattr("pointsman.training.kernel.POINTS", 100)
    data, embedder = synthetic(300), tiny_embedder(dim=16)
    few, all_of_them = (fit_kernel(data, embedder, models=MODELS[:2], points=points) for points in (100, 300))
    assert np.count_nonzero(all_of_them.hardness_weights[:-1]) == 100
    vectors = embedder.encode(data.prompts[:20])
    stored = all_of_them.points[:20].astype(np.float64)
    assert np.abs(stored - vectors * all_of_them.scale).max() < 1e-2  # every prompt, in order
    assert len(few.points) == 100
    assert set(few.hardness.tolist()) <= set(all_of_them.hardness.tolist())


def test_each_part_of_an_embedder_has_the_same_say():
    embedder = tiny_embedder()
    vectors = embedder.encode(synthetic(60).prompts).astype(np.float64)
    scaled = vectors * _scale(embedder, vectors)
    assert scaled.var(axis=0).sum() == pytest.approx(1.0)


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_answers_of_other_models_tell_how_hard_a_prompt_is(seed):
    """The pair answered 60 prompts; twelve other models, which fail on the same words, answered those and 400 more."""
    data = synthetic(460, seed=seed)
    rng = np.random.default_rng(seed)
    hard = np.array([sum(word in HARD for word in prompt.split()) for prompt in data.prompts])
    others = (rng.random((460, 12)) < np.clip(0.9 - 0.25 * hard, 0.02, 1)[:, None]).astype(float)
    pair = data.scores[:, :2].copy()
    pair[60:] = np.nan
    names = (*MODELS[:2], *(f"m{i}" for i in range(12)))
    wide = table(data.prompts, names, np.column_stack([pair, others]))
    scorer = fit_kernel(wide, tiny_embedder(dim=16), models=MODELS[:2])
    assert scorer.models == MODELS[:2]
    assert np.corrcoef(scorer.hardness, hard)[0, 1] > 0.75
    alone = fit_kernel(table(data.prompts[:60], MODELS[:2], pair[:60]), tiny_embedder(dim=16))
    assert not alone.hardness.any()


def test_fewer_stored_prompts_say_nearly_the_same():
    data, batch = synthetic(300), list(synthetic(50, seed=5).prompts)
    whole, half = (
        train("svm", data, embedder=tiny_embedder(dim=16), kernel="exponential", points=p) for p in (300, 90)
    )
    assert len(half.points) == 90
    assert np.corrcoef(whole.quality(batch)[:, 1], half.quality(batch)[:, 1])[0, 1] > 0.95


def test_reference_win_rates_are_of_fits_without_the_prompt():
    """On coin flips, what a fit knows by heart would differ from what it expects."""
    rng = np.random.default_rng(0)
    data = table(synthetic(200).prompts, MODELS, rng.integers(0, 2, (200, 3)))
    scorer = train("svm", data, embedder=tiny_embedder(dim=16), kernel="exponential")
    rates = scorer.reference_win_rates("strong", "weak")
    assert len(rates) == 200
    assert ((rates - (0.5 + (data.scores[:, 0] - data.scores[:, 1]) / 2)) ** 2).mean() > 0.1


def test_what_it_is_not_is_said():
    with pytest.raises(ConfigurationError, match="exponential"):
        train("svm", synthetic(60), embedder=tiny_embedder(), kernel="cubic")
    with pytest.raises(ConfigurationError, match="'gpt-9'"):
        train("svm", synthetic(60), embedder=tiny_embedder(), kernel="exponential", models=("gpt-9",))
    assert len(RIDGES) == 17
