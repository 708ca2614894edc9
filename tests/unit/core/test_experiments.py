"""Experiments: an A/B split that stays put, and a shadow that nobody feels."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
import time
from collections import Counter

import pytest

from pointsman import Always, Candidate, Pool, PromptLength, Query, RandomScorer, Router, Threshold
from pointsman.errors import ConfigurationError, PolicyError
from pointsman.experiments import Shadowed, ShadowRouter, SplitRouter, arm_of
from tests.support.core import pair

HARD = "Prove it, step by step, and say where each step comes from. " * 12


def by_length(threshold: float = 0.5) -> Router:
    return Router(pair(), PromptLength(), Threshold(threshold))


def always(name: str) -> Router:
    return Router(pair(), PromptLength(), Always(name))


def split(**settings: object) -> SplitRouter:
    return SplitRouter({"control": by_length(0.0), "cheap": by_length(1.0)}, **settings)


class TestArms:
    def test_an_arm_is_the_same_on_every_machine(self) -> None:
        arms = [arm_of(f"thread-{i}", {"a": 1, "b": 1}, name="exp") for i in range(12)]
        assert "".join(arms) == "abbbabaabbbb", "sha256 of name, zero byte, key, as any other tool computes it"

    def test_shares_are_the_weights(self) -> None:
        weights = {"a": 70, "b": 20, "c": 10, "off": 0}
        found = Counter(arm_of(str(i), weights) for i in range(20_000))
        assert "off" not in found
        for arm, weight in weights.items():
            assert found[arm] / 20_000 == pytest.approx(weight / 100, abs=0.012)  # 3.7 standard errors of the widest

    def test_another_name_deals_anew(self) -> None:
        pairs = Counter((arm_of(str(i), {"a": 1, "b": 1}, name="x"), arm_of(str(i), {"a": 1, "b": 1}, name="y"))
                        for i in range(4000))  # fmt: skip
        assert all(abs(count / 4000 - 0.25) < 0.03 for count in pairs.values())
        assert len(pairs) == 4

    @pytest.mark.parametrize("weights", [{"a": -1.0, "b": 2.0}, {"a": 0.0, "b": 0.0}, {"a": float("nan"), "b": 1.0}])
    def test_weights_that_are_none(self, weights: dict[str, float]) -> None:
        with pytest.raises(ConfigurationError, match="at least one of them above 0"):
            arm_of("k", weights)


class TestSplit:
    def test_a_conversation_stays_in_its_arm_and_the_decision_says_which(self) -> None:
        router = split()
        for thread in map(str, range(20)):
            decisions = [router.decide(Query(text, conversation=thread)) for text in ("hi", HARD, "what?")]
            (arm,) = {decision.arm for decision in decisions}
            assert arm == router.arm(Query("anything", conversation=thread))
            assert {d.candidate for d in decisions} == {"strong" if arm == "control" else "weak"}
        assert {router.decide(Query("hi", conversation=str(i))).arm for i in range(20)} == {"control", "cheap"}

    def test_without_a_conversation_the_text_decides(self) -> None:
        router = split()
        assert len({router.decide("the same question").arm for _ in range(5)}) == 1
        assert {router.decide(f"question {i}").arm for i in range(20)} == {"control", "cheap"}

    def test_a_batch_is_what_single_calls_are(self) -> None:
        router, queries = split(weights={"control": 3, "cheap": 1}), [f"question {i}" for i in range(30)]
        one_by_one = [(d.arm, d.candidate) for d in map(router.decide, queries)]
        assert [(d.arm, d.candidate) for d in router.decide_batch(queries)] == one_by_one
        assert router.decide_batch([]) == []

    def test_over_other_models_and_with_another_policy_it_is_still_the_split(self) -> None:
        pool = Pool.pair(Candidate("strong", model="gpt-4o"), Candidate("weak", model="gpt-4o-mini"))
        moved = split().with_pool(pool)
        assert moved.decide("hi").model in ("gpt-4o", "gpt-4o-mini")
        assert [moved.decide(f"{i}").arm for i in range(9)] == [split().decide(f"{i}").arm for i in range(9)]
        forced = split().with_policy(Always("weak"))
        assert {(d.candidate, d.forced) for d in forced.decide_batch([str(i) for i in range(9)])} == {("weak", True)}

    def test_after_a_failure_the_arm_says_who_is_next(self) -> None:
        router = split()
        decision = next(d for i in range(20) if (d := router.decide(str(i))).arm == "cheap")
        instead = router.instead(decision, {"weak": "rate limit"})
        assert instead is not None
        assert (instead.candidate, instead.arm, instead.fallback_from) == ("strong", "cheap", "weak")

    def test_what_cannot_work_is_refused_with_the_mend(self) -> None:
        with pytest.raises(ConfigurationError, match="needs two arms or more"):
            SplitRouter({"a": by_length()})
        with pytest.raises(ConfigurationError, match="give one to each arm"):
            split(weights={"control": 1.0})
        other = Router(Pool.pair("big", "small"), PromptLength(), Threshold(0.5))
        with pytest.raises(ConfigurationError, match=r"give all arms one pool, with Router\.with_pool"):
            SplitRouter({"a": by_length(), "b": other})
        with pytest.raises(PolicyError, match="set it on each arm's router"):
            split().threshold_for_share(0.3)
        with pytest.raises(ConfigurationError, match="save the routers in it"):
            split().save("nowhere")
        with pytest.raises(ConfigurationError, match="adapt one of the routers in it"):
            split().adapt(None)

    async def test_a_slow_arm_does_not_block_the_loop(self) -> None:
        class Slow(PromptLength):
            instant = False
            thread = ""

            def quality(self, texts):
                Slow.thread = threading.current_thread().name
                return super().quality(texts)

        router = SplitRouter({"a": by_length(), "b": Router(pair(), Slow(), Threshold(0.5))}, weights={"a": 0, "b": 1})
        await router.adecide("hi")
        assert Slow.thread != threading.current_thread().name


class TestShadow:
    def test_it_decides_the_same_queries_and_is_not_obeyed(self) -> None:
        seen: list[Shadowed] = []
        router = ShadowRouter(always("strong").with_policy(Threshold(0.0)), by_length(1.0), sink=seen.append)
        decisions = router.decide_batch(["hi", HARD])
        assert router.flush()
        assert [d.candidate for d in decisions] == ["strong", "strong"]
        assert [(p.decision, p.shadow.id, p.shadow.candidate, p.agree) for p in seen] == [
            (decision, decision.id, "weak", False) for decision in decisions
        ]
        assert "Prove" not in repr(seen), "no prompt text"

    def test_a_slow_shadow_is_off_the_hot_path_and_a_full_queue_drops(self) -> None:
        gate, started = threading.Event(), threading.Event()

        class Stuck(PromptLength):
            def quality(self, texts):
                started.set()
                gate.wait(10)
                return super().quality(texts)

        shadow = Router(pair(), Stuck(), Threshold(0.5))
        router = ShadowRouter(by_length(), shadow, sink=lambda _: None, room=2)
        router.decide("first")
        assert started.wait(5)
        before = time.perf_counter()
        for i in range(10):
            router.decide(f"later {i}")
        assert time.perf_counter() - before < 2
        assert (router.dropped, router.failed) == (8, 0)
        assert router.flush(timeout_s=0.05) is False
        gate.set()
        assert router.flush()

    def test_what_the_shadow_raises_reaches_no_call(self, caplog: pytest.LogCaptureFixture) -> None:
        class Broken(PromptLength):
            def quality(self, texts):
                raise RuntimeError("out of memory")

        router = ShadowRouter(by_length(), Router(pair(), Broken(), Threshold(0.5)))
        with caplog.at_level(logging.WARNING, logger="pointsman.shadow"):
            decision = router.decide("hi")
            assert router.flush()
        assert (decision.candidate, router.failed) == ("weak", 1)
        assert decision.id in caplog.text
        assert "out of memory" in caplog.text
        sinking = ShadowRouter(by_length(), by_length(), sink=lambda _: 1 / 0)
        sinking.decide("hi")
        assert sinking.flush()
        assert sinking.failed == 1

    def test_it_logs_by_default_without_the_prompt(self, caplog: pytest.LogCaptureFixture) -> None:
        router = ShadowRouter(by_length(), by_length(0.0))
        with caplog.at_level(logging.INFO, logger="pointsman.shadow"):
            decision = router.decide("a secret question")
            assert router.flush()
        assert f"decision {decision.id}: weak, shadow chose strong" in caplog.text
        assert "secret" not in caplog.text

    def test_a_share_of_the_conversations_and_no_forced_call(self) -> None:
        seen: list[Shadowed] = []
        router = ShadowRouter(by_length(), by_length(), sink=seen.append, share=0.25, room=5000)
        router.decide_batch([str(i) for i in range(2000)])
        assert router.flush()
        assert len(seen) / 2000 == pytest.approx(0.25, abs=0.04)
        seen.clear()
        everything = ShadowRouter(by_length(), by_length(), sink=seen.append)
        everything.with_policy(Always("strong")).decide("hi")
        assert everything.flush()
        assert seen == []

    def test_over_other_models_both_move_and_counts_go_on(self) -> None:
        seen: list[Shadowed] = []
        router = ShadowRouter(by_length(), by_length(0.0), sink=seen.append)
        pool = Pool.pair(Candidate("strong", model="gpt-4o"), Candidate("weak", model="gpt-4o-mini"))
        moved = router.with_pool(pool, Threshold(1.0))
        assert moved.decide(HARD).model == "gpt-4o-mini"
        assert router.flush(), "one queue for both"
        assert seen[0].shadow.model == "gpt-4o", "the shadow keeps its policy"

    def test_a_share_as_a_threshold_is_the_routers(self) -> None:
        router = ShadowRouter(Router(pair(), RandomScorer(), Threshold(0.5)), by_length())
        assert router.threshold_for_share(0.25) == pytest.approx(0.75)

    def test_a_copy_in_another_process_has_a_thread_of_its_own(self) -> None:
        router = pickle.loads(pickle.dumps(ShadowRouter(by_length(), by_length(0.0))))  # noqa: S301  # our own bytes
        asyncio.run(router.adecide("hi"))
        assert router.flush()
        assert (router.dropped, router.failed) == (0, 0)

    def test_a_split_may_be_shadowed(self) -> None:
        seen: list[Shadowed] = []
        router = ShadowRouter(split(), by_length(), sink=seen.append)
        arm = router.decide("hi").arm
        assert router.flush()
        assert [pair.decision.arm for pair in seen] == [arm]

    @pytest.mark.parametrize("settings", [{"share": 1.5}, {"room": 0}])
    def test_what_cannot_work_is_refused(self, settings: dict[str, float]) -> None:
        with pytest.raises(ConfigurationError, match="give a share of calls"):
            ShadowRouter(by_length(), by_length(), **settings)
