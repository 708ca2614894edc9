"""A LlamaIndex agent with a tool: each run is scored by the user's words, and keeps its model while the tool answers.

    python examples/llamaindex_agent.py                                        # stand-ins: no key, no network
    python examples/llamaindex_agent.py openai:gpt-4o openai:gpt-4o-mini       # real models

LlamaIndex makes it a function calling agent where the models call functions, and a ReAct agent where they do not, as
the stand-ins.
"""

from __future__ import annotations

import asyncio
import json
import re

from llama_index.core.agent.workflow import AgentWorkflow
from llamaindex_common import handbook_index, print_bill, routed_llm

from llamaindex_router import RoutingRecorder
from pointsman.cli.demo.texts import answer_to, load_texts

retriever = handbook_index().as_retriever(similarity_top_k=1)


def handbook(question: str) -> str:
    """Looks up what the staff handbook of the Calder & Wend Railway says about a question."""
    passages = "\n".join(node.get_content() for node in retriever.retrieve(question))
    return f"On the question {question!r} the handbook says: {passages}"


def answers(prompt: str) -> str:
    """A stand-in's step: first it looks the question up, and then it answers."""
    if prompt.startswith("Observation:"):
        return f"Thought: I can answer without using any more tools.\nAnswer: {answer_to(_plain(prompt))}"
    return f"Thought: I look it up.\nAction: handbook\nAction Input: {json.dumps({'question': prompt})}"


def _plain(observation: str) -> str:
    """The question of an observation, as it was asked."""
    found = re.match(r"Observation: On the question (['\"])(.*?)\1 the handbook", observation, re.DOTALL)
    return observation if found is None else found.group(2).replace("\\'", "'")


async def main() -> None:
    """Ask an easy question and a hard one."""
    agent = AgentWorkflow.from_tools_or_functions([handbook], llm=routed_llm(answers))
    for question in (load_texts().questions[0].prompt, load_texts().questions[6].prompt):
        with RoutingRecorder() as recorder:
            print(f"user: {question}\nagent: {await agent.run(question)}\n")
        print_bill(recorder)


asyncio.run(main())
