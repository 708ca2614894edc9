"""A router that stops spending when its budget is spent."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace

from pointsman.calibrated import Certificate
from pointsman.costs.budget import Budget
from pointsman.decision import Decision
from pointsman.experiments.composite import Over
from pointsman.policies import Policy, QualityFloor
from pointsman.pool import Pool
from pointsman.query import Query
from pointsman.router import Router

__all__ = ["BudgetRouter", "BudgetWarning"]


class BudgetWarning(UserWarning):
    """The budget of this period is spent; until it ends every call goes to the cheapest model."""


class BudgetRouter(Over):
    """A router that sends every call to the cheapest candidate once the period's budget is spent, and says so.

    The ledger must be the one that the calls go to, see `pointsman.costs.ledger.use_ledger`. With the next period the
    router decides as before. State is shared by all that is made of this router by `with_pool`.

    Args:
        router: decides while there is money.
        budget: what may be spent.

    Raises:
        UnknownPriceError: a candidate's price is not known, so it cannot be told what is cheap.
    """

    def __init__(self, router: Router, budget: Budget) -> None:
        super().__init__(router)
        self.budget = budget
        self._thrifty = router.with_policy(QualityFloor(0.0))
        self._told = {"period": ""}

    def decide_batch(
        self, queries: Sequence[Query | str], *, excluded: Mapping[str, str] | None = None
    ) -> list[Decision]:
        """The router's decisions, or the cheapest candidate; arguments and errors as for `Router.decide`."""
        if self.budget.spent() < self.budget.usd:
            return self.router.decide_batch(queries, excluded=excluded)
        decisions = self._thrifty.decide_batch(queries, excluded=excluded)
        if decisions and self._told["period"] != (period := self.budget.period):
            self._told["period"] = period
            msg = f"the budget of {self.budget} is spent in {period}; until it ends all calls go to the cheapest model"
            warnings.warn(msg, BudgetWarning, stacklevel=2)
            decisions[-1] = replace(decisions[-1], notice=msg)
        return [replace(d, reason=f"{d.reason}; the budget of {self.budget} is spent") for d in decisions]

    def instead(self, decision: Decision, failed: Mapping[str, str]) -> Decision | None:
        """Whom to ask after the chosen candidate failed."""
        spent = self.budget.spent() >= self.budget.usd
        return (self._thrifty if spent else self.router).instead(decision, failed)

    @property
    def certificate(self) -> Certificate | None:
        """The router's; None while the budget is spent."""
        return self.router.certificate if self.budget.left else None

    def with_pool(self, pool: Pool, policy: Policy | None = None) -> Router:
        """The same over other models and the same budget."""
        router = self.router.with_pool(pool, policy)
        other = copy(self)
        other.__dict__.update(router.__dict__, router=router, _thrifty=router.with_policy(QualityFloor(0.0)))
        return other

    def __repr__(self) -> str:
        return f"BudgetRouter({self.router}, {self.budget})"
