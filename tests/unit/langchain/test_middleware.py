"""`RouterMiddleware`: each model call of an agent to its model, with the agent's own machinery left as it is."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import AgentMiddleware, ModelRequest
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, RemoveMessage, ToolMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command, interrupt
from pydantic import BaseModel

import langchain_router
from langchain_router import RoutingRecorder, routing_decision, routing_outcome
from langchain_router.middleware import RouterMiddleware
from langchain_router.phases import Phases
from pointsman import Candidate, PromptLength, Router, Utility
from pointsman.errors import ConfigurationError, MissingExtraError, NoCandidateError
from tests.support.langchain import HARD, FakeChat, Recording, add, priced, router

ASK = {"messages": [("user", "What is 3 + 3?")]}


class Agentic(FakeChat):
    """Calls the first tool so many times in a run before it answers."""

    rounds: int = 1

    def _reply(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> AIMessage:
        spoken = max((i for i, m in enumerate(messages) if isinstance(m, HumanMessage)), default=0)
        done = sum(isinstance(message, ToolMessage) for message in messages[spoken:])
        asked = [m for m in messages if not isinstance(m, ToolMessage)] if done < self.rounds else messages
        reply = super()._reply([*asked, *([] if done < self.rounds else [messages[-1]])], stop, kwargs)
        for number, call in enumerate(reply.tool_calls):
            call["id"] = f"call_{len(messages)}_{number}"
        return reply


@tool
def broken(a: int) -> int:
    """Always fails."""
    raise ToolException("no such row")


broken.handle_tool_error = True


def routing(**settings: Any) -> RouterMiddleware:
    defaults: dict[str, Any] = {
        "strong": Agentic(model="big"),
        "weak": Agentic(model="small"),
        "router": router(),
        "candidates": priced(),
    }
    return RouterMiddleware(**defaults | settings)


def agent(
    middleware: RouterMiddleware, *more: AgentMiddleware[Any, Any, Any], tools: Any = (add,), **options: Any
) -> Any:
    return create_agent(FakeChat(model="not called"), tools=list(tools), middleware=[middleware, *more], **options)


def chosen(result: dict[str, Any]) -> list[str]:
    decisions = [routing_decision(m) for m in result["messages"] if m.type == "ai"]
    return [decision.candidate for decision in decisions if decision is not None]


DRIVES: dict[str, Callable[[Any, Any, Any], dict[str, Any]]] = {
    "sync": lambda graph, given, config: graph.invoke(given, config),
    "async": lambda graph, given, config: asyncio.run(graph.ainvoke(given, config)),
}


PROPAGATES = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph hands async nodes their config and callbacks from Python 3.11 on"
)


@pytest.fixture(params=DRIVES)
def drive(request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    return lambda graph, given=ASK, config=None: DRIVES[request.param](graph, given, config)


@pytest.fixture(params=["sync", pytest.param("async", marks=PROPAGATES)])
def heard(request: pytest.FixtureRequest) -> Callable[..., dict[str, Any]]:
    """A drive whose callbacks and config reach the nodes."""
    return lambda graph, given=ASK, config=None: DRIVES[request.param](graph, given, config)


class TestOnTheRecord:
    def test_every_call_is_decided_and_paid_for(self, heard: Callable[..., dict[str, Any]]) -> None:
        seen, counter = Recording(), UsageMetadataCallbackHandler()
        with RoutingRecorder() as recorder:
            result = heard(agent(routing()), config={"callbacks": [seen, counter]})
        assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
        assert chosen(result) == ["weak", "weak"]
        assert [d.stage for d in recorder.decisions] == ["plan", "tool_loop"]
        answers = [message for message in result["messages"] if message.type == "ai"]
        assert [routing_outcome(answer) for answer in answers] == recorder.outcomes
        assert all(outcome.cost_usd < outcome.baseline_cost_usd for outcome in recorder.outcomes)
        assert counter.usage_metadata.keys() == {"small"}
        billed = sum(answer.usage_metadata["total_tokens"] for answer in answers)
        assert counter.usage_metadata["small"]["total_tokens"] == billed, "counted once"

    def test_the_models_run_lies_in_the_routers_with_the_decision_in_its_metadata(
        self, heard: Callable[..., dict[str, Any]]
    ) -> None:
        seen = Recording()
        heard(agent(routing()), config={"callbacks": [seen]})
        events = seen.named("custom_event")
        starts = seen.named("chat_model_start")
        assert [parent for _, parent, _ in starts] == [run for run, _, _ in events]
        assert [data["metadata"]["router_candidate"] for _, _, data in starts] == ["weak", "weak"]
        assert [data["metadata"]["router_stage"] for _, _, data in starts] == ["plan", "tool_loop"]
        assert {data["metadata"]["ls_model_name"] for _, _, data in starts} == {"small"}
        ended = {run: data["outputs"] for run, _, data in seen.named("chain_end")}
        assert [ended[run]["routing"]["id"] for run, _, _ in events] == [e["data"]["id"] for _, _, e in events]

    def test_tokens_stream_once(self) -> None:
        parts = list(agent(routing()).stream(ASK, stream_mode="messages"))
        chunks = [(m, metadata) for m, metadata in parts if isinstance(m, AIMessageChunk)]
        assert "".join(str(m.content) for m, _ in chunks) == "small says: an answer of several words"
        assert {metadata["router_candidate"] for _, metadata in chunks} == {"weak"}
        assert not [m for m, _ in parts if isinstance(m, AIMessage) and not isinstance(m, AIMessageChunk)]

    @PROPAGATES
    async def test_tokens_stream_once_async(self) -> None:
        parts = [part async for part in agent(routing()).astream(ASK, stream_mode="messages")]
        text = "".join(str(m.content) for m, _ in parts if isinstance(m, AIMessageChunk))
        assert text == "small says: an answer of several words"

    @PROPAGATES
    async def test_events_tell_each_decision_and_each_token_once(self) -> None:
        events = [event async for event in agent(routing()).astream_events(ASK, version="v2")]
        told = [event["data"]["candidate"] for event in events if event["event"] == "on_custom_event"]
        assert told == ["weak", "weak"]
        tokens = [event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream"]
        assert "".join(tokens) == "small says: an answer of several words"

    @pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
    def test_the_graphs_newer_protocol_streams_tokens_once(self) -> None:
        stream = agent(routing()).stream_events(ASK, version="v3")
        text = "".join(str(piece) for message in stream.messages for piece in message.text)
        assert text == "small says: an answer of several words"


class TestTheAgentsOwnMachinery:
    def test_inner_middleware_sees_the_real_class(self, drive: Callable[..., dict[str, Any]]) -> None:
        class Big(Agentic):
            pass

        seen: list[Any] = []

        class Caching(AgentMiddleware):
            """As a provider's prompt caching: for its own class, and with a setting of its own."""

            def _mark(self, request: ModelRequest) -> ModelRequest:
                seen.append(type(request.model))
                if isinstance(request.model, Big):
                    return request.override(model_settings={**request.model_settings, "cache_control": {"ttl": "5m"}})
                return request

            def wrap_model_call(self, request, handler):
                return handler(self._mark(request))

            async def awrap_model_call(self, request, handler):
                return await handler(self._mark(request))

        drive(agent(routing(strong=Big(model="big")), Caching()), {"messages": [("user", HARD)]})
        assert seen == [Big, Big]

    def test_structured_output_by_tool_and_by_provider(self, drive: Callable[..., dict[str, Any]]) -> None:
        class Movie(BaseModel):
            year: int

        result = drive(agent(routing(), tools=[], response_format=ToolStrategy(Movie)))
        assert result["structured_response"] == Movie(year=3)
        assert chosen(result) == ["weak"]

        class Json(FakeChat):
            answer: str = '{"year": 1927}'

        pair = {"strong": Json(model="big"), "weak": Json(model="small")}
        result = drive(agent(routing(**pair), tools=[], response_format=ProviderStrategy(Movie)))
        assert result["structured_response"] == Movie(year=1927)
        assert chosen(result) == ["weak"]

    def test_a_model_that_cannot_call_tools_is_not_asked(self) -> None:
        facts = {name: Candidate(name, context_window=600) for name in ("strong", "weak")}
        modest = FakeChat(model="small", profile={"tool_calling": False})
        assert chosen(agent(routing(weak=modest)).invoke(ASK)) == ["strong", "strong"]
        with pytest.raises(NoCandidateError, match="exceed its window of 600"):
            agent(routing(candidates=facts)).invoke({"messages": [("user", "word " * 3000)]})

    def test_an_interrupt_goes_through_and_the_run_resumes(self, drive: Callable[..., dict[str, Any]]) -> None:
        @tool
        def approve(question: str) -> str:
            """Ask a person."""
            return str(interrupt(question))

        graph = agent(routing(), tools=[approve], checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "t"}}
        assert "__interrupt__" in drive(graph, ASK, config)
        result = drive(graph, Command(resume="yes"), config)
        assert [message.type for message in result["messages"]] == ["human", "ai", "tool", "ai"]
        assert result["messages"][2].content == "yes"

    def test_the_system_prompt_reaches_the_model_and_is_not_scored(self) -> None:
        small = Agentic(model="small")
        result = agent(routing(weak=small), system_prompt=HARD * 3).invoke(ASK)
        assert chosen(result) == ["weak", "weak"]
        assert [message.type for message in small.calls[0]] == ["system", "human"]
        assert small.calls[0][0].content == HARD * 3

    def test_settings_and_marks_of_another_provider_are_left_out(self) -> None:
        class Elsewhere(Agentic):
            def _get_ls_params(self, stop=None, **kwargs):
                return {**super()._get_ls_params(stop, **kwargs), "ls_provider": "openai"}

        sent: list[dict[str, Any]] = []

        class Watch(AgentMiddleware):
            def wrap_model_call(self, request, handler):
                sent.append(dict(request.model_settings))
                return handler(request.override(model_settings={}))

        class Outer(AgentMiddleware):
            def wrap_model_call(self, request, handler):
                own = {"cache_control": {"type": "ephemeral"}, "extra_headers": {"x-key": "k"}, "temperature": 0.2}
                return handler(request.override(model_settings=own))

        pair = {"strong": Elsewhere(model="big"), "weak": Elsewhere(model="small")}
        create_agent(FakeChat(), tools=[add], middleware=[Outer(), routing(**pair), Watch()]).invoke(ASK)
        create_agent(pair["weak"], tools=[add], middleware=[Outer(), routing(**pair), Watch()]).invoke(ASK)
        assert sent[0] == {"temperature": 0.2}
        assert sent[-1].keys() == {"cache_control", "extra_headers", "temperature"}, "the same provider keeps them"


