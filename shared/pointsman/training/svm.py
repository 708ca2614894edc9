"""Fitting support vector regression: linear by scikit-learn's LinearSVR, or with the exponential kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.embedders.base import Embedder
from pointsman.errors import ConfigurationError
from pointsman.scorers.kernel import KernelSVM
from pointsman.scorers.svm import SVM
from pointsman.training.checks import check_outcomes
from pointsman.training.kernel import POINTS, fit_kernel
from pointsman.training.regressors import fit_with_reference, scikit_learn, split_rows

__all__ = ["fit_svm"]

Floats = NDArray[np.float64]
Loss = Literal["squared_epsilon_insensitive", "epsilon_insensitive"]

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
ITERATIONS = 1000


def fit_svm(
    data: Outcomes | Battles,
    embedder: Embedder,
    *,
    seed: int = 0,
    c: float | None = None,
    loss: Loss = "squared_epsilon_insensitive",
    epsilon: float = 0.0,
    kernel: str = "linear",
    models: Sequence[str] | None = None,
    points: int = POINTS,
) -> SVM | KernelSVM:
    """One regressor per model.

    RouterBench takes scikit-learn's defaults, `c=1.0, loss="epsilon_insensitive"`. That loss estimates a median, which
    for answers that are right or wrong is 0 or 1 and not how often they are right; the squared loss estimates the mean.

    Args:
        data: battles count as shares of battles won.
        embedder: gives the vectors.
        seed: of the rows held out, and of the solver.
        c: inverse penalty; if not given, the one of 1e-5 to 1 that predicts a fifth of the rows best from the others
            (squared error).
        loss: of LinearSVR.
        epsilon: an error smaller than this is none.
        kernel: "linear", or "exponential": `fit_kernel`, which needs no scikit-learn, and to which `c`, `loss` and
            `epsilon` say nothing.
        models: of the exponential kernel: those to predict, see `fit_kernel`.
        points: of the exponential kernel: stored prompts at most; the fit is exact where there are no more.

    Raises:
        DataError: nothing can be learned from the data.
        ConfigurationError: there is no such kernel, or a model is not in the data.
        MissingExtraError: scikit-learn is not installed.
    """
    outcomes = check_outcomes(data)
    if kernel == "exponential":
        return fit_kernel(outcomes, embedder, seed=seed, models=models, points=points)
    if kernel != "linear" or models is not None:
        msg = f"kernel {kernel!r} with models {models}: give kernel 'exponential', or 'linear' without models"
        raise ConfigurationError(msg)
    svm = scikit_learn("svm")
    vectors, scores = embedder.encode(outcomes.prompts), outcomes.scores
    options: dict[str, Any] = {"loss": loss, "epsilon": epsilon, "random_state": seed, "max_iter": ITERATIONS}
    options["dual"] = loss == "epsilon_insensitive"

    def fit(x: NDArray[np.float32], y: Floats, reference: NDArray[np.float32], penalty: float) -> SVM:
        coefficients = [_one(svm.LinearSVR(C=penalty, **options), x, column) for column in y.T]
        weights = np.array([weight for weight, _ in coefficients], dtype=np.float32)
        intercepts = np.array([intercept for _, intercept in coefficients], dtype=np.float32)
        return SVM(outcomes.models, embedder, weights, intercepts, reference)

    def error(penalty: float) -> float:
        kept, held = split_rows(outcomes, 0.2, len(scores), seed)
        if not len(held):
            return 0.0
        predicted = fit(vectors[kept], scores[kept], none, penalty).predict(vectors[held])
        return float(np.nanmean((predicted - scores[held]) ** 2))

    none = np.zeros((0, len(outcomes.models)), dtype=np.float32)
    chosen = min(PENALTIES, key=error) if c is None else c
    return fit_with_reference(lambda x, y, reference: fit(x, y, reference, chosen), vectors, outcomes, seed)


def _one(regressor: Any, vectors: NDArray[np.float32], scores: Floats) -> tuple[Floats, float]:
    """Weights and intercept; the mean is taken out first, since LinearSVR shrinks the intercept with the weights."""
    seen = ~np.isnan(scores)
    mean = float(scores[seen].mean())
    regressor.fit(vectors[seen].astype(np.float64), scores[seen] - mean)
    return regressor.coef_, mean + float(np.ravel(regressor.intercept_)[0])
