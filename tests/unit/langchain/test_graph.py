"""Inside LangGraph and LangChain's agents: tokens once, tools, a conversation's key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

from langchain_router import RoutingRecorder, routing_decision
from pointsman import Pool, PromptLength, Query, Router, Threshold
from pointsman.decision import Decision
from tests.support.langchain import HARD, FakeChat, add, routed


class Asked(Router):
    """Remembers the queries."""

    queries: list[Query] = []  # noqa: RUF012  # shared by the routers made from it

    def decide_batch(self, queries: Sequence[Query | str], **options: Any) -> list[Decision]:
        self.queries.extend(Query.of(query) for query in queries)
        return super().decide_batch(queries, **options)


def graph(model: Any, **options: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_edge(START, "ask")
    return builder.compile(**options)


def test_tokens_stream_once_with_the_decision_in_their_metadata() -> None:
    parts = list(graph(routed()).stream({"messages": [("user", "hi")]}, stream_mode="messages"))
    text = "".join(str(message.content) for message, _ in parts if isinstance(message, AIMessageChunk))
    assert text == "small says: an answer of several words"
    assert not [m for m, _ in parts if isinstance(m, AIMessage) and not isinstance(m, AIMessageChunk)]
    assert {metadata["router_candidate"] for _, metadata in parts} == {"weak"}


async def test_async_nodes_stream_once_too() -> None:
    builder = StateGraph(MessagesState)
    model = routed()

    async def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder.add_node("ask", ask)
    builder.add_edge(START, "ask")
    parts = [p async for p in builder.compile().astream({"messages": [("user", HARD)]}, stream_mode="messages")]
    assert "".join(str(m.content) for m, _ in parts) == "big says: an answer of several words"


def test_a_tag_that_silences_a_model_silences_the_router() -> None:
    parts = list(graph(routed(tags=["nostream"])).stream({"messages": [("user", "hi")]}, stream_mode="messages"))
    assert not [m for m, _ in parts if isinstance(m, AIMessageChunk)]


def test_the_record_survives_a_checkpoint() -> None:
    saved = graph(routed(), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t1"}}
    saved.invoke({"messages": [("user", "hi")]}, config)
    last = saved.get_state(config).values["messages"][-1]
    decision = routing_decision(last)
    assert decision is not None
    assert decision.candidate == "weak"


def test_the_thread_is_the_conversation() -> None:
    Asked.queries.clear()
    pool = Pool.pair("strong", "weak")
    model = routed()
    model._desk = model._desk._replace(router=Asked(pool, PromptLength(), Threshold(0.5)))
    saved = graph(model, checkpointer=InMemorySaver())
    saved.invoke({"messages": [("user", "hi")]}, {"configurable": {"thread_id": "t1"}})
    assert [query.conversation for query in Asked.queries] == ["t1"]


def test_an_agent_runs_its_tools_and_every_call_is_on_the_record() -> None:
    agent = create_agent(routed(), tools=[add])
    with RoutingRecorder() as seen:
        messages = agent.invoke({"messages": [("user", "What is 3 + 3?")]})["messages"]
    assert [message.type for message in messages] == ["human", "ai", "tool", "ai"]
    assert messages[2].content == "6"
    assert all(routing_decision(message) for message in messages if message.type == "ai")
    assert (seen.totals.calls, seen.totals.by_candidate) == (2, {"weak": 2})


def test_a_graph_with_a_tool_node() -> None:
    builder = StateGraph(MessagesState)
    model = routed().bind_tools([add])
    builder.add_node("ask", lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_node("tools", ToolNode([add]))
    builder.add_edge(START, "ask")
    builder.add_edge("ask", "tools")
    assert builder.compile().invoke({"messages": [("user", "hi")]})["messages"][-1].content == "6"


def test_a_graph_that_has_shown_tokens_asks_nobody_else() -> None:
    strong = FakeChat(model="big")
    model = routed(weak=FakeChat(model="small", fails_after=2), strong=strong)
    parts = graph(model).stream({"messages": [("user", "hi")]}, stream_mode="messages")
    shown = [str(next(parts)[0].content) for _ in range(2)]
    with pytest.raises(ConnectionError):
        next(parts)
    assert (shown, strong.calls) == (["small", " says:"], [])


def test_a_graph_that_has_shown_nothing_gets_the_other_models_answer() -> None:
    model = routed(weak=FakeChat(model="small", fails_after=0))
    parts = list(graph(model).stream({"messages": [("user", "hi")]}, stream_mode="messages"))
    assert "".join(str(message.content) for message, _ in parts) == "big says: an answer of several words"
    assert {metadata["router_candidate"] for _, metadata in parts} == {"strong"}
