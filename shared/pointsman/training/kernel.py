"""Fitting kernel regression: penalties by leaving one out in closed form, hardness from every model's answers."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.data.outcomes import Outcomes
from pointsman.embedders import ConcatEmbedder, Embedder
from pointsman.scorers.kernel import CLIP, KernelSVM
from pointsman.scorers.numeric import column_of
from pointsman.training.exact import Reals, ridge_exactly

__all__ = ["fit_kernel"]

Floats = NDArray[np.float64]

POINTS = 2000
"""Stored prompts, if nothing else is asked for, and those on which penalties and hardness are fitted."""
RIDGES = 10.0 ** np.arange(-1.0, 3.1, 0.25)
REFERENCE_PROMPTS = 1000
ANSWERS = 4.0
"""A mean over n answers says n / (n + 4) as much of a prompt's hardness as one over very many."""
_JITTER = 1e-6
_log = logging.getLogger(__name__)


def fit_kernel(
    outcomes: Outcomes,
    embedder: Embedder,
    *,
    seed: int = 0,
    models: Sequence[str] | None = None,
    points: int = POINTS,
) -> KernelSVM:
    """One kernel regressor per model, over the prompt's vector and how hard the prompt is.

    With no more training prompts than `points` the fit is exact, else Nystroem's approximation. Above 2,000, an exact
    fit takes its penalties and the hardness from an approximation by 2,000 of them: memory grows with the square of
    the prompts and time with the cube, some 4 GB and a minute or two of one core for 11,000.

    A prompt's hardness is regressed first, on the mean over all models in the table that answered it, each less its
    own mean; so answers of models that are not asked for, and prompts that only those answered, help too. It plays no
    part where there are no more than two models. Each part of a `ConcatEmbedder` has the same say.

    Args:
        outcomes: checked.
        embedder: gives the vectors.
        seed: of the choice of stored prompts, where there are more than `points`, or than 2,000.
        models: those to predict; all of them if not given.
        points: stored prompts at most; those that these models answered come first.
    """
    wanted = tuple(models) if models is not None else outcomes.models
    scores = outcomes.scores[:, [column_of(outcomes.models, name) for name in wanted]]
    vectors = embedder.encode(outcomes.prompts).astype(np.float64)
    scale = _scale(embedder, vectors)
    x = (vectors * scale).astype(np.float16).astype(np.float64)  # as they are stored: the kernel is steep at 0
    answered = np.asarray(~np.isnan(scores).all(axis=1), dtype=bool)
    exact = POINTS < len(x) <= points
    rows = _points(answered, POINTS if exact else points, seed)
    squares = _squares(x, x[rows])
    hard: Floats = np.zeros(len(x))
    hard_weights: Floats = np.zeros(len(rows) + 1)
    if len(outcomes.models) > 2:
        hard, hard_weights = _hardness(outcomes.scores, squares, rows)
    squares += (hard[:, None] - hard[rows]) ** 2
    fits = _fit_models(squares[answered], squares[rows], scores[answered])
    if exact:
        del squares
        stored = np.union1d(rows, np.flatnonzero(answered))
        fits = _fit_exactly(np.column_stack([x, hard])[stored], scores[stored], fits)
        hard_weights = _spread(hard_weights, np.searchsorted(stored, rows), len(stored))
        rows = stored
    sample = np.unique(np.linspace(0, len(fits.left_out) - 1, REFERENCE_PROMPTS).astype(np.intp))
    arrays = (scale, hard[rows], hard_weights, fits.quality, fits.win, fits.means, fits.left_out[sample])
    factors, *rest = (array.astype(np.float32) for array in arrays)
    return KernelSVM(wanted, embedder, factors, x[rows].astype(np.float16), *rest)


@dataclass(frozen=True)
class _Fits:
    """What fitting gives.

    Attributes:
        quality: weights for qualities, float64[p, m].
        win: weights for win rates, float64[p, m].
        means: intercepts, float64[m].
        left_out: for win rates, what a fit without the row says of it, float64[n, m]; where a model did not answer,
            the fit as it is.
        penalties: of the weights for qualities, and of those for win rates.
    """

    quality: Floats
    win: Floats
    means: Floats
    left_out: Floats
    penalties: tuple[float, float]


class _Ridge:
    """Regressions on the features of one kernel matrix, for every penalty at once.

    Args:
        kernel: between the rows and the points, float64[n, p].
        inner: among the points, float64[p, p].
        row_weights: float64[n].
    """

    def __init__(self, kernel: Floats, inner: Floats, row_weights: Floats) -> None:
        root = np.linalg.inv(np.linalg.cholesky(inner + _JITTER * np.eye(len(inner))))
        features = kernel @ root.T
        self.row_weights = row_weights
        self.values, axes = np.linalg.eigh((features * row_weights[:, None]).T @ features)
        self.features, self.back = features @ axes, root.T @ axes

    def left_out(self, target: Floats, ridge: float) -> Floats:
        """Prediction of each row by the fit without it, float64[n, k], in closed form."""
        shrunk = 1.0 / (np.maximum(self.values, 0.0) + ridge)
        fitted = self.features @ (shrunk[:, None] * self._along(target))
        own = (self.row_weights * (self.features**2 @ shrunk))[:, None]
        return np.asarray((fitted - own * target) / np.maximum(1.0 - own, _JITTER))

    def weights(self, target: Floats, ridge: float) -> Floats:
        """Weights of the points, float64[p, k]."""
        return np.asarray(self.back @ (self._along(target) / (np.maximum(self.values, 0.0) + ridge)[:, None]))

    def _along(self, target: Floats) -> Floats:
        return np.asarray(self.features.T @ (self.row_weights[:, None] * target))


