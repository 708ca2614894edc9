"""What LangSmith is sent, run by run, over its real client and every way in which that client sends runs."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers import LangChainTracer
from langchain_openai import ChatOpenAI

from langchain_router import RoutedChatModel
from pointsman import Threshold
from pointsman.experiments import ShadowRouter, SplitRouter
from pointsman.failover import Failover
from tests.support.langchain import HARD, FakeChat, add, priced, routed, router
from tests.support.langsmith_server import API_KEY, LangSmithServer, Posted, Style, langsmith_server
from tests.support.openai_server import openai_server

OPENAI_KEY = "sk-a-secret-too"
STYLES: tuple[Style, ...] = ("plain", "batch", "multipart", "zstd")
SCHEMA = {"title": "Movie", "type": "object", "properties": {"year": {"type": "integer"}}}
DECIDED = {"router_candidate", "router_win_rate", "router_threshold", "router_policy", "router_reason",
           "router_version", "router_decision_id"}  # fmt: skip
SPENT = {"router_cost_usd", "router_baseline_cost_usd", "router_saved_usd"}

Drive = Callable[[RoutedChatModel, dict[str, Any]], Any]


async def _gather(stream: Any) -> list[Any]:
    return [piece async for piece in stream]


DRIVES: dict[str, Drive] = {
    "invoke": lambda model, config: model.invoke("hi", config),
    "ainvoke": lambda model, config: asyncio.run(model.ainvoke("hi", config)),
    "stream": lambda model, config: list(model.stream("hi", config)),
    "astream": lambda model, config: asyncio.run(_gather(model.astream("hi", config))),
    "batch": lambda model, config: model.batch(["hi"], config),
    "abatch": lambda model, config: asyncio.run(model.abatch(["hi"], config)),
}


@contextmanager
def tracing(style: Style = "multipart") -> Iterator[tuple[LangSmithServer, dict[str, Any]]]:
    """A server, and a config that traces to it; on leaving, all has arrived."""
    with langsmith_server(style) as server:
        client = server.client()
        tracer = LangChainTracer(client=client, project_name="here")
        try:
            yield server, {"callbacks": [tracer]}
        finally:
            tracer.wait_for_futures()
            client.flush()
            client.cleanup()


def the_call(root: Posted) -> tuple[Posted, Posted]:
    """The router's run and, as the only one in it, the chosen model's."""
    (chain,) = (run for run in root.walk() if run.name == "RoutedChatModel")
    (model,) = chain.inside
    return chain, model


@pytest.mark.parametrize("style", STYLES)
def test_every_way_of_sending_arrives_as_the_same_tree(style: Style) -> None:
    if style == "zstd":
        pytest.importorskip("zstandard", reason="LangSmith's client compresses with zstandard, which is not installed")
    with tracing(style) as (server, config):
        routed().invoke("hi", config)
    assert [root.shape for root in server.roots] == [("chain RoutedChatModel", ["llm FakeChat"])]
    assert all(run.ended and run.error is None for run in server.roots[0].walk())
    sent = {"plain": "POST /runs", "batch": "POST /runs/batch"}.get(style, "POST /runs/multipart")
    assert server.paths[sent] > 0
    assert (server.paths["zstd"] > 0) is (style == "zstd")


@pytest.mark.parametrize("drive", DRIVES.values(), ids=DRIVES)
def test_the_two_runs_of_a_call(drive: Drive) -> None:
    with tracing() as (server, config):
        drive(routed(), config)
    (root,) = server.roots
    chain, model = the_call(root)
    assert (chain.kind, model.kind, chain is root) == ("chain", "llm", True)
    assert chain.metadata.keys() >= DECIDED | SPENT
    assert model.metadata.keys() >= DECIDED
    assert not model.metadata.keys() & SPENT, "what it cost is known when it has ended, and LangSmith prices it itself"
    assert (model.metadata["ls_provider"], model.metadata["ls_model_name"]) == ("fake", "small")
    assert not {key for key in chain.metadata if key.startswith("ls_")}, "LangSmith would price the router's run, too"
    assert {key: chain.metadata[key] for key in DECIDED} == {key: model.metadata[key] for key in DECIDED}


@pytest.mark.parametrize("drive", DRIVES.values(), ids=DRIVES)
def test_the_record_is_in_the_routers_outputs_and_usage_on_the_model_alone(drive: Drive) -> None:
    counter = UsageMetadataCallbackHandler()
    with tracing() as (server, config):
        drive(routed(), {"callbacks": [*config["callbacks"], counter]})
    chain, model = the_call(server.roots[0])
    record = chain.outputs["routing"]
    assert (record["id"], record["candidate"]) == (chain.metadata["router_decision_id"], "weak")
    assert record["outcome"]["cost_usd"] == chain.metadata["router_cost_usd"] > 0
    assert record["outcome"]["saved_usd"] == pytest.approx(
        chain.metadata["router_baseline_cost_usd"] - chain.metadata["router_cost_usd"]
    )
    usage = model.metadata["usage_metadata"]
    assert counter.usage_metadata == {"small": usage}, "counted once"
    assert (usage["input_tokens"], usage["output_tokens"]) == (2, 38)
    assert [run.name for run in chain.walk() if "usage_metadata" in run.metadata] == ["FakeChat"]
    assert "usage_metadata" not in chain.outputs


def test_in_a_chain_the_routers_run_is_one_step() -> None:
    chain = ChatPromptTemplate.from_template("Answer: {question}") | routed() | StrOutputParser()
    with tracing() as (server, config):
        "".join(chain.stream({"question": "hi"}, config))
    assert [root.shape for root in server.roots] == [
        (
            "chain RunnableSequence",
            ["prompt ChatPromptTemplate", ("chain RoutedChatModel", ["llm FakeChat"]), "parser StrOutputParser"],
        )
    ]


def test_structured_output_keeps_its_parser_beside_the_model() -> None:
    with tracing() as (server, config):
        assert routed().with_structured_output(SCHEMA).invoke("hi", config) == {"year": 3}
    (root,) = server.roots
    assert root.name == "RoutedChatModel"
    assert [run.name for run in root.walk() if run.kind == "llm"] == ["FakeChat"]
    assert root.outputs["output"] == {"year": 3}
    assert root.outputs["routing"]["outcome"]["estimated"] is False


def test_a_batch_is_one_trace_per_prompt_each_with_its_own_model() -> None:
    with tracing() as (server, config):
        routed().batch(["hi", HARD, "yes"], config)
    chosen = sorted(the_call(root)[1].metadata["ls_model_name"] for root in server.roots)
    assert chosen == ["big", "small", "small"]
    ids = {the_call(root)[0].metadata["router_decision_id"] for root in server.roots}
    assert len(ids) == 3


def test_an_error_ends_both_runs() -> None:
    with tracing() as (server, config), pytest.raises(RuntimeError):
        routed(weak=FakeChat(model="small", fails="out of order")).invoke("hi", config)
    chain, model = the_call(server.roots[0])
    assert "out of order" in str(chain.error)
    assert "out of order" in str(model.error)
    assert (chain.ended, model.ended) == (True, True)
    assert chain.metadata["router_candidate"] == "weak"


def test_a_model_that_failed_is_one_more_run_before_the_one_that_answered() -> None:
    class Busy(FakeChat):
        def _reply(self, *args: Any) -> Any:
            raise TimeoutError("no answer in time")

    with tracing() as (server, config):
        routed(weak=Busy(model="small"), failover=Failover()).invoke("hi", config)
    (chain,) = server.roots
    failed, answered = chain.inside
    assert [run.kind for run in chain.inside] == ["llm", "llm"]
    assert "no answer in time" in str(failed.error)
    assert [run.metadata["ls_model_name"] for run in (failed, answered)] == ["small", "big"]
    assert [run.metadata["router_candidate"] for run in (failed, answered, chain)] == ["weak", "strong", "strong"]
    assert chain.outputs["routing"]["fallback_from"] == "weak"
    assert chain.outputs["routing"]["outcome"]["attempts"] == 2
    assert ["usage_metadata" in run.metadata for run in (failed, answered)] == [False, True]
    assert chain.error is None


def test_real_clients_leave_no_key_in_a_trace() -> None:
    with openai_server() as openai, tracing() as (server, config):
        pair = {
            role: ChatOpenAI(model=name, api_key=OPENAI_KEY, base_url=openai.url)
            for role, name in {"strong": "gpt-4.1", "weak": "gpt-4.1-nano"}.items()
        }
        model = RoutedChatModel(**pair, router=router())
        model.invoke("hi", config)
        list(model.stream(HARD, config))
    calls = [the_call(root) for root in server.roots]
    assert [(m.metadata["ls_provider"], m.metadata["ls_model_name"]) for _, m in calls] == [
        ("openai", "gpt-4.1-nano"),
        ("openai", "gpt-4.1"),
    ]
    sent = b"".join(server.bodies).decode(errors="replace")
    assert "gpt-4.1-nano" in sent
    assert OPENAI_KEY not in sent
    assert API_KEY not in sent


AGENT_DRIVES: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "invoke": lambda agent, config: agent.invoke(ASKED, config),
    "ainvoke": lambda agent, config: asyncio.run(agent.ainvoke(ASKED, config)),
    "stream": lambda agent, config: list(agent.stream(ASKED, config, stream_mode="messages")),
    "astream": lambda agent, config: asyncio.run(_gather(agent.astream(ASKED, config, stream_mode="messages"))),
}
PROPAGATES = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph hands async nodes their callbacks from Python 3.11 on"
)
ASKED = {"messages": [("user", "What is 3 + 3?")]}


@pytest.mark.parametrize(
    "drive",
    [
        AGENT_DRIVES["invoke"],
        AGENT_DRIVES["stream"],
        pytest.param(AGENT_DRIVES["ainvoke"], marks=PROPAGATES),
        pytest.param(AGENT_DRIVES["astream"], marks=PROPAGATES),
    ],
    ids=["invoke", "stream", "ainvoke", "astream"],
)
def test_an_agents_calls_lie_in_its_one_trace_each_in_a_run_of_the_router(drive: Callable[..., Any]) -> None:
    agents = pytest.importorskip("langchain.agents", reason="agents need langchain")
    from langchain_router import RouterMiddleware

    pair = {"strong": FakeChat(model="big"), "weak": FakeChat(model="small")}
    routing = RouterMiddleware(**pair, router=router(), candidates=priced())
    counter = UsageMetadataCallbackHandler()
    with tracing() as (server, config):
        agent = agents.create_agent(FakeChat(model="not called"), tools=[add], middleware=[routing])
        drive(agent, {"callbacks": [*config["callbacks"], counter]})
    (root,) = server.roots
    chains = [run for run in root.walk() if run.name == "RouterMiddleware"]
    assert [[inner.shape for inner in chain.inside] for chain in chains] == [["llm FakeChat"]] * 2
    assert [run.name for run in root.walk() if run.kind == "llm"] == ["FakeChat", "FakeChat"], "no model call besides"
    assert [run.name for run in root.walk() if run.kind == "tool"] == ["add"]
    for chain in chains:
        (model,) = chain.inside
        assert chain.metadata.keys() >= DECIDED | SPENT
        assert (model.metadata["router_candidate"], model.metadata["ls_model_name"]) == ("weak", "small")
        assert chain.outputs["routing"]["id"] == model.metadata["router_decision_id"]
    used = [run.metadata["usage_metadata"] for run in root.walk() if "usage_metadata" in run.metadata]
    assert len(used) == 2, "on the models' runs alone"
    assert sum(usage["total_tokens"] for usage in used) == counter.usage_metadata["small"]["total_tokens"]


def test_the_arm_of_a_split_can_be_filtered_by_and_a_shadow_leaves_no_run() -> None:
    arms = SplitRouter({"a": router(0.5), "b": router(0.001)})
    shadowed = ShadowRouter(arms, router(), sink=lambda _: None)
    with tracing() as (server, config):
        model = routed(router=shadowed)
        for thread in range(6):
            model.invoke("hi", {**config, "configurable": {"thread_id": str(thread)}})
    assert shadowed.flush()
    calls = [the_call(root) for root in server.roots]
    assert {(m.metadata["router_arm"], m.metadata["ls_model_name"]) for _, m in calls} == {("a", "small"), ("b", "big")}
    assert {chain.metadata["router_arm"] for chain, _ in calls} == {"a", "b"}
    assert all(len(list(root.walk())) == 2 for root in server.roots)


def test_an_override_is_told_as_the_decision_had_it() -> None:
    with tracing() as (server, config):
        for rule in (Threshold(0.001), "Threshold(0.001)"):
            routed().invoke("hi", {**config, "configurable": {"router_policy": rule}})
    assert [root.metadata["router_policy"] for root in server.roots] == ["Threshold(0.001)"] * 2
    assert json.dumps(server.roots[0].metadata)


def test_prompts_are_in_inputs_and_nowhere_in_what_the_router_adds() -> None:
    with tracing() as (server, config):
        routed(candidates=priced()).invoke("a private question", config)
    chain, model = the_call(server.roots[0])
    assert "a private question" in json.dumps(chain.inputs), "LangSmith's own masking (hide_inputs) covers it"
    assert "private" not in json.dumps([chain.metadata, chain.outputs["routing"], model.metadata])
