"""The examples run as they stand, and the replay's own checks hold."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("langchain_core", reason="the examples need the langchain extra")
pytest.importorskip("llama_index.core", reason="the examples need the llamaindex extra")

from pointsman import Candidate, Pool, load_router
from tests.support.openai_server import openai_server


def run(example: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(example), *arguments]
    return subprocess.run(  # noqa: S603  # our own
        command, capture_output=True, text=True, check=False, timeout=300, env=os.environ | variables
    )


STEPS = {
    # example -> the steps of its bill
    "langchain_chain": ["-"] * 2,
    "langchain_rag": ["-"] * 3,
    "langchain_agent": [*["plan", "tool_loop"] * 2, "plan", "recovery", "tool_loop"],
    "langchain_graph": ["-"] * 4,
    "langchain_batch": ["-"] * 12,
    "langchain_ab": ["-"] * 12,
    "llamaindex_rag": ["question_answering"] * 2,
    "llamaindex_chat": ["question_answering", *["condense", "question_answering"] * 2],
    "llamaindex_agent": ["agent"] * 4,
    "llamaindex_sub_questions": ["sub_question", *["question_answering"] * 3],
}
ROW = re.compile(r"^(?P<step>[a-z_]+|-) +(?P<model>gpt-\S+) +0\.\d{3} +\$(?P<cost>\d\.\d{6})", re.MULTILINE)
BILL = re.compile(
    r"^cost \$(?P<cost>\S+); always the strong model \$(?P<strong>\S+); saved \$(?P<saved>\S+)$", re.MULTILINE
)


@pytest.mark.parametrize("name", STEPS)
def test_an_example_prints_its_decisions_and_its_bill(name: str, project_root: Path) -> None:
    done = run(project_root / "examples" / f"{name}.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Stand-ins answer with texts of this project")
    assert "A stand-in answered: it holds" not in done.stdout, "every question has its answer"
    rows, bills = list(ROW.finditer(done.stdout)), list(BILL.finditer(done.stdout))
    assert [row["step"] for row in rows] == STEPS[name]
    assert {row["model"] for row in rows} == {"gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"}
    assert all(row["model"].startswith("gpt-4o-mini") for row in rows if row["step"] in ("condense", "sub_question"))
    assert sum(float(bill["cost"]) for bill in bills) == pytest.approx(
        sum(float(row["cost"]) for row in rows), abs=1e-5
    )
    for bill in bills:
        assert float(bill["saved"]) == pytest.approx(float(bill["strong"]) - float(bill["cost"]), abs=2e-6)


def test_the_ab_test_bills_each_arm_and_counts_the_shadow(project_root: Path) -> None:
    done = run(project_root / "examples" / "langchain_ab.py")
    assert re.findall(r"^arm (\w+)$", done.stdout, re.MULTILINE) == ["thrifty", "generous"]
    assert re.search(r"agrees on \d+ of 12; dropped 0, failed 0$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("name", ["langchain_agent", "langchain_rag"])
def test_a_langchain_example_runs_on_real_clients(name: str, project_root: Path) -> None:
    """LangChain's ChatOpenAI over HTTP to a server on this machine, which calls the first tool that it is offered."""
    with openai_server() as server:
        given = {"OPENAI_API_BASE": server.url, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "test"}
        example = project_root / "examples" / f"{name}.py"
        done = run(example, "openai:gpt-4o", "openai:gpt-4o-mini", **given)
    assert done.returncode == 0, done.stderr
    assert "Stand-ins" not in done.stdout
    assert {body["model"] for body in server.requests} == {"gpt-4o", "gpt-4o-mini"}
    assert len(list(ROW.finditer(done.stdout))) == len(server.requests)


def test_an_example_runs_on_a_providers_own_client(project_root: Path) -> None:
    """LlamaIndex's OpenAI class over HTTP to a server on this machine; the agent is one that calls functions then."""
    with openai_server() as server:
        done = run(
            project_root / "examples" / "llamaindex_agent.py",
            STRONG="openai:gpt-4o",
            WEAK="openai:gpt-4o-mini",
            OPENAI_API_BASE=server.url,
            OPENAI_API_KEY="test",
        )
    assert done.returncode == 0, done.stderr
    assert "Stand-ins" not in done.stdout
    assert [body["model"] for body in server.requests] == ["gpt-4o-mini"] * 2 + ["gpt-4o"] * 2
    assert [row["step"] for row in ROW.finditer(done.stdout)] == ["agent"] * 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("openai:gpt-4o",), "usage: "),
        (("openai:gpt-4o", "nobody:gpt-4o"), "nobody"),
    ],
)
@pytest.mark.parametrize("name", ["langchain_chain", "llamaindex_rag"])
def test_an_example_says_what_is_wrong_with_its_models(
    name: str, arguments: tuple[str, ...], says: str, project_root: Path
) -> None:
    done = run(project_root / "examples" / f"{name}.py", *arguments, OPENAI_API_KEY="test")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


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
