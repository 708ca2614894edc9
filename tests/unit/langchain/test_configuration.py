"""Setting up a `RoutedChatModel`: what is taken, what is found out, what is refused."""

from __future__ import annotations

import asyncio
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import pytest
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import ConfigurableField
from langchain_openai import ChatOpenAI

from langchain_router import RoutedChatModel, RoutingRecorder, routing_decision
from pointsman import (
    Always,
    Candidate,
    Needs,
    Pool,
    PromptLength,
    QualityFloor,
    RandomScorer,
    Router,
    Threshold,
    count_tokens,
)
from pointsman.errors import ArtifactNotFoundError, ConfigurationError, MissingExtraError, PolicyError, PoolError
from tests.support.langchain import HARD, FakeChat, routed, router

BIG, SMALL = FakeChat(model="big"), FakeChat(model="small")


def openai(model: str, **settings: Any) -> ChatOpenAI:
    return ChatOpenAI(model=model, api_key="none", **settings)


def pool(model: RoutedChatModel) -> Pool:
    return model._router.pool


@pytest.mark.parametrize(
    ("settings", "wrong", "error"),
    [
        ({}, "give two chat models as strong= and weak=", ConfigurationError),
        ({"strong": BIG}, "give two chat models as strong= and weak=", ConfigurationError),
        ({"strong": BIG, "weak": SMALL, "models": {"a": BIG}}, "either strong and weak, or models", ConfigurationError),
        ({"models": {}}, "models is empty", PoolError),
        ({"models": {"": BIG}, "policy": Always("")}, "a candidate needs a name", PoolError),
        ({"strong": "openai:gpt-4.1", "weak": SMALL}, "use RoutedChatModel.from_pair", ConfigurationError),
        ({"strong": 7, "weak": SMALL}, "strong is a int; give a chat model", ConfigurationError),
        ({"strong": BIG, "weak": SMALL, "threshold": float("nan")}, "the threshold is nan", PolicyError),
        ({"strong": BIG, "weak": SMALL, "threshold": 1.1}, "the threshold is 1.1", PolicyError),
        ({"strong": BIG, "weak": SMALL, "threshold": 0.1, "policy": Always("weak")}, "keep one", ConfigurationError),
        ({"strong": BIG, "weak": SMALL, "strong_share": 0.3}, "carries no reference prompts", PolicyError),
        ({"strong": BIG, "weak": SMALL, "router": "nowhere"}, "nowhere", ArtifactNotFoundError),
        ({"strong": BIG, "weak": SMALL, "candidates": {"gpt": Candidate("gpt")}}, "describes gpt", ConfigurationError),
        ({"models": {"a": BIG, "b": SMALL}, "threshold": 0.5}, "a threshold needs a pair", PolicyError),
    ],
)
def test_what_cannot_work_is_refused_with_the_mend(settings: Any, wrong: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=wrong):
        RoutedChatModel(**{"router": Router(Pool(["a"]), PromptLength(), Always("a"))} | settings)


def test_candidates_are_what_the_models_say_they_are() -> None:
    model = RoutedChatModel(strong=openai("gpt-4.1"), weak=openai("gpt-4.1-nano"), router=router())
    strong, weak = pool(model)
    assert (strong.name, strong.model, strong.provider) == ("strong", "gpt-4.1", "openai")
    assert (weak.name, weak.model, weak.provider) == ("weak", "gpt-4.1-nano", "openai")
    assert (weak.context_window, weak.abilities.images) == (1047576, True)
    assert strong.price.input is not None
    assert weak.price.input is not None
    assert strong.price.input > weak.price.input


def test_given_facts_win_and_the_rest_is_found_out() -> None:
    facts = {"weak": Candidate("weak", input_price=0.0, output_price=0.0, context_window=10)}
    model = RoutedChatModel(strong=BIG, weak=openai("gpt-4.1"), router=router(), candidates=facts)
    weak = pool(model).named("weak")
    assert (weak.model, weak.provider, weak.context_window, weak.price.input) == ("gpt-4.1", "openai", 10, 0.0)
    named = {"weak": Candidate("weak", model="o3")}
    weak = pool(RoutedChatModel(strong=BIG, weak=SMALL, router=router(), candidates=named)).named("weak")
    assert (weak.model, weak.provider) == ("o3", None), "a stand-in is priced as what it stands for"


