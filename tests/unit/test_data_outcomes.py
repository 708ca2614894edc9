"""Outcome and battle files: what is read, and what is refused with file, row and column."""

import json

import numpy as np
import pytest

from pointsman.data.outcomes import Battles, Outcomes
from pointsman.errors import DataError
from pointsman.labels import AnswerTable
from pointsman.query import Query

HEADER = "prompt_id,prompt,task,score|a,score|org/b,cost|a"
ROWS = ["p1,What is 2+2?,sums,1,0,0.002", "p2,Why?,talk,0.5,,", "p3,,talk,1,1,0.1"]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("\n".join([HEADER, *ROWS]) + "\n")
    return path


def test_wide_csv(table):
    found = Outcomes.read(table)
    assert found.prompts == ("What is 2+2?", "Why?")
    assert found.models == ("a", "org/b")
    assert found.tasks == ("sums", "talk")
    np.testing.assert_array_equal(found.scores, [[1, 0], [0.5, np.nan]])
    np.testing.assert_array_equal(found.costs, [[0.002, np.nan], [np.nan, np.nan]])
    assert found.input_tokens is None
    np.testing.assert_array_equal(found.score("org/b"), [0, np.nan])


def test_csv_jsonl_and_parquet_agree(table, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    rows = [
        {"prompt_id": "p1", "prompt": "What is 2+2?", "task": "sums", "score|a": 1, "score|org/b": 0, "cost|a": 0.002},
        {"prompt_id": "p2", "prompt": "Why?", "task": "talk", "score|a": 0.5, "score|org/b": None},
    ]
    lines = tmp_path / "table.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in rows))
    columns = {name: [row.get(name) for row in rows] for name in rows[0]}
    parquet.write_table(pa.table(columns), tmp_path / "table.parquet")
    first = Outcomes.read(table)
    for other in (Outcomes.read(lines), Outcomes.read(tmp_path / "table.parquet")):
        assert other.prompts == first.prompts
        assert other.models == first.models
        np.testing.assert_array_equal(other.scores, first.scores)
        np.testing.assert_array_equal(other.costs, first.costs)


def test_select_by_mask_and_index(table):
    found = Outcomes.read(table)
    by_mask, by_index = found.select(np.array([False, True])), found.select([1])
    assert by_mask.prompts == by_index.prompts == ("Why?",)
    assert by_mask.costs is not None
    assert by_mask.costs.shape == (1, 2)


def test_some_of_the_models(table):
    found = Outcomes.read(table).of(["org/b"])
    assert found.models == ("org/b",)
    assert found.prompts == ("What is 2+2?", "Why?")
    np.testing.assert_array_equal(found.scores, [[0], [np.nan]])
    np.testing.assert_array_equal(found.costs, [[np.nan], [np.nan]])
    assert found.input_tokens is None
    with pytest.raises(DataError, match="'gpt-9'"):
        found.of(["gpt-9"])


def test_unknown_model_is_named(table):
    with pytest.raises(DataError, match="no model 'c'"):
        Outcomes.read(table).score("c")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("prompt,score|a\nhi,2\n", r"table.csv: row 0, column 'score\|a': 2 is not in \[0, 1\]"),
        ("prompt,score|a\nhi,good\n", r"row 0, column 'score\|a': 'good' is not a number"),
        ("prompt,score|a\nhi,inf\n", "not finite"),
        ("prompt,score|a,cost|a\nhi,1,-1\n", r"row 0, column 'cost\|a': -1 is not >= 0"),
        ("prompt,quality\nhi,1\n", r"no column 'score\|<model>'"),
        ("question,score|a\nhi,1\n", "no column 'prompt'"),
        ("prompt,score|a\n", "no rows"),
        ("", "no rows"),
        ("prompt,score|a\nhi,1,2\n", "row 0: 3 values under 2 columns"),
        ("prompt_id,prompt,score|a\nx,hi,1\nx,ho,1\n", "row 1, column 'prompt_id': 'x' comes twice"),
        ("prompt,score|a,score|a\nhi,1,0\n", r"table.csv: column 'score\|a' comes twice; rename or drop one"),
        ("prompt,score|\nhi,1\n", r"a column 'score\|' names no model"),
        # rows without a prompt are left out, and still count
        ("prompt,score|a\n,1\nhi,1\n \t,0\n", "row 2, column 'prompt': expected text"),
    ],
)
def test_bad_tables_are_named(tmp_path, content, text):
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=text):
        Outcomes.read(path)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(DataError, match="POINTSMAN_DATA"):
        Outcomes.read(tmp_path / "absent.csv")
    with pytest.raises(DataError, match=r"cannot read a \.txt"):
        Outcomes.read(tmp_path / "table.txt")
    lines = tmp_path / "table.jsonl"
    lines.write_text('{"prompt": "hi"}\n{oops\n')
    with pytest.raises(DataError, match="line 2 is not JSON"):
        Outcomes.read(lines)


