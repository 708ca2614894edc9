"""Chatbot Arena's battles in their published layout."""

import csv
import json

import pytest

from pointsman.data.merge import read_data
from pointsman.data.outcomes import Battles, Outcomes
from pointsman.errors import DataError

HEADER = [
    "id",
    "model_a",
    "model_b",
    "prompt",
    "response_a",
    "response_b",
    "winner_model_a",
    "winner_model_b",
    "winner_tie",
]


def write(path, *battles):
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(HEADER)
        for number, (prompt, marks) in enumerate(battles):
            rows.writerow([number, "gpt-4", "mixtral", prompt, "[]", "x" * 200_000, *marks])
    return path


def test_battles_of_the_first_turns(tmp_path):
    path = write(
        tmp_path / "train.csv",
        (json.dumps(["Why?", "And then?"]), (1, 0, 0)),
        (json.dumps(["How?"]), (0, 1, 0)),
        ("a plain text", (0, 0, 1)),
        (json.dumps([None]), (1, 0, 0)),
        ("[broken", (0, 0, 1)),
    )
    battles = read_data([path])
    assert isinstance(battles, Battles)
    assert battles.prompts == ("Why?", "How?", "a plain text", "[broken")
    assert battles.labels.tolist() == [1, 0, 0.5, 0.5]
    assert set(battles.model_a) == {"gpt-4"}


@pytest.mark.parametrize("marks", [(0, 0, 0), (1, 1, 0)])
def test_a_battle_that_ended_in_no_one_way_is_refused(tmp_path, marks):
    path = write(tmp_path / "train.csv", ("Why?", (1, 0, 0)), ("How?", marks))
    with pytest.raises(DataError, match=r"train.csv: row 1: marked as"):
        Battles.read(path)


def test_files_as_spreadsheets_write_them(tmp_path):
    """A byte order mark before the header, blank lines, and another encoding than UTF-8."""
    (tmp_path / "o.csv").write_bytes("\ufeffprompt,score|a,score|b\nwhy,1,0\n\nhow,0,1\n\n".encode())
    assert Outcomes.read(tmp_path / "o.csv").prompts == ("why", "how")
    (tmp_path / "latin.csv").write_bytes("prompt,score|a\ncafé,1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin.csv: not UTF-8 text .* save it as UTF-8"):
        Outcomes.read(tmp_path / "latin.csv")
    (tmp_path / "nul.csv").write_bytes(b'prompt,score|a\n"why,1')
    with pytest.raises(DataError):
        Outcomes.read(tmp_path / "nul.csv")
