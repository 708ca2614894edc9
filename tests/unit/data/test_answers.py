"""What an answer comes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.data.answers import bare_words, last_number, option_letter, short_answer


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("(b)", "B"),
        ("**C**.", "C"),
        ("B) Paris", "B"),
        ("The answer is (B).", "B"),
        ("**Answer:** C", "C"),
        ("Final answer:\n\nD", "D"),
        ("Option C is tempting. The answer is D", "D"),
        ("The correct choice would be option B, since", "B"),
        ("so the result is \\boxed{\\text{A}}", "A"),
        ("A dog", None),
        ("The answer is a dog", None),
        ("the answer I believe is 5", None),
        ("answer: Z", None),
        ("", None),
    ],
)
def test_the_option_that_an_answer_chooses(text, letter):
    assert option_letter(text) == letter


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("72", 72),
        ("10 - 3 = 7", 7),
        ("x = -5", -5),
        ("10-3", 3),
        ("$1,000,000.", 1e6),
        ("between 3 4", 4),
        ("1,2", 2),
        ("#### 72\nchecked in 2 ways", 72),
        ("it is \\boxed{12}, on page 13", 12),
        ("about 1e5", 1e5),
        (".5", 0.5),
        ("none", None),
    ],
)
def test_the_last_number(text, number):
    assert last_number(text) == number


@given(st.integers(-(10**12), 10**12))
def test_numbers_are_read_as_they_are_written(number):
    assert last_number(f"so it is {number:,}.") == last_number(f"so it is {number}.") == number


def test_two_answers_agree_on_what_they_say():
    assert bare_words("The  Quick, brown FOX!") == bare_words("quick brown fox")
    assert bare_words("x + 1") != bare_words("x 1")
    assert short_answer("I think the answer is B.") == short_answer("(B)")
    assert short_answer("That makes 1,024 in all.") == short_answer("1024.0")
    assert short_answer("It is Paris!") == short_answer("it is paris")
