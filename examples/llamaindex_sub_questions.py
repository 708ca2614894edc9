"""A LlamaIndex sub-question engine: every part of a question is scored by its own words, and one bill has them all.

python examples/llamaindex_sub_questions.py                                  # stand-ins: no key, no network
STRONG=openai:gpt-4o WEAK=ollama:llama3.1 python examples/llamaindex_sub_questions.py
"""

from __future__ import annotations

import json

from llama_index.core import get_response_synthesizer
from llama_index.core.query_engine import SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.tools import QueryEngineTool
from llamaindex_common import handbook_index, print_bill, routed_llm

from llamaindex_router import RoutingRecorder
from pointsman.cli.demo.texts import answer_to, load_texts

SHELVES = {
    "passengers": (
        "The handbook on passengers, their animals and what they lose",
        ["Passengers, animals and lost property"],
    ),
    "staff": ("The handbook on hours, rest, pay and overtime", ["Hours of duty and rest", "Pay and overtime"]),
}
QUESTION = (
    "A guard who has just ended a nine-hour turn wants to travel home with a large dog: what may the dog do and cost, "
    "and when is the next turn?"
)
PARTS = {"passengers": load_texts().questions[1].prompt, "staff": load_texts().questions[4].prompt}


def answers(prompt: str) -> str:
    """A stand-in's answer: the parts of the question where it is asked for them, and at last both answers together."""
    if "sub_question" in prompt:
        listed = [{"sub_question": part, "tool_name": name} for name, part in PARTS.items()]
        return f"```json\n{json.dumps({'items': listed})}\n```"
    if QUESTION in prompt:
        return " ".join(answer_to(part) for part in PARTS.values())
    return answer_to(prompt)


llm = routed_llm(answers)
tools = [
    QueryEngineTool.from_defaults(handbook_index(titles).as_query_engine(llm=llm), name=name, description=description)
    for name, (description, titles) in SHELVES.items()
]
engine = SubQuestionQueryEngine.from_defaults(
    query_engine_tools=tools,
    question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
    response_synthesizer=get_response_synthesizer(llm=llm),
    llm=llm,
    use_async=False,
)
with RoutingRecorder() as recorder:
    print(f"\n{QUESTION}\n{engine.query(QUESTION)}\n")
print_bill(recorder)
