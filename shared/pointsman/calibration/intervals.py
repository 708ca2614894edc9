"""Exact binomial tails and intervals, in the standard library alone."""

from __future__ import annotations

import math
from collections.abc import Callable

from pointsman.calibrated import Estimate
from pointsman.errors import DataError

__all__ = ["binomial_cdf", "clopper_pearson", "rows_to_halve"]

LEVEL = 0.95
_TINY, _EXACT, _BISECTIONS = 1e-300, 1e-15, 60


def binomial_cdf(k: int, n: int, p: float) -> float:
    """P(X <= k) for X binomial (n, p): the incomplete beta function I_{1-p}(n - k, k + 1)."""
    if k < 0 or k >= n:
        return 0.0 if k < 0 else 1.0
    return _incomplete_beta(n - k, k + 1, 1.0 - p)


def clopper_pearson(k: int, n: int, *, level: float = LEVEL) -> Estimate:
    """The share k / n with its exact interval (Clopper and Pearson, Biometrika 1934).

    Raises:
        DataError: n is not positive, or k is not in [0, n].
    """
    if n < 1 or not 0 <= k <= n:
        msg = f"{k} of {n} is no share; give n >= 1 and k in [0, n]"
        raise DataError(msg)
    tail = (1.0 - level) / 2
    low = 0.0 if k == 0 else _root(lambda p: 1.0 - binomial_cdf(k - 1, n, p) >= tail)
    high = 1.0 if k == n else _root(lambda p: binomial_cdf(k, n, p) <= tail)
    return Estimate(k / n, low, high)


def rows_to_halve(share: float, n: int) -> int:
    """Prompts at which the interval of this share is half as wide as at n; about four times as many."""

    def width(rows: int) -> float:
        found = clopper_pearson(round(share * rows), rows)
        return found.high - found.low

    goal, low, high = width(n) / 2, n, 8 * n
    while high - low > max(1, n // 200):
        middle = (low + high) // 2
        low, high = (low, middle) if width(middle) <= goal else (middle, high)
    return high


def _root(passed: Callable[[float], bool]) -> float:
    """Where a test of p in [0, 1] begins to pass, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if passed(middle) else (middle, high)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """I_x(a, b) by its continued fraction (DLMF 8.17.22), evaluated by Lentz's method."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _incomplete_beta(b, a, 1.0 - x)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 20 + 10 * math.isqrt(int(a + b) + 1)):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d, c = 1.0 / _away(1.0 + even * d), _away(1.0 + even / c)
        value *= d * c
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = 1.0 / _away(1.0 + odd * d), _away(1.0 + odd / c)
        value *= d * c
        if abs(d * c - 1.0) < _EXACT:
            break
    return math.exp(front) * value / a


def _away(x: float) -> float:
    """x, or next to nothing in place of nothing."""
    return x if abs(x) > _TINY else _TINY
