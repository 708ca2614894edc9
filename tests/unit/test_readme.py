"""The README's examples run, and the output that it shows is the real one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("langchain_openai", reason="the README's examples use OpenAI's clients")
pytest.importorskip("llama_index.llms.openai", reason="the README's examples use OpenAI's clients")

from pointsman.cli import main
from tests.support.openai_server import openai_server

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


@pytest.mark.usefixtures("thread_loop")
@pytest.mark.parametrize("example", EXAMPLES, ids=["langchain", "llamaindex", "core"])
def test_an_example_runs_as_it_stands(
    example: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with openai_server() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        exec(compile(example, "README.md", "exec"), {})  # noqa: S102  # our own text
    told = capsys.readouterr().out
    assert "win rate 0." in told or "gpt-4o" in told
    assert "None" not in told


def test_the_frameworks_examples_are_short() -> None:
    assert [len([line for line in lines(example) if line]) <= 10 for example in EXAMPLES[:2]] == [True, True]


@pytest.mark.usefixtures("thread_loop")
def test_the_demo_output_is_real(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = re.findall(r"<!-- demo:[^\n]*-->\n```text\n(.*?)```", README, flags=re.DOTALL)
    assert main(["demo"]) == 0
    assert lines(shown) == lines(capsys.readouterr().out)
