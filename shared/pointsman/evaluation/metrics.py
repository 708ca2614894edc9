"""Routing metrics for one strong/weak pair, as RouteLLM defines them (arXiv 2406.18665, section 3, and its code)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointsman.errors import DataError
from pointsman.evaluation.curves import ROUTELLM_BINS, areas, call_curves, crossings

Floats = NDArray[np.float64]

CALIBRATION_BINS = 10


def call_curve(
    win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike, *, bins: int | None = ROUTELLM_BINS
) -> tuple[Floats, Floats]:
    """Mean quality against the share of calls that go to the strong model.

    The cuts are the ``bins + 1`` quantiles of the win rates (``pandas.qcut``): strong where the win rate is at least
    the cut, and strictly above it for the last one, so the curve runs from no strong call to all of them.

    Args:
        win_rate: [n], the number that a threshold cuts.
        strong: [n], quality of the strong model's answers.
        weak: [n], quality of the weak model's answers.
        bins: Number of quantile bins; RouteLLM has 10. None cuts at every distinct win rate: the exact curve.

    Returns:
        Shares float64 [k], ascending from 0 to 1, and qualities float64 [k]; k is bins + 1, or the number of distinct
        win rates and one.

    Raises:
        DataError: The arrays differ in length, are empty, or hold a value that is not finite.
    """
    rates, gain, weak_mean = _checked(win_rate, strong, weak)
    shares, gains = call_curves(rates, gain, np.ones((1, len(rates))), bins=bins)
    return shares[0], weak_mean + gains[0]


def pgr(quality: ArrayLike, strong: float, weak: float) -> Floats:
    """Performance gap recovered: (quality - weak) / (strong - weak), float64 of the shape of ``quality``.

    Raises:
        DataError: The strong model is not better than the weak one, so there is no gap to recover.
    """
    if not strong > weak:
        mend = "swap them" if strong < weak else "there is no gap to recover, so compare other models"
        msg = f"the strong model's quality ({strong:.4f}) is not above the weak one's ({weak:.4f}); {mend}"
        raise DataError(msg)
    return (np.asarray(quality, dtype=np.float64) - weak) / (strong - weak)


def apgr(win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike, *, bins: int | None = ROUTELLM_BINS) -> float:
    """Average PGR: the area under PGR over the strong share, trapezoid over ``call_curve``; a random router has 0.5.

    It is not capped at 1: a router that finds the prompts where only the strong model is right can pass it. RouteLLM's
    eleven points cut the corners of the curve; ``bins=None`` is the exact area.
    """
    shares, recovered = _recovered(win_rate, strong, weak, bins)
    return float(areas(shares, recovered)[0])


def cpt(
    win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike, target: float, *, bins: int | None = ROUTELLM_BINS
) -> float:
    """Call-performance threshold: the least share of strong calls, in [0, 1], at which PGR reaches ``target``.

    Read off ``call_curve`` at its first crossing. RouteLLM's own code interpolates as if quality never fell as the
    share rises, which is not so; hence the two differ where the curve dips. On few prompts the exact curve
    (``bins=None``) wanders, and its first crossing comes earlier than another sample's would.
    """
    shares, recovered = _recovered(win_rate, strong, weak, bins)
    return float(crossings(shares, recovered, target)[0])


def preference(strong: ArrayLike, weak: ArrayLike) -> Floats:
    """What a win rate predicts, float64[n]: 1 where the strong answer is better, 0 where the weak one is, 0.5 a tie."""
    return np.asarray(0.5 + 0.5 * np.sign(np.asarray(strong, np.float64) - np.asarray(weak, np.float64)))


def brier(win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike) -> float:
    """Mean squared error of win rates against `preference`; 0 is best, and always 0.5 gives at most 0.25."""
    rates, _, _ = _checked(win_rate, strong, weak)
    return float(np.mean((rates - preference(strong, weak)) ** 2))


def reliability(
    win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike, *, bins: int = CALIBRATION_BINS
) -> tuple[Floats, Floats, Floats]:
    """Mean win rate, mean preference and number of prompts in bins of equally many prompts, float64[k] each.

    Equal win rates share a bin, so that k may be less than ``bins``.
    """
    rates, _, _ = _checked(win_rate, strong, weak)
    member = calibration_bins(rates, bins)
    count = np.bincount(member).astype(np.float64)
    said = np.bincount(member, weights=rates) / count
    return said, np.bincount(member, weights=preference(strong, weak)) / count, count


def ece(win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike, *, bins: int = CALIBRATION_BINS) -> float:
    """Expected calibration error: |mean win rate - mean preference| in bins of equally many prompts, weighted by them.

    Bins of equal mass (arXiv 1909.10155), since win rates crowd around the middle, where bins of equal width would all
    be one. Perfectly calibrated win rates still have an error above 0 on few prompts.
    """
    said, found, count = reliability(win_rate, strong, weak, bins=bins)
    return float(np.sum(np.abs(said - found) * count) / count.sum())


def calibration_bins(win_rate: Floats, bins: int = CALIBRATION_BINS) -> NDArray[np.intp]:
    """Bin of each prompt, intp[n], from 0 on without gaps: quantiles of the win rates, equal ones in one bin."""
    ranked = np.sort(win_rate)
    first = np.searchsorted(ranked, win_rate, side="left")
    return np.unique(first * bins // len(ranked), return_inverse=True)[1]


def agreement(choices: ArrayLike) -> float:
    """How often two routers choose alike: mean over pairs of routers and prompts, for instance of one router's seeds.

    Args:
        choices: [s, n], what each of s routers chooses for each prompt.

    Raises:
        DataError: fewer than two routers, or no prompt.
    """
    return float(np.mean(alike(choices)))


def alike(choices: ArrayLike) -> Floats:
    """`agreement` on each prompt, float64[n]; arguments and errors as there."""
    chosen = np.asarray(choices)
    if chosen.ndim != 2 or len(chosen) < 2 or not chosen.shape[1]:
        msg = f"choices of shape {chosen.shape}; give [routers, prompts], two routers or more"
        raise DataError(msg)
    return np.asarray(np.mean([chosen[a] == chosen[b] for a in range(len(chosen)) for b in range(a)], axis=0))


def _recovered(win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike, bins: int | None) -> tuple[Floats, Floats]:
    shares, quality = call_curve(win_rate, strong, weak, bins=bins)
    return shares[None], pgr(quality, _mean(strong), _mean(weak))[None]


def _mean(values: ArrayLike) -> float:
    return float(np.asarray(values, dtype=np.float64).mean())


def _checked(win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike) -> tuple[Floats, Floats, float]:
    rates, best, base = (np.asarray(values, dtype=np.float64) for values in (win_rate, strong, weak))
    if rates.ndim != 1 or rates.shape != best.shape or rates.shape != base.shape or not rates.size:
        raise DataError(f"win rates, strong and weak need one length [n]: {rates.shape}, {best.shape}, {base.shape}")
    if not (np.isfinite(rates).all() and np.isfinite(best).all() and np.isfinite(base).all()):
        raise DataError("a win rate or a quality is NaN or infinite; drop the prompts that a model did not answer")
    return rates, best - base, float(np.mean(base))
