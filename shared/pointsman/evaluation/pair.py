"""A strong and a weak model: what each row of a table says of a ranking of prompts, on all resamples at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pointsman.evaluation.bootstrap import Resamples
from pointsman.evaluation.curves import ROUTELLM_BINS, areas, call_curves, crossings
from pointsman.evaluation.metrics import calibration_bins, preference

__all__ = [
    "GRID",
    "TARGETS",
    "Cloud",
    "calibration_clouds",
    "cut_clouds",
    "oracle_clouds",
    "random_clouds",
    "ranking_clouds",
    "within_tasks",
    "zero_clouds",
]

Floats = NDArray[np.float64]
Cloud = dict[str, Floats]
"""Name of a figure -> its value on the sample and on each resample, float64[1 + resamples]."""

TARGETS = (0.2, 0.5, 0.8, 0.95)
"""PGR of which the least strong share is told; RouteLLM tells those of 0.5 and 0.8."""
GRID: Floats = np.linspace(0.0, 1.0, 21, dtype=np.float64)
"""Shares of strong calls at which the curve and its band are drawn."""


def ranking_clouds(win_rate: Floats, gain: Floats, draws: Resamples) -> Cloud:
    """APGR and CPT of win rates, on RouteLLM's eleven points and (`_exact`) at every threshold; "curve" is [b, 21].

    Args:
        win_rate: [n].
        gain: [n], quality of the strong answer less that of the weak one.
        draws: of n prompts. A resample without a gap between the models has NaN.
    """
    parts = []
    for block in draws.blocks():
        counts = draws.counts[block]
        exact = call_curves(win_rate, gain, counts, bins=None)
        eleven = call_curves(win_rate, gain, counts, bins=ROUTELLM_BINS)
        parts.append(_figures(*eleven) | _figures(*exact, "_exact") | {"curve": _at(GRID, *exact)})
    return _joined(parts)


def oracle_clouds(gain: Floats, draws: Resamples) -> Cloud:
    """The ceiling: calls go to the strong model in the order of what they gain, as `ranking_clouds` has it.

    RouteLLM's "optimal" curve takes the best 0%, 10%, ... 100% of the calls, wherever that cuts through equal gains; so
    does the eleven-point APGR here. An order that can be cut anywhere has no other CPT than the exact one.
    """
    order = np.empty(len(gain))
    order[np.argsort(gain, kind="stable")] = np.arange(len(gain))
    parts = []
    for block in draws.blocks():
        shares, gains = call_curves(order, gain, draws.counts[block], bins=None)
        tenths = np.linspace(0.0, 1.0, ROUTELLM_BINS + 1, dtype=np.float64)
        at = np.broadcast_to(tenths, (len(shares), len(tenths)))
        exact = _figures(shares, gains, "_exact")
        cpt = {name.removesuffix("_exact"): values for name, values in exact.items()}
        apgr = {"apgr": _figures(at, _at(tenths, shares, gains))["apgr"]}
        parts.append(cpt | exact | apgr | {"curve": _at(GRID, shares, gains)})
    return _joined(parts)


def random_clouds(gain: Floats, draws: Resamples, seed: int) -> Cloud:
    """A coin: exactly its expectation, PGR = share; then one random order of the sample for each resample.

    So the interval is where one random ranking of these prompts lies, which is what RouteLLM prints beside its random
    row, and not how well its mean is known.
    """
    rng = np.random.default_rng(seed)
    order, parts = np.arange(len(gain), dtype=np.float64), []
    for block in draws.blocks():
        rows = len(draws.counts[block])
        shuffled = rng.permuted(np.broadcast_to(gain, (rows, len(gain))), axis=1)
        once = np.ones((rows, len(gain)))
        eleven = call_curves(order, shuffled, once, bins=ROUTELLM_BINS)
        exact = call_curves(order, shuffled, once, bins=None)
        parts.append(_figures(*eleven) | _figures(*exact, "_exact") | {"curve": _at(GRID, *exact)})
    cloud = _joined(parts)
    for name, expected in _coin().items():
        cloud[name][0] = expected
    cloud["curve"][0] = gain.mean() * GRID
    return cloud


def zero_clouds(gain: Floats, draws: Resamples) -> Cloud:
    """The zero router of a pair: a share of the calls to each model, whatever the prompt; its expectation is exact."""
    rows = len(draws.counts)
    curve = draws.means(gain[:, None]) * GRID
    return {name: np.full(rows, value) for name, value in _coin().items()} | {"curve": curve}


def calibration_clouds(win_rate: Floats, strong: Floats, weak: Floats, draws: Resamples) -> Cloud:
    """Brier score and ECE of win rates; the bins are those of the sample."""
    said, truth = win_rate, preference(strong, weak)
    member = calibration_bins(win_rate)
    bins = np.arange(member.max() + 1)
    apart = np.where(member[:, None] == bins, (said - truth)[:, None], 0.0)
    return {
        "brier": draws.means(((said - truth) ** 2)[:, None])[:, 0],
        "ece": np.abs(draws.means(apart)).sum(axis=1),
    }


def cut_clouds(
    chosen: NDArray[np.bool_], strong: Floats, weak: Floats, costs: Floats | None, draws: Resamples
) -> Cloud:
    """One setting of a router: share of strong calls, quality, PGR, and where costs are known its cost and saving.

    Args:
        chosen: bool[n], the calls to the strong model.
        strong: [n], quality of its answers.
        weak: [n], quality of its answers.
        costs: [n, 2], USD of a strong and a weak call, or None.
        draws: of n prompts.
    """
    columns = [chosen.astype(np.float64), np.where(chosen, strong, weak), strong, weak]
    if costs is not None:
        columns += [np.where(chosen, costs[:, 0], costs[:, 1]), costs[:, 0]]
    means = draws.means(np.column_stack(columns)).T
    share, quality, best, base = means[:4]
    with np.errstate(divide="ignore", invalid="ignore"):
        out = {
            "share": share,
            "quality": quality,
            "pgr": np.where(best > base, (quality - base) / (best - base), np.nan),
        }
        if costs is not None:
            out |= {"cost": means[4], "saved": np.where(means[5] > 0, 1 - means[4] / means[5], np.nan)}
    return out


def within_tasks(win_rate: Floats, tasks: Sequence[str]) -> Floats:
    """Win rates as mid-ranks within their task, so that each task sends the same share: float64[n] in (0, 1).

    What is left of a router when it cannot tell tasks apart: a pooled figure may be nothing but that.
    """
    names, member = np.unique(np.asarray(tasks), return_inverse=True)
    out = np.empty(len(win_rate))
    for index in range(len(names)):
        mine = member == index
        ranked = np.sort(win_rate[mine])
        low, high = (np.searchsorted(ranked, win_rate[mine], side=side) for side in ("left", "right"))
        out[mine] = (low + high) / 2 / len(ranked)
    return out


def _figures(shares: Floats, gains: Floats, suffix: str = "") -> Cloud:
    total = gains[:, -1:]
    recovered = gains / np.where(total > 0, total, np.nan)
    gap = total[:, 0] > 0
    out = {f"apgr{suffix}": areas(shares, recovered)}
    for target in TARGETS:
        out[f"cpt{target * 100:.0f}{suffix}"] = np.where(gap, crossings(shares, recovered, target), np.nan)
    return out


def _coin() -> dict[str, float]:
    expected = {"apgr": 0.5} | {f"cpt{target * 100:.0f}": target for target in TARGETS}
    return expected | {f"{name}_exact": value for name, value in expected.items()}


def _at(grid: Floats, shares: Floats, gains: Floats) -> Floats:
    return np.array([np.interp(grid, x, y) for x, y in zip(shares, gains, strict=True)])


def _joined(parts: Sequence[Cloud]) -> Cloud:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
