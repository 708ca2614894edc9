"""A LangChain chain whose model is a router.

    python examples/langchain_chain.py                                   # stand-ins: no key, no network
    python examples/langchain_chain.py openai:gpt-4o ollama:llama3.1     # real models

The stand-ins answer with the demo's texts; decisions, token counts and list prices are real with them, too.
"""

from __future__ import annotations

from langchain_common import print_bill, two_models
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_router import RoutedChatModel, RoutingRecorder
from pointsman.cli.demo.texts import load_texts

strong, weak = two_models()
model = RoutedChatModel(strong=strong, weak=weak, strong_share=0.5)
texts = load_texts().chain
chain = ChatPromptTemplate.from_template("{question}") | model | StrOutputParser()

with RoutingRecorder() as recorder:
    for question in (texts[4].prompt, texts[7].prompt):
        print(f"user: {question}\nassistant: ", end="")
        for piece in chain.stream({"question": question}):
            print(piece, end="", flush=True)
        print("\n")
print_bill(recorder)
