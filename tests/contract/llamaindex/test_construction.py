"""What RouterLLM takes, what it refuses, and that it can be set, copied, pickled and traced like any other LLM."""

import copy
import pickle

import pytest
from llama_index.core import Settings
from llama_index.core.base.llms.types import LLMMetadata, MessageRole
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.mock import MockLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.rate_limiter import BaseRateLimiter, TokenBucketRateLimiter
from llama_index.core.types import PydanticProgramMode
from llama_index.llms.openai import OpenAI

from llamaindex_router import RouterLLM, RoutingRecorder, routing_decision
from pointsman import Always, Candidate, Needs, Pool, PromptLength, QualityFloor, Router, Threshold
from pointsman.errors import ConfigurationError, NoCandidateError, PolicyError, PoolError
from tests.support.llamaindex import Keyword, PlainLLM, ScriptedLLM, keyword_router, scripted_pair

BIG, SMALL = ScriptedLLM(name="big"), ScriptedLLM(name="small")
LENGTH = Router(Pool.pair("strong", "weak"), PromptLength(), Threshold(0.5))


def build(**settings):
    return RouterLLM(**{"strong": BIG, "weak": SMALL, "router": LENGTH} | settings)


class Mute(MockLLM):
    """Cannot say what it is, as OpenAI's class for a model name that it does not know."""

    @property
    def metadata(self):
        raise ValueError("Unknown model 'gpt-99'")


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"strong": None, "weak": None}, ConfigurationError, "give either strong= and weak=, or llms="),
        ({"llms": {"a": BIG}}, ConfigurationError, "give either strong= and weak=, or llms="),
        ({"weak": None}, ConfigurationError, "weak is None; give an LLM"),
        ({"weak": "gpt-4o"}, ConfigurationError, "weak is 'gpt-4o'; give an LLM of llama-index"),
        ({"strong": None, "weak": None, "llms": {}}, PoolError, "the pool is empty"),
        ({"weak": Mute()}, ConfigurationError, "the metadata of weak .* cannot be read: Unknown model 'gpt-99'"),
        ({"weak": build()}, ConfigurationError, "weak is a RouterLLM"),
        ({"candidates": {"cheap": Candidate("cheap")}}, ConfigurationError, "candidates describes cheap"),
        ({"candidates": {"weak": Candidate("cheap")}}, ConfigurationError, "is named 'cheap'"),
        (
            {"weak": PlainLLM(), "candidates": {"weak": Candidate("weak", abilities=Needs(tools=True))}},
            ConfigurationError,
            "weak cannot call tools, for the class has no chat_with_tools",
        ),
        ({"threshold": 1.5}, PolicyError, "the threshold is 1.5"),
        ({"threshold": float("nan")}, PolicyError, "the threshold is nan"),
        ({"threshold": 0.5, "strong_share": 0.5}, ConfigurationError, "threshold and strong_share are both given"),
        ({"policy": Always("dear")}, PoolError, "no candidate named 'dear'"),
        ({"temperature": 0.1}, ConfigurationError, "RouterLLM takes no temperature; give it to the models"),
        ({"system_prompt": "be brief"}, ConfigurationError, "system_prompt would have no effect"),
        ({"query_wrapper_prompt": PromptTemplate("{query_str}")}, ConfigurationError, "set it on the models"),
        ({"pydantic_program_mode": PydanticProgramMode.LLM}, ConfigurationError, "set it on the models"),
        ({"messages_to_prompt": str}, ConfigurationError, "set it on the models"),
        ({"completion_to_prompt": str.strip}, ConfigurationError, "set it on the models"),
        ({"output_parser": object()}, ConfigurationError, "set it on the models"),
    ],
)
def test_what_cannot_work_is_refused_with_the_mend(settings, error, says):
    with pytest.raises(error, match=says):
        build(**settings)


def test_settings_of_the_models_are_refused_later_too():
    llm = build()
    with pytest.raises(ConfigurationError, match="set it on the models"):
        llm.system_prompt = "be brief"
    llm.pydantic_program_mode = PydanticProgramMode.DEFAULT  # no effect, no harm


def test_the_model_of_a_name_that_openai_does_not_know():
    with pytest.raises(ConfigurationError, match=r"the metadata of strong \(openai_llm\) cannot be read"):
        build(strong=OpenAI(model="gpt-99", api_key="test"))


def test_any_number_of_models():
    models = {name: ScriptedLLM(name=name) for name in ("haiku", "sonnet", "opus")}
    prices = {
        name: Candidate(name, input_price=price, output_price=price)
        for name, price in zip(models, (1, 3, 15), strict=True)
    }
    llm = RouterLLM(llms=models, router=LENGTH, policy=QualityFloor(0.4), candidates=prices)
    assert llm.metadata.model_name == "router(haiku|sonnet|opus)"
    assert routing_decision(llm.complete("easy")).candidate == "sonnet"  # the cheapest of 0.01, 0.5 and 0.99
    assert RouterLLM(llms=models, router=LENGTH, policy=Always("sonnet")).complete("x").text == "an answer"


