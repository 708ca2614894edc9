"""What importing the packages costs, what it must not drag in, and which names they hand out."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "sentence_transformers", "model2vec", "sklearn", "pandas")
LANGCHAIN = ("langchain", "langchain_core", "langgraph", "langsmith")
LLAMAINDEX = ("llama_index", "llama_index_instrumentation", "workflows")
LAZY = ("tiktoken", "tokenizers", "genai_prices", "rich", "pyarrow")

GUARD = """
import sys

class Guard:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {forbidden}:
            raise RuntimeError("imported " + name)

sys.meta_path.insert(0, Guard())
{code}
print("ok")
"""

CLOCK = """
import json, time
{before}
start = time.thread_time()
{code}
print(json.dumps(1e3 * (time.thread_time() - start)))
"""

PUBLIC = {
    "pointsman": {
        "DEFAULT_GATES", "Always", "Battles", "Calibration", "Candidate", "Cascade", "Decision", "Embedder",
        "MatrixFactorization", "Needs", "Outcome", "Outcomes",
        "PointsmanError", "Policy", "Pool", "Price", "PromptLength", "QualityFloor", "QualityMargin",
        "Query", "RandomScorer", "Router", "Scorer", "Threshold", "Usage", "Utility", "__version__", "calibrate",
        "Report", "count_tokens", "evaluate", "load_router", "train",
    },
    "langchain_router": {
        "Phases", "RoutedChatModel", "RoutingRecorder", "Scored", "routing_decision", "routing_outcome",
        "with_question",
    },
    "llamaindex_router": {
        "PointsmanEmbedding", "RouterLLM", "RoutingDecisionEvent", "RoutingOutcomeEvent", "RoutingRecorder",
        "route_query", "routing_decision", "routing_outcome", "routing_totals",
    },
}  # fmt: skip


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},  # installed packages are compiled, so the clone is, too
    )


def importing(code: str, forbidden: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return run(GUARD.format(forbidden=set(forbidden), code=code))


def milliseconds(code: str, before: str, runs: int = 7) -> float:
    """Processor time that `code` takes after `before`: the least of some runs, each in a process of its own.

    Other work on the machine can only add to it; the first runs may also read from disk and compile. It is the
    importing thread's time and not the process's: numpy's idle threads spin for a while after numpy is imported.
    """
    times = []
    for _ in range(runs):
        done = run(CLOCK.format(before=before, code=code))
        assert done.returncode == 0, done.stderr
        times.append(json.loads(done.stdout))
    return min(times)


def test_the_guard_fails_loudly() -> None:
    done = importing("import email.message", ("email",))
    assert done.returncode != 0
    assert "imported email" in done.stderr


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import pointsman", HEAVY + LANGCHAIN + LLAMAINDEX + LAZY),
        ("import pointsman.cli", HEAVY + LANGCHAIN + LLAMAINDEX + LAZY),
        ("from langchain_router import *", HEAVY + LLAMAINDEX + ("langchain", "langgraph")),
        ("from llamaindex_router import *", HEAVY + LANGCHAIN),
    ],
)
def test_an_import_drags_nothing_in(code: str, forbidden: tuple[str, ...]) -> None:
    done = importing(code, forbidden)
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names(package: str) -> None:
    module = importlib.import_module(package)
    assert set(module.__all__) == PUBLIC[package]
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert getattr(module, name) is not None
    assert set(module.__all__) <= set(dir(module))


def test_importing_the_core_is_quick() -> None:
    assert milliseconds("import pointsman", "import numpy, pydantic") <= 150


def test_importing_the_chat_model_is_quick() -> None:
    before = "import langchain_core.language_models.chat_models"
    assert milliseconds("import langchain_router", before) <= 60


def test_the_chat_model_adds_little_to_the_core() -> None:
    before = "import langchain_core.language_models.chat_models, pointsman"
    assert milliseconds("from langchain_router import RoutedChatModel", before) <= 60


def test_a_missing_extra_is_named() -> None:
    hidden = "import sys; sys.modules['langchain_core'] = None\nimport langchain_router"
    done = run(f"import importlib.util as u; f = u.find_spec; u.find_spec = lambda n, p=None: "
               f"None if n == 'langchain_core' else f(n, p)\n{hidden}")  # fmt: skip
    assert done.returncode != 0
    assert 'pip install "pointsman[langchain]"' in done.stderr