def test_a_routers_own_pool_brings_its_facts_and_its_pair() -> None:
    own = Router(
        Pool([Candidate("a", input_price=9.0, output_price=9.0), "b", "c"], strong="a", weak="c"),
        PromptLength(),
        Threshold(0.5),
    )
    model = RoutedChatModel(models={"a": BIG, "b": SMALL, "c": SMALL}, router=own)
    assert (pool(model).strong, pool(model).weak, pool(model).named("a").price.input) == ("a", "c", 9.0)
    assert routing_decision(model.invoke(HARD)).candidate == "a"


def test_profiles_rule_out_only_what_they_deny() -> None:
    class Toolless(FakeChat):
        bind_tools = BaseChatModel.bind_tools

    models = {
        "silent": FakeChat(),
        "modest": FakeChat(profile={"tool_calling": False, "image_inputs": False, "pdf_inputs": True}),
        "toolless": Toolless(),
    }
    silent, modest, toolless = pool(RoutedChatModel(models=models, router=router(), policy=Always("silent")))
    assert silent.abilities == Needs.everything()
    assert (modest.abilities.tools, modest.abilities.images, modest.abilities.documents) == (False, False, True)
    assert (toolless.abilities.tools, toolless.abilities.structured_output) == (False, False)


def test_the_profile_is_what_all_models_share() -> None:
    big = FakeChat(profile={"max_input_tokens": 1000, "tool_calling": True, "image_inputs": True, "name": "Big"})
    small = FakeChat(profile={"max_input_tokens": 500, "tool_calling": True, "image_inputs": False, "name": "Small"})
    assert routed(strong=big, weak=small).profile == {
        "max_input_tokens": 500,
        "tool_calling": True,
        "image_inputs": False,
    }
    assert routed(strong=big).profile is None


def test_strong_share_becomes_a_threshold() -> None:

    model = RoutedChatModel(
        strong=BIG, weak=SMALL, router=Router(Pool.pair("x", "y"), RandomScorer(), Threshold(0.9)), strong_share=0.25
    )
    assert model._router.policy == Threshold(0.75)


def test_the_shipped_router_is_the_default() -> None:
    strong, weak = FakeChat(model="gpt-4-1106-preview"), FakeChat(model="mixtral-8x7b-instruct-v0.1")
    prompts = ["hi", "What is the capital of France?", HARD]

    def shares(**settings: Any) -> list[str]:
        answers = RoutedChatModel(strong=strong, weak=weak, **settings).batch(prompts)
        return [str(answer.response_metadata["routing"]["candidate"]) for answer in answers]

    assert shares(strong_share=1.0) == ["strong"] * 3
    assert shares(strong_share=0.0) == ["weak"] * 3
    decision = routing_decision(RoutedChatModel(strong=strong, weak=weak).invoke("hi"))
    assert decision is not None
    assert decision.router == "default"
    assert decision.win_rate is not None
    assert set(decision.matched) == {"strong", "weak"}


def test_three_models_by_quality_and_price() -> None:
    prices = {name: Candidate(name, input_price=p, output_price=p) for name, p in {"a": 9, "b": 3, "c": 1}.items()}
    models = {name: FakeChat(model=name) for name in prices}
    model = RoutedChatModel(models=models, candidates=prices, router=router(), policy=QualityFloor(0.6))
    assert routing_decision(model.invoke("hi")).candidate == "c"
    assert routing_decision(model.invoke(HARD * 5)).candidate == "a"


def test_from_pair_takes_names_as_init_chat_model_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    model = RoutedChatModel.from_pair("openai:gpt-4.1", "openai:gpt-4.1-nano", router=router(), threshold=0.2)
    assert [candidate.model for candidate in pool(model)] == ["gpt-4.1", "gpt-4.1-nano"]
    assert model._router.policy == Threshold(0.2)


def test_from_pair_without_langchain_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(MissingExtraError, match=r'langchain is not installed; run: pip install "pointsman\[agents\]"'):
        RoutedChatModel.from_pair("openai:gpt-4.1", "openai:gpt-4.1-nano")


