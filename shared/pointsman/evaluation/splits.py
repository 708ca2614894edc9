"""What to train on and what to test on: by chance, by group, by time, and with a model held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import DataError

__all__ = ["Split", "given_split", "group_folds", "model_folds", "random_folds", "time_split", "unseen"]


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of a table.

    Attributes:
        train: rows to fit on, intp.
        test: rows to score, intp; none of them in `train`.
        without: models whose scores the fit must not see.
    """

    train: NDArray[np.intp]
    test: NDArray[np.intp]
    without: tuple[str, ...] = ()


def unseen(prompts: Sequence[str], train: NDArray[np.intp], test: NDArray[np.intp]) -> NDArray[np.intp]:
    """The train rows whose prompt, white space aside, stands in no test row: MMLU asks 105 questions in two subjects.

    Raises:
        DataError: nothing is left to train on.
    """
    tested = {" ".join(prompts[row].split()) for row in test}
    kept = [row for row in train if " ".join(prompts[row].split()) not in tested]
    if not kept:
        msg = f"all {len(train):,} prompts to train on are tested too; split in another way, or give other prompts"
        raise DataError(msg)
    return np.array(kept, dtype=np.intp)


def random_folds(prompts: int, folds: int = 5, seed: int = 0) -> list[Split]:
    """Each prompt is in the test rows of one fold, drawn by chance.

    Raises:
        DataError: fewer than 2 folds, or fewer prompts than folds.
    """
    if not 2 <= folds <= prompts:
        msg = f"{folds} folds of {prompts} prompts; give 2 folds or more, and no more than there are prompts"
        raise DataError(msg)
    member = np.empty(prompts, dtype=np.intp)
    member[np.random.default_rng(seed).permutation(prompts)] = np.arange(prompts) % folds
    return _folds(member)


def group_folds(groups: Sequence[str], folds: int = 5, seed: int = 0) -> list[Split]:
    """Whole groups (tasks, subjects, sources) are held out: no group is on both sides of a split.

    Groups go to the fold that has fewest prompts, the largest first, equal ones by chance; with as many folds as
    groups, or more, each group is held out alone.

    Args:
        groups: n names.
        folds: how many, at least 2.
        seed: of the draw.

    Raises:
        DataError: there are not two groups, or fewer than 2 folds.
    """
    names, member, sizes = np.unique(np.asarray(groups, dtype=np.str_), return_inverse=True, return_counts=True)
    if len(names) < 2 or folds < 2:
        found = f"one group ({names[0] or 'without a name'})" if len(names) == 1 else f"{len(names)} groups"
        msg = f"{found} and {folds} folds; a split by group needs two groups or more, and 2 folds or more"
        raise DataError(msg)
    fold_of, load = np.empty(len(names), dtype=np.intp), np.zeros(min(folds, len(names)))
    shuffled = np.random.default_rng(seed).permutation(len(names))
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        fold_of[group] = load.argmin()
        load[fold_of[group]] += sizes[group]
    return _folds(fold_of[member])


def time_split(times: Sequence[str | float], train_share: float = 0.5) -> list[Split]:
    """Train on what came first, test on what came later; prompts of the same moment stay together, in the test rows.

    Args:
        times: n numbers, or n texts that sort as time does, such as ISO dates.
        train_share: in (0, 1).

    Raises:
        DataError: a time is missing, the share is out of range, or all prompts are of one moment.
    """
    if any(time in (None, "") or time != time for time in times):
        msg = "a prompt has no time; fill the column, or split in another way"
        raise DataError(msg)
    stamps = np.asarray(times)
    if not 0 < train_share < 1:
        msg = f"the share to train on is {train_share}; give a number between 0 and 1"
        raise DataError(msg)
    first = min(round(train_share * len(stamps)), len(stamps) - 1)
    cut = np.sort(stamps)[first] if len(stamps) else None
    train, test = np.flatnonzero(stamps < cut), np.flatnonzero(stamps >= cut)
    if not len(train):
        msg = f"{len(stamps)} prompts of one moment cannot be split by time; give a column of times that differ"
        raise DataError(msg)
    return [Split(train, test)]


def given_split(parts: Sequence[str]) -> list[Split]:
    """A split that the table came with: test on the prompts marked "test", train on those marked "train".

    Raises:
        DataError: either mark is missing.
    """
    marks = np.asarray(parts, dtype=np.str_)
    train, test = np.flatnonzero(marks == "train"), np.flatnonzero(marks == "test")
    if not len(train) or not len(test):
        found = ", ".join(sorted(set(parts))[:8])
        msg = f"{len(train)} prompts marked train and {len(test)} marked test (there are {found}); mark some of each"
        raise DataError(msg)
    return [Split(train, test)]


def model_folds(models: Sequence[str], held: str, prompts: int, folds: int = 5, seed: int = 0) -> list[Split]:
    """Random folds in which the fit does not see a model: it is routed to by its name, family or price alone.

    Raises:
        DataError: there is no such model, or too few are left to learn from.
    """
    if held not in models:
        msg = f"no model {held!r} to hold out; there are {', '.join(models)}"
        raise DataError(msg)
    if len(models) < 3:
        msg = f"with {held} held out {len(models) - 1} model is left, and a router learns from two or more; add models"
        raise DataError(msg)
    return [Split(split.train, split.test, (held,)) for split in random_folds(prompts, folds, seed)]


def _folds(member: NDArray[np.intp]) -> list[Split]:
    return [Split(np.flatnonzero(member != fold), np.flatnonzero(member == fold)) for fold in range(member.max() + 1)]
