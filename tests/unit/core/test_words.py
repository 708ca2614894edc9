"""Ids of words that were met before are the tokenizer's own, whatever stands around them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from pointsman import load_router
from pointsman.embedders.words import WordIds


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_router().scorer.embedder.parts[0].tokenizer


NASTY = [
    "",
    " \t\r\n",
    "It's 3.14 o'clock -- isn't it?",
    "snake_case camelCase C++ a/b\\c $5 50% <tag> ~x^2`",
    "word\x00in\x0bter\x1crupted\x7f by\x0ccontrol",
    "[PAD] and [UNK] and [whatever]",
    "x" * 150 + " y",
    "Straße, café, naïve",
    "东京 Tokyo",
    "half a pair \ufffd",
]


@pytest.mark.parametrize("text", NASTY)
def test_ids_are_the_tokenizers_own(tokenizer: Tokenizer, text: str) -> None:
    ids = WordIds(tokenizer)
    for _ in range(2):  # the second time from memory
        assert ids(text) == tokenizer.encode(text, add_special_tokens=False).ids


def test_half_a_character_is_read_as_an_unknown_one(tokenizer: Tokenizer) -> None:
    assert WordIds(tokenizer)("half a pair \ud83d") == WordIds(tokenizer)("half a pair \ufffd")


@given(st.text(st.characters(max_codepoint=127), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_ascii_text(tokenizer: Tokenizer, text: str) -> None:
    assert WordIds(tokenizer)(text) == tokenizer.encode(text, add_special_tokens=False).ids


def test_words_are_remembered_and_long_ones_are_not(tokenizer: Tokenizer) -> None:
    ids = WordIds(tokenizer)
    ids("the cat and the dog " + "z" * 99)
    assert set(ids._known) == {"the", "cat", "and", "dog"}


def test_other_tokenizers_are_asked_themselves() -> None:
    cased = Tokenizer(models.WordPiece({"[UNK]": 0, "Cat": 1, "cat": 2}, unk_token="[UNK]"))
    cased.normalizer = normalizers.BertNormalizer(lowercase=False)
    cased.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    blanks = Tokenizer(models.WordLevel({"[UNK]": 0, "cat,": 1}, unk_token="[UNK]"))
    blanks.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    assert WordIds(cased)("Cat cat") == [1, 2]
    assert WordIds(blanks)("cat, cat") == [1, 0]
