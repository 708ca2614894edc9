"""docs/llamaindex_tracing.md: its examples run, and its tables say what the tests find."""

import re

import pytest

from llamaindex_router import rag
from pointsman import Decision, Outcome
from pointsman.records import decision_metadata, outcome_metadata
from tests.support.openai_server import openai_server

pytestmark = pytest.mark.usefixtures("thread_loop")


@pytest.fixture(scope="module")
def page(project_root):
    return (project_root / "docs" / "llamaindex_tracing.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # OpenInference's
def test_its_examples_run(page, monkeypatch, capsys):
    pytest.importorskip("openinference.instrumentation.llama_index", reason="the page shows OpenInference")
    query, tracer, suite = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    with openai_server() as server:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_API_BASE", server.url)
        scope = {"__name__": "page"}
        exec(compile(tracer, "docs", "exec"), scope)  # noqa: S102  # our own text
        try:
            exec(compile(query, "docs", "exec"), scope)  # noqa: S102  # our own text
        finally:
            scope["LlamaIndexInstrumentor"]().uninstrument()
        exec(compile(suite, "docs", "exec"), scope)  # noqa: S102  # our own text
    told = capsys.readouterr().out
    assert told.startswith("win rate 0.")
    assert "Totals(calls=1, " in told
    assert scope["TestMyModel"]().make_llm().class_name() == "openai_llm"


def test_its_attributes_are_those_of_a_span(page):
    shown = set(re.findall(r"`(router_\w+)`", page))
    decision = Decision(
        id="1", candidate="a", model="b", win_rate=0.5, threshold=0.5, reason="c", stage="chat", router_version="1"
    )
    outcome = Outcome(decision_id="1", cost_usd=1.0, baseline_cost_usd=2.0, saved_usd=1.0)
    assert shown == set(decision_metadata(decision)) | set(outcome_metadata(outcome))


def test_its_features_are_those_that_are_offered(page):
    section = page.partition("## What retrieval found")[2].partition("##")[0]
    assert set(re.findall(r"`(context_\w+|chunks|retrieval_\w+)`", section)) == set(rag.FEATURES)


def test_its_double_counting_table_is_what_the_tests_measure(page):
    for needed in ("opentelemetry.sdk.trace", "openinference.instrumentation.llama_index"):
        pytest.importorskip(needed, reason="the table is of traces")
    from tests.contract.llamaindex import test_tracing as tracing

    section = page.partition("## Why tokens are counted once")[2].partition("##")[0]
    rows = re.findall(r"\| (\d) \| (\d) \| (\d) \|$", section, flags=re.MULTILINE)
    assert [tuple(map(int, row)) for row in rows] == [expected for _, expected in tracing.STYLES.values()]
