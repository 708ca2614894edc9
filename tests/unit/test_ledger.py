"""The ledger: one line for each routed call of either plugin, no prompt text, and a command that sums it up."""

import json
import subprocess
import sys
import threading

import pytest

from pointsman import Decision, Outcome
from pointsman.cli import main
from pointsman.configure import configure_router
from pointsman.costs import ledger as module
from pointsman.costs.ledger import Ledger, current_ledger, read_ledger, use_ledger
from pointsman.errors import ConfigurationError, DataError
from tests.support.core import pair

SECRET = "why is the password hunter2"


@pytest.fixture
def path(tmp_path):
    yield tmp_path / "deep" / "calls.jsonl"
    module._chosen.clear()
    module._opened.cache_clear()


def call(i, candidate="weak", cost=0.001, **facts):
    decision = Decision(id=f"d{i}", candidate=candidate, model=f"{candidate}-1", router="default", **facts)
    saved = None if cost is None else 0.01 - cost
    return decision, Outcome(
        decision_id=f"d{i}",
        input_tokens=10,
        output_tokens=20,
        cost_usd=cost,
        baseline_cost_usd=0.01,
        saved_usd=saved,
        error="TimeoutError" if i == 7 else None,
    )


def test_what_is_recorded_is_read_back(path):
    ledger = Ledger(path)
    calls = [call(i) for i in range(3)]
    for each in calls:
        ledger.record(*each)
    entries = list(read_ledger(path))
    assert [(entry.decision, entry.outcome) for entry in entries] == calls
    assert entries[0].time <= entries[2].time
    assert entries[0].time.endswith("+00:00")
    assert path.stat().st_mode & 0o077 == 0


def test_threads_and_a_second_ledger_on_the_same_file_lose_no_line(path):
    first, second = Ledger(path), Ledger(path)
    threads = [
        threading.Thread(
            target=lambda part=part: [(first, second)[i % 2].record(*call(i)) for i in range(part, 800, 8)]
        )
        for part in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(entry.decision.id[1:]) for entry in read_ledger(path)) == list(range(800))


def test_a_line_that_was_cut_off_is_left_out_and_a_wrong_one_is_named(path):
    ledger = Ledger(path)
    ledger.record(*call(0))
    with path.open("a") as stream:
        stream.write('{"time": "2026-')
    assert len(list(read_ledger(path))) == 1
    with path.open("a") as stream:
        stream.write("\n[]\n")
    with pytest.raises(DataError, match="line 2 is no record"):
        list(read_ledger(path))
    with pytest.raises(DataError, match="cannot be read"):
        read_ledger(path.parent / "absent")


def test_a_call_never_fails_for_the_sake_of_its_record(path, caplog):
    ledger = Ledger(path)
    ledger.close()
    ledger.record(*call(0))
    assert "missing from the ledger" in caplog.text


def test_the_environment_names_it_and_code_overrides(path, monkeypatch):
    assert current_ledger() is None
    monkeypatch.setenv("POINTSMAN_LEDGER", str(path))
    assert current_ledger().path == path
    assert current_ledger() is current_ledger()
    other = use_ledger(path.with_name("other.jsonl"))
    assert current_ledger() is other
    use_ledger(None)
    assert current_ledger() is None