def test_a_share_of_calls():
    llm = RouterLLM(strong=BIG, weak=SMALL, strong_share=0.0)
    assert routing_decision(llm.complete("prove that there are infinitely many primes")).candidate == "weak"
    llm = RouterLLM(strong=BIG, weak=SMALL, strong_share=1.0)
    assert routing_decision(llm.complete("hi")).candidate == "strong"


def test_what_a_candidate_is_comes_from_the_model_and_can_be_overridden():
    openai = OpenAI(model="gpt-4o-mini", api_key="test")
    plain = PlainLLM(name="unknown")
    facts = {"weak": Candidate("weak", input_price=0.0, output_price=0.0, context_window=99, abilities=Needs())}
    strong, weak = build(strong=openai, weak=plain, candidates=facts).router.pool
    assert (strong.name, strong.model, strong.provider, strong.context_window) == (
        "strong",
        "gpt-4o-mini",
        "openai",
        128000,
    )
    assert strong.price.input > 0
    assert Needs.everything().missing_from(strong.abilities) == ()
    assert (weak.model, weak.provider, weak.context_window, weak.price.input) == ("weak", None, 99, 0.0)
    assert weak.abilities == Needs()


def test_what_a_routers_own_pool_says_of_a_model_holds():
    strong, weak = scripted_pair().llm.router.pool
    assert (strong.price.input, weak.price.input) == (10.0, 1.0)
    assert (strong.model, weak.model) == ("big", "small")


@pytest.mark.parametrize(
    ("strong", "weak", "merged"),
    [
        ({"window": 8000}, {"window": 4000}, {"context_window": 4000}),
        ({"window": 3900}, {"window": 16000}, {"context_window": 16000}),  # core's default: nobody said
        ({"window": 3900}, {"window": 3900}, {"context_window": 3900}),
        ({"calls_tools": False}, {}, {"is_function_calling_model": True}),
        ({"calls_tools": False}, {"calls_tools": False}, {"is_function_calling_model": False}),
        ({"system_role": "user"}, {"system_role": "user"}, {"system_role": MessageRole.USER}),
        ({"system_role": "user"}, {}, {"system_role": MessageRole.SYSTEM}),
        ({}, {}, {"model_name": "router(big|small)", "num_output": 64, "is_chat_model": True}),
    ],
)
def test_metadata_is_what_the_models_have_in_common(strong, weak, merged):
    metadata = scripted_pair(strong=strong, weak=weak).llm.metadata
    assert isinstance(metadata, LLMMetadata)
    assert {name: getattr(metadata, name) for name in merged} == merged


def test_prompts_may_be_packed_for_the_largest_window():
    pair = scripted_pair(strong={"window": 100_000}, weak={"window": 1_000}, window="largest")
    assert pair.llm.metadata.context_window == 100_000
    assert copy.deepcopy(pair.llm).metadata.context_window == 100_000
    long, short = ("word " * 5000, "strong"), ("word", "weak")
    for words, chosen in (long, short):
        assert routing_decision(pair.llm.chat([ChatMessage(content=f"{words} easy")])).candidate == chosen
    with pytest.raises(ConfigurationError, match="window is 8000; give 'smallest' or 'largest'"):
        scripted_pair(window=8000)


def test_a_pool_with_a_completion_model_is_none_of_chat_models():
    metadata = build(weak=PlainLLM()).metadata
    assert (metadata.is_chat_model, metadata.num_output) == (False, 256)


def test_system_messages_take_the_role_that_the_model_wants():
    pair = scripted_pair(strong={"system_role": "user"})
    messages = [ChatMessage(role="system", content="be brief"), ChatMessage(role="user", content="a hard one")]
    heard = []
    pair.strong.answer = lambda prompt: "an answer"
    original = type(pair.strong)._chat

    def spy(self, method, received, kwargs):
        heard.append([message.role.value for message in received])
        return original(self, method, received, kwargs)

    type(pair.strong)._chat = spy
    try:
        pair.llm.chat(messages)
        pair.llm.chat([*messages[:1], ChatMessage(role="user", content="an easy one")])
    finally:
        type(pair.strong)._chat = original
    assert heard == [["user", "user"], ["system", "user"]]
    assert messages[0].role == MessageRole.SYSTEM


def test_a_prompt_that_does_not_fit_goes_where_it_does():
    pair = scripted_pair(strong={"window": 100_000}, weak={"window": 1_000})
    with RoutingRecorder() as recorder:
        pair.llm.predict(PromptTemplate("{context_str} {query_str}"), context_str="word " * 2000, query_str="easy")
    (decision,) = recorder.decisions
    assert decision.candidate == "strong"
    assert "exceed its window of 1000" in decision.gated["weak"]
    with pytest.raises(NoCandidateError, match="exceed its window"):
        pair.llm.complete("word " * 200_000)


def test_callback_managers_reach_the_models():
    handler = TokenCountingHandler(tokenizer=str.split)
    pair = scripted_pair(callback_manager=CallbackManager([handler]))
    pair.llm.complete("easy")
    assert handler.total_llm_token_count == 4


