"""The pages on labels and cascades: commands print what the page shows, and the Python runs."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from pointsman import RandomScorer, Router, Threshold
from pointsman.cli import main
from tests.support.core import pair, tiny_embedder

DOCS = Path(__file__).parents[2] / "docs"
JUDGES = """
from tests.unit.labels.test_judge import shown
def shorter(prompt):
    first, second = map(len, shown(prompt))
    return "Verdict: " + ("A" if first < second else "B" if second < first else "tie")
"""


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The page's answers, and its judge."""
    (tmp_path / "answers.jsonl").write_text(blocks("labels.md", "json")[0], encoding="utf-8")
    (tmp_path / "my_judges.py").write_text(JUDGES, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("my_judges", None)


def test_the_commands_print_what_the_page_shows(folder, capsys):
    shown = [block for block in blocks("labels.md", "") if block.startswith("$ pointsman") and "openai:" not in block]
    assert len(shown) == 2
    for block in shown:
        command, *output = block.strip().splitlines()
        assert main(shlex.split(command)[2:]) == 0
        said = capsys.readouterr()
        assert (said.err + said.out).splitlines() == output


def test_the_labels_in_python_train_a_router(folder, capsys):
    (code,) = blocks("labels.md", "python")
    rows = [f'{{"prompt": "q{i}", "answer|big": "{"x" * (i % 7)}y", "answer|small": "abcd"}}' for i in range(40)]
    Path("answers.jsonl").write_text("\n".join(rows), encoding="utf-8")
    sys.path.insert(0, str(folder))
    try:
        from my_judges import shorter

        code = code.replace('train("mf", found.data)', 'train("mf", found.data, embedder=embedder, epochs=1)')
        exec(compile(code, "labels.md", "exec"), {"chat_model": shorter, "embedder": tiny_embedder()})  # noqa: S102
    finally:
        sys.path.pop(0)
    assert float(capsys.readouterr().out) > 0


def test_the_cascades_in_python_run(monkeypatch):
    pytest.importorskip("langchain.chat_models")
    pytest.importorskip("langchain_openai")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    rng = np.random.default_rng(0)
    scores = rng.beta(2, 1, 400)
    names = {
        "judge_llm": lambda prompt: "Score: 3",
        "llm": lambda prompt: "no, 13 * 17",
        "small_llm": lambda prompt: "yes",
        "router": Router(pair(), RandomScorer(("strong", "weak")), Threshold(0.5)),
        "scores": scores,
        "weak_right": (rng.random(400) < scores).astype(float),
        "strong_right": (rng.random(400) < 0.9).astype(float),
    }
    for block in blocks("cascade.md", "python"):
        exec(compile(block, "cascade.md", "exec"), names)  # noqa: S102
    assert names["found"].answer.text == "no, 13 * 17"
    assert names["found"].decision.reason == "weak was judged 0.300 < 0.7; so strong"
