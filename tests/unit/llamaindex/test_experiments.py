"""An A/B test and a shadow go where a router goes."""

from __future__ import annotations

import pytest

pytest.importorskip("llama_index.core", reason="the plugin needs the llamaindex extra")

from llamaindex_router import RouterLLM, RoutingRecorder
from pointsman import Candidate, Pool, PromptLength, Router, Threshold
from pointsman.cli.demo.standin_llm import StandInLLM
from pointsman.experiments import Shadowed, ShadowRouter, SplitRouter


def test_a_split_with_a_shadow_routes_a_llamaindex_llm() -> None:
    pool = Pool.pair(Candidate("strong", model="gpt-4o"), Candidate("weak", model="gpt-4o-mini"))
    arms = {name: Router(pool, PromptLength(), Threshold(cut)) for name, cut in (("dear", 0.0), ("cheap", 1.0))}
    seen: list[Shadowed] = []
    router = ShadowRouter(SplitRouter(arms), Router(pool, PromptLength(), Threshold(0.5)), sink=seen.append)
    llm = RouterLLM(strong=StandInLLM(model="gpt-4o"), weak=StandInLLM(model="gpt-4o-mini"), router=router)
    with RoutingRecorder() as recorder:
        for number in range(8):
            llm.complete(f"What is {number} * 6?")
    assert router.flush()
    chosen = {(decision.arm, decision.candidate) for decision in recorder.decisions}
    assert chosen == {("dear", "strong"), ("cheap", "weak")}
    assert [pair.decision.id for pair in seen] == [decision.id for decision in recorder.decisions]
    assert {pair.shadow.candidate for pair in seen} == {"weak"}
