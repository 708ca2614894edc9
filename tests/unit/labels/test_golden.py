"""Golden labels: answers against a key, and a file that holds both."""

import json

import numpy as np
import pytest

from pointsman.data.answers import last_number
from pointsman.data.tables import read_columns
from pointsman.errors import ConfigurationError, DataError
from pointsman.labels import AnswerTable, golden_labels


def answers(tmp_path, rows, **options):
    path = tmp_path / "answers.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return AnswerTable.read(path, **options)


def row(key, *said, prompt="q"):
    return {"prompt": prompt, "key": key} | {f"answer|m{i}": text for i, text in enumerate(said)}


def scores(tmp_path, match, key, *said):
    table = answers(tmp_path, [row(key, *said)], key="key")
    return golden_labels(table, match).outcomes.scores[0].tolist()


@pytest.mark.parametrize(
    ("match", "key", "said", "right"),
    [
        ("exact", "Paris", ["Paris", " Paris\n", "paris", "It is Paris"], [1, 1, 0, 0]),
        ("words", "The Eiffel Tower", ["eiffel tower!", "Eiffel", "the eiffel-tower"], [1, 0, 1]),
        ("choice", "(C)", ["C", "The answer is (C).", "c)", "C is wrong; the answer is B"], [1, 1, 1, 0]),
        ("number", "#### 1,024", ["That makes 1024.", "$1,024.00", "1,025", "none"], [1, 1, 0, 0]),
        ("number", "0.5", ["0.50", ".5", "-0.5"], [1, 1, 0]),
        ("auto", "B", ["the answer is B", "A"], [1, 0]),
        ("auto", "12%", ["it is 12", "13"], [1, 0]),
        ("auto", "Marie Curie", ["marie curie.", "Pierre Curie"], [1, 0]),
        (["yes", "true"], None, [], []),
    ],
)
def test_what_counts_as_the_same(tmp_path, match, key, said, right):
    if key is None:  # several right answers
        assert scores(tmp_path, "words", match, "True!", "yes", "no") == [1, 1, 0]
    else:
        assert scores(tmp_path, match, key, *said) == right


def test_a_missing_answer_is_a_missing_score_and_an_unread_one_is_wrong_and_counted(tmp_path):
    table = answers(tmp_path, [row("4", "4", None), row("5", "no idea", "5"), row("6", "", "six")], key="key")
    found = golden_labels(table)
    np.testing.assert_array_equal(found.outcomes.scores, [[1, np.nan], [0, 1], [np.nan, 0]])
    assert found.unread == {"m0": 1, "m1": 1}


def test_a_function_may_compare(tmp_path):
    table = answers(tmp_path, [row("abc", "abd", "xyz")], key="key")
    found = golden_labels(table, lambda answer, key: len(set(answer) & set(key)) / 3)
    assert found.outcomes.scores[0] == pytest.approx([2 / 3, 0])
    with pytest.raises(DataError, match=r"the match gave 2 .* \[0, 1\]"):
        golden_labels(table, lambda answer, key: 2)


def test_what_else_the_file_knows_is_kept(tmp_path):
    rows = [row("4", "4", "5") | {"task": "sums", "prompt_id": "a", "cost|m0": 0.25, "out_tok|m1": 7}]
    found = golden_labels(answers(tmp_path, rows, key="key")).outcomes
    assert (found.tasks, found.prompt_ids, found.models) == (("sums",), ("a",), ("m0", "m1"))
    np.testing.assert_array_equal(found.costs, [[0.25, np.nan]])
    np.testing.assert_array_equal(found.output_tokens, [[np.nan, 7]])


@pytest.mark.parametrize(
    ("rows", "match", "told"),
    [
        ([row("4", "4"), row(None, "4")], "auto", r"answers\.jsonl: row 1, column 'key': there is no key"),
        ([row("4", "4"), row("", "4")], "auto", "row 1, column 'key'"),
        ([row("four", "4")], "number", "prompt 0: the key 'four' holds no number"),
        ([row("12", "4")], "choice", "prompt 0: the key '12' holds no option letter"),
        ([row("4", 4)], "auto", r"row 0, column 'answer\|m0': 4 is no text"),
        ([{"prompt": "q", "key": "4"}], "auto", r"no column 'answer\|<model>'"),
        ([{"question": "q", "key": "4", "answer|m": "4"}], "auto", "no column 'prompt'"),
        ([{"prompt": "q", "answer|m": "4"}], "auto", "no column 'key'"),
    ],
)
def test_bad_files_are_named(tmp_path, rows, match, told):
    with pytest.raises(DataError, match=told):
        golden_labels(answers(tmp_path, rows, key="key"), match)


def test_a_key_must_be_named_and_a_match_known(tmp_path):
    table = answers(tmp_path, [row("4", "4")])
    with pytest.raises(DataError, match="name its column"):
        golden_labels(table)
    with pytest.raises(ConfigurationError, match="auto, exact, words, choice, number"):
        golden_labels(table, "fuzzy")


@pytest.mark.data
def test_it_agrees_with_routellms_own_labels_on_gsm8k(tmp_path, data_dir):
    """Its right answers of GPT-4 give the keys; Mixtral's answers compared with them give its labels."""
    weak, strong = "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"
    columns = read_columns(data_dir / "routellm" / "gsm8k" / "gsm8k_responses.csv")
    every = zip(
        columns["prompt"], columns[strong], columns[f"{strong}_response"], columns[f"{weak}_response"], strict=True
    )
    rows = [row(str(last_number(key)), said, prompt=prompt) for prompt, right, key, said in every if right == "True"]
    theirs = [label == "True" for label, right in zip(columns[weak], columns[strong], strict=True) if right == "True"]
    found = golden_labels(answers(tmp_path, rows, key="key"))
    assert len(rows) == 1130
    assert found.unread == {"m0": 0}
    assert np.mean(found.outcomes.scores[:, 0] == theirs) > 0.995
