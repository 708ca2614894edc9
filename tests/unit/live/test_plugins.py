"""Routers that look at their traffic, in both plugins."""

import warnings

import numpy as np
import pytest

from pointsman import Candidate, Pool, PromptLength, Router, Threshold, calibrate
from pointsman.live import DriftWarning, SlidingRouter, WatchedRouter

pytest.importorskip("langchain_core")
pytest.importorskip("llama_index.core")

from langchain_core.callbacks import BaseCallbackHandler

from langchain_router import RoutedChatModel, routing_decision
from llamaindex_router import RouterLLM
from llamaindex_router import routing_decision as decision_of
from tests.support.langchain import FakeChat
from tests.support.llamaindex import ScriptedLLM

POOL = Pool.pair(Candidate("strong", model="big"), Candidate("weak", model="small"))
RNG = np.random.default_rng(0)
USUAL, LONG = (["why " * n for n in RNG.integers(*span, 400)] for span in ((1, 20), (30, 60)))


def through_langchain(router):
    chat = RoutedChatModel(strong=FakeChat(model="big"), weak=FakeChat(model="small"), router=router)
    return lambda text: routing_decision(chat.invoke(text))


def through_llamaindex(router):
    llm = RouterLLM(strong=ScriptedLLM(name="big"), weak=ScriptedLLM(name="small"), router=router)
    return lambda text: decision_of(llm.complete(text))


@pytest.fixture
def router():
    plain = Router(POOL, PromptLength(midpoint=30.0), Threshold(0.5))
    return plain.with_calibration(calibrate(plain, USUAL, share=0.3))


@pytest.mark.parametrize("plugin", [through_langchain, through_llamaindex])
def test_the_share_stays_through_a_change(plugin, router):
    ask = plugin(SlidingRouter(router, 0.3))
    strong = [ask(text).candidate == "strong" for text in USUAL[:150] + LONG[:150]]
    assert np.mean(strong) == pytest.approx(0.3, abs=0.04)
    fixed = plugin(router)
    assert np.mean([fixed(text).candidate == "strong" for text in LONG[:20]]) == 1.0


@pytest.mark.parametrize("plugin", [through_langchain, through_llamaindex])
def test_drift_is_noticed_and_the_fallback_answers(plugin, router):
    watched = WatchedRouter(router.with_policy(Threshold(1.0)), fallback="strong")
    ask = plugin(watched)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        decisions = [ask(text) for text in USUAL[:50] + LONG[:150]]
    assert [each.category for each in said] == [DriftWarning]
    assert {decision.candidate for decision in decisions[:50]} == {"weak"}
    assert decisions[-1].candidate == "strong"
    assert "traffic has drifted" in decisions[-1].reason
    assert [each.notice for each in decisions if each.notice] == [str(watched.drift)]


def test_the_notice_is_in_the_events_of_both(router):
    from llama_index.core.instrumentation import get_dispatcher
    from llama_index.core.instrumentation.event_handlers import BaseEventHandler

    from llamaindex_router import RoutingDecisionEvent

    watched, texts = WatchedRouter(router), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DriftWarning)
        while watched.drift is None:
            texts.append(LONG[len(texts)])
            watched.decide(texts[-1])
    noted, events, heard = [], [], []

    class Tracer(BaseCallbackHandler):
        def on_custom_event(self, name, data, **kwargs):
            events.append(data["notice"])

        def on_chat_model_start(self, serialized, messages, *, metadata=None, **kwargs):
            noted.append((metadata or {}).get("router_notice"))

    class Listener(BaseEventHandler):
        def handle(self, event, **kwargs):
            if isinstance(event, RoutingDecisionEvent):
                heard.append(event.notice)

    chat = RoutedChatModel(strong=FakeChat(model="big"), weak=FakeChat(model="small"), router=WatchedRouter(router))
    ask = through_llamaindex(WatchedRouter(router))
    dispatcher, listener = get_dispatcher(), Listener()
    dispatcher.add_event_handler(listener)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DriftWarning)
            for text in texts:
                chat.invoke(text, {"callbacks": [Tracer()]})
                ask(text)
    finally:
        dispatcher.event_handlers.remove(listener)
    for found in (noted, events, heard):
        assert [notice is not None for notice in found] == [False] * (len(texts) - 1) + [True]
