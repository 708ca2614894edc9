"""From feedback on routed calls to a better router: collected, scaled, learned from, compared, and only then used."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.messages import AIMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import LangChainTracer
from langsmith import Client

from langchain_router import RoutingRecorder, with_question
from langchain_router.feedback import ask_all, langsmith_scores, rated_outcomes, routed_runs
from pointsman import Always, Candidate, Outcomes, Router, Utility, train
from pointsman.errors import DataError
from pointsman.training.guard import hold_out, replace_router
from tests.support.core import tiny_embedder
from tests.support.langchain import HARD, FakeChat, routed
from tests.support.langsmith_server import LangSmithServer, langsmith_server

KEYS = {"thumb": (0, 1), "stars": (1, 5)}


def traced(server: LangSmithServer, prompts: list[str], model: Any = None) -> tuple[Client, list[dict[str, Any]]]:
    """Calls in one trace each, and what LangSmith would export of them."""
    client = server.client()
    tracer = LangChainTracer(client=client, project_name="here")
    app = RunnableLambda(lambda text: text) | (model or routed())
    for prompt in prompts:
        app.invoke(prompt, {"callbacks": [tracer]})
    tracer.wait_for_futures()
    client.flush()
    patience = time.monotonic() + 10.0  # the client has sent all; under load the server may still be reading
    while not all_ended(server, len(prompts)) and time.monotonic() < patience:
        time.sleep(0.01)
    return client, [
        {"id": run.id, "trace_id": root.id, "inputs": run.inputs, "outputs": run.outputs, "name": run.name}
        for root in server.roots
        for run in root.walk()
    ]


def all_ended(server: LangSmithServer, traces: int) -> bool:
    """Whether so many traces have arrived, and the ends of all their runs."""
    roots = server.roots
    return len(roots) == traces and all(run.ended for root in roots for run in root.walk())


def rate(client: Client, run_id: str, key: str, score: float | bool | None) -> None:
    """As an application does when its user clicks."""
    client.create_feedback(run_id=run_id, key=key, score=score, session_id="0" * 8 + "-0000-4000-8000-" + "0" * 12)


def test_feedback_in_langsmith_becomes_outcomes() -> None:
    with langsmith_server() as server:
        client, exported = traced(server, ["hi", HARD, "yes", "no answer was rated"])
        runs = routed_runs(exported, prompts=True)
        rate(client, runs[0].run_id, "thumb", True)
        rate(client, runs[0].run_id, "stars", 2)
        rate(client, runs[1].trace_id, "stars", 4)  # on the whole trace, as a user interface does
        rate(client, runs[2].run_id, "another_key", 0)
        rate(client, runs[2].run_id, "thumb", None)
        scores = langsmith_scores(client, runs, KEYS)
        client.cleanup()
    assert scores == {runs[0].decision.id: pytest.approx((1.0 + 0.25) / 2), runs[1].decision.id: 0.75}
    outcomes = rated_outcomes(runs, scores)
    assert (outcomes.prompts, outcomes.models) == (("hi", HARD.strip()), ("small", "big"))
    np.testing.assert_allclose(outcomes.scores, [[0.625, np.nan], [np.nan, 0.75]])
    assert outcomes.costs is not None
    assert outcomes.costs[1, 1] == runs[1].cost_usd


def test_of_several_calls_in_a_trace_feedback_on_the_trace_names_none() -> None:
    two = RunnableLambda(lambda text: [routed().invoke(text), routed().invoke(text)][-1])
    with langsmith_server() as server:
        client, exported = traced(server, ["hi"], two)
        runs = routed_runs(exported)
        assert len(runs) == 2
        rate(client, runs[0].trace_id, "thumb", 1)
        assert langsmith_scores(client, runs, KEYS) == {}
        rate(client, runs[1].run_id, "thumb", 0)
        assert langsmith_scores(client, runs, KEYS) == {runs[1].decision.id: 0.0}
        client.cleanup()


def test_many_runs_are_asked_for_page_by_page() -> None:
    with langsmith_server() as server:
        client, exported = traced(server, [f"question {i}" for i in range(60)])
        runs = routed_runs(exported)
        for run in runs:
            rate(client, run.run_id, "thumb", 1)
        assert len(langsmith_scores(client, runs, KEYS)) == 60
        assert server.paths["GET /feedback"] >= 60 * 2 / 50
        client.cleanup()


def test_prompts_are_kept_only_if_asked_for() -> None:
    with langsmith_server() as server:
        client, exported = traced(server, ["a private question"])
        client.cleanup()
    (run,) = routed_runs(exported)
    assert "private" not in repr(run)
    with pytest.raises(DataError, match="collect with prompts=True"):
        rated_outcomes([run], {run.run_id: 1.0})
    silent, keeping = RoutingRecorder(), RoutingRecorder(keep_prompts=True)
    routed().invoke("a private question", {"callbacks": [silent, keeping]})
    assert "private" not in repr(silent.runs) + repr(vars(silent))
    assert [kept.prompt for kept in keeping.runs] == ["a private question"]


def test_a_recorder_is_enough_where_there_is_no_langsmith() -> None:
    with RoutingRecorder(keep_prompts=True) as outer, RoutingRecorder() as inner:
        (RunnableLambda(lambda text: text) | routed()).batch(["hi", HARD])
    assert [run.prompt for run in inner.runs] == ["", ""]
    assert sorted(len(run.prompt) for run in outer.runs) == [2, len(HARD)]
    outcomes = rated_outcomes(outer.runs, {run.run_id: 1.0 for run in outer.runs})
    assert sorted(outcomes.models) == ["big", "small"]
    assert outer._prompts == {}, "nothing is kept of runs that have ended"


def test_scores_out_of_range_are_refused_with_the_mend() -> None:
    with langsmith_server() as server:
        client, exported = traced(server, ["hi"])
        runs = routed_runs(exported)
        rate(client, runs[0].run_id, "stars", 7)
        with pytest.raises(DataError, match=r"a score of 7 for stars lies outside \(1, 5\); give the key's own"):
            langsmith_scores(client, runs, KEYS)
        with pytest.raises(DataError, match="give the worst and the best score"):
            langsmith_scores(client, runs, {"thumb": (1, 1)})
        client.cleanup()


def test_a_scale_may_run_downwards() -> None:
    with langsmith_server() as server:
        client, exported = traced(server, ["hi"])
        (run,) = routed_runs(exported)
        rate(client, run.run_id, "effort", 2)
        assert langsmith_scores(client, [run], {"effort": (5, 1)}) == {run.decision.id: 0.75}
        client.cleanup()


def test_asking_every_model_leaves_no_gaps(tmp_path: Path) -> None:
    model = routed(strong=FakeChat(model="big", answer="right"), weak=FakeChat(model="small", answer="wrong"))
    seen: list[tuple[str, str]] = []

    def judge(prompt: str, answer: AIMessage) -> float:
        seen.append((prompt, answer.text))
        return float(answer.text == "right")

    outcomes = ask_all(model, ["hi", "why?"], judge, max_concurrency=1, tags=["probe"])
    np.testing.assert_array_equal(outcomes.scores, [[1.0, 0.0], [1.0, 0.0]])
    assert (outcomes.models, len(seen)) == (("big", "small"), 4)
    assert outcomes.costs is not None
    assert (outcomes.costs[:, 0] > outcomes.costs[:, 1]).all()
    outcomes.write(tmp_path / "probe.csv")
    assert Outcomes.read(tmp_path / "probe.csv").models == outcomes.models


def test_asking_every_model_outlives_a_failure_and_tells_of_a_model_that_always_fails() -> None:
    class Moody(FakeChat):
        def _reply(self, messages: Any, stop: Any, kwargs: Any) -> AIMessage:
            if "why" in str(messages[-1].content):
                raise ValueError("not today")
            return super()._reply(messages, stop, kwargs)

    outcomes = ask_all(routed(weak=Moody(model="small")), ["hi", "why?"], lambda *_: 1.0)
    np.testing.assert_array_equal(outcomes.scores, [[1.0, 1.0], [1.0, np.nan]])
    with pytest.raises(ValueError, match="not today"):
        ask_all(routed(weak=Moody(model="small")), ["why?"], lambda *_: 1.0)


def test_the_prompt_is_what_was_scored_and_not_the_template_around_it() -> None:
    chain = with_question(ChatPromptTemplate.from_template("Context: much text\n{q}"), "q") | routed()
    with langsmith_server() as server:
        client = server.client()
        tracer = LangChainTracer(client=client, project_name="here")
        chain.invoke({"q": "the question itself"}, {"callbacks": [tracer]})
        routed(scored="user").invoke([("user", "one"), ("ai", "yes?"), ("user", "two")], {"callbacks": [tracer]})
        tracer.wait_for_futures()
        client.flush()
        client.cleanup()
    exported = [{"id": r.id, "inputs": r.inputs, "outputs": r.outputs} for root in server.roots for r in root.walk()]
    assert [run.prompt for run in routed_runs(exported, prompts=True)] == ["the question itself", "two"]
    assert [run.prompt for run in routed_runs(exported, prompts=True, scored="user")][1] == "one\ntwo"


def test_a_whole_round(tmp_path: Path) -> None:
    """All models answer a sample; a router learns from one part, and the other lets it take the place of the old."""

    class Modest(FakeChat):
        """Right on what is easy."""

        def _reply(self, messages: Any, stop: Any, kwargs: Any) -> AIMessage:
            reply = super()._reply(messages, stop, kwargs)
            return reply.model_copy(update={"content": "no idea" if "why" in str(messages[-1].content) else "right"})

    prices = {n: Candidate(n, input_price=p, output_price=p) for n, p in {"strong": 50.0, "weak": 0.5}.items()}
    model = routed(strong=FakeChat(model="big", answer="right"), weak=Modest(model="small"), candidates=prices)
    prompts = [f"hello world {i}" if i % 2 else f"prove that two is even and why {i}" for i in range(160)]
    learn, held = hold_out(ask_all(model, prompts, lambda _, answer: float(answer.text == "right")))
    assert np.isfinite(held.scores).all()
    old = model._router.with_policy(Always("weak"))
    old.save(tmp_path / "mine")
    scorer = train("knn", learn, embedder=tiny_embedder(), k=5)
    new = Router(model._router.pool, scorer, Utility(0.1))
    found = replace_router(tmp_path / "mine", new, held, worth_usd=0.1)
    assert found.better, found.reason
    loaded = Router.load(tmp_path / "mine")
    assert [loaded.decide(prompt).candidate for prompt in held.prompts] == [
        "strong" if "why" in prompt else "weak" for prompt in held.prompts
    ]


def test_other_runs_are_passed_over() -> None:
    runs = [{"id": "1", "outputs": None}, {"id": "2", "outputs": {"routing": "a field of somebody else's"}}]
    assert routed_runs([*runs, {"id": "3", "outputs": {"routing": {"unrelated": 1}}}]) == []