class TestPhases:
    def test_a_model_stays_in_the_loop(self, drive: Callable[..., dict[str, Any]]) -> None:
        longer = agent(routing(strong=Agentic(model="big", rounds=3)))
        assert chosen(drive(longer, {"messages": [("user", HARD)]})) == ["strong"] * 4

    def test_a_failed_tool_escalates_and_the_loop_goes_on_there(self, drive: Callable[..., dict[str, Any]]) -> None:
        pair = {"strong": Agentic(model="big", rounds=3), "weak": Agentic(model="small", rounds=3)}
        result = drive(agent(routing(**pair), tools=[broken]))
        assert chosen(result) == ["weak", "strong", "strong", "strong"]
        decisions = [routing_decision(m) for m in result["messages"] if m.type == "ai"]
        assert [d.escalated_from for d in decisions] == [None, "weak", None, None]
        assert decisions[1].reason.startswith("strong takes over, for a tool failed")
        assert [d.stage for d in decisions] == ["plan", "recovery", "recovery", "recovery"]

    @pytest.mark.parametrize(
        ("phases", "expected"),
        [
            (Phases(recovery="stay"), ["weak"] * 4),
            (Phases(errors=2), ["weak", "weak", "strong", "strong"]),
            (Phases(recovery="route"), ["weak"] * 4),
            (Phases(plan="strong"), ["strong"] * 4),
            (Phases(plan="escalate", recovery="stay"), ["strong"] * 4),
            (Phases(tool_loop="escalate", recovery="stay"), ["weak"] * 4),
        ],
        ids=str,
    )
    def test_rules(self, phases: Phases, expected: list[str]) -> None:
        pair = {"strong": Agentic(model="big", rounds=3), "weak": Agentic(model="small", rounds=3)}
        assert chosen(agent(routing(**pair, phases=phases), tools=[broken]).invoke(ASK)) == expected

    def test_in_the_loop_a_rule_is_obeyed_upwards_alone(self) -> None:
        class Turning(PromptLength):
            """Finds the same question easy, then hard, then easy."""

            seen = 0

            def win_rate(self, texts, strong, weak):
                Turning.seen += bool(strong)
                return super().win_rate(texts, strong, weak) * 0 + [0.1, 0.9, 0.1, 0.1][max(Turning.seen - 1, 0)]

        turning = Router(router().pool, Turning(), router().policy)
        pair = {"strong": Agentic(model="big", rounds=3), "weak": Agentic(model="small", rounds=3)}
        rule = Phases(tool_loop="route")
        assert chosen(agent(routing(**pair, router=turning, phases=rule)).invoke(ASK)) == ["weak", *["strong"] * 3]

    def test_many_models_escalate_to_the_best_predicted(self) -> None:
        models = {name: Agentic(model=name, rounds=2) for name in ("a", "b", "c")}
        prices = {n: Candidate(n, input_price=p, output_price=p) for n, p in {"a": 9.0, "b": 3.0, "c": 1.0}.items()}
        many = RouterMiddleware(models=models, router=router(), candidates=prices, policy=Utility(1e-9))
        result = agent(many, tools=[broken]).invoke(ASK)
        assert chosen(result)[0] == "c"
        quality = routing_decision(result["messages"][1]).quality
        assert quality[chosen(result)[1]] == max(quality.values())

    def test_what_cannot_work_is_refused_with_the_mend(self) -> None:
        with pytest.raises(ConfigurationError, match="give one of stay, escalate, route"):
            Phases(tool_loop="weak")
        with pytest.raises(ConfigurationError, match="give 1 for the first failed tool call"):
            Phases(errors=0)
        with pytest.raises(ConfigurationError, match="give 'route', 'escalate' or one of strong, weak"):
            routing(phases=Phases(plan="medium"))
        with pytest.raises(ConfigurationError, match="give two chat models"):
            RouterMiddleware(strong=FakeChat())


