"""svm and mlp: the formulas in plain Python, and scikit-learn's own predictions."""

import numpy as np
import pytest

from pointsman.errors import ConfigurationError
from pointsman.scorers import MLP, SVM
from tests.support.core import WORDS, tiny_embedder
from tests.support.outcomes import MODELS, synthetic
from tests.support.scorers import mlp, svm

TEXTS = ["hello world", "prove that two is even", "why is two even", ""]


def test_svm_is_a_dot_product_per_model():
    scorer = svm()
    for text in TEXTS:
        vector = [float(x) for x in scorer.embedder.encode([text])[0]]
        raw = [
            sum(float(w) * x for w, x in zip(row, vector, strict=True)) + float(b)
            for row, b in zip(scorer.weights, scorer.intercepts, strict=True)
        ]
        assert scorer.quality([text])[0] == pytest.approx(np.clip(raw, 0, 1), abs=1e-9)
        win = min(max(0.5 + (raw[0] - raw[2]) / 2, 0), 1)
        assert scorer.win_rate([text], "strong", "other")[0] == pytest.approx(win, abs=1e-9)


def test_mlp_is_relu_layers_and_a_linear_unit():
    scorer = mlp()
    for text in TEXTS:
        for column in range(3):
            hidden = [float(x) for x in scorer.embedder.encode([text])[0]]
            for layer, (weight, bias) in enumerate(zip(scorer.weights, scorer.biases, strict=True)):
                hidden = [
                    sum(h * float(weight[column, i, j]) for i, h in enumerate(hidden)) + float(bias[column, j])
                    for j in range(weight.shape[2])
                ]
                if layer < len(scorer.weights) - 1:
                    hidden = [max(h, 0.0) for h in hidden]
            assert scorer.quality([text])[0, column] == pytest.approx(min(max(hidden[0], 0), 1), abs=1e-6)


def test_two_models_beyond_one_are_still_told_apart():
    embedder = tiny_embedder()
    flat = np.zeros((2, embedder.dim))
    sure = SVM(("s", "w"), embedder, flat, np.array([1.4, 1.2]), np.zeros((0, 2)))
    assert (sure.quality(["hello"]) == 1).all()
    assert sure.win_rate(["hello"], "s", "w")[0] == pytest.approx(0.6)


@pytest.mark.parametrize(
    "fault",
    [
        lambda s: SVM(s.models, s.embedder, s.weights[:2], s.intercepts, s.reference),
        lambda s: SVM(s.models, s.embedder, s.weights * np.nan, s.intercepts, s.reference),
        lambda s: SVM(s.models, s.embedder, s.weights, s.intercepts, s.reference[:, :2]),
        lambda s: MLP(s.models, s.embedder, (), (), s.reference),
        lambda s: MLP(s.models, s.embedder, (s.weights[:, :, None],), (s.intercepts[:2, None],), s.reference),
    ],
)
def test_arrays_that_do_not_fit_are_refused(fault):
    with pytest.raises(ConfigurationError):
        fault(svm())


def test_scikit_learns_own_predictions_are_served():
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    from pointsman.training.mlp import fit_mlp
    from pointsman.training.regressors import scikit_learn
    from pointsman.training.svm import fit_svm

    data, embedder = synthetic(120, missing=0.2), tiny_embedder()
    vectors = embedder.encode(data.prompts).astype(np.float64)
    probe = embedder.encode([" ".join(WORDS[i : i + 3]) for i in range(6)])
    linear = fit_svm(data, embedder, c=0.1)
    net = fit_mlp(data, embedder, layers=(7, 5), iterations=20, penalty=1e-4, early_stopping=False)
    for column in range(len(MODELS)):
        seen = ~np.isnan(data.scores[:, column])
        y = data.scores[seen, column]
        svr = scikit_learn("svm").LinearSVR(
            C=0.1, loss="squared_epsilon_insensitive", dual=False, random_state=0, max_iter=1000
        )
        expected = svr.fit(vectors[seen], y - y.mean()).predict(probe) + y.mean()
        assert np.abs(linear.predict(probe)[:, column] - expected).max() < 1e-5
        regressor = scikit_learn("neural_network").MLPRegressor(hidden_layer_sizes=(7, 5), max_iter=20, random_state=0)
        with pytest.warns(scikit_learn("exceptions").ConvergenceWarning):
            regressor.fit(vectors[seen], y)
        assert np.abs(net.predict(probe)[:, column] - regressor.predict(probe)).max() < 1e-5
