"""What may be asked, and how odd text is met."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Needs, Query
from pointsman.errors import QueryError
from pointsman.query import clean_text


@pytest.mark.parametrize("text", ["", " \n\t", "\u00a0"])
def test_blank_text_is_a_query_that_cannot_be_scored(text):
    assert not Query(text).scorable


@pytest.mark.parametrize("value", [None, 3, b"bytes", ["text"]])
def test_text_of_another_type_is_refused_by_name(value):
    with pytest.raises(QueryError, match=type(value).__name__):
        Query(value)


def test_unknown_source_lists_the_sources():
    with pytest.raises(QueryError, match="explicit, template, span, message, prompt"):
        Query("q", source="guess")


def test_negative_token_count_is_refused():
    with pytest.raises(QueryError, match="-1"):
        Query("q", prompt_tokens=-1)


def test_lone_surrogates_become_replacement_characters():
    assert Query("a\ud800b").text == "a\ufffdb"


@given(st.text(st.characters(exclude_categories=[])))
def test_cleaned_text_always_encodes_and_good_text_is_untouched(text):
    cleaned = clean_text(text)
    cleaned.encode()
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert cleaned == text


def test_missing_abilities_are_named():
    assert Needs(tools=True, images=True).missing_from(Needs(tools=True)) == ("images",)
    assert Needs.everything().missing_from(Needs.everything()) == ()
