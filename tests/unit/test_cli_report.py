"""`pointsman report`: a page, and what was asked for beside it."""

from __future__ import annotations

import json

import pytest

from pointsman.cli import main
from tests.unit.test_cli_evaluate import QUICK, write


def test_a_page_and_json_beside_it(tmp_path, capsys):
    out, data = tmp_path / "r.html", write(tmp_path / "d.csv", costs=True)
    argv = ["report", "--router", "knn", "--data", data, "--out", str(out), "--also", "json", *QUICK]
    assert main(argv) == 0
    assert capsys.readouterr().out == f"written: {out}, {tmp_path / 'r.json'}\n"
    page, told = out.read_text(), json.loads((tmp_path / "r.json").read_text())
    assert page.startswith("<!doctype html>")
    assert f"pointsman report --router knn --data {data}" in page
    assert told["facts"]["command"] in page
    assert [table["kind"] for table in told["tables"]] == ["pair", "cost"]
    assert "prompt" not in told["too_dear"][0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "r.html", "r.json"]


def test_prompts_on_request(tmp_path, capsys):
    argv = [
        "report",
        "--router",
        "prompt_length",
        "--data",
        write(tmp_path / "d.csv"),
        "--out",
        str(tmp_path / "r.html"),
        *QUICK,
    ]
    assert main([*argv, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["files"] == [str(tmp_path / "r.html")]
    assert main([*argv, "--json", "--show-prompts"]) == 0
    shown = json.loads(capsys.readouterr().out)["too_dear"][0]["prompt"]
    assert shown in (tmp_path / "r.html").read_text()


def test_pictures_beside_it(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "r.html"
    argv = ["report", "--router", "prompt_length", "--data", write(tmp_path / "d.csv"), "--out", str(out), *QUICK]
    assert main([*argv, "--also", "png", "svg"]) == 0
    assert {path.name for path in tmp_path.glob("r-*")} == {
        "r-share.png", "r-share.svg", "r-reliability.png", "r-reliability.svg",
    }  # fmt: skip


def test_without_matplotlib_it_says_so_before_any_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pointsman.evaluation.plots.find_spec", lambda _: None)
    assert main(["report", "--data", "absent.csv", "--out", str(tmp_path / "r.html"), "--also", "png"]) == 1
    assert 'pip install "pointsman[plots]"' in capsys.readouterr().err


@pytest.mark.parametrize("out", ["r.txt", "no/such/r.html", "."])
def test_a_place_that_is_none_is_refused_before_any_work(tmp_path, capsys, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    assert main(["report", "--data", "absent.csv", "--out", out]) == 2
    assert "is no place for a page" in capsys.readouterr().err


def test_an_interrupt_leaves_what_was_there(tmp_path, capsys, monkeypatch):
    out, data = tmp_path / "r.html", write(tmp_path / "d.csv")
    out.write_text("before")

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("pathlib.Path.replace", interrupted)
    assert main(["report", "--router", "prompt_length", "--data", data, "--out", str(out), *QUICK]) == 130
    monkeypatch.undo()
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.csv", "r.html"]