def test_torn_parquet_is_named(tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match="not a readable parquet"):
        Outcomes.read(path)


def test_parquet_with_a_damaged_page_is_named(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / "table.parquet"
    rows = {"prompt": [f"a prompt, number {i}" for i in range(500)], "score|a": [1.0] * 500}
    parquet.write_table(pa.table(rows), path, use_dictionary=False, compression="snappy")
    content = bytearray(path.read_bytes())
    content[60:160] = b"\xff" * 100
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a readable parquet"):
        Outcomes.read(path)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1" + "0" * 400, "is not a number"),
        ("1" + "0" * 5000, "line 1 is not JSON"),
        ("[" * 100_000, "line 1 is not JSON"),
        ('{"x": 1}', r"\{'x': 1\} is not a number"),
    ],
    ids=["a huge number", "more digits than Python reads", "nested without end", "an object"],
)
def test_json_that_is_no_score_is_named(tmp_path, value, text):
    path = tmp_path / "table.jsonl"
    path.write_text(f'{{"prompt": "hi", "score|a": {value}}}\n')
    with pytest.raises(DataError, match=f"table.jsonl: .*{text}"):
        Outcomes.read(path)


def test_half_a_character_is_read_as_routing_reads_it(tmp_path):
    """JSON can hold lone surrogates, which no tokenizer takes; a router must be trained on what it is asked later."""
    path = tmp_path / "table.jsonl"
    path.write_text('{"prompt": "a smile \\ud83d", "score|a": 1}\n')
    assert Outcomes.read(path).prompts == (Query("a smile \ud83d").text,) == ("a smile \ufffd",)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_half_a_character_is_written_as_it_is_read(tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    path = tmp_path / f"table.{ending}"
    Outcomes(("a smile \ud83d",), ("a",), np.ones((1, 1)), ("1",), ("",)).write(path)
    assert Outcomes.read(path).prompts == ("a smile \ufffd",)


def test_half_a_character_of_an_answer_reaches_no_judge(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"prompt": "hi", "answer|a": "ho \\ud83d", "answer|b": ""}\n')
    assert AnswerTable.read(path).answers == (("ho \ufffd", None),)


def test_a_folder_is_not_a_file(tmp_path):
    with pytest.raises(DataError, match="is a folder; give the files in it"):
        Outcomes.read(tmp_path)


def test_battles_with_ties(tmp_path):
    path = tmp_path / "votes.csv"
    path.write_text("prompt_text,left,right,winner\nhi,a,b,left\nhi,a,b,tie\nho,b,a,right\n")
    found = Battles.read(path, prompt="prompt_text", model_a="left", model_b="right")
    assert found.labels.tolist() == [1, 0.5, 0]
    assert found.model_a == ("a", "a", "b")


@pytest.mark.parametrize("winner", ["nobody", 1, None, ["a"], {"a": 1}], ids=str)
def test_unknown_winner_is_named(tmp_path, winner):
    path = tmp_path / "votes.jsonl"
    path.write_text(json.dumps({"prompt": "hi", "model_a": "a", "model_b": "b", "winner": winner}))
    with pytest.raises(DataError, match=r"row 0, column 'winner': .* is none of a, model_a, left"):
        Battles.read(path)