def saved_twice(saver: Any, *, forget: bool = False) -> tuple[list[str], dict[str, Any]]:
    """Two turns of the user, each by an agent made anew, as after a restart; perhaps with the messages gone between."""
    config = {"configurable": {"thread_id": "t"}}
    agent(routing(), checkpointer=saver).invoke({"messages": [("user", HARD)]}, config)
    graph = agent(routing(), checkpointer=saver)
    if forget:
        gone = [RemoveMessage(id=message.id) for message in graph.get_state(config).values["messages"]]
        graph.update_state(config, {"messages": gone})
    result = graph.invoke({"messages": [("user", "hi " + "word " * 65)]}, config)
    return chosen(result), graph.get_state(config).values["router_turn"]


class TestConversations:
    @pytest.mark.parametrize("forget", [False, True], ids=["history kept", "history summarised away"])
    def test_a_conversation_goes_on_after_a_restart(self, forget: bool) -> None:
        models, turn = saved_twice(InMemorySaver(), forget=forget)
        assert models[-1] == "strong", "leaving would lose its prompt cache for less than it saves"
        assert turn["candidate"] == "strong"
        assert turn["cached_tokens"] > 0

    def test_the_same_in_a_database(self, tmp_path: Path) -> None:
        sqlite = pytest.importorskip(
            "langgraph.checkpoint.sqlite", reason="langgraph-checkpoint-sqlite is not installed"
        )
        with sqlite.SqliteSaver.from_conn_string(str(tmp_path / "agent.db")) as saver:
            models, turn = saved_twice(saver)
        assert models[-1] == turn["candidate"] == "strong"

    async def test_the_same_in_a_database_async(self, tmp_path: Path) -> None:
        pytest.importorskip("langgraph.checkpoint.sqlite", reason="langgraph-checkpoint-sqlite is not installed")
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        config = {"configurable": {"thread_id": "t"}}
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "agent.db")) as saver:
            await agent(routing(), checkpointer=saver).ainvoke({"messages": [("user", HARD)]}, config)
            state = (await agent(routing(), checkpointer=saver).aget_state(config)).values
        assert state["router_turn"]["candidate"] == "strong"

    def test_without_stay_each_turn_of_the_user_is_decided_anew(self) -> None:
        config = {"configurable": {"thread_id": "t"}}
        graph = agent(routing(stay=None), checkpointer=InMemorySaver())
        assert chosen(graph.invoke({"messages": [("user", HARD)]}, config)) == ["strong", "strong"]
        assert chosen(graph.invoke(ASK, config))[2:] == ["weak", "weak"]

    @pytest.mark.parametrize(
        ("configurable", "expected"),
        [
            ({"router_candidate": "strong"}, ["strong", "strong"]),
            ({"router_threshold": 0.0001}, ["strong", "strong"]),
            ({"router_policy": "Always('strong')"}, ["strong", "strong"]),
        ],
    )
    def test_one_run_can_ask_for_another_rule(
        self, heard: Callable[..., dict[str, Any]], configurable: dict[str, Any], expected: list[str]
    ) -> None:
        assert chosen(heard(agent(routing()), ASK, {"configurable": configurable})) == expected


