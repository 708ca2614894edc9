"""The conformance suite itself: it catches what it is there to catch, and holds declared deviations to their word."""

import os
import re
import subprocess
import sys

import pytest

from llamaindex_router.testing import LLMContract

SUITE = '''
from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.llms.callbacks import llm_chat_callback
from llamaindex_router.testing import LLMContract
from tests.support.llamaindex import ScriptedLLM


class Forgetful(ScriptedLLM):
    """Changes the messages, sends whole texts as deltas, and has events of its own for a delegated call."""

    @llm_chat_callback()
    def chat(self, messages, **kwargs):
        messages[0].additional_kwargs["seen"] = True
        return ScriptedLLM.chat(self, messages, **kwargs)

    def stream_chat(self, messages, **kwargs):
        for chunk in ScriptedLLM.stream_chat(self, messages, **kwargs):
            yield chunk.model_copy(update={"delta": chunk.message.content})

    def to_payload(self):
        return {"api_key": "sk-hidden"}


class TestForgetful(LLMContract):
    secrets = ("sk-hidden",)
    deviations = {
        "test_messages_are_not_changed[chat]": "declared, and true",
        "test_metadata": "declared, and not true",
    }

    def make_llm(self):
        return Forgetful(tool_args={"a": 1, "b": 2, "city": "Paris"})
'''


@pytest.fixture(scope="module")
def results(tmp_path_factory, project_root):
    """Test name -> how it ended, for a model with faults."""
    suite = tmp_path_factory.mktemp("suite") / "test_forgetful.py"
    suite.write_text(SUITE)
    command = [sys.executable, "-m", "pytest", str(suite), "-rA", "-q", "--tb=no", "-c", os.devnull]
    command += [f"--rootdir={project_root}", "-p", "no:cacheprovider"]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the suite needs pytest and no plugin
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=project_root, env=alone)  # noqa: S603  # our own code
    found = re.findall(r"^(PASSED|FAILED|XFAIL|ERROR) \S*::TestForgetful::(\S+)", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    return {name: ending for ending, name in found}


@pytest.mark.parametrize(
    "line",
    [
        "test_callbacks_are_counted_once[chat]",
        "test_deltas_add_up[stream_chat]",
        "test_events_go_out_once_and_in_order[chat]",
        "test_what_it_shows_is_json_and_holds_no_secret",
    ],
)
def test_a_fault_fails_its_line(results, line):
    assert results[line] == "FAILED"


def test_what_is_right_passes(results):
    assert results["test_messages_are_not_changed[achat]"] == "PASSED"
    assert results["test_callbacks_are_counted_once[achat]"] == "PASSED"


def test_a_declared_deviation_has_to_fail(results):
    assert results["test_messages_are_not_changed[chat]"] == "XFAIL"
    assert results["test_metadata"] == "FAILED", "what is declared broken and works is a stale declaration"


def test_a_deviation_from_no_line_is_refused():
    with pytest.raises(TypeError, match="deviations names no line of the contract: test_everything"):
        type("TestTypo", (LLMContract,), {"deviations": {"test_everything": "a slip of the pen"}})


def test_a_factory_is_asked_for():
    with pytest.raises(NotImplementedError, match="define it to return the LLM"):
        LLMContract().make_llm()


def test_it_is_not_collected_by_itself():
    assert not LLMContract.__name__.startswith("Test")
