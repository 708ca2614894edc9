"""Any chat model as a function from a prompt to an answer."""

import asyncio
from types import SimpleNamespace

import pytest

from pointsman import Usage
from pointsman.chat import Answer, TokenLogprob, aask_model, ask_model
from pointsman.errors import ConfigurationError
from tests.support.openai_server import openai_server

CONTENT = [{"token": "4", "logprob": -0.1, "top_logprobs": []}]


class Runnable:
    """What LangChain's chat models look like from here."""

    def invoke(self, prompt, **options):
        metadata = {"logprobs": {"content": CONTENT}} if options.get("logprobs") else {}
        usage = {"input_tokens": 7, "output_tokens": 2, "input_token_details": {"cache_read": 3}}
        return SimpleNamespace(text=f"said to {prompt}", response_metadata=metadata, usage_metadata=usage)

    async def ainvoke(self, prompt, **options):
        return self.invoke(prompt, **options)


class Llm:
    """What LlamaIndex's LLMs look like from here."""

    def complete(self, prompt, **options):
        logprobs = SimpleNamespace(content=[SimpleNamespace(**CONTENT[0])]) if options.get("logprobs") else None
        cached = SimpleNamespace(cached_tokens=3)
        usage = SimpleNamespace(prompt_tokens=7, completion_tokens=2, prompt_tokens_details=cached)
        raw = SimpleNamespace(choices=[SimpleNamespace(logprobs=logprobs)], usage=usage)
        return SimpleNamespace(text=f"said to {prompt}", raw=raw)

    async def acomplete(self, prompt, **options):
        return self.complete(prompt, **options)


@pytest.mark.parametrize("model", [Runnable(), Llm()])
def test_both_frameworks_give_text_usage_and_logprobs(model):
    plain, asked = ask_model(model, "you"), asyncio.run(aask_model(model, "you", {"logprobs": True}))
    assert plain.text == asked.text == "said to you"
    assert plain.usage == asked.usage == Usage(7, 2, cached_tokens=3)
    assert plain.logprobs is None
    assert asked.logprobs == (TokenLogprob("4", -0.1),)


def test_functions_are_models_too():
    async def later(prompt):
        return prompt[::-1]

    assert ask_model(lambda prompt: prompt * 2, "ab") == Answer("abab", usage=Usage(1, 1, estimated=True), raw="abab")
    assert asyncio.run(aask_model(lambda prompt: len(prompt) / 2, "abc")).text == "1.5"
    assert asyncio.run(aask_model(later, "abc")).text == "cba"
    answer = Answer("mine")
    assert ask_model(lambda prompt: answer, "x") is answer


def test_what_cannot_be_asked_is_refused():
    async def later(prompt):
        return prompt

    with pytest.raises(ConfigurationError, match="LangChain chat model, a LlamaIndex LLM or a function"):
        ask_model(object(), "x")
    with pytest.raises(ConfigurationError, match="coroutine function"):
        ask_model(later, "x")
    with pytest.raises(ConfigurationError, match="without a text"):
        ask_model(lambda prompt: None, "x")


def test_the_real_clients_bring_log_probabilities(thread_loop):
    openai = pytest.importorskip("langchain_openai")
    llama = pytest.importorskip("llama_index.llms.openai")
    with openai_server() as server:
        chat = openai.ChatOpenAI(model="gpt-4o-mini", base_url=server.url, api_key="none", max_retries=0)
        llm = llama.OpenAI(model="gpt-4o-mini", api_base=server.url, api_key="none", max_retries=0)
        for model in (chat, llm):
            answer = ask_model(model, "why", {"logprobs": True})
            assert "".join(each.token for each in answer.logprobs) == answer.text
            assert answer.usage.input_tokens > answer.usage.output_tokens / 100 > 0
            assert ask_model(model, "why").logprobs is None
        chat.root_client.close()


def test_the_real_classes(thread_loop):
    fakes = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    assert ask_model(fakes.FakeListChatModel(responses=["fine"]), "x").text == "fine"
    llms = pytest.importorskip("llama_index.core.llms")
    assert ask_model(llms.MockLLM(max_tokens=2), "one two three").text == "text text"
