"""Outcomes to battles and back, counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.data.convert import as_battles, as_outcomes, battles_to_outcomes, keep_rows, outcomes_to_battles
from pointsman.data.outcomes import Battles
from pointsman.errors import DataError
from tests.support.outcomes import table

NAN = float("nan")
scores = st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, NAN]), min_size=3, max_size=3), min_size=1, max_size=6)


def rows_of(battles):
    return list(zip(battles.prompts, battles.model_a, battles.model_b, battles.labels.tolist(), strict=True))


def test_each_pair_that_answered_is_a_battle():
    found = outcomes_to_battles(table(["p", "q"], ["x", "y", "z"], [[1, 0.5, NAN], [0, 0, 1]]))
    assert rows_of(found) == [
        ("p", "x", "y", 1.0),
        ("q", "x", "y", 0.5),
        ("q", "x", "z", 0.0),
        ("q", "y", "z", 0.0),
    ]


def test_battles_become_shares_won_and_a_model_against_itself_is_nothing():
    battles = Battles(("q", "p", "q", "q"), ("x", "y", "y", "x"), ("y", "x", "x", "x"), np.array([1.0, 0.5, 1.0, 1.0]))
    found = battles_to_outcomes(battles)
    assert found.prompts == ("q", "p")
    assert found.models == ("x", "y")
    assert np.allclose(found.scores, [[0.5, 0.5], [0.5, 0.5]])
    lone = battles_to_outcomes(Battles(("p", "q"), ("x", "z"), ("y", "x"), np.array([1.0, 1.0])))
    assert np.array_equal(lone.scores, [[1, 0, NAN], [0, NAN, 1]], equal_nan=True)


@given(scores)
def test_there_and_back_is_borda(values):
    """The score of a round trip is the mean, over the others that answered, of won, tied half or lost."""
    outcomes = table([f"p{i}" for i in range(len(values))], ["x", "y", "z"], values)
    if all(sum(v == v for v in row) < 2 for row in values):
        with pytest.raises(DataError, match="no battle"):
            outcomes_to_battles(outcomes)
        return
    back = battles_to_outcomes(outcomes_to_battles(outcomes))
    for row, prompt in enumerate(back.prompts):
        own = values[int(prompt[1:])]
        for column, model in enumerate(back.models):
            mine = own["xyz".index(model)]
            others = [v for i, v in enumerate(own) if i != "xyz".index(model) and v == v]
            expected = np.mean([0.5 + np.sign(mine - v) / 2 for v in others]) if mine == mine and others else NAN
            assert back.scores[row, column] == pytest.approx(expected, nan_ok=True)


def test_a_cap_on_pairs_is_kept_and_seeded():
    outcomes = table([f"p{i}" for i in range(40)], list("abcdef"), np.random.default_rng(0).random((40, 6)))
    first, again, other = (outcomes_to_battles(outcomes, per_prompt=4, seed=seed) for seed in (1, 1, 2))
    assert len(first) == 160
    assert max(first.prompts.count(prompt) for prompt in outcomes.prompts) == 4
    assert rows_of(first) == rows_of(again) != rows_of(other)
    assert set(rows_of(first)) <= set(rows_of(outcomes_to_battles(outcomes)))


def test_rows_are_kept_by_mask_in_both():
    outcomes = table(["p", "q"], ["x", "y"], [[1, 0], [0, 1]])
    assert keep_rows(outcomes, np.array([False, True])).prompts == ("q",)
    assert rows_of(keep_rows(as_battles(outcomes), np.array([False, True]))) == [("q", "x", "y", 0.0)]


def test_other_data_is_refused():
    for convert in (as_battles, as_outcomes):
        with pytest.raises(DataError, match="is a dict; give Outcomes or Battles"):
            convert({"prompt": []})
