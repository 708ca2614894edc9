"""Who can serve at all, and what is said when nobody can."""

import pytest

from pointsman import Candidate, Needs, Pool, PromptLength, Query, Router, Threshold
from pointsman.costs import count_tokens, estimate_tokens
from pointsman.errors import NoCandidateError
from pointsman.gates import ContextWindow, abilities
from tests.support.core import pair


def test_abilities_that_are_missing_are_named():
    plain = Candidate("plain", abilities=Needs(tools=True))
    query = Query("q", needs=Needs(tools=True, structured_output=True, images=True))
    assert abilities(query, plain) == "no structured output, no images"
    assert abilities(Query("q"), plain) is None


def test_the_window_must_hold_the_prompt_and_a_reply():
    small = Candidate("small", context_window=1000)
    assert ContextWindow(reply_tokens=100)(Query("q", prompt_tokens=900), small) is None
    assert "901 prompt tokens" in ContextWindow(reply_tokens=100)(Query("q", prompt_tokens=901), small)
    assert ContextWindow()(Query("q", prompt_tokens=10**9), Candidate("no-such-model")) is None


def test_a_prompt_of_unknown_size_is_counted_where_an_estimate_could_decide():
    pytest.importorskip("llama_index.core", reason="carries a vocabulary to count with")
    text = "Considerations notwithstanding, the aforementioned organisations acknowledged responsibility. " * 40
    exact, estimate = count_tokens(text).tokens, estimate_tokens(text)
    assert exact < 0.7 * estimate
    gate = ContextWindow(reply_tokens=10)
    assert gate(Query(text), Candidate("fits", context_window=exact + 10)) is None
    assert f"{exact} prompt tokens" in gate(Query(text), Candidate("short by one", context_window=exact + 9))
    assert f"{estimate} prompt tokens" in gate(Query(text), Candidate("hopeless", context_window=estimate // 4))


def test_a_gated_choice_goes_to_the_other_and_says_why():
    pool = Pool.pair(Candidate("strong", context_window=1000), Candidate("weak", context_window=100_000))
    decision = Router(pool, PromptLength(), Threshold(0.0)).decide(Query("q", prompt_tokens=5000))
    assert decision.candidate == "weak"
    assert "5000 prompt tokens" in decision.gated["strong"]
    assert "strong cannot serve this call" in decision.reason


def test_when_nobody_can_serve_every_candidate_and_reason_is_named():
    router = Router(pair(abilities=Needs()), PromptLength(), Threshold(0.5))
    with pytest.raises(NoCandidateError, match=r"strong: no images; weak: no images") as raised:
        router.decide(Query("q", needs=Needs(images=True)))
    assert set(raised.value.gated) == {"strong", "weak"}
