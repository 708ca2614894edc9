"""The pages on LangSmith and on agents say what is so: keys that exist, filters that parse, code that compiles."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import langchain_router
from langchain_router import feedback
from pointsman import Decision, Outcome
from pointsman.records import decision_metadata, outcome_metadata

DOCS = Path(__file__).parents[3] / "docs"
LANGSMITH, AGENTS = ((DOCS / name).read_text(encoding="utf-8") for name in ("langsmith.md", "agents.md"))
FILTERS = re.findall(r"`((?:and|eq|has)\(.*?\))`", LANGSMITH) + re.findall(r"_?filter='(.*?)'", LANGSMITH)
FIELDS = {"run_type", "metadata_key", "metadata_value", "feedback_key", "feedback_score", "error"}


def parsed(text: str) -> set[str]:
    """The fields of a filter: calls of and(...) around eq(field, literal); anything else fails."""
    tree = ast.parse(text.replace("and(", "all_(").replace("true", "True"), mode="eval").body
    fields: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            if node.func.id == "all_":
                assert len(node.args) == 2, text
                assert all(isinstance(part, ast.Call) for part in node.args), text
            else:
                assert node.func.id == "eq", text
                field, value = node.args
                assert isinstance(field, ast.Name), text
                assert isinstance(value, ast.Constant), text
                fields.add(field.id)
    return fields


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_parses_and_names_fields_that_there_are(text: str) -> None:
    fields = parsed(text)
    assert fields <= FIELDS
    assert ("metadata_value" in fields) <= ("metadata_key" in fields), "a value means nothing without its key"


def test_there_are_filters() -> None:
    assert len(FILTERS) >= 12


def test_the_keys_are_those_of_the_metadata() -> None:
    facts = {"win_rate": 0.5, "threshold": 0.5, "stage": "plan", "arm": "a", "notice": "drift"}
    decision = Decision(id="1", candidate="a", model="b", **facts)
    outcome = Outcome(decision_id="1", cost_usd=1.0, baseline_cost_usd=2.0, saved_usd=1.0)
    there = set(decision_metadata(decision)) | set(outcome_metadata(outcome))
    table = LANGSMITH.split("## Metadata keys")[1].split("\n## ")[0]
    assert set(re.findall(r"`(router_[a-z_]+)`", table)) == there
    asked = {"router_turn", "router_threshold", "router_candidate", "router_policy"}
    assert set(re.findall(r"\brouter_[a-z_]+\b", AGENTS)) <= there | asked


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", LANGSMITH + AGENTS, flags=re.DOTALL))
def test_code_compiles_and_its_names_exist(block: str) -> None:
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom) and node.module == "langchain_router":
            assert {alias.name for alias in node.names} <= set(langchain_router._HOMES)
        if isinstance(node, ast.ImportFrom) and node.module == "langchain_router.feedback":
            assert {alias.name for alias in node.names} <= set(feedback.__all__)
