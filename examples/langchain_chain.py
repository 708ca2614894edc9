"""A LangChain chain whose model is a router.

    python examples/langchain_chain.py                                   # stand-ins: no key, no network
    python examples/langchain_chain.py openai:gpt-4o ollama:llama3.1     # real models

The stand-ins answer with the demo's texts; decisions, token counts and list prices are real with them, too.
"""

from __future__ import annotations

import sys

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_router import RoutedChatModel, RoutingRecorder
from pointsman.cli.demo.models import chat_pair
from pointsman.cli.output import usd

strong, weak = chat_pair(*(sys.argv[1:] or (None, None)))
model = RoutedChatModel(strong=strong, weak=weak, strong_share=0.5)
chain = ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()

with RoutingRecorder() as recorder:
    for question in ("What is 17 * 6?", "Prove that there are infinitely many primes of the form 4k + 3."):
        for piece in chain.stream({"question": question}):
            print(piece, end="", flush=True)
        print(f"\n-> {recorder.decisions[-1].model}: {recorder.decisions[-1].reason}\n")

print(f"cost {usd(recorder.totals.cost_usd)}, saved {usd(recorder.totals.saved_usd)}")
