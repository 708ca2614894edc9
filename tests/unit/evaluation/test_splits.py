"""Splits keep apart what they say they keep apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.data.outcomes import Outcomes
from pointsman.errors import DataError
from pointsman.evaluation.predictions import cross_predict
from pointsman.evaluation.splits import Split, given_split, group_folds, model_folds, random_folds, time_split
from pointsman.pool import Pool
from pointsman.scorers import PromptLength


@given(st.integers(2, 60), st.integers(2, 8), st.integers(0, 99))
def test_each_prompt_is_tested_once_and_never_trained_on_then(prompts, folds, seed):
    if folds > prompts:
        folds = prompts
    splits = random_folds(prompts, folds, seed)
    assert len(splits) == folds
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == list(range(prompts))
    for split in splits:
        assert sorted([*split.train, *split.test]) == list(range(prompts))
        assert abs(len(split.test) - prompts / folds) < 1


@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=60), st.integers(2, 9), st.integers(0, 9))
def test_no_group_is_on_both_sides(groups, folds, seed):
    if len(set(groups)) < 2:
        with pytest.raises(DataError, match="two groups or more"):
            group_folds(groups, folds, seed)
        return
    splits = group_folds(groups, folds, seed)
    assert len(splits) == min(folds, len(set(groups)))
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == list(range(len(groups)))
    for split in splits:
        assert not {groups[row] for row in split.train} & {groups[row] for row in split.test}


def test_groups_are_shared_out_evenly():
    groups = ["big"] * 50 + ["half"] * 26 + ["other half"] * 24
    sizes = sorted(len(split.test) for split in group_folds(groups, 2))
    assert sizes == [50, 50]


@given(st.lists(st.integers(0, 20), min_size=2, max_size=50), st.floats(0.1, 0.9))
def test_what_is_trained_on_came_before_all_that_is_tested(times, share):
    if sorted(times)[min(round(share * len(times)), len(times) - 1)] == min(times):
        with pytest.raises(DataError, match="cannot be split by time"):
            time_split(times, share)
        return
    (split,) = time_split(times, share)
    assert max(times[row] for row in split.train) < min(times[row] for row in split.test)
    assert len(split.train) + len(split.test) == len(times)


def test_dates_sort_as_texts():
    (split,) = time_split(["2024-03-01", "2024-01-01", "2024-02-01", "2023-12-31"], 0.75)
    assert split.train.tolist() == [1, 2, 3]


def test_a_held_out_model_is_not_seen():
    for split in model_folds(("a", "b", "c"), "b", 20, 4):
        assert split.without == ("b",)
        assert not set(split.train) & set(split.test)


def test_a_given_split_is_taken_as_it_is():
    (split,) = given_split(["test", "train", "validation", "train"])
    assert (split.train.tolist(), split.test.tolist()) == ([1, 3], [0])


def table_of(prompts):
    scores = np.array([[1.0, row % 2] for row in range(len(prompts))])
    ids = tuple(map(str, range(len(prompts))))
    tasks = tuple(f"task {row % 3}" for row in range(len(prompts)))
    return Outcomes(tuple(prompts), ("strong", "weak"), scores, ids, tasks)


def test_a_prompt_that_is_tested_is_not_trained_on_in_another_row():
    """MMLU asks 105 of its questions in two subjects; a nearest neighbour would know the answer."""
    table, seen = table_of(["twice", "a", "b", "twice ", "c", "d"]), []

    def fit(outcomes, _seed):
        seen.append(outcomes.prompts)
        return PromptLength.fit(outcomes.prompts, models=outcomes.models)

    splits = [*group_folds(table.tasks, 3), Split(np.array([0, 1, 2]), np.array([3, 4, 5]))]
    cross_predict(fit, table, splits, Pool.pair("strong", "weak"))
    for split, learned in zip(splits, seen, strict=True):
        tested = {table.prompts[row].strip() for row in split.test}
        assert not tested & {prompt.strip() for prompt in learned}
    assert seen[-1] == ("a", "b")
    with pytest.raises(DataError, match="all 2 prompts to train on are tested too"):
        cross_predict(fit, table_of(["x"] * 4), random_folds(4, 2), Pool.pair("strong", "weak"))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: random_folds(3, 4), "4 folds of 3 prompts"),
        (lambda: random_folds(10, 1), "2 folds or more"),
        (lambda: group_folds(["a", "b"], 1), "2 folds or more"),
        (lambda: group_folds(["", ""]), "one group"),
        (lambda: time_split([1, 1, 1]), "cannot be split by time"),
        (lambda: time_split([1, None, 2]), "no time"),
        (lambda: time_split([1.0, float("nan")]), "no time"),
        (lambda: time_split([1, 2], 1.0), "between 0 and 1"),
        (lambda: model_folds(("a", "b", "c"), "d", 9), "no model 'd'"),
        (lambda: model_folds(("a", "b"), "a", 9), "1 model is left"),
        (lambda: given_split(["train", "dev"]), "0 marked test"),
    ],
)
def test_what_cannot_be_split_says_so(wrong, text):
    with pytest.raises(DataError, match=text):
        wrong()
