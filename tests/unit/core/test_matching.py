"""Models that were never trained on find a relative, and the record says which."""

import pytest

from pointsman import Candidate, Pool
from pointsman.matching import match_pool
from tests.support.core import known

KNOWN = [
    known("gpt-4o-2024-08-06", 0.8, family="gpt-4o"),
    known("gpt-4o-2024-05-13", 0.78, family="gpt-4o", rows=600),
    known("gpt-4o-mini-2024-07-18", 0.68, family="gpt-4o-mini"),
    known("claude-3-5-sonnet-20240620", 0.82, family="claude-sonnet"),
    known("llama-3.1-8b-instruct", 0.5, family="llama-8b"),
    known("rarely-seen", 0.99, rows=3),
]


def matched(pool: Pool) -> list[str]:
    return [str(match) for match in match_pool(pool, KNOWN)]


def test_a_known_model_is_itself_however_it_is_spelled():
    pool = Pool.pair("openai/gpt-4o-2024-08-06", "meta-llama/Llama-3.1-8B-Instruct")
    assert matched(pool) == ["known: gpt-4o-2024-08-06", "known: llama-3.1-8b-instruct"]


def test_a_new_version_is_its_family_s_best_observed_member():
    assert matched(Pool.pair("claude-sonnet-4-5", "gpt-5-mini")) == [
        "family: claude-3-5-sonnet-20240620",
        "family: gpt-4o-mini-2024-07-18",
    ]


def test_two_of_one_family_are_told_apart_by_price():
    strong = Candidate("gpt-5", input_price=5, output_price=20)
    weak = Candidate("gpt-4.1", input_price=2, output_price=8)
    strong_match, weak_match = match_pool(Pool.pair(strong, weak), KNOWN)
    assert strong_match.how == weak_match.how == "price"
    assert strong_match.model != weak_match.model


def test_models_that_nobody_knows_go_by_price_rank():
    dear, cheap = Candidate("zeta", input_price=10, output_price=30), Candidate("eta", input_price=1, output_price=1)
    assert [match.how for match in match_pool(Pool.pair(dear, cheap), KNOWN)] == ["price", "price"]


def test_without_prices_the_role_decides():
    assert [match.how for match in match_pool(Pool.pair("zeta", "eta"), KNOWN)] == ["role", "role"]


@pytest.mark.parametrize(
    ("strong", "weak"),
    [("zeta", "eta"), ("gpt-5", "gpt-4.1"), ("zeta", "claude-3-5-sonnet-20240620"), ("llama-3.1-8b-instruct", "eta")],
)
def test_a_strong_stand_in_is_better_than_the_weak_one_and_no_stand_in_is_rarely_seen(strong, weak):
    skill = {model.name: model.skill for model in KNOWN}
    first, second = match_pool(Pool.pair(strong, weak), KNOWN)
    assert skill[first.model] >= skill[second.model]
    assert "rarely-seen" not in (first.model, second.model)


def test_two_known_models_keep_the_order_that_the_data_gives_them():
    """Whoever names a weaker model strong gets low win rates and not a silent correction."""
    assert matched(Pool.pair("llama-3.1-8b-instruct", "gpt-4o-2024-08-06"))[0] == "known: llama-3.1-8b-instruct"


def test_a_family_is_stood_for_by_the_member_spelled_most_like_the_candidate_then_the_best():
    line = [
        known("mistral-7b-instruct-v0.3", 0.5, family="mistral-7b"),
        known("mathstral-7b-v0.1", 0.6, family="mistral-7b"),
        known("gpt-4o-2024-05-13", 0.78, family="gpt-4o"),
        known("gpt-4o-2024-08-06", 0.8, family="gpt-4o"),
    ]
    pool = Pool(["mistral-7b-instruct-v0.9", "gpt-5"])
    assert [str(match) for match in match_pool(pool, line)] == [
        "family: mistral-7b-instruct-v0.3",
        "family: gpt-4o-2024-08-06",
    ]
