"""Token counts: exact where a vocabulary lies on the machine, flagged where not."""

import pytest

from pointsman.costs import count_tokens, estimate_tokens, near_window
from pointsman.costs import tokens as module

pytest.importorskip("llama_index.core", reason="carries the vocabularies that these counts are checked with")


def test_openai_models_are_counted_in_their_own_vocabulary():
    assert count_tokens("tiktoken is great!", "gpt-4") == (6, False)  # the example of OpenAI's cookbook
    assert count_tokens("tiktoken is great!", "openai/gpt-4o") == (6, False)


def test_other_models_are_an_estimate_and_say_so():
    assert count_tokens("tiktoken is great!", "llama-3.1-8b").estimated
    assert count_tokens("tiktoken is great!").estimated


def test_special_tokens_in_a_user_s_text_are_text():
    assert count_tokens("<|endoftext|>", "gpt-4o").tokens > 1


def test_without_a_vocabulary_bytes_are_counted(monkeypatch):
    monkeypatch.setattr(module, "_cache_folders", lambda: iter(()))
    module._load.cache_clear()
    try:
        assert count_tokens("x" * 100, "gpt-4o") == (25, True)
    finally:
        module._load.cache_clear()


def test_the_environment_is_left_as_it_was(monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "/nowhere")
    module._load.cache_clear()
    count_tokens("x", "gpt-4o")
    import os

    assert os.environ["TIKTOKEN_CACHE_DIR"] == "/nowhere"


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("abcd", 1), ("abcde", 2), ("日本", 2)])
def test_the_rule_of_thumb(text, tokens):
    assert estimate_tokens(text) == tokens


@pytest.mark.parametrize(
    ("estimate", "near"), [(0, False), (500, False), (501, True), (1000, True), (3999, True), (4000, False)]
)
def test_an_estimate_decides_where_its_error_makes_no_difference(estimate, near):
    assert near_window(estimate, [1000]) is near
    assert near_window(estimate, [10**6, 1000]) is near
    assert not near_window(estimate, [])
