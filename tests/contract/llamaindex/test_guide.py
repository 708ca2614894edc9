"""docs/llamaindex.md: its examples run, and its tables say what the code does."""

import re

import pytest
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from llamaindex_router.question import VARIABLES
from llamaindex_router.rules import _DEFAULTS, _MEANINGS
from tests.support.llamaindex import scripted_pair
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


class Fact(BaseModel):
    """A fact."""

    fact: str


def test_core_calls_back_twice_for_a_structured_llm_routed_or_not():
    """A limit that the page states, and that is none of ours."""
    counts = []
    for name in ("weak", "llm"):
        pair = scripted_pair(weak={"tool_args": {"fact": "so"}})
        handler = TokenCountingHandler(tokenizer=str.split)
        structured = getattr(pair, name).as_structured_llm(Fact, callback_manager=CallbackManager([handler]))
        structured.llm.callback_manager = structured.callback_manager
        structured.predict(PromptTemplate("{query_str}"), query_str="easy")
        counts.append(len(handler.llm_token_counts))
    assert counts == [2, 2]
