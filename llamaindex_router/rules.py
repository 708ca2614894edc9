"""What each stage of a pipeline does with the router: score the question, or go by something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llamaindex_router.stages import STAGES, Stage
from pointsman.errors import ConfigurationError
from pointsman.policies import Always, Policy
from pointsman.pool import Pool
from pointsman.router import Router

__all__ = ["Assigned", "Rule", "Rules"]

Rule = str | Policy
"""What a stage does.

    "score"      the router decides by the question
    "keep"       the model that wrote the answer so far goes on; the first call is scored
    "run"        the model that began an agent's run goes on, until it gets stuck; the first call is scored
    "escalate"   the strong model, for the first try was not good enough
    a name       that candidate; "strong" and "weak" are the pair, or without one the best predicted and the cheapest
    a policy     the router decides by this rule instead of its own

Where the router's own policy is `Always`, no stage departs from it unless it is told to.
"""

_SCORE, _KEEP, _RUN, _ESCALATE = "score", "keep", "run", "escalate"
_DEFAULTS: dict[str, Rule] = {
    "question_answering": _SCORE,
    "summary": _SCORE,
    "refine": _KEEP,
    "retry": _ESCALATE,
    "evaluation": _SCORE,
    "agent": _RUN,
    "chat": _SCORE,
    "custom": _SCORE,
    "selector": "weak",
    "sub_question": "weak",
    "condense": "weak",
    "hyde": "weak",
    "rerank": "weak",
    "extraction": "weak",
}
_BEST = "the best predicted"
_MEANINGS = {
    _SCORE: "scored by the question",
    _KEEP: "scored once, then the model of the answer's first chunk",
    _RUN: "scored once, then the model that began the run, until a tool fails or it repeats itself",
    _ESCALATE: "the strong model",
}


@dataclass(frozen=True)
class Assigned:
    """The policy of a stage that has a model of its own. Unlike `Always` it gives way if that model fails.

    Args:
        stage: the stage.
        name: the candidate; None for whichever is predicted to answer best.
        column: its column; a pool sets it.
    """

    stage: str
    name: str | None = None
    column: int = 0

    def bind(self, pool: Pool) -> Assigned:
        """The rule for this pool.

        Raises:
            PoolError: the pool has no candidate of that name.
        """
        return self if self.name is None else Assigned(self.stage, self.name, pool.position(self.name))

    def choose(
        self,
        quality: NDArray[np.float64],
        cost: NDArray[np.float64],  # noqa: ARG002  # the protocol's signature
        win_rate: NDArray[np.float64] | None,  # noqa: ARG002
    ) -> NDArray[np.intp]:
        """That column, or that of the highest quality."""
        if self.name is None:
            return np.asarray(quality.argmax(axis=1), dtype=np.intp)
        return np.full(len(quality), self.column, dtype=np.intp)

    def explain(self, column: int, quality: float, win_rate: float | None) -> str:  # noqa: ARG002  # one signature
        """Why this column, for people."""
        return f"{self.stage} calls go to {self.name or _BEST}"

    def __str__(self) -> str:
        return f"Assigned({self.stage!r}, {self.name!r})"


class Rules:
    """The rule of each stage, bound to a router.

    Args:
        router: decides what is scored.
        given: rules that go before the defaults.

    Raises:
        ConfigurationError: a stage or a rule is not known, a candidate is not in the pool, or a policy cannot work with
            it.
    """

    def __init__(self, router: Router, given: Mapping[str, Rule] | None = None) -> None:
        self.given = dict(given or {})
        unknown = [stage for stage in self.given if stage not in STAGES]
        if unknown:
            msg = f"unknown stage {', '.join(unknown)}; the stages are {', '.join(STAGES)}"
            raise ConfigurationError(msg)
        self._scoring = router
        self._pool = router.pool
        defaults = dict.fromkeys(_DEFAULTS, _SCORE) if isinstance(router.policy, Always) else _DEFAULTS
        self._rules: dict[str, Rule] = {**defaults, **self.given}
        self._routers = {stage: self._router(stage, rule, router) for stage, rule in self._rules.items()}
        self.escalating = router.with_policy(Assigned("escalated", self._strong))

    @property
    def names(self) -> tuple[str, ...]:
        """The candidates."""
        return self._pool.names

    def router(self, stage: str) -> Router:
        """Who decides for this stage."""
        return self._routers[stage]

    def keeps(self, stage: str) -> bool:
        """Whether the model that wrote the answer so far goes on."""
        return self._rules[stage] == _KEEP

    def follows_run(self, stage: str) -> bool:
        """Whether the model that began an agent's run goes on."""
        return self._rules[stage] == _RUN

    def escalates(self, stage: str) -> bool:
        """Whether the first try was not good enough."""
        return self._rules[stage] == _ESCALATE

    def explain(self) -> str:
        """The stages and what each does, a line each."""
        width = max(map(len, STAGES))
        return "\n".join(f"  {stage:<{width}}  {self._meaning(stage)}" for stage in STAGES)

    def _meaning(self, stage: Stage) -> str:
        rule, router = self._rules[stage], self._routers[stage]
        if isinstance(router.policy, Assigned):
            return router.policy.name or _BEST
        if router is not self._scoring:
            return str(router.policy)
        return _MEANINGS[rule] if isinstance(rule, str) and rule in _MEANINGS else _MEANINGS[_SCORE]

    def _router(self, stage: str, rule: Rule, router: Router) -> Router:
        if isinstance(rule, Policy) and not isinstance(rule, type):
            return router.with_policy(rule)
        if rule in (_SCORE, _KEEP, _RUN):
            return router
        if rule in self._pool.names:
            return router.with_policy(Assigned(stage, str(rule)))
        if rule in ("strong", _ESCALATE):
            return router.with_policy(Assigned(stage, self._strong))
        if rule != "weak":
            names = ", ".join(self._pool.names)
            msg = f"stages[{stage!r}] is {rule!r}; give {', '.join(_MEANINGS)}, a policy, or one of {names}"
            raise ConfigurationError(msg)
        if (weak := self._weak) is not None:
            return router.with_policy(Assigned(stage, weak))
        if stage in self.given:
            msg = f"stages[{stage!r}] is {rule!r}, and neither a pair nor the prices tell who that is; give a name"
            raise ConfigurationError(msg)
        return router

    @property
    def _strong(self) -> str | None:
        """The pair's strong candidate; None for whichever is predicted to answer best."""
        return self._pool.strong

    @property
    def _weak(self) -> str | None:
        """The pair's weak candidate, else the cheapest; None if prices do not tell."""
        if self._pool.weak is not None:
            return self._pool.weak
        prices = {c.name: c.price.blended for c in self._pool}
        known = {each: price for each, price in prices.items() if price is not None}
        return min(known, key=known.__getitem__) if len(known) == len(prices) else None
