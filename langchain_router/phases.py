"""The phases of an agent's run, and which model serves each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Literal

from langchain_core.messages import BaseMessage, HumanMessage, ToolMessage

from pointsman.decision import Decision
from pointsman.errors import ConfigurationError
from pointsman.pool import Pool
from pointsman.staying import Stay, Turn

__all__ = ["Phase", "Phases", "phase_of"]

Phase = Literal["plan", "tool_loop", "recovery"]
"""The first call after the user has spoken; one that hands over what tools gave; one after a tool has failed."""

_LOOP_RULES = ("stay", "escalate", "route")
_STAY = Stay()


@dataclass(frozen=True)
class Phases:
    """Which model serves each phase of an agent's run.

    Args:
        plan: "route" lets the router decide, "escalate" takes the strong candidate, and the name of a candidate takes
            that one.
        tool_loop: "stay" keeps the model of the plan; "route" lets the router decide, but is obeyed only upwards;
            "escalate" takes the strong candidate. No rule changes to a weaker model in the middle of a loop.
        recovery: the same three, for calls after a tool has failed (`ToolMessage.status == "error"`).
        errors: failed tool calls in a run from which on it is a recovery.

    Raises:
        ConfigurationError: a rule of the loop is none of the three, or errors is less than 1.
    """

    plan: str = "route"
    tool_loop: str = "stay"
    recovery: str = "escalate"
    errors: int = 1

    def __post_init__(self) -> None:
        for name in ("tool_loop", "recovery"):
            if getattr(self, name) not in _LOOP_RULES:
                msg = f"{name} is {getattr(self, name)!r}; give one of {', '.join(_LOOP_RULES)}"
                raise ConfigurationError(msg)
        if self.errors < 1:
            msg = f"errors is {self.errors}; give 1 for the first failed tool call, or more to wait for"
            raise ConfigurationError(msg)

    def check(self, pool: Pool) -> None:
        """Refuse a plan that names nobody.

        Raises:
            ConfigurationError: no candidate of that name.
        """
        if self.plan not in ("route", "escalate") and self.plan not in pool.names:
            msg = f"plan is {self.plan!r}; give 'route', 'escalate' or one of {', '.join(pool.names)}"
            raise ConfigurationError(msg)

    def settle(self, phase: Phase, decision: Decision, previous: Turn | None, pool: Pool) -> Decision:
        """The decision to act by.

        Args:
            phase: of this call.
            decision: the router's, for this call alone.
            previous: the run's last model call; None where there was none.
            pool: what was chosen from.
        """
        rule = str(getattr(self, phase))
        if decision.forced or (rule == "route" and phase == "plan"):
            return decision
        if rule not in _LOOP_RULES:
            return _taken(decision, rule, pool, f"{rule} makes the plan")
        if rule == "escalate":
            return self._escalated(phase, decision, previous, pool)
        if rule == "route" and previous is not None and _upwards(decision, previous.candidate, pool):
            return replace(decision, escalated_from=previous.candidate)
        return _STAY.settle(decision, previous, pool, in_tool_loop=True)

    @staticmethod
    def _escalated(phase: Phase, decision: Decision, previous: Turn | None, pool: Pool) -> Decision:
        top = _top(decision, pool)
        if previous is not None and phase != "plan" and (top is None or top == previous.candidate):
            return _STAY.settle(decision, previous, pool, in_tool_loop=True)
        if top is None:
            return decision
        why = {"plan": "makes the plan", "tool_loop": "takes over", "recovery": "takes over, for a tool failed"}[phase]
        taken = _taken(decision, top, pool, f"{top} {why}")
        return taken if previous is None or phase == "plan" else replace(taken, escalated_from=previous.candidate)


def phase_of(messages: Sequence[BaseMessage], errors: int = 1) -> Phase:
    """The phase of a call with these messages.

    Args:
        messages: of the call.
        errors: failed tool calls since the user spoke from which on it is a recovery, if the last round has one.
    """
    spoken = next((row for row in range(len(messages), 0, -1) if isinstance(messages[row - 1], HumanMessage)), 0)
    given = [message for message in messages[spoken:] if isinstance(message, ToolMessage)]
    if not given:
        return "plan"
    last = takewhile(lambda message: isinstance(message, ToolMessage), reversed(messages))
    failed = sum(map(_failed, given))
    return "recovery" if failed >= errors and any(map(_failed, last)) else "tool_loop"


def _failed(message: BaseMessage) -> bool:
    return isinstance(message, ToolMessage) and message.status == "error"


def _taken(decision: Decision, name: str, pool: Pool, why: str) -> Decision:
    """The decision for a candidate by name; as it was where that one cannot serve the call."""
    if name in decision.gated or decision.candidate == name:
        return decision
    reason = f"{why} ({decision.candidate} by itself: {decision.reason})"
    return replace(decision, candidate=name, model=pool.named(name).model, reason=reason)


def _top(decision: Decision, pool: Pool) -> str | None:
    """The strongest candidate that can serve: the pool's strong one, else the best predicted, else the dearest."""
    baseline = pool.baseline
    if pool.strong is None and decision.quality:
        usable = {name: quality for name, quality in decision.quality.items() if name not in decision.gated}
        return max(usable, key=lambda name: usable[name], default=None)
    return None if baseline is None or baseline.name in decision.gated else baseline.name


def _upwards(decision: Decision, previous: str, pool: Pool) -> bool:
    """Whether the router would leave the previous candidate for a stronger one."""
    if decision.candidate == previous or previous not in pool.names:
        return False
    if pool.strong is not None:
        return decision.candidate == pool.strong
    return decision.quality.get(decision.candidate, 0.0) > decision.quality.get(previous, 1.0)
