"""The command line: what it prints, and how it refuses."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pointsman import Candidate, Pool, Threshold, __version__, load_router
from pointsman.cli import main
from pointsman.cli.arguments import model_spec, pair_of
from pointsman.cli.output import print_table, share, usd

EASY, HARD = "What is 2 + 2?", "Prove that every finite integral domain is a field, and say where finiteness is used."


def refusal(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and standard error of a command that is refused."""
    try:
        code = main(argv)
    except SystemExit as stopped:
        code = int(str(stopped.code))
    captured = capsys.readouterr()
    assert captured.out == ""
    return code, captured.err


@pytest.mark.parametrize(
    ("argv", "mend"),
    [
        ([], "pointsman --help"),
        (["fly"], "invalid choice: 'fly'"),
        (["route"], "give one in quotes"),
        (["route", EASY, "--threshold", "high"], "invalid float value: 'high'"),
        (["route", EASY, "--threshold", "1.5"], "give a win rate in [0, 1]"),
        (["route", EASY, "--threshold", "nan"], "give a win rate in [0, 1]"),
        (["route", EASY, "--strong-share", "-0.1"], "give a share of calls in [0, 1]"),
        (["route", EASY, "--threshold", "0.5", "--strong-share", "0.5"], "not allowed with argument"),
        (["route", EASY, "--strong", "gpt-4o"], "add --weak MODEL"),
        (["route", EASY, "--strong", "", "--weak", "gpt-4o-mini"], "write PROVIDER:MODEL"),
        (["route", EASY, "--strong", "openai:", "--weak", "gpt-4o-mini"], "write PROVIDER:MODEL"),
        (["route", EASY, "--router", "no-such-router"], "there is default"),
        (["demo", "--weak", "openai:gpt-4o-mini"], "add --strong MODEL"),
    ],
)
def test_bad_usage_is_one_line_with_the_mend(argv: list[str], mend: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = refusal(argv, capsys)
    assert code == 2
    assert mend in said
    assert said.count("\n") == 1
    assert said.startswith("pointsman")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9\n")
    for name in ("absent", "latin"):
        code, said = refusal(["route", "--file", str(tmp_path / name)], capsys)
        assert code == 2
        assert f"{tmp_path / name} cannot be read" in said
        assert said.count("\n") == 1


def test_no_traceback_reaches_the_shell() -> None:
    done = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-m", "pointsman", "route", EASY, "--threshold", "7"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "pointsman: the threshold is 7.0; give a win rate in [0, 1] (higher is cheaper)\n"


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path, form: list[str]) -> None:
    (tmp_path / "prompts").write_text(f"{EASY}\n" * 3000)
    command = [sys.executable, "-m", "pointsman", "route", "--file", str(tmp_path / "prompts"), *form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603  # our own command
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize("form", [["--json"], []])
def test_a_full_disk_is_one_line(form: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "-m", "pointsman", "route", EASY, *form],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "pointsman: No space left on device\n")


def test_a_place_that_cannot_be_written_to_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "there/page.html")

    (tmp_path / "o.csv").write_text("prompt,score|a,score|b\nx,1,0\ny,1,0\n")
    monkeypatch.setattr("pointsman.cli.report._write", refuse)
    code, said = refusal(["report", "--data", str(tmp_path / "o.csv"), "--out", str(tmp_path / "page.html")], capsys)
    assert (code, said) == (2, "pointsman: there/page.html: Permission denied; give another path\n")


@pytest.mark.parametrize("form", [["--json"], []])
def test_a_terminal_without_the_letters_of_a_prompt_gets_others(form: list[str]) -> None:
    argv = ["route", "Grüße, 世界", "--strong", "größer", "--weak", "gpt-4o-mini", "--threshold", "0", *form]
    done = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-m", "pointsman", *argv],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    if form:
        assert json.loads(done.stdout)["model"] == "größer"
    else:
        assert "Gr??e, ??" in done.stdout
        assert "gr??er" in done.stdout


