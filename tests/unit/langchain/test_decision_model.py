"""`RouterDecisionModel`: LangChain's decision-model interface, and its own router middleware driven by it."""

from __future__ import annotations

import sys
from typing import Any

import langchain_core
import pytest
from langchain_core.messages import AIMessage, HumanMessage

from pointsman import Candidate, Pool, PromptLength, Router, Utility
from pointsman.errors import ConfigurationError, QueryError
from tests.support.langchain import HARD, FakeChat, router

NEWER = f"langchain_core.decisions came with langchain-core 1.8, and this is {langchain_core.__version__}"


def test_an_older_langchain_core_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    import langchain_router

    monkeypatch.setitem(sys.modules, "langchain_core.decisions", None)
    monkeypatch.delitem(sys.modules, "langchain_router.decision_model", raising=False)
    monkeypatch.delitem(vars(langchain_router), "RouterDecisionModel", raising=False)
    with pytest.raises(ImportError, match=r"needs langchain-core 1\.8 or newer.*pip install --upgrade langchain-core"):
        _ = langchain_router.RouterDecisionModel


class TestAnswers:
    @pytest.fixture(autouse=True)
    def newer(self) -> None:
        pytest.importorskip("langchain_core.decisions", reason=NEWER)

    def model(self, **settings: Any) -> Any:
        from langchain_router import RouterDecisionModel

        return RouterDecisionModel(**{"router": router()} | settings)

    def ask(self, state: Any, model: Any = None) -> Any:
        from langchain_core.decisions import Choice

        asked = Choice(instructions="Which model?", criteria={"strong": "hard", "weak": "easy"})
        return (model or self.model()).invoke({"state": state, "questions": {"route": asked}}).choices["route"]

    def test_a_choice_is_the_routers_decision_with_the_win_rate_as_probability(self) -> None:
        answer = self.ask(HARD)
        decision = router().decide(HARD)
        assert (answer.choice, answer.confidence) == ("strong", pytest.approx(decision.win_rate))
        assert answer.probabilities == pytest.approx({"strong": decision.win_rate, "weak": 1 - decision.win_rate})
        assert self.ask("hi").choice == "weak"

    @pytest.mark.parametrize(
        "state",
        [
            HumanMessage(HARD),
            [HumanMessage("hi"), AIMessage("hello"), HumanMessage(HARD)],
            {"messages": [HumanMessage(HARD)]},
            {"ticket": {"title": "please", "body": HARD}},
            [HARD, "please"],
        ],
        ids=["message", "messages", "state", "object", "texts"],
    )
    def test_states_of_every_kind(self, state: Any) -> None:
        assert self.ask(state).choice == "strong"
        assert self.ask([HumanMessage(HARD), AIMessage("done"), HumanMessage("thanks")]).choice == "weak"

    async def test_async_says_the_same(self) -> None:
        from langchain_core.decisions import Noul

        model = self.model()
        asked = {"state": HARD, "questions": {"hard": Noul(instructions="Is it hard?")}}
        assert (await model.ainvoke(asked)).nouls == model.invoke(asked).nouls
        assert model.invoke(asked).nouls["hard"].noul == pytest.approx(router().decide(HARD).win_rate)

    def test_many_models_have_their_shares_of_predicted_quality(self) -> None:
        from langchain_core.decisions import Choice

        pool = Pool([Candidate(n, input_price=p, output_price=p) for n, p in {"a": 9.0, "b": 3.0, "c": 1.0}.items()])
        model = self.model(router=Router(pool, PromptLength(), Utility(0.01)))
        asked = Choice(instructions="Which?", criteria=dict.fromkeys("abc"))
        answer = model.invoke({"state": "hi", "questions": {"route": asked}}).choices["route"]
        assert sum(answer.probabilities.values()) == pytest.approx(1.0)
        assert answer.choice == "c"

    def test_what_it_cannot_answer_is_refused_with_the_mend(self) -> None:
        from langchain_core.decisions import Choice, Score

        from langchain_router import RouterDecisionModel

        with pytest.raises(QueryError, match="ask for a Choice among strong, weak"):
            self.model().invoke({"state": "hi", "questions": {"s": Score(instructions="?", criteria=["a", "b"])}})
        other = Choice(instructions="?", criteria={"fast": None, "smart": None})
        with pytest.raises(ConfigurationError, match="give both the same names"):
            self.model().invoke({"state": "hi", "questions": {"route": other}})
        with pytest.raises(ConfigurationError, match="or a router that has them"):
            RouterDecisionModel()

    def test_it_drives_langchains_own_router_middleware(self) -> None:
        middleware = pytest.importorskip("langchain.agents.middleware")
        if not hasattr(middleware, "ModelRouterMiddleware"):
            pytest.skip("ModelRouterMiddleware came with langchain 1.5, and this is an older one")
        from langchain.agents import create_agent
        from langchain_core._api import LangChainBetaWarning

        models = {"strong": FakeChat(model="big"), "weak": FakeChat(model="small")}
        choices = {name: middleware.ModelChoice(model=model, criteria=name) for name, model in models.items()}
        with pytest.warns(LangChainBetaWarning):
            routing = middleware.ModelRouterMiddleware(choices=choices, instructions="Choose.", classifier=self.model())
        agent = create_agent(FakeChat(model="not called"), middleware=[routing])
        for prompt, expected in (("hi", "small"), (HARD, "big")):
            result = agent.invoke({"messages": [("user", prompt)]})
            assert result["messages"][-1].response_metadata["model_name"] == expected
            assert result["model_route"].probabilities.keys() == {"strong", "weak"}

    def test_its_run_in_a_trace_names_it_and_holds_the_decision(self) -> None:
        from langchain_core.tracers import LangChainTracer

        from tests.support.langsmith_server import langsmith_server

        with langsmith_server() as server:
            client = server.client()
            tracer = LangChainTracer(client=client, project_name="here")
            from langchain_core.decisions import Choice

            asked = Choice(instructions="?", criteria={"strong": None, "weak": None})
            self.model().invoke({"state": "hi", "questions": {"route": asked}}, {"callbacks": [tracer]})
            tracer.wait_for_futures()
            client.flush()
            client.cleanup()
        (run,) = server.roots
        assert (run.kind, run.metadata["ls_provider"]) == ("llm", "pointsman")
        assert run.metadata["router_candidate"] == "weak"
        assert "usage_metadata" not in run.metadata, "it uses no tokens"
