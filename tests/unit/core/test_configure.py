"""Policies as texts, for where a config can hold nothing else."""

from __future__ import annotations

import pytest

from pointsman import Always, PromptLength, QualityFloor, Router, Threshold, Utility
from pointsman.configure import override, policy_named
from pointsman.errors import PolicyError
from tests.support.core import pair


@pytest.mark.parametrize("policy", [Threshold(0.4), Utility(0.01), QualityFloor(0.8), Always("weak")])
def test_a_policy_is_read_as_it_is_written(policy: object) -> None:
    assert policy_named(str(policy)) == policy
    assert policy_named(f" {policy} ".replace("(", "( ").replace(")", " )")) == policy


@pytest.mark.parametrize("text", ["", "Threshold", "Threshold(0.4", "threshold(0.4)", "__import__('os')", "Router(1)"])
def test_what_names_no_policy(text: str) -> None:
    with pytest.raises(PolicyError, match="names no policy; write it as in code"):
        policy_named(text)


def test_a_parameter_out_of_range_is_the_policys_to_refuse() -> None:
    with pytest.raises(PolicyError, match=r"the threshold is 1\.4"):
        policy_named("Threshold(1.4)")


def test_a_candidate_wins_over_any_rule() -> None:
    router = Router(pair(), PromptLength(), Threshold(0.5))
    assert override(router, candidate="weak", policy="Threshold(0)").decide("hi").candidate == "weak"
    assert override(router, policy="Threshold(0)").decide("hi").candidate == "strong"
    assert override(router) is router