def test_on_a_narrow_terminal_numbers_stay_whole_and_texts_are_folded() -> None:
    out = io.StringIO()
    rows = [("a long prompt that goes on and on and on", "0.512", "gpt-4o-mini-2024-07-18", "$0.000160")]
    print_table(
        Console(file=out, width=40), ["prompt", "win rate", "model", "cost"], rows, numbers=["win rate", "cost"]
    )
    lines = out.getvalue().splitlines()
    assert "a long prom…" in lines[2]
    assert "0.512" in lines[2]
    assert "$0.000160" in lines[2]
    assert "".join(line[24:36].strip() for line in lines[2:]) == "gpt-4o-mini-2024-07-18"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"pointsman {__version__}\n"


def test_json_is_what_the_core_decides(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["route", EASY, HARD, "--strong", "openai:gpt-4o", "--weak", "gpt-4o-mini", "--threshold", "0.53", "--json"]
    assert main(argv) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    pool = Pool.pair(Candidate("strong", model="gpt-4o", provider="openai"), Candidate("weak", model="gpt-4o-mini"))
    decided = load_router("default", pool, policy=Threshold(0.53)).decide_batch([EASY, HARD])
    for line, decision in zip(lines, decided, strict=True):
        volatile = {"id": line["id"], "latency_ms": line["latency_ms"]}
        assert line == decision.as_dict() | volatile


def test_a_share_becomes_a_threshold(capsys: pytest.CaptureFixture[str]) -> None:
    pair = ["--strong", "gpt-4o", "--weak", "gpt-4o-mini"]
    assert main(["route", EASY, *pair, "--strong-share", "0.2", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["threshold"]
    pool = pair_of("gpt-4o", "gpt-4o-mini")
    assert told == load_router("default", pool).threshold_for_share(0.2)


def test_lines_come_from_standard_input_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.txt").write_text(f"{HARD}\n\n   \n{EASY}\n", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{EASY}\n\n{HARD}\n"))
    assert main(["route", "-", "--file", str(tmp_path / "prompts.txt"), "--json"]) == 0
    rates = [json.loads(line)["win_rate"] for line in capsys.readouterr().out.splitlines()]
    easy, hard = (load_router().decide(prompt).win_rate for prompt in (EASY, HARD))
    assert rates == pytest.approx([easy, hard, hard, easy])


def test_a_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    code, said = refusal(["route", "-"], capsys)
    assert code == 2
    assert "pipe lines in" in said


def test_the_table_is_plain_text_and_shows_prompts_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "[bold]what[/bold] :smile: is\n2 + 2?", "", "--strong", "gpt-4o", "--weak", "my-own"]) == 0
    header, rule, row, empty = capsys.readouterr().out.splitlines()
    assert header.split() == ["prompt", "win", "rate", "chosen", "model", "est.", "cost", "why"]
    assert set(rule) == {"─"}
    assert row.startswith("[bold]what[/bold] :smile: is 2 + …")
    assert "\x1b" not in row
    assert empty.split()[:3] == ["-", "strong", "gpt-4o"]
    assert "no words to score" in empty


def test_model_specs() -> None:
    assert model_spec("openai:gpt-4o") == ("openai", "gpt-4o")
    assert model_spec("ollama:llama3.1:8b") == ("ollama", "llama3.1:8b")
    assert model_spec("llama3.1:8b") == (None, "llama3.1:8b")
    assert model_spec("mistralai/Mixtral-8x7B") == (None, "mistralai/Mixtral-8x7B")


def test_an_unknown_amount_is_no_zero() -> None:
    assert [usd(None), usd(0.0), usd(-0.5), usd(1e-6)] == ["unknown", "$0.000000", "-$0.500000", "$0.000001"]
    assert [share(None, 1.0), share(1.0, None), share(1, 4)] == ["unknown", "unknown", "25%"]
