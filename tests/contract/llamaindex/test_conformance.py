"""The conformance suite on RouterLLM in every mode, on LlamaIndex's own mock, and on its real OpenAI class."""

from types import MappingProxyType

import pytest
from llama_index.core.llms.mock import MockLLM
from llama_index.llms.openai import OpenAI
from llama_index_instrumentation.dispatcher import instrument_tags

from llamaindex_router import RouterLLM
from llamaindex_router.testing import CUSTOM_LLM, LLMContract
from llamaindex_router.testing.calls import CHAT, COMPLETE, STREAMS
from pointsman import Always, Candidate, Pool, PromptLength, QualityFloor, Router
from tests.support.llamaindex import Keyword, ScriptedLLM, keyword_router
from tests.support.openai_server import openai_server

ARGUMENTS = {"add": {"a": 2, "b": 3}, "Capital": {"city": "Paris"}}


class Talker(ScriptedLLM):
    """Calls each tool with arguments that it takes, and answers differently to each prompt."""

    def _reply(self, method, prompt, tools=()):
        _, calls, raw = super()._reply(method, prompt, tools)
        text = "" if calls else f"{self.name} has read {len(prompt)} characters"
        return text, [call | {"args": ARGUMENTS[call["tool"]]} for call in calls], raw


def talkers(*names):
    return {name: Talker(name=name) for name in names}


def pair(**rule):
    return RouterLLM(**talkers("strong", "weak"), router=keyword_router(Keyword("Name")), **rule)


class TestScripted(LLMContract):
    """The stand-in that the other tests rely on keeps the contract itself."""

    def make_llm(self):
        return talkers("strong")["strong"]


class TestRouterByThreshold(LLMContract):
    """One of the two questions is hard."""

    def make_llm(self):
        return pair(threshold=0.5)


class TestRouterForcedStrong(LLMContract):
    def make_llm(self):
        return pair(policy=Always("strong"))


class TestRouterForcedWeak(LLMContract):
    def make_llm(self):
        return pair(policy=Always("weak"))


class TestRouterOverManyModels(LLMContract):
    def make_llm(self):
        prices = {name: Candidate(name, input_price=p, output_price=p) for p, name in enumerate(("a", "b", "c"), 1)}
        router = Router(Pool(prices.values()), PromptLength(), QualityFloor(0.4))
        return RouterLLM(llms=talkers("a", "b", "c"), router=router, candidates=prices)


class TestRouterByStage(LLMContract):
    """Nothing is scored, for each stage has its model; questions come from the root."""

    def make_llm(self):
        return pair(stages={"chat": "weak", "custom": "weak", "agent": "strong"}, question="root")


class TestRouterInsideARun(LLMContract):
    """Every call belongs to one workflow run, whose calls with tools keep the model that it began with."""

    @pytest.fixture(autouse=True)
    def run_id(self):
        with instrument_tags({"llamaindex.run_id": "one"}):
            yield

    def make_llm(self):
        return pair()


class Down(Talker):
    """A model whose provider is down."""

    def _reply(self, method, prompt, tools=()):
        raise ConnectionError("the provider is down")


class TestRouterWhoseFirstModelFails(LLMContract):
    """Every call is the strong model's first, and the weak one answers."""

    failed_calls = 1

    def make_llm(self):
        models = {"strong": Down(name="strong"), "weak": Talker(name="weak")}
        return RouterLLM(**models, router=keyword_router(Keyword("Name")), threshold=0.0)


class Completer(ScriptedLLM):
    """No chat model, and calls no tools: objects are read from its words."""

    @property
    def metadata(self):
        return super().metadata.model_copy(update={"is_chat_model": False, "is_function_calling_model": False})


class TestRouterOverAMixedPool(LLMContract):
    """The weak model completes prompts and does nothing else."""

    def make_llm(self):
        weak = Completer(name="weak", answer='{"city": "Paris"}', calls_tools=False)
        return RouterLLM(strong=talkers("strong")["strong"], weak=weak, router=keyword_router(Keyword("Name")))


@pytest.fixture(scope="module")
def server():
    with openai_server() as running:
        yield running


KEY = "sk-not-to-be-shown"


def openai(server, model):
    return OpenAI(model=model, api_base=server.url, api_key=KEY, max_retries=0)


class OverHTTP:
    """Real clients of a server on this machine."""

    secrets = (KEY,)

    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.server = server


class TestOpenAI(OverHTTP, LLMContract):
    deviations = MappingProxyType(
        {"test_what_it_shows_is_json_and_holds_no_secret": "the key is a field of the class, and to_dict() has all"}
    )

    def make_llm(self):
        return openai(self.server, "gpt-4o-mini")


class TestRouterOverOpenAI(OverHTTP, LLMContract):
    def make_llm(self):
        strong, weak = (openai(self.server, model) for model in ("gpt-4o", "gpt-4o-mini"))
        return RouterLLM(strong=strong, weak=weak, router=keyword_router(Keyword("Name")))


class TestMock(LLMContract):
    """LlamaIndex's own mock repeats the prompt."""

    has_tools = False
    has_structured_output = False
    reports_usage = False
    deviations = MappingProxyType(
        CUSTOM_LLM
        | {
            f"test_deltas_add_up[{method}]": "each item of its streams has the whole text and one letter as its delta"
            for method in (*CHAT, *COMPLETE)
            if method in STREAMS
        }
    )

    def make_llm(self):
        return MockLLM()
