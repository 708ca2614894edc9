"""What is written is what is read, in every layout, whole or not at all."""

import numpy as np
import pytest

from pointsman.data import tables
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.errors import DataError

PROMPTS = ('a "quoted", line\nand one more', "ünï", "c")


def outcomes():
    gaps = np.array([[1.0, np.nan], [0.25, 0.5], [0.0, 1.0]])
    return Outcomes(PROMPTS, ("x/1", "y|2"), gaps, ("p", "q", "r"), ("t", "", "u"), gaps / 100, None, gaps * 8)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_outcomes_come_back(tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    outcomes().write(tmp_path / f"o{suffix}")
    read = Outcomes.read(tmp_path / f"o{suffix}")
    assert (read.prompts, read.models, read.prompt_ids, read.tasks) == (
        PROMPTS, ("x/1", "y|2"), ("p", "q", "r"), ("t", "", "u"),
    )  # fmt: skip
    np.testing.assert_array_equal(read.scores, outcomes().scores)
    np.testing.assert_array_equal(read.costs, outcomes().costs)
    np.testing.assert_array_equal(read.output_tokens, outcomes().output_tokens)
    assert read.input_tokens is None


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.5, 2.0])])
def test_battles_come_back(tmp_path, suffix, weights):
    Battles(PROMPTS, ("a", "b", "c"), ("b", "c", "a"), np.array([1.0, 0.5, 0.0]), weights).write(
        tmp_path / f"b{suffix}"
    )
    read = Battles.read(tmp_path / f"b{suffix}")
    assert (read.prompts, read.model_a, read.labels.tolist()) == (PROMPTS, ("a", "b", "c"), [1.0, 0.5, 0.0])
    assert (read.weights is None) == (weights is None)
    assert read.counts.tolist() == ([1.0] * 3 if weights is None else [1.0, 0.5, 2.0])


def test_a_share_of_a_win_has_no_name(tmp_path):
    with pytest.raises(DataError, match=r"row 1: label 0\.7 has no name"):
        Battles(("p", "q"), ("a", "a"), ("b", "b"), np.array([1.0, 0.7])).write(tmp_path / "b.csv")


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "o.jsonl"
    file.write_text("before\n", encoding="utf-8")

    def interrupted(columns, draft):
        draft.write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    monkeypatch.setattr(tables, "_write_jsonl", interrupted)
    with pytest.raises(KeyboardInterrupt):
        outcomes().write(file)
    assert file.read_text(encoding="utf-8") == "before\n"
    assert [each.name for each in tmp_path.iterdir()] == ["o.jsonl"]


@pytest.mark.parametrize(
    ("name", "told"), [("o.xlsx", "give .parquet, .csv or .jsonl"), ("none/o.csv", "make it first")]
)
def test_where_it_cannot_be_written_is_said(tmp_path, name, told):
    with pytest.raises(DataError, match=told):
        outcomes().write(tmp_path / name)
