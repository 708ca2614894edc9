"""`pointsman train` and `pointsman adapt`."""

import csv
import json
import shlex

import numpy as np
import pytest

from pointsman import Router, load_router
from pointsman.cli import main
from pointsman.data.merge import read_data
from pointsman.errors import DataError
from pointsman.scorers import Adapted, MatrixFactorization
from tests.support.outcomes import synthetic

PAIR = ["--strong", "strong", "--weak", "weak"]


def write(path, models=("strong", "weak"), n=200, seed=0):
    data = synthetic(n, seed)
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["prompt", *(f"score|{model}" for model in models)])
        for prompt, scores in zip(data.prompts, data.scores, strict=True):
            rows.writerow([prompt, *scores[: len(models)]])
    return str(path)


def battles(path, n=200):
    data = synthetic(n)
    lines = [
        {
            "prompt": p,
            "model_a": "strong",
            "model_b": "weak",
            "winner": ["b", "tie", "a"][int(np.sign(s[0] - s[1])) + 1],
        }
        for p, s in zip(data.prompts, data.scores, strict=True)
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


@pytest.mark.parametrize("layout", [write, battles])
def test_train_saves_a_router_that_routes(tmp_path, capsys, layout):
    out, data = tmp_path / "r", layout(tmp_path / ("d.csv" if layout is write else "d.jsonl"))
    options = ["--option", "dim=16", "--option", "learning_rate=0.003", "--option", "epochs=3"]
    assert main(["train", "--router", "mf", "--data", data, "--out", str(out), "--json", "--seed", "3", *options]) == 0
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert "mf 3/3: loss" in said.err
    assert (told["strong"], told["weak"], told["rows"]) == ("strong", "weak", 200)
    assert told["options"] == {"dim": 16, "learning_rate": 0.003, "epochs": 3}
    router = Router.load(out)
    assert isinstance(router.scorer, MatrixFactorization)
    assert router.version == told["version"]
    assert (router.pool.strong, router.pool.weak) == ("strong", "weak")
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["training"]["seed"] == 3
    losses = manifest["training"]["losses"]
    assert len(losses["loss"]) == 3
    assert f"mf 3/3: loss {losses['loss'][-1]:.4f} validation {losses['validation'][-1]:.4f}" in said.err
    assert len(manifest["training"]["data"][0]["sha256"]) == 64
    assert main(["route", "prove two", "--router", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["candidate"] in ("strong", "weak")


def test_the_command_to_try_it_can_be_pasted(tmp_path, capsys):
    out = tmp_path / "my router"
    assert main(["train", "--router", "random", "--data", write(tmp_path / "d.csv"), "--out", str(out)]) == 0
    *command, prompt = shlex.split(capsys.readouterr().out.rpartition("try: ")[2])
    assert command == ["pointsman", "route", "--router", str(out)]
    assert main([*command[1:], prompt]) == 0


def test_train_says_what_it_is_worth_on_prompts_held_out(tmp_path, capsys):
    data, out = write(tmp_path / "d.csv", n=600), tmp_path / "r"
    assert main(["train", "--router", "knn", "--data", data, "--out", str(out), "--option", "k=40"]) == 0
    said = capsys.readouterr().err
    assert "validation on 1" in said  # a fifth, as whole prompts: those that come twice stay together
    assert "APGR" in said
    figures = json.loads((out / "manifest.json").read_text())["training"]["validation"]
    assert figures["apgr"] > figures["apgr_length"]
    assert figures["squared_error"] < figures["squared_error_constant"]
    assert main(["train", "--router", "knn", "--data", data, "--out", str(out), "--validation", "0"]) == 0
    assert "validation" not in capsys.readouterr().err
    assert json.loads((out / "manifest.json").read_text())["training"]["validation"] is None
    assert main(["train", "--router", "knn", "--data", data, "--out", str(out), "--validation", "1"]) == 2
    assert "2 folds or more" in capsys.readouterr().err


def test_the_same_command_gives_the_same_router(tmp_path, capsys):
    data = write(tmp_path / "d.csv", models=("strong", "weak", "other"))
    for name in ("one", "two"):
        out = str(tmp_path / name)
        assert main(["train", "--router", "knn", "--data", data, "--out", out, "--option", "k=5", *PAIR]) == 0
    assert Router.load(tmp_path / "one").version == Router.load(tmp_path / "two").version
    assert "knn, trained on 200 rows of 3 models" in capsys.readouterr().out


def test_adapt_makes_a_shipped_router_ones_own(tmp_path, capsys):
    out, data = tmp_path / "r", write(tmp_path / "d.csv", n=300)
    assert main(["adapt", "--router", "default", "--data", data, "--out", str(out), "--json", *PAIR]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"] == 300
    assert told["moved"] == "by prompt"
    assert told["error"] < told["error_before"]
    assert told["from"] == f"default {load_router().version}"
    router = Router.load(out)
    assert isinstance(router.scorer, Adapted)
    assert main(["adapt", "--router", str(out), "--data", data, "--out", str(tmp_path / "again")]) == 0
    said = capsys.readouterr().out
    assert "300 labelled prompts" in said
    assert "squared error" in said


@pytest.mark.parametrize(
    ("argv", "code", "mend"),
    [
        (["train", "--router", "oracle"], 2, "there are bert, causal_llm, ensemble, knn, mf"),
        (["train", "--router", "mf", "--option", "depth=3"], 2, "write K=V with an option of mf"),
        (["train", "--router", "mf", "--option", "dim"], 2, "write K=V"),
        (["train", "--router", "mf", "--option", "dim=wide"], 2, "give a value like 128"),
        (["train", "--router", "mf", "--option", "epochs=0"], 2, "epochs is 0"),
        (["train", "--router", "knn", "--option", "k=many"], 2, "give a value like 10"),
        (["train", "--router", "svm", "--option", "c=much"], 2, "give a value like 0.5"),
        (["train", "--router", "bert"], 2, "add --option base="),
        (["train", "--router", "mf", "--seed", "x"], 2, "no whole number of 0 or more"),
        (["train", "--router", "knn", "--strong", "gpt-9"], 2, "is not in the data; they hold strong, weak"),
        (["train", "--router", "knn", "--weak", "Weak"], 2, "--weak Weak is not in the data; they hold weak"),
        (["train"], 2, "--router"),
        (["adapt"], 2, "no column of gpt-4o-2024-08-06"),
        (["adapt", "--strong", "strong"], 2, "add --weak MODEL"),
        (["adapt", "--router", "no-such"], 2, "there is default"),
    ],
)
def test_refusals_are_one_line_with_the_mend(tmp_path, capsys, argv, code, mend):
    data = write(tmp_path / "d.csv")
    try:
        found = main([*argv, "--data", data, "--out", str(tmp_path / "r")])
    except SystemExit as stopped:
        found = int(str(stopped.code))
    said = capsys.readouterr()
    assert (found, said.out) == (code, "")
    assert mend in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_three_models_need_a_named_pair(tmp_path, capsys):
    data = write(tmp_path / "d.csv", models=("strong", "weak", "other"))
    assert main(["train", "--router", "knn", "--data", data, "--out", str(tmp_path / "r")]) == 2
    assert "name the pair with --strong MODEL and --weak MODEL" in capsys.readouterr().err


def test_a_folder_of_other_things_is_refused_before_any_work(tmp_path, capsys):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.txt").write_text("ten years of work")
    for command in (["train", "--router", "mf"], ["adapt"]):
        assert main([*command, "--data", "absent.csv", "--out", str(tmp_path / "r")]) == 2
        assert "holds other things" in capsys.readouterr().err
    assert (tmp_path / "r" / "thesis.txt").read_text() == "ten years of work"


@pytest.mark.parametrize("command", ["train", "adapt"])
def test_an_interrupt_leaves_what_was_there(tmp_path, capsys, monkeypatch, command):
    out, data = tmp_path / "r", write(tmp_path / "d.csv")
    argv = [command, "--router", "knn" if command == "train" else "default", "--data", data, "--out", str(out), *PAIR]
    assert main(argv) == 0
    version = Router.load(out).version
    capsys.readouterr()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.write_bytes", interrupted)
    assert main(argv) == 130
    monkeypatch.undo()
    assert Router.load(out).version == version
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "r"]


def test_files_are_brought_together(tmp_path):
    one = write(tmp_path / "a.csv", models=("strong", "weak"), n=30)
    two = write(tmp_path / "b.csv", models=("weak", "other"), n=20, seed=1)
    both = read_data([one, two])
    assert both.models == ("strong", "weak", "other")
    assert len(both) == len(set(both.prompt_ids)) == 50
    assert np.isnan(both.score("strong")[30:]).all()
    assert (both.score("weak")[30:] == synthetic(20, 1).scores[:, 0]).all()
    fights = battles(tmp_path / "c.jsonl", n=25)
    assert len(read_data([fights, fights])) == 50
    with pytest.raises(DataError, match=r"a.csv holds outcomes and c.jsonl battles"):
        read_data([one, fights])
