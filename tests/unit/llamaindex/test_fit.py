"""Prompts near a window are counted, and one that fits is not refused over an estimate."""

import pytest

from llamaindex_router.fit import Fit
from llamaindex_router.question import from_text
from pointsman import Candidate, Pool, count_tokens

PROSE = "Considerations notwithstanding, the aforementioned organisations acknowledged responsibility. "
"""Some seven bytes to a token, so that an estimate of four counts far too many."""


def pool(*windows, room=None):
    return Pool([Candidate(f"m{i}", context_window=window, reply_tokens=room) for i, window in enumerate(windows)])


def tokens_after(fit, text):
    return fit.measured(from_text(text)).query.prompt_tokens


@pytest.mark.parametrize(
    ("windows", "fit"),
    [((4000, 8000), Fit((4000, 8000), 8000)), ((None, 8000), Fit((8000,), None)), ((None, None), Fit((), None))],
)
def test_the_windows_of_a_pool(windows, fit):
    assert Fit.of(pool(*windows)) == fit


def test_the_room_that_a_model_leaves_is_its_own():
    assert Fit.of(pool(4000, 8000, room=64)) == Fit((4000, 8000), 8000, 64)
    text = PROSE * 100
    exact = count_tokens(text).tokens
    assert tokens_after(Fit((1000, exact), exact, 64), text) == exact - 64


def test_a_short_prompt_is_not_counted():
    asked = from_text(PROSE)
    assert Fit((4000, 8000), 8000).measured(asked) is asked
    assert Fit((), None).measured(asked) is asked


def test_a_long_one_is():
    text = PROSE * 100
    exact = count_tokens(text).tokens
    assert exact < 0.7 * from_text(text).query.prompt_tokens
    assert tokens_after(Fit((2 * exact,), 2 * exact), text) == exact


def test_what_fits_the_largest_window_leaves_it_room_for_a_reply():
    text = PROSE * 100
    exact = count_tokens(text).tokens
    assert tokens_after(Fit((1000, exact), exact), text) == exact - 256
    assert tokens_after(Fit((1000,), None), text) == exact


def test_what_fits_nowhere_keeps_its_count():
    text = PROSE * 100
    exact = count_tokens(text).tokens
    assert tokens_after(Fit((exact - 1,), exact - 1), text) == exact
