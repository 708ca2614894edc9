"""A scorer that asks a model: its calls are runs beside the answer, which no reader of the answer sees."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langgraph.graph import START, MessagesState, StateGraph

from langchain_router import RoutedChatModel
from pointsman import Pool, Router, Threshold
from pointsman.scorers.chat_logprobs import ChatLogprobScorer
from tests.support.langchain import FakeChat, Recording, routed


def asking(scored_by: FakeChat, **settings: Any) -> RoutedChatModel:
    """A router whose scorer asks a chat model, as `ChatLogprobScorer.from_langchain` does, and finds all easy."""

    def ask(messages: list[dict[str, str]]) -> dict[str, float]:
        scored_by.invoke(messages)
        return {"5": -0.01}

    pool = Pool.pair("strong", "weak")
    return routed(router=Router(pool, ChatLogprobScorer(("strong", "weak"), ask), Threshold(0.5)), **settings)


DRIVES = {
    "invoke": lambda model, config: model.invoke("hi", config),
    "stream": lambda model, config: list(model.stream("hi", config)),
    "ainvoke": lambda model, config: asyncio.run(model.ainvoke("hi", config)),
}


@pytest.mark.parametrize("drive", DRIVES.values(), ids=DRIVES)
def test_the_scorers_call_is_a_child_run_out_of_the_stream(drive: Any) -> None:
    seen = Recording()
    drive(asking(FakeChat(model="judge")), {"callbacks": [seen]})
    ((chain, _, _),) = seen.named("chain_start")
    judge, answer = seen.named("chat_model_start")
    assert (judge[1], answer[1]) == (chain, chain)
    assert judge[2]["metadata"]["ls_model_name"] == "judge"
    assert "nostream" in judge[2]["tags"]
    assert judge[2]["metadata"]["ls_message_view_exclude"] is True
    assert "nostream" not in answer[2]["tags"]
    assert "ls_message_view_exclude" not in answer[2]["metadata"]


def test_in_a_batch_too() -> None:
    seen = Recording()
    asking(FakeChat(model="judge")).batch(["hi", "yes", "no"], {"callbacks": [seen]})
    judged = [data for _, _, data in seen.named("chat_model_start") if data["metadata"]["ls_model_name"] == "judge"]
    assert len(judged) == 3
    assert all("nostream" in data["tags"] for data in judged)


@pytest.mark.parametrize("asynchronous", [False, pytest.param(True, marks=pytest.mark.skipif(
    sys.version_info < (3, 11), reason="LangGraph hands async nodes their config from Python 3.11 on"))])  # fmt: skip
async def test_in_a_graph_only_the_answer_streams(asynchronous: bool) -> None:
    model = asking(FakeChat(model="judge", answer="never to be seen"))
    builder = StateGraph(MessagesState)

    async def aask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    builder.add_node("ask", aask if asynchronous else lambda state: {"messages": [model.invoke(state["messages"])]})
    builder.add_edge(START, "ask")
    graph, given = builder.compile(), {"messages": [("user", "hi")]}
    if asynchronous:
        parts = [part async for part in graph.astream(given, stream_mode="messages")]
    else:
        parts = list(graph.stream(given, stream_mode="messages"))
    text = "".join(str(message.content) for message, _ in parts if isinstance(message, AIMessageChunk))
    assert text == "small says: an answer of several words"
