"""From what a user of a plugin writes to a router: one set of rules for both plugins."""

from __future__ import annotations

from pointsman.errors import ConfigurationError
from pointsman.policies import Always, Policy, Threshold
from pointsman.pool import Pool
from pointsman.router import Router, load_router

__all__ = ["configure_router", "override"]


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
    for candidate in pool:
        _ = candidate.price  # read the price tables now, and not in the first call on somebody's event loop
    rule = policy if threshold is None else Threshold(threshold)
    if strong_share is not None:
        over_pool = _over_pool(router, pool, Threshold(0.5))
        return over_pool.with_policy(Threshold(over_pool.threshold_for_share(strong_share)))
    return _over_pool(router, pool, rule)


def override(router: Router, *, threshold: float | None = None, candidate: str | None = None) -> Router:
    """The router for one call that asks for another threshold, or for a candidate by name; the latter wins.

    Raises:
        ConfigurationError: the threshold is out of range, or the pool has no such candidate.
    """
    if candidate is not None:
        return router.with_policy(Always(candidate))
    return router if threshold is None else router.with_policy(Threshold(threshold))


def _over_pool(router: str | Router, pool: Pool, policy: Policy | None) -> Router:
    return load_router(router, pool, policy=policy) if isinstance(router, str) else router.with_pool(pool, policy)
