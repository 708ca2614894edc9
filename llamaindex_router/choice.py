"""Who makes a call: the router's decision under the rule of the call's stage, and what came before it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from llamaindex_router.messages import trouble_in
from llamaindex_router.question import Asked
from llamaindex_router.rules import Rules
from llamaindex_router.spans import Note, Span, enclosing, question_scope
from llamaindex_router.stages import ANSWERING
from pointsman.decision import Decision
from pointsman.failover import Attempts, Breaker, Failover
from pointsman.router import Router
from pointsman.staying import Conversations, Turn

__all__ = ["Choice", "Chooser"]


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision and what goes with it.

    Attributes:
        decision: who makes the call.
        attempts: whom to ask if that fails.
        run: the agent's run that the call is a step of.
    """

    decision: Decision
    attempts: Attempts
    run: str | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a call is to be decided."""

    router: Router
    attempts: Attempts
    run: str | None = None
    kept: str | None = None
    escalated: tuple[str, str] | None = None
    """From whom, and why."""

    def settled(self, decision: Decision) -> Choice:
        """What the router decided, seen in the light of what came before."""
        return Choice(self._settled(decision), self.attempts, self.run)

    def _settled(self, decision: Decision) -> Decision:
        if self.escalated is not None:
            previous, why = self.escalated
            if decision.candidate == previous:
                return decision
            return replace(decision, escalated_from=previous, reason=f"{decision.reason}: {previous} {why}")
        if self.kept is None or self.kept == decision.candidate or self.kept in decision.gated:
            return decision
        kept = self.router.pool.named(self.kept)
        reason = f"{kept.name} goes on with what it began ({decision.candidate} by itself: {decision.reason})"
        return replace(decision, candidate=kept.name, model=kept.model, reason=reason, sticky=True)


class Chooser:
    """Decides calls. What it remembers, it keeps per call, per query or per agent's run, never for the next one.

    Args:
        rules: of the stages.
        failover: when another model is asked; None for never.
    """

    def __init__(self, rules: Rules, failover: Failover | None) -> None:
        self.rules = rules
        self.failover = failover
        self._breaker = None if failover is None else Breaker(failover)
        self._runs = Conversations()

    def choose(self, asked: Asked) -> Choice:
        """Who makes the call.

        Raises:
            NoCandidateError: nobody can.
        """
        plan = self._plan(asked)
        return plan.settled(plan.router.decide(asked.query, excluded=plan.attempts.excluded))

    async def achoose(self, asked: Asked) -> Choice:
        """`choose`, async."""
        plan = self._plan(asked)
        return plan.settled(await plan.router.adecide(asked.query, excluded=plan.attempts.excluded))

    def answered(self, choice: Choice, decision: Decision) -> None:
        """The call was answered by `decision`."""
        if choice.run is not None:
            self._runs.note(choice.run, Turn.of(decision))

    def _plan(self, asked: Asked) -> _Plan:
        stage, rules = asked.stage, self.rules
        router = rules.router(stage)
        if rules.follows_run(stage):
            return self._step_of_run(asked, router)
        kept = escalated = None
        if rules.keeps(stage):
            kept = _answering()
        elif rules.escalates(stage) and (previous := _answering()) is not None:
            escalated = (previous, "did not answer well enough")
        return _Plan(router, self._attempts(router), kept=self._here(kept), escalated=escalated)

    def _step_of_run(self, asked: Asked, router: Router) -> _Plan:
        run = asked.query.conversation
        last = self._runs.last(run)
        previous = None if last is None else last.candidate
        stuck = _stuck(asked)
        if previous is not None and stuck is not None:
            router = self.rules.escalating
            return _Plan(router, self._attempts(router), run, escalated=(previous, f"is stuck, for {stuck}"))
        return _Plan(router, self._attempts(router), run, kept=self._here(previous))

    def _attempts(self, router: Router) -> Attempts:
        return Attempts(router, self.failover, self._breaker)

    def _here(self, name: str | None) -> str | None:
        """The candidate, if it is one of this pool: another `RouterLLM` may have answered before."""
        return name if name in self.rules.names else None


def _answering() -> str | None:
    """Who has written the answer to the question so far."""
    scope = question_scope()
    return None if scope is None else _last_answer(scope.notes)


def _last_answer(notes: list[Note]) -> str | None:
    return next((note["candidate"] for note in reversed(notes) if note["stage"] in ANSWERING), None)


def _stuck(asked: Asked) -> str | None:
    """Why the model of an agent does not get on; a tool's error that only its span tells of is looked at once."""
    run: Span | None = next((span for span in enclosing() if span.is_run), None)
    if run is not None and run.tool_error is not None:
        run.tool_error = None
        return "a tool failed"
    return trouble_in(asked.messages)
