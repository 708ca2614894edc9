"""From what a user of a plugin writes to a router: one set of rules for both plugins."""

from __future__ import annotations

import re
from collections.abc import Callable

from pointsman.costs.ledger import current_ledger
from pointsman.errors import ConfigurationError, PolicyError
from pointsman.policies import Always, Policy, QualityFloor, QualityMargin, Threshold, Utility
from pointsman.pool import Pool
from pointsman.router import Router, load_router

__all__ = ["configure_router", "override", "policy_named"]

_POLICIES: dict[str, Callable[..., Policy]] = {
    "Always": Always,
    "QualityFloor": QualityFloor,
    "QualityMargin": QualityMargin,
    "Threshold": Threshold,
    "Utility": Utility,
}
_WRITTEN = re.compile(r"\s*(?P<name>\w+)\(\s*(?P<argument>.*?)\s*\)\s*")


def configure_router(
    pool: Pool,
    router: str | Router = "default",
    *,
    threshold: float | None = None,
    strong_share: float | None = None,
    policy: Policy | None = None,
) -> Router:
    """The router over `pool` that a plugin's arguments describe.

    Args:
        pool: the plugin's models.
        router: a router, or the name or folder of a saved one.
        threshold: win rate in [0, 1] from which the strong model is chosen.
        strong_share: share of calls in [0, 1] for the strong model; the router's reference prompts turn it into a
            threshold.
        policy: any other rule. At most one of threshold, strong_share and policy; none keeps the router's own.

    Raises:
        ConfigurationError: more than one rule is given, or the rule cannot work with the pool.
        ArtifactError: the named router does not exist or is damaged.
    """
    rules = {"threshold": threshold, "strong_share": strong_share, "policy": policy}
    given = [name for name, rule in rules.items() if rule is not None]
    if len(given) > 1:
        msg = f"{' and '.join(given)} are both given, and each is a rule of its own; keep one"
        raise ConfigurationError(msg)
    current_ledger()  # opened now, so that a file that cannot be written is refused here and not in a call
    for candidate in pool:
        _ = candidate.price  # read the price tables now, and not in the first call on somebody's event loop
    rule = policy if threshold is None else Threshold(threshold)
    if strong_share is not None:
        over_pool = _over_pool(router, pool, Threshold(0.5))
        return over_pool.with_policy(Threshold(over_pool.threshold_for_share(strong_share)))
    return _over_pool(router, pool, rule)


def override(
    router: Router,
    *,
    threshold: float | None = None,
    candidate: str | None = None,
    policy: Policy | str | None = None,
) -> Router:
    """The router for one call that asks for another rule, or for a candidate by name; the latter wins.

    Args:
        router: the one that would decide.
        threshold: win rate in [0, 1] from which the strong model is chosen.
        candidate: name of the candidate to be called.
        policy: a rule, or one as `policy_named` reads it.

    Raises:
        ConfigurationError: both a threshold and a policy are given, one is out of range or cannot work with the pool,
            or the pool has no such candidate.
    """
    if candidate is not None:
        return router.with_policy(Always(candidate))
    if policy is None:
        return router if threshold is None else router.with_policy(Threshold(threshold))
    if threshold is not None:
        msg = f"this call asks for threshold {threshold} and for policy {policy}, and each is a rule; keep one"
        raise ConfigurationError(msg)
    return router.with_policy(policy_named(policy) if isinstance(policy, str) else policy)


def policy_named(text: str) -> Policy:
    """The policy that a text names, written as in code and as `Decision.policy` has it: "Threshold(0.4)".

    Raises:
        PolicyError: the text names none, or one with a parameter out of range.
    """
    found = _WRITTEN.fullmatch(text)
    kind = None if found is None else _POLICIES.get(found["name"])
    if found is None or kind is None:
        known = "Threshold(0.5), Utility(0.01), QualityFloor(0.8) or Always('name')"
        msg = f"{text!r} names no policy; write it as in code, like {known}"
        raise PolicyError(msg)
    if kind is Always:
        return Always(found["argument"].strip("'\""))
    try:
        number = float(found["argument"])
    except ValueError:
        msg = f"{text!r} needs a number in its brackets, like {found['name']}(0.5)"
        raise PolicyError(msg) from None
    return kind(number)


def _over_pool(router: str | Router, pool: Pool, policy: Policy | None) -> Router:
    return load_router(router, pool, policy=policy) if isinstance(router, str) else router.with_pool(pool, policy)
