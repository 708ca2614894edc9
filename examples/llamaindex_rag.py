"""A LlamaIndex query engine whose LLM is a router: the question is scored, and not the chapters stuffed around it.

    python examples/llamaindex_rag.py                                   # stand-ins: no key, no network
    python examples/llamaindex_rag.py openai:gpt-4o ollama:llama3.1     # real models

The stand-ins answer with the demo's texts; decisions, token counts and list prices are real with them, too.
"""

from __future__ import annotations

import sys

from llama_index.core import Document, VectorStoreIndex

from llamaindex_router import PointsmanEmbedding, RouterLLM, routing_decision, routing_totals
from pointsman.cli.demo.models import llm_pair
from pointsman.cli.demo.texts import load_texts
from pointsman.cli.output import usd

strong, weak = llm_pair(*(sys.argv[1:] or (None, None)))
chapters = [Document(text=chapter.text) for chapter in load_texts().handbook]
index = VectorStoreIndex.from_documents(chapters, embed_model=PointsmanEmbedding())
engine = index.as_query_engine(llm=RouterLLM(strong=strong, weak=weak, strong_share=0.5), similarity_top_k=2)

for question in (load_texts().questions[0].prompt, load_texts().questions[-2].prompt):
    response = engine.query(question)
    decision = routing_decision(response)
    saved = usd(routing_totals(response).saved_usd)
    print(f"{question}\n{response}")
    print(f"-> {decision.model}: {decision.reason}; saved {saved}\n")
