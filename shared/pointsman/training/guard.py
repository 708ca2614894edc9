"""A new router replaces the old one only if it does better on prompts that it has not learned from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.data.columns import match_columns
from pointsman.data.outcomes import Outcomes
from pointsman.errors import ConfigurationError, DataError
from pointsman.evaluation.bootstrap import RESAMPLES, Figure, Resamples, figure
from pointsman.experiments import arm_of
from pointsman.query import Query
from pointsman.router import DEFAULT_WILLINGNESS_TO_PAY, Router

__all__ = ["Comparison", "compare_routers", "hold_out", "replace_router"]

Floats = NDArray[np.float64]

LEAST_KNOWN = 20
"""Prompts on which the two differ and both answers are rated; with fewer nothing is said."""


@dataclass(frozen=True)
class Comparison:
    """Two routers on the same prompts; differences are new minus old, per call, with 95% bootstrap intervals.

    Attributes:
        better: the new one's worth is higher, with all of the interval above 0.
        reason: one sentence for people.
        prompts: that both decided.
        differing: of these, where they chose different models.
        known: of those, where both models' answers are rated. The others are left out, as if they went like these.
        quality: difference in quality, in [-1, 1].
        cost_usd: difference in cost.
        worth_usd: quality times what it is worth, less cost.
    """

    better: bool
    reason: str
    prompts: int
    differing: int
    known: int
    quality: Figure
    cost_usd: Figure
    worth_usd: Figure

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        figures = {name: getattr(self, name).as_dict() for name in ("quality", "cost_usd", "worth_usd")}
        return asdict(self) | figures


def hold_out(outcomes: Outcomes, share: float = 0.3) -> tuple[Outcomes, Outcomes]:
    """Rows to learn from, and rows to compare on. A prompt's side is told by its hash and stays the same as rows come.

    Args:
        outcomes: what there is.
        share: of the prompts that are held out, in (0, 1).

    Raises:
        DataError: the share is out of range.
    """
    if not 0 < share < 1:
        msg = f"the held-out share is {share}; give a part of the prompts between 0 and 1"
        raise DataError(msg)
    sides = {"learn": 1 - share, "held": share}
    held = np.array([arm_of(prompt.strip(), sides, name="held-out") == "held" for prompt in outcomes.prompts])
    return outcomes.select(~held), outcomes.select(held)


def compare_routers(
    old: Router,
    new: Router,
    held_out: Outcomes,
    *,
    worth_usd: float = DEFAULT_WILLINGNESS_TO_PAY,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """The decisions of two routers, each with its policy, on rated prompts.

    Where both choose the same model the difference is 0, whether its answer is rated or not. Where they differ it is
    known if both answers are rated; of those the mean is taken, and weighed with the share of prompts on which they
    differ. The bootstrap draws prompts, the same for both (paired).

    Args:
        old: the one in use.
        new: the one that is to replace it; it has learned from none of these prompts.
        held_out: rated prompts, NaN where a model was not asked.
        worth_usd: USD that one answer's quality going from 0 to 1 is worth.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        DataError: no column of a candidate, or no known cost of one where the two differ.
        ConfigurationError: the routers choose among different candidates, or the worth is not above 0.
    """
    if set(old.pool.names) != set(new.pool.names) or not worth_usd > 0:
        msg = f"routers over {old.pool} and {new.pool} at {worth_usd} USD an answer; give both one pool, and a worth"
        raise ConfigurationError(msg)
    columns = match_columns(old.pool, held_out)
    chosen = [[d.candidate for d in router.decide_batch(held_out.prompts)] for router in (old, new)]
    differs = np.array([before != after for before, after in zip(*chosen, strict=True)])
    scores = [_picked(held_out.scores, columns, names) for names in chosen]
    quality = scores[1] - scores[0]
    known = differs & ~np.isnan(quality)
    spent: Floats = np.zeros(len(held_out))
    if known.any():
        costs = _costs(old, held_out, columns)
        spent = _picked(costs, columns, chosen[1]) - _picked(costs, columns, chosen[0])
        if np.isnan(spent[known]).any():
            msg = "no cost is known of a model on which the routers differ; give its prices, or columns cost|<model>"
            raise DataError(msg)
    sums = np.column_stack([differs, known, np.where(known, quality, 0.0), np.where(known, spent, 0.0)])
    means = Resamples.draw(len(held_out), resamples, seed).means(sums.astype(np.float64))
    gain, cost, worth = (_weighed(means, k) for k in (means[:, 2], means[:, 3], worth_usd * means[:, 2] - means[:, 3]))
    better, reason = _verdict(int(differs.sum()), int(known.sum()), worth)
    return Comparison(better, reason, len(held_out), int(differs.sum()), int(known.sum()), gain, cost, worth)


def replace_router(
    folder: str | Path,
    new: Router,
    held_out: Outcomes,
    *,
    worth_usd: float = DEFAULT_WILLINGNESS_TO_PAY,
    seed: int = 0,
) -> Comparison:
    """Save the new router over the one in a folder, if it is better; else the folder stays as it is.

    Args:
        folder: of the router in use; it is compared over the new router's models.
        new: the one that is to replace it.
        held_out: see `compare_routers`; so are the other arguments and the errors.
        worth_usd: see there.
        seed: see there.

    Raises:
        ArtifactError: the folder holds no router.
    """
    old = Router.load(Path(folder)).with_pool(new.pool)
    found = compare_routers(old, new, held_out, worth_usd=worth_usd, seed=seed)
    if found.better:
        new.save(folder)
    return found


def _weighed(means: Floats, known: Floats) -> Figure:
    """A sum over the known prompts, made that over all that differ: the others as if they went like these."""
    with np.errstate(divide="ignore", invalid="ignore"):
        values = known * means[:, 0] / means[:, 1]
    return figure(np.where(means[:, 0] == 0, 0.0, values))


def _picked(table: Floats, columns: dict[str, int], names: list[str]) -> Floats:
    """A table's value of the named candidate of each row; NaN for a candidate without a column."""
    return np.array([table[row, columns[name]] if name in columns else np.nan for row, name in enumerate(names)])


def _costs(router: Router, outcomes: Outcomes, columns: dict[str, int]) -> Floats:
    """Cost of each call: as recorded, else as expected from prices. float64 [n, models of the table]."""
    table = np.full(outcomes.scores.shape, np.nan) if outcomes.costs is None else outcomes.costs.copy()
    expected = router.expected_cost([Query(prompt) for prompt in outcomes.prompts])
    for row, name in enumerate(router.pool.names):
        if name in columns:
            column = table[:, columns[name]]
            table[:, columns[name]] = np.where(np.isnan(column), expected[:, row], column)
    return table


def _verdict(differing: int, known: int, worth: Figure) -> tuple[bool, str]:
    if differing == 0:
        return False, "both choose the same model for every prompt, so there is nothing to replace"
    if known < LEAST_KNOWN:
        return False, (
            f"of {differing} prompts on which they differ, {known} have ratings of both answers; "
            f"rate both models' answers to {LEAST_KNOWN} of them or more"
        )
    span = f"{worth.value:+.2g} USD a call, 95% interval {worth.low:+.2g} to {worth.high:+.2g}"
    if worth.low > 0:
        return True, f"worth {span}"
    return False, f"not shown to be better: worth {span}"
