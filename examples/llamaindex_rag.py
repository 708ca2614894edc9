"""A LlamaIndex query engine whose LLM is a router: the question is scored, and not the chapters stuffed around it.

python examples/llamaindex_rag.py                                   # stand-ins: no key, no network
python examples/llamaindex_rag.py openai:gpt-4o ollama:llama3.1     # real models
"""

from __future__ import annotations

from llamaindex_common import handbook_index, print_bill, routed_llm

from llamaindex_router import RoutingRecorder
from pointsman.cli.demo.texts import load_texts

engine = handbook_index().as_query_engine(llm=routed_llm(), similarity_top_k=2, streaming=True)

for question in (load_texts().questions[0].prompt, load_texts().questions[-2].prompt):
    with RoutingRecorder() as recorder:
        print(question)
        engine.query(question).print_response_stream()
    print("\n")
    print_bill(recorder)