def test_a_file_that_cannot_be_written_is_refused_when_the_router_is_set_up(tmp_path, path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("POINTSMAN_LEDGER", str(tmp_path / "file" / "calls.jsonl"))
    with pytest.raises(ConfigurationError, match="cannot be written"):
        configure_router(pair())


def test_langchain_calls_go_to_it_once_each_and_without_their_words(path):
    pytest.importorskip("langchain_core")
    from tests.support.langchain import routed

    use_ledger(path)
    model = routed()
    model.invoke(SECRET)
    list(model.stream("hi"))
    entries = list(read_ledger(path))
    assert len(entries) == 2
    assert all(entry.outcome.decision_id == entry.decision.id for entry in entries)
    assert entries[0].outcome.cost_usd is not None
    assert "hunter2" not in path.read_text()


def test_a_call_that_another_model_took_over_goes_to_it_once(path):
    """With what both have cost."""
    pytest.importorskip("langchain_core")
    from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
    from langchain_core.messages import AIMessage

    from langchain_router import RoutedChatModel

    def saying(text, asked, answered):
        usage = {"input_tokens": asked, "output_tokens": answered, "total_tokens": asked + answered}
        return GenericFakeChatModel(messages=iter([AIMessage(text, usage_metadata=usage)]))

    use_ledger(path)
    RoutedChatModel(strong=saying("yes", 10, 1), weak=saying("", 10, 0), threshold=1.0).invoke("hi")
    (entry,) = read_ledger(path)
    assert (entry.decision.candidate, entry.outcome.attempts, entry.outcome.input_tokens) == ("strong", 2, 20)


def test_a_call_that_another_llm_took_over_goes_to_it_once(path):
    pytest.importorskip("llama_index.core")
    from tests.support.llamaindex import scripted_pair

    use_ledger(path)
    scripted_pair(weak={"answer": ""}).llm.complete("easy one")
    (entry,) = read_ledger(path)
    assert (entry.decision.candidate, entry.outcome.attempts, entry.outcome.input_tokens) == ("strong", 2, 4)


def test_llamaindex_calls_go_to_it_once_each_and_without_their_words(path):
    pytest.importorskip("llama_index.core")
    from tests.support.llamaindex import scripted_pair

    use_ledger(path)
    llm = scripted_pair().llm
    llm.complete(SECRET)
    list(llm.stream_complete("easy"))
    entries = list(read_ledger(path))
    assert len(entries) == 2
    assert all(entry.outcome.decision_id == entry.decision.id for entry in entries)
    assert "hunter2" not in path.read_text()


@pytest.fixture
def filled(path):
    ledger = Ledger(path)
    for i in range(10):
        ledger.record(
            *call(i, "strong" if i < 2 else "weak", 0.01 if i < 2 else 0.001, stage="refine" if i % 2 else "")
        )
    return path


def told(capsys, *args):
    assert main(["ledger", *args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_command_sums_it_up(capsys, filled):
    facts = told(capsys, str(filled))
    assert facts["total"]["calls"] == 10
    assert facts["total"]["cost_usd"] == pytest.approx(0.028)
    assert facts["total"]["baseline_cost_usd"] == pytest.approx(0.1)
    assert facts["total"]["saved_usd"] == pytest.approx(0.072)
    assert facts["errors"] == 1
    assert {name: sums["calls"] for name, sums in facts["groups"].items()} == {"strong-1": 2, "weak-1": 8}
    assert main(["ledger", str(filled)]) == 0
    said = capsys.readouterr().out
    assert "saved 72% of always calling the strong model; calls that ended in an error: 1" in said
    assert "$0.028000" in said


@pytest.mark.parametrize(
    ("by", "groups"),
    [("candidate", {"strong", "weak"}), ("stage", {"-", "refine"}), ("arm", {"-"}), ("router", {"default"})],
)
def test_rows_by_something_else(capsys, filled, by, groups):
    assert set(told(capsys, str(filled), "--by", by)["groups"]) == groups


def test_only_the_calls_since_a_time(capsys, filled):
    last = list(read_ledger(filled))[-1].time
    assert told(capsys, str(filled), "--since", last)["total"]["calls"] >= 1
    assert told(capsys, str(filled), "--since", "2999-01-01")["total"]["calls"] == 0
    day = last[:10]
    assert told(capsys, str(filled), "--by", "day", "--since", day)["groups"][day]["calls"] == 10
    assert main(["ledger", str(filled), "--since", "yesterday"]) == 2
    assert "such as 2026-11-22" in capsys.readouterr().err


def test_a_cost_that_is_not_known_stays_unknown(capsys, filled):
    Ledger(filled).record(*call(11, "weak", None))
    assert told(capsys, str(filled))["total"]["cost_usd"] is None
    assert main(["ledger", str(filled)]) == 0
    assert "unknown" in capsys.readouterr().out


def test_without_a_file_it_says_what_to_do(capsys, monkeypatch, filled):
    monkeypatch.delenv("POINTSMAN_LEDGER", raising=False)
    assert main(["ledger"]) == 2
    assert "set POINTSMAN_LEDGER" in capsys.readouterr().err
    monkeypatch.setenv("POINTSMAN_LEDGER", str(filled))
    assert told(capsys)["total"]["calls"] == 10
    assert main(["ledger", str(filled) + ".absent"]) == 2


def test_the_variable_alone_is_enough(path):
    code = (
        "from pointsman import Decision, Pool\nfrom pointsman.records import Call\n"
        "Call(Decision(id='d', candidate='a', model='a'), Pool(['a'])).close(None)"
    )
    run = subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code], env={"POINTSMAN_LEDGER": str(path)}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert [entry.decision.candidate for entry in read_ledger(path)] == ["a"]
