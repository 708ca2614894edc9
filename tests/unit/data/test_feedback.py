"""Ratings of routed calls become outcomes that can be written, read, trained on and compared by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pointsman import Outcomes
from pointsman.data.feedback import RatedCall, outcomes_of
from pointsman.errors import DataError


def test_a_row_per_prompt_with_gaps_for_who_was_not_asked() -> None:
    calls = [
        RatedCall("What is 2 + 2?", "small", 1.0, cost_usd=0.001),
        RatedCall("Prove it.", "big", 0.5, cost_usd=0.02, task="proofs"),
        RatedCall(" What is 2 + 2? ", "small", 0.0, cost_usd=0.003),
        RatedCall("What is 2 + 2?", "big", 1.0),
    ]
    outcomes = outcomes_of(calls, models=["big", "small", "unused"])
    assert (outcomes.prompts, outcomes.models) == (("What is 2 + 2?", "Prove it."), ("big", "small"))
    np.testing.assert_array_equal(outcomes.scores, [[1.0, 0.5], [0.5, np.nan]])
    np.testing.assert_array_equal(outcomes.costs, [[np.nan, 0.002], [0.02, np.nan]])
    assert outcomes.tasks == ("", "proofs")
    assert len(set(outcomes.prompt_ids)) == 2


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_what_is_written_is_what_is_read(tmp_path: Path, suffix: str) -> None:
    calls = [RatedCall(f'a "quoted", line\n{i}', "big" if i % 2 else "small", i / 10, cost_usd=i / 1000)
             for i in range(10)]  # fmt: skip
    outcomes = outcomes_of(calls)
    outcomes.write(tmp_path / f"rated{suffix}")
    read = Outcomes.read(tmp_path / f"rated{suffix}")
    assert (read.prompts, read.models, read.prompt_ids) == (outcomes.prompts, outcomes.models, outcomes.prompt_ids)
    np.testing.assert_array_equal(read.scores, outcomes.scores)
    np.testing.assert_array_equal(read.costs, outcomes.costs)


def test_what_is_no_rating_is_refused_with_the_mend(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give a prompt, and a score in"):
        outcomes_of([RatedCall("p", "m", 4.0)])
    with pytest.raises(DataError, match="give a prompt, and a score in"):
        outcomes_of([RatedCall("  ", "m", 1.0)])
    with pytest.raises(DataError, match="collect feedback first"):
        outcomes_of([])
    with pytest.raises(DataError, match=r"give \.parquet, \.csv or \.jsonl"):
        outcomes_of([RatedCall("p", "m", 1.0)]).write(tmp_path / "rated.xlsx")