class TestFailures:
    def test_another_model_is_asked_before_the_first_token(self, drive: Callable[..., dict[str, Any]]) -> None:
        class Busy(Agentic):
            def _reply(self, messages, stop, kwargs):
                raise TimeoutError("no answer in time")

        with RoutingRecorder() as recorder:
            result = drive(agent(routing(weak=Busy(model="small"))))
        assert chosen(result) == ["strong", "strong"]
        first = routing_decision(result["messages"][1])
        assert first.fallback_from == "weak"
        assert recorder.outcomes[0].attempts == 2

    def test_never_after_the_first_token(self) -> None:
        cut = Agentic(model="small", rounds=0, fails_after=2)
        big = Agentic(model="big", rounds=0)
        with pytest.raises(ConnectionError):
            list(agent(routing(weak=cut, strong=big)).stream(ASK, stream_mode="messages"))
        assert big.calls == []
        result = agent(routing(weak=cut, strong=big)).invoke(ASK)
        assert set(chosen(result)) == {"weak"}, "it fails only where it streams"

    def test_without_failover_and_for_a_bug_the_error_is_the_callers(self) -> None:
        class Busy(Agentic):
            def _reply(self, messages, stop, kwargs):
                raise TimeoutError("no answer in time")

        with pytest.raises(TimeoutError):
            agent(routing(weak=Busy(), failover=None)).invoke(ASK)
        with pytest.raises(RuntimeError, match="a bug"):
            agent(routing(weak=Agentic(fails="a bug"))).invoke(ASK)


class TestSettingUp:
    def test_models_by_name_as_init_chat_model_takes_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        made = RouterMiddleware(strong="openai:gpt-4.1", weak="openai:gpt-4.1-nano", strong_share=0.3)
        assert [candidate.model for candidate in made.router.pool] == ["gpt-4.1", "gpt-4.1-nano"]
        assert [type(model).__name__ for model in made.models.values()] == ["ChatOpenAI", "ChatOpenAI"]
        assert made.router.name == "default"

    def test_without_langchain_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "langchain.agents.middleware", None)
        monkeypatch.delitem(sys.modules, "langchain_router.middleware")
        monkeypatch.delitem(vars(langchain_router), "RouterMiddleware", raising=False)
        with pytest.raises(MissingExtraError, match=r'pip install "pointsman\[agents\]"'):
            _ = langchain_router.RouterMiddleware