def _hardness(scores: Floats, squares: Floats, rows: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Hardness of each prompt by a fit without it, in standard deviations, and the weights that give that of others."""
    centred = scores - np.nanmean(scores, axis=0)
    count = (~np.isnan(scores)).sum(axis=1)
    target = -np.where(np.isnan(centred), 0.0, centred).sum(axis=1) / np.maximum(count, 1)
    trust = count / (count + ANSWERS)
    fit = _Ridge(_kernel(squares), _kernel(squares[rows]), trust)
    paths = [fit.left_out(target[:, None], ridge)[:, 0] for ridge in RIDGES]
    errors = [float(trust @ (path - target) ** 2 / trust.sum()) for path in paths]
    best = int(np.argmin(errors))
    spread = float(np.average(target**2, weights=trust))
    _log.info("hardness: squared error %.4f, of a constant %.4f", errors[best], spread)
    middle, width = float(paths[best].mean()), float(max(paths[best].std(), _JITTER))
    weights = np.append(fit.weights(target[:, None], RIDGES[best])[:, 0], -middle) / width
    return np.clip((paths[best] - middle) / width, -CLIP, CLIP), weights


def _fit_models(squares: Floats, inner: Floats, scores: Floats) -> _Fits:
    """Every model's regression; one penalty for all qualities, one for all differences of two."""
    known, means = ~np.isnan(scores), np.nanmean(scores, axis=0)
    kernel, among = _kernel(squares), _kernel(inner)
    quality, win = (np.empty((len(inner), len(means))) for _ in range(2))
    paths = np.full((len(RIDGES), *scores.shape), np.nan)
    fits = []
    for rows, columns in _alike(known):
        target = scores[np.ix_(rows, columns)] - means[columns]
        fit = _Ridge(kernel[rows], among, np.ones(len(rows)))
        fits.append((columns, target, fit))
        for step, ridge in enumerate(RIDGES):
            paths[step][np.ix_(rows, columns)] = fit.left_out(target, ridge) + means[columns]
    errors = paths - scores
    several = known.sum(axis=1) > 1
    apart = errors[:, several] - np.nanmean(errors[:, several], axis=2, keepdims=True)
    single = np.nanmean(errors**2, axis=(1, 2))
    double = np.nanmean(apart**2, axis=(1, 2)) if several.any() else single
    penalties = float(RIDGES[single.argmin()]), float(RIDGES[double.argmin()])
    for columns, target, fit in fits:
        quality[:, columns], win[:, columns] = (fit.weights(target, ridge) for ridge in penalties)
    _log.info("left out: squared error of a quality %.4f, of a difference %.4f", single.min(), double.min())
    left_out = paths[double.argmin()]
    filled = np.where(np.isnan(left_out), kernel @ win + means, left_out)
    return _Fits(quality, win, means, filled, penalties)


def _fit_exactly(x: Floats, scores: Floats, start: _Fits) -> _Fits:
    """The same regressions on every row, with the penalties of a fit on fewer; `left_out` is of rows with an answer."""
    x, known = x.astype(np.float32), ~np.isnan(scores)
    kernel = _kernel(_squares(x, x))
    quality, win, left_out = (np.zeros(scores.shape) for _ in range(3))
    for rows, columns in _alike(known):
        among = kernel if len(rows) == len(kernel) else kernel[np.ix_(rows, rows)]
        place = np.ix_(rows, columns)
        target = scores[place] - start.means[columns]
        quality[place], _ = ridge_exactly(among, target, start.penalties[0])
        win[place], left_out[place] = ridge_exactly(among, target, start.penalties[1])
    filled = np.where(known, left_out, kernel @ win) + start.means
    return _Fits(quality, win, start.means, filled[known.any(axis=1)], start.penalties)


def _alike(known: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Columns that are known in the same rows, as (those rows, the columns)."""
    patterns, group = np.unique(known, axis=1, return_inverse=True)
    groups = (np.flatnonzero(np.ravel(group) == number) for number in range(patterns.shape[1]))
    return [(np.flatnonzero(known[:, columns[0]]), columns) for columns in groups]


def _spread(weights: Floats, places: NDArray[np.intp], n: int) -> Floats:
    """Weights of some of n stored prompts as weights of all; the last is the intercept."""
    out = np.zeros(n + 1)
    out[places], out[-1] = weights[:-1], weights[-1]
    return out


def _scale(embedder: Embedder, vectors: Floats) -> Floats:
    """Factors float64[d] that bring the variance of each part, summed over its components, to 1."""
    widths = [part.dim for part in embedder.parts] if isinstance(embedder, ConcatEmbedder) else [embedder.dim]
    parts = np.split(vectors.var(axis=0), np.cumsum(widths)[:-1])
    return np.asarray(np.repeat([1.0 / np.sqrt(max(float(part.sum()), _JITTER)) for part in parts], widths))


def _points(answered: NDArray[np.bool_], most: int, seed: int) -> NDArray[np.intp]:
    """Rows to store, in order: a draw from those with an answer, then from the others."""
    order = np.random.default_rng(seed).permutation(len(answered))
    return np.sort(order[np.argsort(~answered[order], kind="stable")][:most])


def _squares(x: Reals, points: Reals) -> Reals:
    """Squared distances float[n, p], in the precision of x."""
    square: Reals = np.asarray(
        (x**2).sum(axis=1)[:, None] + (points**2).sum(axis=1) - 2.0 * x @ points.T, dtype=x.dtype
    )
    np.maximum(square, 0.0, out=square)
    return square


def _kernel(squares: Reals) -> Reals:
    root: Reals = -np.sqrt(squares)
    np.exp(root, out=root)
    return root
