"""`pointsman label golden` and `pointsman label judge`."""

import json
import sys

import numpy as np
import pytest

from pointsman import Battles, Outcomes
from pointsman.cli import main
from tests.support.openai_server import Failure, openai_server
from tests.unit.labels.test_judge import longer

ROWS = [
    ("2 + 2?", "4", "4", "it is 4"),
    ("3 * 5?", "15", "15", "8"),
    ("Paris or Rome?", "Paris", "paris", "I say Rome"),
]


@pytest.fixture
def answers(tmp_path):
    path = tmp_path / "answers.jsonl"
    names = ("prompt", "key", "answer|big", "answer|small")
    path.write_text("\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in ROWS), encoding="utf-8")
    return str(path)


def reply(body):
    """Compares two answers, and cannot grade one."""
    prompt = body["messages"][0]["content"]
    return longer(prompt) if "answer A" in prompt else "I would rather not."


def run(*arguments):
    return main(["label", *map(str, arguments)])


def test_golden_labels_are_outcomes_for_training(answers, tmp_path, capsys):
    out = tmp_path / "labels.csv"
    assert run("golden", "--data", answers, "--key", "key", "--out", out) == 0
    said = capsys.readouterr().out
    assert "3 prompts labelled" in said
    assert "big: 100.0% right" in said
    assert "small: 33.3% right" in said
    found = Outcomes.read(out)
    assert found.models == ("big", "small")
    np.testing.assert_array_equal(found.scores, [[1, 1], [1, 0], [1, 0]])
    assert run("golden", "--data", answers, "--key", "key", "--match", "exact", "--out", out, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["mean"] == {"big": pytest.approx(2 / 3), "small": 0.0}
    assert told["unread"] == {"big": 0, "small": 0}


@pytest.fixture
def judges(tmp_path, monkeypatch):
    """A module in the current folder, with judges."""
    (tmp_path / "my_judges.py").write_text(
        "from tests.unit.labels.test_judge import longer\n"
        "asked = []\n"
        "def counted(prompt):\n"
        "    asked.append(prompt)\n"
        "    if len(asked) > 3: raise KeyboardInterrupt\n"
        "    return longer(prompt)\n",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("my_judges", None)


def test_a_function_of_ones_own_judges(answers, judges, tmp_path, capsys):
    out = tmp_path / "battles.csv"
    common = ("judge", "--data", answers, "--out", out, "--judge-object", "my_judges:longer", "--price", 1, 2)
    assert run(*common, "--max-usd", 1, "--dry-run") == 0
    assert not out.exists()
    assert "6 calls to make" in capsys.readouterr().err
    assert run(*common, "--max-usd", 1) == 0
    said = capsys.readouterr()
    assert "my_judges:longer: 6 calls to make" in said.err
    assert "cap: $1.0000" in said.err
    assert "3 battles from 6 calls" in said.out
    assert "both orders gave the same verdict on 100.0%" in said.out
    assert Battles.read(out).labels.tolist() == [0.0, 1.0, 0.0]
    assert run(*common, "--max-usd", 1, "--json") == 0
    said = capsys.readouterr()
    assert ": 0 calls to make" in said.err
    assert json.loads(said.out)["labelled"] == 3


def test_the_cap_ends_it_and_says_how_to_go_on(answers, judges, tmp_path, capsys):
    out = tmp_path / "battles.csv"
    common = ("judge", "--data", answers, "--out", out, "--judge-object", "my_judges:longer", "--at-once", 1)
    assert run(*common, "--price", 1, 2, "--max-usd", 0.0014) == 0
    said = capsys.readouterr()
    assert "above the cap, where it will end" in said.err
    assert "have no label; the cap was reached: raise --max-usd" in said.out
    assert len(Battles.read(out)) < 3
    assert run(*common, "--price", 1, 2, "--max-usd", 0) == 0, "what is judged is free"
    assert run(*common, "--price", 1, 2, "--max-usd", 1) == 0
    assert len(Battles.read(out)) == 3


def test_ctrl_c_leaves_a_journal_and_no_half_written_labels(answers, judges, tmp_path, capsys):
    out = tmp_path / "battles.jsonl"
    common = ("judge", "--data", answers, "--out", out, "--price", 0, 0, "--max-usd", 0, "--at-once", 1)
    assert run(*common, "--judge-object", "my_judges:counted") == 130
    assert "the same command goes on from there" in capsys.readouterr().err
    assert not out.exists()
    assert len((tmp_path / "battles.jsonl.journal.jsonl").read_text(encoding="utf-8").splitlines()) == 3
    sys.modules["my_judges"].asked.clear()
    assert run(*common, "--judge-object", "my_judges:counted") == 0
    assert len(sys.modules["my_judges"].asked) == 3
    assert len(Battles.read(out)) == 3


def test_a_chat_model_by_name_over_the_real_client(answers, tmp_path, capsys, monkeypatch):
    pytest.importorskip("langchain_openai")
    pytest.importorskip("langchain.chat_models")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    out = tmp_path / "battles.csv"
    with openai_server() as server:
        server.reply = reply
        common = ("judge", "--data", answers, "--out", out, "--judge", "openai:gpt-4o-mini", "--base-url", server.url)
        assert run(*common, "--max-usd", 1) == 0
        assert {body["max_completion_tokens"] for body in server.requests} == {400}
        assert "openai:gpt-4o-mini" in capsys.readouterr().err
        assert Battles.read(out).labels.tolist() == [0.0, 1.0, 0.0]
        assert run(*common, "--max-usd", 1, "--grade") == 2
        assert "none of 6 answers got a grade" in capsys.readouterr().err
        server.failures = [Failure(status=401)] * 8
        assert run(*common, "--max-usd", 1, "--journal", tmp_path / "new.jsonl") == 1
        assert "mend the key" in capsys.readouterr().err


MINE = ["judge", "--out", "b.csv", "--judge-object"]
FREE = ["--price", "0", "0", "--max-usd"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["golden", "--key", "key", "--out", "labels.xlsx"], ".csv, .jsonl, .parquet"),
        (["golden", "--key", "key", "--out", "no/where.csv"], "in a folder that is there"),
        ([*MINE, "nothing:here", *FREE, "1"], "MODULE:NAME"),
        ([*MINE, "json", *FREE, "1"], "MODULE:NAME"),
        ([*MINE, "json:loads", "--max-usd", "1"], "give --price IN OUT"),
        ([*MINE[:-1], "--judge", "nobody:model-x", "--max-usd", "1"], "no list price is known for model-x"),
        ([*MINE, "json:loads", *FREE, "1", "--limit", "0"], "--limit 0"),
        ([*MINE, "json:loads", *FREE, "-1"], "0 or more"),
    ],
)
def test_bad_usage_is_one_line(answers, tmp_path, monkeypatch, capsys, arguments, told):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments, "--data", answers) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


def test_bad_answers_name_file_row_and_column(tmp_path, capsys):
    path = tmp_path / "answers.csv"
    path.write_text("prompt,key,answer|m\nq,4,4\nr,,5\n", encoding="utf-8")
    assert run("golden", "--data", path, "--key", "key", "--out", tmp_path / "o.csv") == 2
    assert "answers.csv: row 1, column 'key': there is no key" in capsys.readouterr().err
    assert run("golden", "--data", path, "--key", "gold", "--out", tmp_path / "o.csv") == 2
    assert "no column 'gold'" in capsys.readouterr().err
