"""How a routed model behaves around its choices: when it asks somebody else, keeps a model, or has answers judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from langchain_core.messages import AIMessage, BaseMessage, FunctionMessage, ToolMessage

from langchain_router.plan import Plan
from langchain_router.record import routing_decision, routing_outcome
from langchain_router.usage import counted_usage
from pointsman.costs.usage import Usage
from pointsman.decision import Decision, Outcome
from pointsman.failover import Attempts, Breaker, Failover
from pointsman.staying import Conversations, Stay, Turn

if TYPE_CHECKING:
    from pointsman.cascade import Cascade

__all__ = ["Conduct", "last_turn"]


@dataclass(frozen=True)
class Conduct:
    """Settings of one model object, and what it remembers from call to call.

    Attributes:
        failover: when another candidate is asked; None for never.
        stay: when a conversation keeps its model; None to choose anew for every call.
        cascade: has cheap answers judged; None for one answer per call.
    """

    failover: Failover | None = None
    stay: Stay | None = None
    cascade: Cascade | None = None
    _conversations: Conversations = field(default_factory=Conversations, repr=False)
    _breaker: Breaker | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.failover is not None:
            object.__setattr__(self, "_breaker", Breaker(self.failover))

    @property
    def left_alone(self) -> dict[str, str]:
        """Candidate -> why it had better not be asked now."""
        return {} if self._breaker is None else self._breaker.closed()

    def attempts(self, plan: Plan) -> Attempts:
        """The tries of a call."""
        return Attempts(plan.router, self.failover, self._breaker)

    def climbs(self, decision: Decision, plan: Plan) -> bool:
        """Whether candidates answer and are judged from the cheapest up.

        A model that a tool loop has been handed up to keeps it.
        """
        if self.cascade is None or decision.forced or plan.model_name is not None:
            return False
        previous = self._previous(plan) if _in_tool_loop(plan) else None
        return previous is None or previous.candidate == self.cascade.ladder(plan.router.pool)[0]

    def settle(self, decision: Decision, plan: Plan) -> Decision:
        """The decision to act by, in view of the conversation so far."""
        if self.stay is None or (previous := self._previous(plan)) is None:
            return decision
        return self.stay.settle(
            decision,
            previous,
            plan.router.pool,
            prompt_tokens=plan.query.prompt_tokens or 0,
            in_tool_loop=_in_tool_loop(plan),
        )

    def remember(self, plan: Plan, decision: Decision, outcome: Outcome, usage: Usage | None) -> None:
        """A call has ended; `usage` is that of the answer alone."""
        conversation = plan.thread
        if self.stay is not None and conversation is not None and outcome.error is None:
            self._conversations.note(conversation, Turn.of(decision, outcome, usage))

    def _previous(self, plan: Plan) -> Turn | None:
        if len(plan.messages) == 1 and plan.thread is None:  # the first call of a conversation, or its only one
            return None
        return last_turn(plan.messages) or self._conversations.last(plan.thread)


def last_turn(messages: Sequence[BaseMessage]) -> Turn | None:
    """The last answer in the history that a router sent for."""
    for message in reversed(messages):
        if isinstance(message, AIMessage) and (decision := routing_decision(message)) is not None:
            return Turn.of(decision, routing_outcome(message), counted_usage(message))
    return None


def _in_tool_loop(plan: Plan) -> bool:
    """Whether the call hands a tool's result to the model that asked for it."""
    return isinstance(plan.messages[-1], ToolMessage | FunctionMessage)
