"""What `pointsman train` and `pointsman adapt` read, drop and write down."""

import csv
import json

import pytest

from pointsman.artifacts import read_artifact
from pointsman.cli import main
from tests.support.outcomes import synthetic

BLOCK = "".join(f"Example {i}: what is {i} + {i}?\nAnswer: {2 * i}\n\n" for i in range(12))


def table(path, prompts, names=("prompt", "score|strong", "score|weak")):
    data = synthetic(len(prompts))
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(names)
        rows.writerows([prompt, *scores[:2]] for prompt, scores in zip(prompts, data.scores, strict=True))
    return str(path)


def record(folder):
    return read_artifact(folder, "router").manifest.training


def test_own_column_names_and_the_licence(tmp_path, capsys):
    prompts = [f"{prompt} {i}" for i, prompt in enumerate(synthetic(120).prompts)]
    data, out = table(tmp_path / "d.csv", prompts, ("question", "good", "cheap")), tmp_path / "r"
    argv = ["train", "--router", "knn", "--data", data, "--out", str(out), "--option", "k=5"]
    assert main([*argv, "--columns", "prompt=question", "score|s=good", "score|w=cheap"]) == 0
    assert record(out)["licences"] == "not stated"
    assert main([*argv, "--columns", "prompt=question", "score|s=good", "score|w=cheap", "--licence", "CC-BY-4.0"]) == 0
    found = record(out)
    assert (found["licences"], found["models"]) == (["CC-BY-4.0"], ["s", "w"])
    assert [each["file"] for each in found["data"]] == ["d.csv"]
    assert "begin with text" not in capsys.readouterr().err
    assert main([*argv, "--columns", "prompt=q"]) != 0
    assert "no column 'q'; it has question, good, cheap" in capsys.readouterr().err


def test_votes_with_other_names_for_their_columns(tmp_path):
    rows = [
        {
            "prompt": 8,
            "text": f"Why, number {i % 30}?",
            "left": "m",
            "right": "n",
            "won": ("left", "right", "tie")[i % 3],
        }
        for i in range(90)
    ]
    (tmp_path / "votes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    argv = ["train", "--router", "sw_ranking", "--data", str(tmp_path / "votes.jsonl"), "--out", str(tmp_path / "r")]
    assert main([*argv, "--columns", "prompt=text", "model_a=left", "model_b=right", "winner=won"]) == 0
    assert record(tmp_path / "r")["rows"] == 90


@pytest.mark.parametrize("strip", [False, True])
def test_worked_examples_are_dropped_or_pointed_out(tmp_path, capsys, strip):
    questions = [f"{prompt} {i}?" for i, prompt in enumerate(synthetic(60).prompts)]
    data, out = table(tmp_path / "d.csv", [BLOCK + question for question in questions]), tmp_path / "r"
    argv = ["train", "--router", "prompt_length", "--data", data, "--out", str(out)]
    assert main([*argv, "--strip-few-shot"] if strip else argv) == 0
    told = "60 of 60 prompts begin with text that many share"
    assert (told in capsys.readouterr().err) is not strip
    assert record(out).get("few_shot_stripped") == (60 if strip else None)
    midpoint = read_artifact(out, "router").manifest.settings["scorer"]["midpoint"]
    assert (midpoint < 60) is strip


def test_a_benchmarks_questions_are_left_out_and_counted(tmp_path, capsys):
    questions = [f"What is {i} times {i + 7}, and why is that so?" for i in range(60)]
    data, out = table(tmp_path / "d.csv", questions), tmp_path / "r"
    (tmp_path / "exam.txt").write_text("\n".join([*questions[:9], "Name the capital of France."]))
    argv = ["train", "--router", "prompt_length", "--data", data, "--out", str(out), "--validation", "0"]
    assert main([*argv, "--decontaminate", str(tmp_path / "exam.txt")]) == 0
    found = record(out)["decontaminated"]["exam"]
    assert found["dropped"] >= 9
    assert 0.5 < found["similarity"] < 1
    assert record(out)["rows"] == 60 - found["dropped"]
    assert f"exam: {found['dropped']} rows left out" in capsys.readouterr().err


def test_evaluation_does_not_train_on_what_it_tests(tmp_path, capsys):
    words = synthetic(300).prompts
    prompts = [f"{text}, and {number**5} of it" for number, text in enumerate(words)]
    tested, trained = table(tmp_path / "test.csv", prompts[:100]), table(tmp_path / "train.csv", prompts)
    argv = ["evaluate", "--router", "prompt_length", "--data", tested, "--train-on", trained, "--resamples", "20"]
    assert main([*argv, "--strong", "strong", "--weak", "weak"]) == 0
    assert "trained without 1" in capsys.readouterr().out.replace("\n", " ")
