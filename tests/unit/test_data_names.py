"""One name per model."""

import pytest

from pointsman.data.names import canonical, family, is_base


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b-instruct-v0.1"),
        ("Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b-instruct-v0.1"),
        ("Llama-3.1-405B-Inst-fp8@together", "llama-3.1-405b-instruct"),
        ("Llama-3.1-405B-Inst@sambanova", "llama-3.1-405b-instruct"),
        ("Llama-3.1-405B-Instruct-Turbo", "llama-3.1-405b-instruct"),
        ("Meta-Llama-3.1-405B-Instruct@hyperbolic", "llama-3.1-405b-instruct"),
        ("Meta-Llama-3_1-8B-Instruct", "llama-3.1-8b-instruct"),
        ("meta/llama-3.1-8b-instruct", "llama-3.1-8b-instruct"),
        ("LLaMA-2-Chat (70B)", "llama-2-70b-chat"),
        ("gemma-2-27b-it@together", "gemma-2-27b-it"),
        ("GPT 3.5 Turbo (16k)", "gpt-3.5-turbo-0613"),
        ("gpt-4-1106-preview", "gpt-4-1106-preview"),
        ("openai/gpt-4o", "gpt-4o-2024-08-06"),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet-20241022"),
        ("us.meta.llama3-1-70b-instruct-v1:0", "llama-3.1-70b-instruct"),
        ("mistral.mixtral-8x7b-instruct-v0:1", "mixtral-8x7b-instruct-v0.1"),
        ("deepseek-v2-coder-0724", "deepseek-coder-v2-0724"),
    ],
)
def test_spellings_meet(spelling, name):
    assert canonical(spelling) == name
    assert canonical(name) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gpt-4-1106-preview", "gpt-4-turbo"),
        ("gpt-4-0314", "gpt-4"),
        ("o1-mini-2024-09-12", "o1-mini"),
        ("claude-3-5-haiku-20241022", "claude-haiku"),
        ("meta-llama/Meta-Llama-3-70B-Instruct", "llama-70b"),
        ("llama-3.1-8b-instruct", "llama-8b"),
        ("Qwen2.5-72B-Instruct", "qwen-72b"),
        ("my-own-model", None),
    ],
)
def test_families(name, expected):
    assert family(name) == expected


def test_base_models_are_told_from_chat_models():
    assert is_base("Llama-2-70b-hf")
    assert is_base("Mixtral-8x7B-v0.1")
    assert not is_base("Mixtral-8x7B-Instruct-v0.1")
    assert not is_base("LLaMA-2-Chat (70B)")
