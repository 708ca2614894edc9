"""A scorer may read more of a call than its words, and the router hands it what the query holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from pointsman import Candidate, Pool, PromptLength, Query, Router, Threshold, Utility, load_router
from pointsman.errors import QueryError
from pointsman.scorers.base import FeatureScorer


@dataclass(frozen=True)
class Context:
    """Long contexts are hard: the win rate is the share of 1,000 tokens that the context takes."""

    models: tuple[str, ...] = ("strong", "weak")
    features: tuple[str, ...] = ("context_tokens",)
    rows: tuple[Mapping[str, float], ...] = ()

    def with_features(self, rows: Sequence[Mapping[str, float]]) -> Context:
        return replace(self, rows=tuple(rows))

    def quality(self, texts: Sequence[str]) -> np.ndarray:
        rates = self.win_rate(texts, "", "")
        return np.stack([rates, 1 - rates], axis=1)

    def win_rate(self, texts: Sequence[str], strong: str, weak: str) -> np.ndarray:
        rows = self.rows or ({},) * len(texts)
        assert len(rows) == len(texts)
        return np.array([min(1.0, row.get("context_tokens", 500.0) / 1000) for row in rows])


def query(text="why?", **features):
    return Query(text, features=features)


@pytest.fixture
def router():
    return Router(Pool.pair("strong", "weak"), Context(), Threshold(0.6))


def test_a_feature_decides(router):
    assert router.features == ("context_tokens",)
    assert router.decide(query(context_tokens=900)).candidate == "strong"
    assert router.decide(query(context_tokens=100)).candidate == "weak"


def test_in_a_batch_each_query_keeps_its_own(router):
    batch = [query(context_tokens=900), query(""), query(context_tokens=100), query(), "just a text"]
    rates = [decision.win_rate for decision in router.decide_batch(batch)]
    assert rates == [0.9, None, 0.1, 0.5, 0.5]
    assert rates == [router.decide(one).win_rate for one in batch]


def test_without_a_pair_quality_is_read_so_too():
    pool = Pool(
        [Candidate("strong", input_price=1.0, output_price=1.0), Candidate("weak", input_price=1.0, output_price=1.0)]
    )
    router = Router(pool, Context(), Utility(1.0))
    assert router.decide(query(context_tokens=900)).quality == pytest.approx({"strong": 0.9, "weak": 0.1})


def test_scorers_of_words_alone_are_shown_none():
    router = Router(Pool.pair("strong", "weak"), PromptLength(), Threshold(0.5))
    assert router.features == ()
    assert router.decide(query(context_tokens=900)).win_rate == router.decide("why?").win_rate
    assert not isinstance(PromptLength(), FeatureScorer)


def test_the_router_that_ships_reads_none_and_its_card_says_so(project_root):
    assert load_router().features == ()
    card = (project_root / "shared/pointsman/assets/default/README.md").read_text(encoding="utf-8")
    assert "It reads no other features of a call" in card


@pytest.mark.parametrize("value", ["many", float("nan"), float("inf"), None])
def test_a_feature_is_a_finite_number(value):
    with pytest.raises(QueryError, match="the features chunks are no finite numbers; leave out what is not known"):
        query(chunks=value)


def test_a_query_with_features_can_still_be_a_key():
    assert len({query(chunks=1), query(chunks=1), query(chunks=np.float32(2))}) == 2