def test_unknown_settings_are_ignored_as_by_other_chat_models() -> None:
    assert routed(temperature=0.3, timeout=5, streaming=True).invoke("hi").content


def test_token_counts_are_the_most_that_any_model_takes() -> None:
    class Spelling(FakeChat):
        def get_token_ids(self, text: str) -> list[int]:
            return [ord(letter) for letter in text]

    assert routed().get_num_tokens("hello world") == count_tokens("hello world").tokens
    assert routed(strong=Spelling()).get_num_tokens("hello world") == 11
    assert routed(strong=Spelling()).get_num_tokens_from_messages([HumanMessage("hello")]) >= 5
    assert routed(custom_get_token_ids=lambda text: [1, 2, 3]).get_num_tokens("x") == 3


def test_a_routed_model_copies_and_is_configurable() -> None:
    model = routed()
    assert model.model_copy(update={"threshold": 0.25})._router.policy == Threshold(0.25)
    configurable = model.configurable_fields(threshold=ConfigurableField(id="cut"))
    answer = configurable.invoke("hi", {"configurable": {"cut": 0.001}})
    assert routing_decision(answer).candidate == "strong"
    assert pickle.loads(pickle.dumps(model._router)).pool == pool(model)  # noqa: S301  # our own bytes


def test_two_routers_do_not_share_a_cache_entry() -> None:
    one, other = routed(threshold=0.1), routed(threshold=0.2)
    assert one._get_llm_string() != other._get_llm_string()


def test_the_routers_own_generate_is_closed() -> None:
    with pytest.raises(ConfigurationError, match="call invoke, stream or generate"):
        routed()._generate([HumanMessage("hi")])


def test_a_recorder_adds_up_and_knows_what_it_does_not_know() -> None:
    recorder = RoutingRecorder()
    model = routed()
    model.batch(["hi", HARD], {"callbacks": [recorder]})
    totals = recorder.totals
    assert (totals.calls, totals.by_candidate) == (2, {"weak": 1, "strong": 1})
    assert totals.saved_usd is not None
    assert totals.cost_usd is not None
    assert totals.saved_usd == pytest.approx(totals.baseline_cost_usd - totals.cost_usd)
    assert [o.decision_id for o in recorder.outcomes] == [d.id for d in recorder.decisions]
    RoutedChatModel(strong=BIG, weak=SMALL, router=router()).invoke("hi", {"callbacks": [recorder]})
    assert recorder.totals.cost_usd is None, "a price that nobody knows is not zero"


def test_recorders_in_one_another_hear_every_call_once() -> None:
    model = routed()
    with RoutingRecorder() as outer:
        model.invoke("hi")
        with RoutingRecorder() as inner:
            model.invoke("hi", {"callbacks": [outer]})
        model.invoke("hi")
    model.invoke("hi")
    assert (outer.totals.calls, inner.totals.calls) == (3, 1)


async def test_a_recorder_can_be_shared_and_listens_inside_itself(caplog: pytest.LogCaptureFixture) -> None:
    model, recorder = routed(), RoutingRecorder()

    async def task() -> None:
        with recorder:
            await model.ainvoke("hi")
            await asyncio.sleep(0.001)
            with recorder:
                await model.ainvoke("hi")

    await asyncio.gather(*[task() for _ in range(5)])
    with recorder, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda prompt: model.invoke(prompt, {"callbacks": [recorder]}), ["hi"] * 20))
    model.invoke("hi")
    assert (recorder.totals.calls, len(recorder.decisions)) == (30, 30)
    assert not caplog.records, "LangChain logs what a handler raises"


def test_a_recorder_keeps_the_newest_calls_and_adds_up_all() -> None:
    recorder = RoutingRecorder(most=3)
    model = routed(callbacks=[recorder])
    answers = [model.invoke("hi") for _ in range(7)]
    assert recorder.decisions == [routing_decision(answer) for answer in answers[-3:]]
    assert recorder.totals.calls == 7
    copied = deepcopy(recorder)
    assert (copied.totals, copied.decisions) == (recorder.totals, recorder.decisions)
    with pytest.raises(ConfigurationError, match="most is 0"):
        RoutingRecorder(most=0)
