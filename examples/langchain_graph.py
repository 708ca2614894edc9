"""A LangGraph graph: search, answer and check; tokens stream as they come, and the conversation keeps its model.

python examples/langchain_graph.py                                   # stand-ins: no key, no network
python examples/langchain_graph.py openai:gpt-4o ollama:llama3.1     # real models

The check is a plain rule: who is asked how much must name a number. Where the answer does not, the question goes to the
strong model by name.
"""

from __future__ import annotations

import re
from typing import Any

from langchain_common import handbook_store, print_bill, two_models
from langchain_core.messages import AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from langchain_router import RoutedChatModel, RoutingRecorder, routing_decision
from pointsman.cli.demo.texts import answer_to, load_texts


def evasive(prompt: str) -> str:
    """The weak stand-in's answer: it evades one question, so that the check has something to find."""
    return "That depends on the day." if "notice" in prompt else answer_to(prompt)


strong, weak = two_models(weak_answers=evasive)
model = RoutedChatModel(strong=strong, weak=weak, strong_share=0.5)
store = handbook_store()


FIGURE = re.compile(r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|thirty|ninety)\b")


class State(MessagesState):
    """The conversation, and what was found for its last question."""

    found: str


def search(state: State) -> dict[str, Any]:
    found = store.similarity_search(str(state["messages"][-1].text), k=2)
    return {"found": "\n\n".join(document.page_content for document in found)}


def answer(state: State, config: RunnableConfig) -> dict[str, Any]:
    return {"messages": [model.invoke([SystemMessage(state["found"]), *state["messages"]], config)]}


def sound(state: State) -> str:
    *_, question, said = state["messages"]
    needs_figures = re.search(r"how (?:much|long|many)", str(question.text).lower())
    decision = routing_decision(said)
    already_strong = decision is not None and decision.candidate == "strong"
    return END if already_strong or not needs_figures or FIGURE.search(said.text) else "ask_the_strong_one"


def ask_the_strong_one(state: State, config: RunnableConfig) -> dict[str, Any]:
    forced = {**config, "configurable": {**config["configurable"], "router_candidate": "strong"}}
    asked = [message for message in state["messages"] if isinstance(message, HumanMessage)][-1]
    return {"messages": [model.invoke([SystemMessage(state["found"]), asked], forced)]}


builder = StateGraph(State)
builder.add_node("search", search)
builder.add_node("answer", answer)
builder.add_node("ask_the_strong_one", ask_the_strong_one)
builder.add_edge(START, "search")
builder.add_edge("search", "answer")
builder.add_conditional_edges("answer", sound, ["ask_the_strong_one", END])
graph = builder.compile(checkpointer=InMemorySaver())

questions = load_texts().questions
config: RunnableConfig = {"configurable": {"thread_id": "1"}}
with RoutingRecorder() as recorder:
    for question in (questions[0].prompt, questions[2].prompt, questions[7].prompt):
        print(f"user: {question}\nassistant:", end=" ")
        for message, _ in graph.stream({"messages": [("user", question)]}, config, stream_mode="messages"):
            if isinstance(message, AIMessageChunk):
                print(message.text, end="\n" if message.chunk_position == "last" else "", flush=True)
        print()
print_bill(recorder)
