"""An A/B test with a shadow: two thresholds share the conversations; a third router decides along and is not obeyed.

python examples/langchain_ab.py                                   # stand-ins: no key, no network
python examples/langchain_ab.py openai:gpt-4o ollama:llama3.1     # real models

Each conversation is one arm's by a stable hash of its thread, on every machine and after every restart. The arm is on
each decision and, as `router_arm`, in the metadata of each run, so LangSmith can chart the two side by side.
"""

from __future__ import annotations

from bill import print_decisions, print_totals
from langchain_common import two_models

from langchain_router import RoutedChatModel, RoutingRecorder
from langchain_router.roster import pool_of
from pointsman import PromptLength, Router, Threshold, load_router
from pointsman.cli.demo.texts import load_texts
from pointsman.experiments import Shadowed, ShadowRouter, SplitRouter
from pointsman.records import Totals

strong, weak = two_models()
pool = pool_of({"strong": strong, "weak": weak}, None, "default")
learned = load_router("default", pool)
arms = {
    "thrifty": learned.with_policy(Threshold(learned.threshold_for_share(0.2))),
    "generous": learned.with_policy(Threshold(learned.threshold_for_share(0.6))),
}
watched: list[Shadowed] = []
by_length = Router(pool, PromptLength(), Threshold(0.1))
router = ShadowRouter(SplitRouter(arms, name="share-2026-11"), by_length, sink=watched.append)
model = RoutedChatModel(strong=strong, weak=weak, router=router, stay=None)

with RoutingRecorder() as recorder:
    for number, exchange in enumerate(load_texts().chain):
        model.invoke(exchange.prompt, {"configurable": {"thread_id": f"customer-{number}"}})
print_decisions(recorder.decisions, recorder.outcomes)

outcomes = {outcome.decision_id: outcome for outcome in recorder.outcomes}
for arm in arms:
    totals = Totals()
    for decision in recorder.decisions:
        if decision.arm == arm:
            totals.add(decision, outcomes[decision.id])
    print(f"\narm {arm}", end="")
    print_totals(totals)

router.flush()
agreed = sum(pair.agree for pair in watched)
print(f"shadow (prompt length): agrees on {agreed} of {len(watched)}; dropped {router.dropped}, failed {router.failed}")
