"""The examples run as they stand, and the replay's own checks hold."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("langchain_core", reason="the examples need the langchain extra")
pytest.importorskip("llama_index.core", reason="the examples need the llamaindex extra")

from pointsman import Candidate, Pool, load_router


def run(example: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(example), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603  # our own


@pytest.mark.parametrize("name", ["langchain_chain.py", "llamaindex_rag.py"])
def test_an_example_runs_offline(name: str, project_root: Path) -> None:
    done = run(project_root / "examples" / name)
    assert done.returncode == 0, done.stderr
    assert "gpt-4o" in done.stdout
    assert "saved $" in done.stdout


@pytest.mark.data
def test_the_replay_agrees_with_the_table(project_root: Path, data_dir: Path) -> None:
    done = run(project_root / "examples" / "replay_gsm8k.py", "--limit", "40", "--json", "--data", str(data_dir))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["problems"] == 40
    pool = Pool.pair(
        Candidate("strong", model="gpt-4-1106-preview"), Candidate("weak", model="mistralai/Mixtral-8x7B-Instruct-v0.1")
    )
    router = load_router("default", pool)
    assert [line["threshold"] for line in told["lines"]] == [
        router.threshold_for_share(s) for s in (0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    shares = [line["strong_share"] for line in told["lines"]]
    assert shares == sorted(shares)
    for line in told["lines"]:
        assert line["calls"] == 40
        assert line["in_sample"] is True
        assert line["saved_usd"] == pytest.approx(line["always_strong_usd"] - line["cost_usd"])


@pytest.mark.data
def test_the_replay_reads_what_routellm_keeps(
    project_root: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(project_root / "examples")
    import replay_gsm8k

    problems = replay_gsm8k.read_problems(data_dir)
    assert len(problems) == 1307
    assert all(problem.right == problem.scores for problem in problems)
    first = problems[0]
    with pytest.raises(SystemExit, match="no one model gave this answer"):
        replay_gsm8k.speaker(first, "something else")
    wrong = {"here": lambda _: ("a", *records("strong")), "there": lambda _: ("a", *records("weak"))}
    with pytest.raises(SystemExit, match="the frameworks disagree"):
        replay_gsm8k.the_same(first, wrong)


def records(candidate: str) -> tuple[object, object]:
    from pointsman import Decision, Outcome

    return Decision(id="1", candidate=candidate, model=candidate), Outcome(decision_id="1")


def test_the_replay_names_a_missing_folder(project_root: Path, tmp_path: Path) -> None:
    done = run(project_root / "examples" / "replay_gsm8k.py", "--data", str(tmp_path))
    assert done.returncode == 2
    assert "set POINTSMAN_DATA" in done.stderr
