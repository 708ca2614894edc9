"""Settings and tools on their way to another provider."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import tool

from langchain_router.settings import fit_settings, fit_tools

MARK = {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("before", "after", "settings", "left"),
    [
        ("anthropic", "openai", {"cache_control": MARK, "temperature": 0.2}, {"temperature": 0.2}),
        ("anthropic", "amazon_bedrock", {"cache_control": MARK}, {"cache_control": MARK}),
        ("anthropic", "anthropic", {"cache_control": MARK, "extra_headers": {"a": "b"}}, None),
        ("openai", "azure", {"prompt_cache_key": "k", "extra_headers": {"a": "b"}}, None),
        ("openai", "anthropic", {"prompt_cache_key": "k", "reasoning_effort": "low", "stop": ["."]}, {"stop": ["."]}),
        ("openai", "groq", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ("google_genai", "google_vertexai", {"thinking_budget": 10}, {"thinking_budget": 10}),
        ("google_genai", "openai", {"thinking_budget": 10, "safety_settings": {}}, {}),
        ("openai", None, {"prompt_cache_key": "k", "extra_headers": {"key": "s"}}, {"prompt_cache_key": "k"}),
    ],
)
def test_settings(before: str, after: str | None, settings: dict[str, Any], left: dict[str, Any] | None) -> None:
    given = dict(settings)
    assert fit_settings(settings, before, after) == (given if left is None else left)
    assert settings == given, "the caller's are not touched"


def test_tools_lose_cache_marks_where_nobody_reads_them() -> None:
    @tool(extras={"cache_control": MARK, "defer_loading": True})
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    builtin = {"type": "web_search", "cache_control": MARK, "extras": {"cache_control": MARK}}
    tools = fit_tools([add, builtin], "openai")
    assert (tools[0].extras, tools[1]) == ({"defer_loading": True}, {"type": "web_search", "extras": {}})
    assert add.extras is not None
    assert "cache_control" in add.extras
    assert "cache_control" in builtin
    assert fit_tools([add, builtin], "anthropic") == [add, builtin]
    assert fit_tools([add, builtin], None) == [add, builtin]
