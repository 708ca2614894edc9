"""One call on its way, from the decision to the outcome. Nothing here waits: sync and async calls share it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import LLMResult
from langchain_core.runnables import Runnable, RunnableConfig

from langchain_router.plan import Plan
from langchain_router.record import answer_in, marked, marked_message
from langchain_router.usage import usage_of
from pointsman.decision import Decision, Outcome
from pointsman.pool import Pool
from pointsman.records import Call, routing_record

__all__ = ["Route"]


class Route:
    """The chosen model at work.

    Attributes:
        target: the chosen model, with its tools or schema.
        config: for calling it; the run sets its callbacks.
        decision: why it was chosen.
        outcome: what it cost, once known.
        answer: the message that it gave, or what a parser made of it.
    """

    def __init__(self, plan: Plan, decision: Decision) -> None:
        model = plan.models[decision.candidate]
        self.target: Runnable[Any, Any] = model if plan.replay is None else plan.replay.on(model)
        self.config: RunnableConfig = plan.config
        self.decision = decision
        self.outcome: Outcome | None = None
        self.answer: Any = None
        self.tap = _Tap() if plan.replay is not None and plan.replay.structured else None
        self._plan = plan
        self._chunks: list[AIMessageChunk] = []
        pool = plan.router.pool
        if plan.model_name is not None:
            self.decision = replace(decision, model=plan.model_name)
            pool = _renamed(pool, decision.candidate, plan.model_name)
        self._call = Call(self.decision, pool)

    # -- what comes back

    def settle(self, output: Any) -> Any:
        """A copy of a whole answer, with the record on it."""
        done = marked(output, routing_record(self.decision, self.finish(answer_in(output))))
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

    def rest(self) -> AIMessageChunk | None:
        """The outcome on an empty chunk, for a stream of chunks that ended without saying so."""
        if not self._chunks or self.outcome is not None:
            return None
        final = AIMessageChunk(content="", id=self._chunks[-1].id, chunk_position="last")
        return marked_message(final, routing_record(None, self.finish()))

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
            unknown = error is not None and answer is None
            usage = None if unknown else usage_of(answer, self._plan.messages, self.decision.model)
            self.outcome = self._call.close(usage, error)
        return self.outcome

    @property
    def outputs(self) -> dict[str, Any]:
        """Of the router's run."""
        record = routing_record(self.decision, self.finish())
        gathered = self._gathered() if self.answer is None else None
        return {"output": self.answer if gathered is None else marked_message(gathered, record), "routing": record}

    def _gathered(self) -> AIMessageChunk | None:
        if not self._chunks:
            return None
        first, *others = self._chunks
        whole = first + others if others else first
        self._chunks = [whole]
        return whole


class _Tap(BaseCallbackHandler):
    """Sees the message behind an answer of which a parser leaves nothing."""

    run_inline = True

    def __init__(self) -> None:
        self.answer: AIMessage | None = None

    def on_llm_end(self, response: LLMResult, **kwargs: Any) -> None:  # noqa: ARG002  # LangChain's signature
        self.answer = answer_in(response)


def _renamed(pool: Pool, name: str, model: str) -> Pool:
    """The pool, with a candidate that serves another model: what is known of its own says nothing of that one."""
    candidates = [
        replace(c, model=model, input_price=None, output_price=None, context_window=None) if c.name == name else c
        for c in pool
    ]
    return Pool(candidates, strong=pool.strong, weak=pool.weak)