def test_settings_hold_it_like_any_llm():
    pair = scripted_pair()
    handler = TokenCountingHandler(tokenizer=str.split)
    try:
        Settings.llm = pair.llm
        Settings.callback_manager = CallbackManager([handler])  # set after the router was built
        assert Settings.llm is pair.llm
        Settings.llm.complete("easy")
    finally:
        Settings._llm = Settings._callback_manager = None
    assert handler.total_llm_token_count == 4


class Turnstile(BaseRateLimiter):
    """Counts who passes."""

    def __init__(self):
        self.passed = []

    def acquire(self, num_tokens=0):
        self.passed.append("sync")

    async def async_acquire(self, num_tokens=0):
        self.passed.append("async")


async def test_a_rate_limiter_acts_once_per_call():
    turnstile = Turnstile()
    llm = build(rate_limiter=turnstile)
    llm.complete("a")
    await llm.acomplete("a")
    list(llm.stream_complete("a"))
    _ = [chunk async for chunk in await llm.astream_complete("a")]
    assert turnstile.passed == ["sync", "async", "sync", "async"]


def through_pickle(llm):
    return pickle.loads(pickle.dumps(llm))  # noqa: S301  # our own bytes


@pytest.mark.parametrize("way", ["pickle", "deepcopy", "copy"])
def test_copies_decide_as_the_original(way):
    pair = scripted_pair()
    make = {"pickle": through_pickle, "deepcopy": copy.deepcopy, "copy": copy.copy}[way]
    other = make(pair.llm)
    for question in ("easy", "a hard one"):
        assert (
            routing_decision(other.complete(question)).candidate
            == routing_decision(pair.llm.complete(question)).candidate
        )
    assert other.metadata == pair.llm.metadata
    assert other.router.pool == pair.llm.router.pool
    handler = TokenCountingHandler(tokenizer=str.split)
    other.callback_manager = CallbackManager([handler])
    other.complete("easy")
    assert handler.total_llm_token_count == 4
    if way == "deepcopy":
        assert other.router is pair.llm.router, "a router is immutable and may be large"
        assert other.llms["weak"] is not pair.llm.llms["weak"]


def test_a_pickle_keeps_the_callback_manager():
    handler = TokenCountingHandler(tokenizer=str.split)
    other = through_pickle(scripted_pair(callback_manager=CallbackManager([handler])).llm)
    other.complete("easy")
    (found,) = other.callback_manager.handlers
    assert found.total_llm_token_count == 4
    assert other.llms["weak"].callback_manager is other.callback_manager


def test_what_cannot_be_pickled_is_left_out_as_core_does(caplog):
    limiter, handler = (
        TokenBucketRateLimiter(requests_per_minute=60),
        TokenCountingHandler(tokenizer=lambda text: [text]),
    )
    llm = scripted_pair(rate_limiter=limiter).llm
    super(RouterLLM, llm).__setattr__("callback_manager", CallbackManager([handler]))
    other = through_pickle(llm)
    assert other.rate_limiter is None
    assert other.callback_manager.handlers == []
    assert all(f"without its {name}" in caplog.text for name in ("rate_limiter", "callback_manager"))
    assert routing_decision(other.complete("a hard one")).candidate == "strong"


def test_a_copy_is_held_to_the_same_limit():
    limiter = TokenBucketRateLimiter(requests_per_minute=60)
    assert copy.deepcopy(build(rate_limiter=limiter)).rate_limiter is limiter


def test_a_copy_of_a_router_over_real_clients():
    llm = build(strong=OpenAI(model="gpt-4o", api_key="k"), weak=OpenAI(model="gpt-4o-mini", api_key="k"))
    assert through_pickle(llm).metadata == copy.deepcopy(llm).metadata == llm.metadata


def test_no_secret_leaves_by_payloads_dumps_or_prints():
    llm = build(strong=OpenAI(model="gpt-4o", api_key="sk-secret"))
    payload = llm.to_payload()
    assert payload["class_name"] == "RouterLLM"
    assert payload["candidates"] == {"strong": "gpt-4o", "weak": "small"}
    assert payload["policy"] == "Threshold(0.5)"
    for text in (payload, llm.to_dict(), llm.to_json(), repr(llm), str(llm)):
        assert "sk-secret" not in str(text)


def test_it_cannot_be_rebuilt_from_a_dict_and_says_so():
    with pytest.raises(ConfigurationError):
        RouterLLM.from_dict(build().to_dict())


def test_the_shipped_router_decides():
    pair = RouterLLM(strong=OpenAI(model="gpt-4o", api_key="k"), weak=OpenAI(model="gpt-4o-mini", api_key="k"))
    assert pair.router.name == "default"
    decision = pair.router.decide("What is the capital of France?")
    assert 0 <= decision.win_rate <= 1


def test_the_keyword_router_is_shared_and_not_changed():
    router = keyword_router(Keyword())
    first = RouterLLM(strong=BIG, weak=SMALL, router=router, threshold=0.95)
    second = RouterLLM(strong=BIG, weak=SMALL, router=router)
    assert routing_decision(first.complete("hard")).candidate == "weak"
    assert routing_decision(second.complete("hard")).candidate == "strong"
