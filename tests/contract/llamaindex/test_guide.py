"""docs/llamaindex.md: its examples run, and its tables say what the code does."""

import re

import pytest

from llamaindex_router.question import VARIABLES
from llamaindex_router.rules import _DEFAULTS, _MEANINGS
from tests.support.openai_server import openai_server


@pytest.fixture(scope="module")
def page(project_root):
    return (project_root / "docs" / "llamaindex.md").read_text(encoding="utf-8")


def section(page, title):
    return page.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_its_examples_run(page, monkeypatch, capsys):
    with openai_server() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        scope = {}
        for example in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
            exec(compile(example, "docs", "exec"), scope)  # noqa: S102  # our own text
    assert "has read" in capsys.readouterr().out
    assert scope["llm"].explain().startswith("models      strong (gpt-4o), weak (gpt-4o-mini)")


def test_its_stages_and_their_rules_are_the_defaults(page):
    rows = re.findall(r"^\| `(\w+)` \| .* \| `(\w+)` \|$", section(page, "Stages"), flags=re.MULTILINE)
    assert dict(rows) == _DEFAULTS
    rules = section(page, "Stages").partition("| rule | |")[2]
    assert set(_MEANINGS) <= set(re.findall(r"`(\w+)`", rules))


def test_its_variables_are_those_that_are_looked_for(page):
    (row,) = re.findall(r"^\| `template` \|.*$", page, flags=re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) - {"template"} == {*VARIABLES, "context_str"} - {"query_bundle"}
