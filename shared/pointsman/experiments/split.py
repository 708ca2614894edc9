"""A/B tests: each conversation is one router's, by a stable hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import NoReturn

from pointsman.decision import Decision
from pointsman.errors import ConfigurationError, PolicyError
from pointsman.experiments.composite import Composite, key_of
from pointsman.policies import Policy
from pointsman.pool import Pool
from pointsman.query import Query
from pointsman.router import Router

__all__ = ["SplitRouter", "arm_of"]


def arm_of(key: str, weights: Mapping[str, float], *, name: str = "split") -> str:
    """The arm of a key: the same on every machine and in every process, for the same name and weights.

    The first 64 bits of sha256(name, key) are a point in [0, 1); the arms divide that interval by their weights.

    Args:
        key: of a conversation, a user, or whatever must stay in one arm.
        weights: arm -> weight, 0 or more, with a sum above 0.
        name: of the experiment. Another name deals the keys out anew.

    Raises:
        ConfigurationError: a weight is negative or not finite, or none is above 0.
    """
    total = sum(weights.values())
    if not 0 < total < float("inf") or min(weights.values()) < 0:
        msg = f"the weights of {name} are {dict(weights)}; give each arm 0 or more, and at least one of them above 0"
        raise ConfigurationError(msg)
    digest = hashlib.sha256(f"{name}\0{key}".encode("utf-8", "surrogatepass")).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64 * total
    weighted = [(arm, weight) for arm, weight in weights.items() if weight > 0]
    for arm, weight in weighted[:-1]:
        if point < weight:
            return arm
        point -= weight
    return weighted[-1][0]


class SplitRouter(Composite):
    """An A/B test: each conversation is one arm's, by a stable hash of its key, and the decision says which arm's.

    A query without a conversation is dealt out by its text, so that the same question meets the same arm. Another
    policy for one call goes to whichever arm the call belongs to. What else is asked of the router (its pool, its
    scorer) is answered by the first arm.

    Args:
        arms: arm -> router. All choose among candidates of the same names.
        weights: arm -> share of the conversations; equal shares if not given.
        name: of the experiment. Another name deals the conversations out anew.

    Raises:
        ConfigurationError: fewer than two arms, arms over different candidates, or weights that are none.
    """

    def __init__(
        self, arms: Mapping[str, Router], *, weights: Mapping[str, float] | None = None, name: str = "split"
    ) -> None:
        if len(arms) < 2:
            msg = f"an experiment needs two arms or more, and {name} has {len(arms)}; give arms={{'a': ..., 'b': ...}}"
            raise ConfigurationError(msg)
        first = next(iter(arms.values()))
        for arm, router in arms.items():
            if set(router.pool.names) != set(first.pool.names):
                msg = (
                    f"arm {arm} chooses among {', '.join(router.pool.names)}, the first one among "
                    f"{', '.join(first.pool.names)}; give all arms one pool, with Router.with_pool"
                )
                raise ConfigurationError(msg)
        super().__init__(first)
        self.arms = dict(arms)
        self.weights = dict(weights) if weights is not None else dict.fromkeys(arms, 1.0)
        if set(self.weights) != set(self.arms):
            msg = f"weights are for {', '.join(self.weights)}, and the arms are {', '.join(arms)}; give one to each arm"
            raise ConfigurationError(msg)
        self.name = name
        arm_of("", self.weights, name=name)  # so that bad weights are refused here and not in a call

    def decide_batch(
        self, queries: Sequence[Query | str], *, excluded: Mapping[str, str] | None = None
    ) -> list[Decision]:
        """One decision per query, those of an arm in one pass; arguments and errors as for `Router.decide`."""
        groups: dict[str, list[int]] = {}
        asked = [Query.of(query) for query in queries]
        for row, query in enumerate(asked):
            groups.setdefault(self.arm(query), []).append(row)
        made: dict[int, Decision] = {}
        for arm, rows in groups.items():
            decisions = self.arms[arm].decide_batch([asked[row] for row in rows], excluded=excluded)
            made |= {row: replace(decision, arm=arm) for row, decision in zip(rows, decisions, strict=True)}
        return [made[row] for row in range(len(asked))]

    def instead(self, decision: Decision, failed: Mapping[str, str]) -> Decision | None:
        """Whom to ask after the chosen candidate failed, as its arm sees it."""
        return self.arms.get(decision.arm or "", next(iter(self.arms.values()))).instead(decision, failed)

    def arm(self, query: Query | str) -> str:
        """The arm of a query."""
        return arm_of(key_of(Query.of(query)), self.weights, name=self.name)

    @property
    def certificate(self) -> None:
        """None: what was tested is an arm, and not their mixture. Ask the arms."""
        return

    @property
    def instant(self) -> bool:
        """Whether deciding takes less time than handing it to a thread."""
        return all(router.instant for router in self.arms.values())

    def with_policy(self, policy: Policy) -> SplitRouter:
        """The same split, with this policy in every arm."""
        other = copy(self)
        other.arms = {arm: router.with_policy(policy) for arm, router in self.arms.items()}
        other.policy = next(iter(other.arms.values())).policy
        return other

    def with_pool(self, pool: Pool, policy: Policy | None = None) -> SplitRouter:
        """The same split over other models."""
        arms = {arm: router.with_pool(pool, policy) for arm, router in self.arms.items()}
        return SplitRouter(arms, weights=self.weights, name=self.name)

    def threshold_for_share(self, strong_share: float) -> NoReturn:
        """Refused: each arm has a threshold of its own for a share."""
        msg = f"strong_share={strong_share} is another threshold for each arm; set it on each arm's router"
        raise PolicyError(msg)

    def __repr__(self) -> str:
        return f"SplitRouter({self.arms}, weights={self.weights}, name={self.name!r})"
