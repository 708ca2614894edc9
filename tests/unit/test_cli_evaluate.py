"""`pointsman evaluate`: every router, every split, and how it refuses."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from pointsman.cli import main
from pointsman.data.routellm import STRONG, WEAK
from tests.support.frames import FRAMES
from tests.support.outcomes import synthetic

PAIR = ["--strong", "strong", "--weak", "weak"]
QUICK = ["--resamples", "20"]


def write(path, n=120, models=("strong", "weak"), costs=False):
    data = synthetic(n)
    with path.open("w", newline="") as stream:
        rows = csv.writer(stream)
        usd = {"strong": 0.03, "weak": 0.001, "other": 0.01}
        rows.writerow(
            ["prompt", "task", "time", "part", *(f"score|{m}" for m in models), *(f"cost|{m}" for m in models if costs)]
        )
        for number, (prompt, scores) in enumerate(zip(data.prompts, data.scores, strict=True)):
            extra = [usd[m] for m in models if costs]
            rows.writerow(
                [
                    f"{prompt} {number}",
                    "abc"[number % 3],
                    number,
                    "train" if number % 2 else "test",
                    *scores[: len(models)],
                    *extra,
                ]
            )
    return str(path)


def told(capsys, argv):
    code = main(["evaluate", *argv, *QUICK, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    return json.loads(said.out)


def rows_of(report, kind="pair"):
    (table,) = [table for table in report["tables"] if table["kind"] == kind]
    return {row["name"]: row for row in table["rows"]}


SMALL = {
    "mf": ["dim=8", "epochs=2"],
    "mlp": ["layers=(4,)", "iterations=5", "early_stopping=False"],
    "ensemble": ["members=('prompt_length','knn')", "folds=2"],
}


def fold_twice(router, path):
    options = [part for option in SMALL.get(router, ()) for part in ("--option", option)]
    return ["--router", router, "--data", write(path), "--folds", "2", *options]


@pytest.mark.parametrize("router", ["random", "prompt_length", "knn", "sw_ranking", "mf", "ensemble"])
def test_it_runs_for_every_router_that_trains_with_numpy(tmp_path, capsys, router):
    rows = rows_of(told(capsys, fold_twice(router, tmp_path / "d.csv")))
    assert {"zero", "random", "length", "oracle"} <= set(rows)
    assert 0 < rows["random router" if router == "random" else router]["figures"]["apgr"]["value"] < 2


@pytest.mark.parametrize("router", ["svm", "mlp"])
def test_it_runs_for_routers_that_scikit_learn_fits(tmp_path, capsys, router):
    pytest.importorskip("sklearn")
    rows = rows_of(told(capsys, fold_twice(router, tmp_path / "d.csv")))
    assert router in rows


def test_saved_and_shipped_routers(tmp_path, capsys):
    data, out = write(tmp_path / "d.csv"), str(tmp_path / "r")
    assert main(["train", "--router", "knn", "--data", data, "--out", out]) == 0
    capsys.readouterr()
    report = told(capsys, ["--router", "default", out, "--data", data])
    rows = rows_of(report)
    assert rows[out]["note"] == "was trained on d, so that these figures are in sample"
    assert rows["default"]["note"] == ""
    assert rows[out]["over"].keys() == {"random", "length", "default"}
    assert report["facts"]["command"].startswith("pointsman evaluate --router default")
    assert len(report["facts"]["outcomes_sha256"]) == 64


def test_a_trained_router_is_never_tested_on_what_it_saw(tmp_path, capsys):
    """Scores that nothing but the prompt itself tells: whoever has seen them knows them all, and nobody else any."""
    rng, path = np.random.default_rng(0), tmp_path / "d.csv"
    lines = ["prompt,score|s,score|w"]
    words = ["".join(rng.choice(list("abcdefgh"), 12)) for _ in range(200)]
    lines += [f"{word},1,{int(rng.random() < 0.5)}" for word in words]
    path.write_text("\n".join(lines))
    unseen = rows_of(told(capsys, ["--router", "knn", "--option", "k=1", "--data", str(path)]))["knn"]
    assert abs(unseen["figures"]["apgr"]["value"] - 0.5) < 0.12
    argv, saved = ["--router", "knn", "--option", "k=1", "--data", str(path)], str(tmp_path / "saved")
    assert main(["train", *argv, "--out", saved]) == 0
    capsys.readouterr()
    seen = rows_of(told(capsys, ["--router", saved, "--data", str(path)]))[saved]
    assert seen["figures"]["apgr"]["value"] > 0.7
    assert main(["evaluate", *argv, "--train-on", str(path)]) != 0
    assert "all 200 rows are prompts of d; train on other data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("split", "prompts"),
    [
        (["--split", "group"], 120),
        (["--split", "group", "--by", "part"], 120),
        (["--split", "time"], 24),
        (["--split", "time", "--folds", "2"], 60),
        (["--split", "given", "--by", "part"], 60),
        (["--labels", "80"], 40),
    ],
)
def test_splits(tmp_path, capsys, split, prompts):
    report = told(capsys, ["--router", "knn", "--data", write(tmp_path / "d.csv"), *split])
    assert report["prompts"] == prompts


def test_a_model_held_out_joins_from_a_probe_set(tmp_path, capsys):
    data = write(tmp_path / "d.csv", models=("strong", "weak", "other"))
    rows = rows_of(
        told(capsys, ["--router", "knn", "--data", data, *PAIR, "--split", "model", "--held", "weak", "--folds", "2"])
    )
    assert rows["knn"]["figures"]["apgr"]["value"] > 0.4


def test_seeds_are_told_apart(tmp_path, capsys):
    argv = ["--router", "random", "--data", write(tmp_path / "d.csv"), "--seeds", "3", "--folds", "2"]
    agreement = rows_of(told(capsys, argv))["random router"]["figures"]["agreement"]
    assert 0.3 < agreement["value"] < 0.7
    assert rows_of(told(capsys, [*argv[:-4], "--seeds", "1"]))["random router"]["figures"].get("agreement") is None


def test_n_models_by_cost(tmp_path, capsys):
    models = ("strong", "weak", "other")
    data = write(tmp_path / "d.csv", models=models, costs=True)
    rows = rows_of(told(capsys, ["--router", "knn", "--data", data, "--cascade", "0", "0.2"]), "cost")
    assert set(rows) >= {"zero", "oracle", "knn", "cascade, judge errs 0", "cascade, judge errs 0.2"}
    bare = write(tmp_path / "e.csv", models=models)
    prices = ["--price", "strong=0.03", "weak=0.001", "other=0.01"]
    priced = rows_of(told(capsys, ["--router", "knn", "--data", bare, *prices]), "cost")
    assert priced["knn"]["figures"]["aiq"] == rows["knn"]["figures"]["aiq"]
    two = told(capsys, ["--router", "knn", "--data", data, "--models", "strong", "other"])
    assert [table["kind"] for table in two["tables"]] == ["pair", "cost"]


def test_rows_and_layouts(tmp_path, capsys):
    report = told(
        capsys,
        ["--router", "prompt_length", "--data", write(tmp_path / "d.csv"), "--where", "task=a", "task=b", "part=test"],
    )
    assert report["prompts"] == 40
    assert report["data"] == "d (a, b, test)"
    (tmp_path / "rb.pkl").write_bytes(FRAMES["pandas 2, protocol 4"])
    assert told(capsys, ["--data", str(tmp_path / "rb.pkl")])["prompts"] == 4
    two = told(capsys, ["--router", "default", "--data", write(tmp_path / "d.csv"), write(tmp_path / "e.csv")])
    assert (two["prompts"], two["data"]) == (240, "d + e")


def test_the_tables_are_for_people(tmp_path, capsys):
    data = write(tmp_path / "d.csv", costs=True)
    assert main(["evaluate", "--router", "knn", "--data", data, *QUICK]) == 0
    said = capsys.readouterr().out
    assert said.startswith("d: 120 prompts, 20 resamples\n")
    for text in (
        "always strong",
        "zero",
        "random",
        "length",
        "oracle",
        "APGR",
        "CPT50",
        "within tasks",
        "AIQ",
        "ECE",
        "Brier",
        "saved",
    ):
        assert text in said
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= 112


@pytest.mark.parametrize(
    ("argv", "code", "mend"),
    [
        (["--data", "absent.csv"], 2, "does not exist"),
        (["--router", "no-such"], 2, "there is default"),
        (["--router", "knn", "knn"], 2, "name each once"),
        (["--strong", "strong"], 2, "name both"),
        (["--seed", "-1"], 2, "no whole number of 0 or more"),
        (["--cascade", "0.2"], 2, "give what calls cost"),
        (["--router", "bert"], 2, "add --option base="),
        (["--strong", "gpt-9", "--weak", "weak"], 2, "no model 'gpt-9'"),
        (["--models", "strong"], 2, "one model (strong) leaves nothing to route"),
        (["--where", "task=z"], 2, "leaves no prompt"),
        (["--where", "task"], 2, "write COLUMN=VALUE"),
        (["--where", "colour=red"], 2, "no column 'colour'"),
        (["--price", "strong"], 2, "write MODEL=USD"),
        (["--price", "gpt-9=1"], 2, "give 0 or more for one of strong, weak"),
        (["--columns", "prompt"], 2, "write WIDE=YOURS"),
        (["--router", "knn", "--split", "model"], 2, "add --held MODEL"),
        (["--router", "knn", "--held", "weak"], 2, "add --split model"),
        (["--router", "knn", "--labels", "120"], 2, "give fewer than the 120 prompts"),
        (["--router", "knn", "--labels", "5"], 2, "too few to learn from"),
        (["--router", "knn", "--seeds", "0"], 2, "give 1 or more"),
        (["--router", "knn", "--option", "depth=1"], 2, "write K=V with an option of knn"),
        (["--router", "knn", "mf", "--option", "k=1"], 2, "evaluate it alone"),
        (["--router", "knn", "--folds", "1"], 2, "2 folds or more"),
        (["--router", "knn", "--folds", "0", "--split", "time", "--by", "task"], 2, "2 folds or more"),
        (["--router", "knn", "--resamples", "2"], 2, "10 resamples or more"),
        (["--threshold", "0.5", "--strong-share", "0.5"], 2, "not allowed with argument"),
    ],
)
def test_refusals_are_one_line_with_the_mend(tmp_path, capsys, argv, code, mend):
    data = [] if "--data" in argv else ["--data", write(tmp_path / "d.csv")]
    try:
        found = main(["evaluate", *data, *argv])
    except SystemExit as stopped:
        found = int(str(stopped.code))
    said = capsys.readouterr()
    assert (found, said.out) == (code, "")
    assert mend in said.err
    assert said.err.count("\n") == 1


@pytest.mark.data
def test_the_command_gives_the_published_rows(data_dir, capsys):
    argv = [
        "--router",
        "prompt_length",
        "--data",
        str(data_dir / "routellm"),
        "--layout",
        "routellm-mt-bench",
        "--folds",
        "2",
    ]
    report = told(capsys, argv)
    rows = rows_of(report)
    assert (report["strong"], report["weak"]) == (STRONG, WEAK)
    assert [rows["random"]["figures"][name]["value"] for name in ("apgr", "cpt50", "cpt80")] == [0.5, 0.5, 0.8]
    assert round(rows["oracle"]["figures"]["apgr"]["value"], 3) == 0.954


@pytest.mark.data
@pytest.mark.parametrize(("task", "zero"), [("arc-challenge", 0.929), ("mbpp", 0.683), ("winogrande", 0.790)])
def test_the_command_gives_routerbenchs_zero_row(data_dir, capsys, task, zero):
    pytest.importorskip("pyarrow")
    path = data_dir / "routerbench_slice" / "routerbench_0shot_slice.parquet"
    argv = [
        "--router",
        "random",
        "--data",
        str(path),
        "--where",
        f"task={task}",
        "--split",
        "given",
        "--by",
        "split_routerdc",
    ]
    assert round(rows_of(told(capsys, argv), "cost")["zero"]["figures"]["aiq"]["value"], 3) == zero


def test_training_on_another_benchmark(tmp_path, capsys):
    data, home = synthetic(60), tmp_path / "gsm8k"
    home.mkdir()
    rows = [f"{text} {n},{s[1]},{s[0]}" for n, (text, s) in enumerate(zip(data.prompts, data.scores, strict=True))]
    (home / "gsm8k_responses.csv").write_text("\n".join([f"prompt,{WEAK},{STRONG}", *rows]))
    (home / "contaminated_prompts.jsonl").write_text('{"eval_prompt": "none"}\n')
    out = tmp_path / "other.csv"
    out.write_text("\n".join([f"prompt,score|{STRONG},score|{WEAK}", "why prove,1,0", "hello world,1,1", "two,0,0"]))
    argv = ["--router", "knn", "--data", str(out), "--train-on", str(tmp_path), "--train-layout", "routellm-gsm8k"]
    assert told(capsys, argv)["prompts"] == 3
