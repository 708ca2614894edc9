"""Routing metrics for one strong/weak pair, as RouteLLM defines them (arXiv 2406.18665, section 3, and its code)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pointsman.errors import DataError

Floats = NDArray[np.float64]


def call_curve(win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike, *, bins: int = 10) -> tuple[Floats, Floats]:
    """Mean quality against the share of calls that go to the strong model.

    The cuts are the ``bins + 1`` quantiles of the win rates (``pandas.qcut``): strong where the win rate is at least
    the cut, and strictly above it for the last one, so the curve runs from no strong call to all of them.

    Args:
        win_rate: [n], the number that a threshold cuts.
        strong: [n], quality of the strong model's answers.
        weak: [n], quality of the weak model's answers.
        bins: Number of quantile bins; RouteLLM has 10.

    Returns:
        Shares float64 [bins + 1], ascending from 0 to 1, and qualities float64 [bins + 1].

    Raises:
        DataError: The arrays differ in length, are empty, or hold a value that is not finite.
    """
    rates, gain, weak_mean = _checked(win_rate, strong, weak)
    order = np.argsort(rates, kind="stable")
    ranked = rates[order]
    gains_above = np.concatenate([np.cumsum(gain[order][::-1])[::-1], [0.0]])
    cuts = np.quantile(ranked, np.linspace(0.0, 1.0, bins + 1))
    first = np.searchsorted(ranked, cuts, side="left")
    first[-1] = np.searchsorted(ranked, cuts[-1], side="right")
    first = first[::-1]
    return 1.0 - first / len(ranked), weak_mean + gains_above[first] / len(ranked)


def pgr(quality: ArrayLike, strong: float, weak: float) -> Floats:
    """Performance gap recovered: (quality - weak) / (strong - weak), float64 of the shape of ``quality``.

    Raises:
        DataError: The strong model is not better than the weak one, so there is no gap to recover.
    """
    if not strong > weak:
        msg = f"the strong model's quality ({strong:.4f}) is not above the weak one's ({weak:.4f}); swap them"
        raise DataError(msg)
    return (np.asarray(quality, dtype=np.float64) - weak) / (strong - weak)


def apgr(win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike, *, bins: int = 10) -> float:
    """Average PGR: the area under PGR over the strong share, trapezoid over ``call_curve``; a random router has 0.5.

    It is not capped at 1: a router that finds the prompts where only the strong model is right can pass it.
    """
    shares, quality = call_curve(win_rate, strong, weak, bins=bins)
    recovered = pgr(quality, _mean(strong), _mean(weak))
    return float(np.sum(np.diff(shares) * (recovered[1:] + recovered[:-1]) / 2))


def cpt(win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike, target: float) -> float:
    """Call-performance threshold: the least share of strong calls, in [0, 1], at which PGR reaches ``target``.

    Read off ``call_curve`` at its first crossing. RouteLLM's own code interpolates as if quality never fell as the
    share rises, which is not so; hence the two differ where the curve dips.
    """
    shares, quality = call_curve(win_rate, strong, weak)
    recovered = pgr(quality, _mean(strong), _mean(weak))
    reached = int(np.argmax(recovered >= target)) if np.any(recovered >= target) else len(shares) - 1
    if reached == 0 or recovered[reached] <= target:
        return float(shares[reached])
    step = (target - recovered[reached - 1]) / (recovered[reached] - recovered[reached - 1])
    return float(shares[reached - 1] + step * (shares[reached] - shares[reached - 1]))


def _mean(values: ArrayLike) -> float:
    return float(np.asarray(values, dtype=np.float64).mean())


def _checked(win_rate: ArrayLike, strong: ArrayLike, weak: ArrayLike) -> tuple[Floats, Floats, float]:
    rates, best, base = (np.asarray(values, dtype=np.float64) for values in (win_rate, strong, weak))
    if rates.ndim != 1 or rates.shape != best.shape or rates.shape != base.shape or not rates.size:
        raise DataError(f"win rates, strong and weak need one length [n]: {rates.shape}, {best.shape}, {base.shape}")
    if not (np.isfinite(rates).all() and np.isfinite(best).all() and np.isfinite(base).all()):
        raise DataError("a win rate or a quality is NaN or infinite; drop the prompts that a model did not answer")
    return rates, best - base, float(np.mean(base))
