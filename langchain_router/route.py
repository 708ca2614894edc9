"""One candidate at work on a call, from its first piece to the outcome. Nothing here waits: sync and async share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig
from typing_extensions import Self

from langchain_router.doors import Door, Whole, refuses
from langchain_router.history import fit_for
from langchain_router.listening import Tap
from langchain_router.plan import Plan
from langchain_router.record import answer_in, marked, marked_message
from langchain_router.usage import usage_of
from pointsman.costs.usage import Usage
from pointsman.decision import Decision, Outcome
from pointsman.errors import EmptyAnswerError, PointsmanError, RefusedAnswerError
from pointsman.failover import Attempts
from pointsman.pool import Pool
from pointsman.records import Call, routing_record

__all__ = ["Route"]

_NO_CHUNKS = "No generation chunks were returned"
"""How LangChain's ValueError reads for a stream of nothing at all."""


class Route:
    """The chosen model at work.

    As a context manager it keeps an error from the caller that another candidate may make good: then `instead` says
    who. What the caller has seen cannot be made good, so nothing is kept back after the first piece.

    Attributes:
        model: the chosen one.
        target: the same, with its tools or schema.
        messages: the prompt, fit for its provider.
        config: for calling it; the run sets its callbacks.
        kwargs: for calling it.
        decision: why it was chosen.
        instead: whom to ask, after this one failed.
        outcome: what it cost, once known, with all that was asked before it.
        usage: tokens of its own answer, once known.
        answer: the message that it gave, or what a parser made of it.
    """

    def __init__(self, plan: Plan, decision: Decision, door: Door, attempts: Attempts, started: Call | None) -> None:
        self.model: BaseChatModel = plan.models[decision.candidate]
        self.target: Runnable[Any, Any] = self.model if plan.replay is None else plan.replay.on(self.model)
        self.messages: list[BaseMessage] = fit_for(plan.messages, decision.candidate, plan.router.pool)
        self.config: RunnableConfig = plan.config
        self.kwargs = plan.kwargs
        self.decision = decision
        self.instead: Decision | None = None
        self.outcome: Outcome | None = None
        self.usage: Usage | None = None
        self.answer: Any = None
        self.tap: Tap | None = None
        self._door = door
        self._attempts = attempts
        self._begun = attempts.settings is None
        self._held: list[Any] = []
        self._record: dict[str, Any] | None = None
        self._chunks: list[AIMessageChunk] = []
        self._heard = ""
        pool = plan.router.pool
        if plan.model_name is not None:
            self.decision = replace(decision, model=plan.model_name)
            pool = _renamed(pool, decision.candidate, plan.model_name)
        self.call = Call(self.decision, pool)
        if started is not None:
            self.call.started, self.call.earlier = started.started, started.earlier

    # -- what comes back

    def ready(self, piece: Any) -> Sequence[Any]:
        """The pieces for the caller: none until the model has said something, for until then another can be asked."""
        if self._begun:
            return (self._door.mark(self, piece),)
        self._held.append(piece)
        return self._begin() if self._door.speaks(piece) and not self._refused(piece) else ()

    def rest(self) -> Sequence[Any]:
        """What is left to say after the last piece.

        Raises:
            EmptyAnswerError: the model has said nothing, and another one is to be asked.
            RefusedAnswerError: it has declined, and another one is to be asked.
        """
        begin: Sequence[Any] = ()
        if not self._begun:
            said = self._door.message(self._held) if self._held else None
            failure = _failure(self.decision.candidate, said)
            self.instead = self._attempts.fail(self.decision, failure)
            if self.instead is not None:
                self.finish(said, failure)  # it may have its price
                raise failure
            begin = self._begin()
        closing = self._closing_chunk()
        return begin if closing is None else (*begin, closing)

    def settle(self, output: Any) -> Any:
        """A copy of a whole answer, with the record on it."""
        self._record = routing_record(self.decision, self.finish(answer_in(output)))
        done = marked(output, self._record)
        self.answer = answer_in(done) or done
        return done

    def piece(self, piece: Any) -> Any:
        """A copy of a piece of a stream: the decision is on the first, the outcome on the one that says it is last.

        Anything else passes as it is.
        """
        if isinstance(piece, dict) and isinstance(piece.get("raw"), AIMessage):
            return {**piece, "raw": self.piece(piece["raw"])}
        if not isinstance(piece, AIMessageChunk):
            if isinstance(piece, AIMessage):
                return self.settle(piece)
            self.answer = piece
            return piece
        first, last = not self._chunks, piece.chunk_position == "last"
        self._chunks.append(piece)
        if last:
            self.finish()
        if not (first or last):
            return piece
        record = routing_record(self.decision if first else None, self.outcome if last else None)
        return marked_message(piece, record)

    def finish(self, answer: AIMessage | None = None, error: BaseException | None = None) -> Outcome:
        """The outcome; the first call settles it.

        Args:
            answer: the whole answer, where it did not come in pieces.
            error: what ended the call. A reader who leaves is none: what was sent until then is billed.
        """
        if self.outcome is None:
            if isinstance(error, GeneratorExit):
                error = None
            answer = answer or self._gathered() or (self.tap.answer if self.tap else None)
            if answer is None and self._heard:
                answer = AIMessage(self._heard)
            unknown = error is not None and answer is None
            self.usage = None if unknown else usage_of(answer, self.messages, self.decision.model)
            self.outcome = self.call.close(self.usage, error, goes_on=self.instead is not None)
        return self.outcome

    @property
    def outputs(self) -> dict[str, Any]:
        """Of the router's run."""
        record = routing_record(self.decision, self.finish()) if self._record is None else self._record.copy()
        gathered = self._gathered() if self.answer is None else None
        return {"output": self.answer if gathered is None else marked_message(gathered, record), "routing": record}

    # -- a try

    def __enter__(self) -> Self:
        self._attempts.start(self.decision)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None and self.instead is None:
            instead = self._attempts.fail(self.decision, EmptyAnswerError() if str(error) == _NO_CHUNKS else error)
            if not self._begun and instead is not None:
                self.instead = instead
                self.finish(error=error)
        return self.instead is not None

    def listen(self) -> Tap:
        """A callback handler that hears what the pieces do not tell: tokens on their way, and what a parser reads."""
        self.tap = Tap(self.spoken if isinstance(self._door, Whole) else None)
        return self.tap

    def hear(self, text: str) -> None:
        """Text has gone to the reader in a form that is no message; it counts where the message never comes."""
        self._heard += text

    def spoken(self) -> None:
        """The reader has seen something of the answer, if by another way, so no other model can be asked for it."""
        if not self._begun:
            self._begun = True
            self._attempts.succeed(self.decision)

    def _refused(self, piece: Any) -> bool:
        """Whether a piece is a refusal that another candidate is to make good."""
        settings = self._attempts.settings
        if settings is None or "refusal" not in settings.on:
            return False
        said = self._door.message([piece])
        return said is not None and refuses(said)

    def _begin(self) -> Sequence[Any]:
        self.spoken()
        held, self._held = self._held, []
        return [self._door.mark(self, piece) for piece in held]

    def _closing_chunk(self) -> AIMessageChunk | None:
        """The outcome on an empty chunk, for a stream of chunks that ended without saying so."""
        if not self._chunks or self.outcome is not None:
            return None
        final = AIMessageChunk(content="", id=self._chunks[-1].id, chunk_position="last")
        return marked_message(final, routing_record(None, self.finish()))

    def _gathered(self) -> AIMessageChunk | None:
        if not self._chunks:
            return None
        first, *others = self._chunks
        whole = first + others if others else first
        self._chunks = [whole]
        return whole


def _failure(candidate: str, said: AIMessage | None) -> PointsmanError:
    """What is wrong with an answer that holds nothing for its reader, or a refusal."""
    if said is not None and refuses(said):
        return RefusedAnswerError(f"{candidate} declined to answer")
    return EmptyAnswerError(f"{candidate} ended its answer without saying anything")


def _renamed(pool: Pool, name: str, model: str) -> Pool:
    """The pool, with a candidate that serves another model: what is known of its own says nothing of that one."""
    candidates = [
        replace(c, model=model, input_price=None, output_price=None, context_window=None) if c.name == name else c
        for c in pool
    ]
    return Pool(candidates, strong=pool.strong, weak=pool.weak)
