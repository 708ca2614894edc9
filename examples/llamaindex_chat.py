"""A LlamaIndex chat engine: each turn is scored, and the step that condenses the conversation goes to the weak model.

python examples/llamaindex_chat.py                                   # stand-ins: no key, no network
STRONG=openai:gpt-4o WEAK=ollama:llama3.1 python examples/llamaindex_chat.py
"""

from __future__ import annotations

from llama_index.core.chat_engine.types import ChatMode
from llamaindex_common import handbook_index, print_bill, routed_llm

from llamaindex_router import RoutingRecorder
from pointsman.cli.demo.texts import answer_to, load_texts

_LAST_TURN = "Follow Up Input:"
"""How core's condensing prompt introduces what the user has just said."""


def answers(prompt: str) -> str:
    """A stand-in's answer; a turn that it is to condense it gives back as it is."""
    before, found, after = prompt.rpartition(_LAST_TURN)
    return after.strip().splitlines()[0] if found and before else answer_to(prompt)


engine = handbook_index().as_chat_engine(
    chat_mode=ChatMode.CONDENSE_PLUS_CONTEXT, llm=routed_llm(answers), similarity_top_k=2
)
questions = load_texts().questions
with RoutingRecorder() as recorder:
    for turn in (questions[1].prompt, questions[3].prompt, questions[5].prompt):
        print(f"user: {turn}\nassistant: {engine.chat(turn)}\n")
print_bill(recorder)
