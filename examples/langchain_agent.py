"""An agent with tools: `RouterMiddleware` chooses the model of each call, keeps it in the tool loop, and escalates.

    python examples/langchain_agent.py                                        # stand-ins: no key, no network
    python examples/langchain_agent.py openai:gpt-4o openai:gpt-4o-mini       # real models

The stand-ins follow rules that stand below. The weak one makes up a chapter's title, so that its tool fails and the
strong one takes over; the strong one reads the titles that the failed tool gave.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from langchain.agents import create_agent
from langchain_common import handbook_store, print_bill, two_models
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver

from langchain_router import RouterMiddleware, RoutingRecorder
from pointsman.cli.demo.models import WEAK
from pointsman.cli.demo.texts import answer_to, load_texts

CHAPTERS = {chapter.title: chapter.text for chapter in load_texts().handbook}
search = handbook_store()


@tool
def handbook(question: str) -> str:
    """Search the staff handbook of the Calder & Wend Railway."""
    return search.similarity_search(question, k=1)[0].page_content


@tool
def chapter(title: str) -> str:
    """Read one chapter of the handbook by its exact title."""
    if title not in CHAPTERS:
        raise ToolException(f"no chapter {title!r}; the chapters are: {'; '.join(CHAPTERS)}")
    return CHAPTERS[title]


chapter.handle_tool_error = True


def step(model: str, messages: Sequence[BaseMessage]) -> AIMessage:
    """A stand-in's next step: search, or read a chapter where the user asks for one, and then answer."""
    asked = next(str(message.text) for message in reversed(messages) if isinstance(message, HumanMessage))
    last = messages[-1]
    number = f"call_{len(messages)}"
    if isinstance(last, ToolMessage) and last.status != "error":
        return AIMessage(answer_to(asked))
    if "chapter" not in asked:
        return AIMessage("", tool_calls=[{"name": "handbook", "args": {"question": asked}, "id": number}])
    title = "Lost things" if model == WEAK else best_title(asked)
    return AIMessage("", tool_calls=[{"name": "chapter", "args": {"title": title}, "id": number}])


def best_title(asked: str) -> str:
    """The title that shares most words with the question."""
    words = set(re.findall(r"\w+", asked.lower()))
    return max(CHAPTERS, key=lambda title: len(words & set(re.findall(r"\w+", title.lower()))))


strong, weak = two_models(step)
router = RouterMiddleware(strong=strong, weak=weak, strong_share=0.5)
agent = create_agent(strong, tools=[handbook, chapter], middleware=[router], checkpointer=InMemorySaver())

questions = load_texts().questions
for thread, question in enumerate(
    (questions[0].prompt, questions[6].prompt, f"Look into the chapter on lost property. {questions[3].prompt}")
):
    config = {"configurable": {"thread_id": str(thread)}}
    with RoutingRecorder() as recorder:
        messages = agent.invoke({"messages": [("user", question)]}, config)["messages"]
    print(f"user: {question}")
    for message in messages[1:]:
        for call in getattr(message, "tool_calls", []):
            print(f"  calls {call['name']}({', '.join(map(repr, call['args'].values()))})")
    print(f"agent: {messages[-1].text}\n")
    print_bill(recorder)
