"""Candidates, roles and prices."""

import copy
import pickle

import pytest

from pointsman import Candidate, Needs, Pool, Usage
from pointsman.errors import PoolError
from tests.support.core import pair


def test_a_candidate_is_its_own_model_and_can_do_everything_until_told_otherwise():
    candidate = Candidate("gpt-4o")
    assert candidate.model == "gpt-4o"
    assert candidate.abilities == Needs.everything()


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda: Pool([]), "empty"),
        (lambda: Pool(["a", "b", "a"]), "a comes twice"),
        (lambda: Pool(["a", "b"], strong="a"), "both strong and weak"),
        (lambda: Pool(["a", "b"], strong="a", weak="c"), "no candidate named 'c'; this pool has a, b"),
        (lambda: Pool(["a", "b"], strong="a", weak="a"), "two different"),
        (lambda: Candidate(""), "needs a name"),
        (lambda: Candidate("a", input_price=-1.0), "input_price is -1"),
        (lambda: Candidate("a", output_price=float("nan")), "output_price is nan"),
        (lambda: Candidate("a", context_window=0), "context_window is 0"),
    ],
)
def test_what_cannot_be_a_pool_is_refused_with_the_mend(build, says):
    with pytest.raises(PoolError, match=says):
        build()


def test_an_unknown_model_has_no_price_and_not_a_price_of_zero():
    price = Candidate("no-such-model-anywhere").price
    assert price.input is None
    assert price.cost(Usage(1000, 1000)) is None


def test_list_prices_come_from_the_tables_and_own_prices_win_one_by_one():
    listed = Candidate("gpt-4o", provider="openai").price
    assert (listed.input, listed.output) == (2.5, 10.0)
    half = Candidate("gpt-4o", provider="openai", output_price=1.0).price
    assert (half.input, half.output) == (2.5, 1.0)


def test_a_model_served_by_somebody_without_list_prices_has_none():
    """The same weights on one's own machine do not cost what a cloud charges for them."""
    assert Candidate("gpt-4o", provider="ollama").price.input is None


def test_a_price_of_zero_is_a_price():
    assert Candidate("mine", input_price=0, output_price=0).price.cost(Usage(10, 10)) == 0.0


def test_cached_input_is_billed_at_its_own_rate():
    price = Candidate("gpt-4o", provider="openai").price
    assert price.cost(Usage(1_000_000, 0, cached_tokens=1_000_000)) == pytest.approx(price.cached_input)


def test_the_baseline_is_the_strong_candidate_else_the_dearest_else_unknown():
    assert pair().baseline.name == "strong"
    cheap, dear = Candidate("a", input_price=1, output_price=1), Candidate("b", input_price=2, output_price=2)
    assert Pool([cheap, dear]).baseline.name == "b"
    assert Pool([cheap, Candidate("no-such-model")]).baseline is None


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])  # noqa: S301
def test_pools_travel(clone):
    pool = pair(metadata={"region": "eu"})
    assert pool.candidates[0].price.input == 2.5
    assert clone(pool) == pool
    assert clone(pool).candidates[0].metadata["region"] == "eu"
