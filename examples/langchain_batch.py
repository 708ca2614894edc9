"""A batch job: all prompts are scored in one pass, then answered a few at a time; a failure does not stop the rest.

python examples/langchain_batch.py                                   # stand-ins: no key, no network
python examples/langchain_batch.py openai:gpt-4o ollama:llama3.1     # real models
"""

from __future__ import annotations

from langchain_common import print_bill, two_models

from langchain_router import RoutedChatModel, RoutingRecorder
from pointsman.cli.demo.texts import load_texts

strong, weak = two_models()
model = RoutedChatModel(strong=strong, weak=weak, strong_share=0.3)
prompts = [exchange.prompt for exchange in load_texts().chain]

with RoutingRecorder() as recorder:
    done = model.batch_as_completed(prompts, {"max_concurrency": 4}, return_exceptions=True)
    for number, (row, answer) in enumerate(done, start=1):
        told = f"failed: {answer}" if isinstance(answer, Exception) else f"{len(answer.text)} characters"
        print(f"{number}/{len(prompts)}  {prompts[row][:60]:60}  {told}")
print()
print_bill(recorder)
