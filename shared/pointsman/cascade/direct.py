"""A cascade over models in hand, where no plugin stands between: LlamaIndex LLMs, LangChain chat models, functions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pointsman.cascade.climb import Cascade, Verdict
from pointsman.cascade.steps import Ask, adrive, drive
from pointsman.chat import Answer, aask_model, ask_model
from pointsman.decision import Decision, Outcome
from pointsman.errors import PoolError
from pointsman.pool import Pool
from pointsman.records import Call

if TYPE_CHECKING:
    from pointsman.router import Router

__all__ = ["Answered", "aask_cascade", "ask_cascade"]


@dataclass(frozen=True)
class Answered:
    """An answer with its record.

    Attributes:
        answer: the one that counts; `answer.raw` is the framework's own.
        decision: who gave it, and why.
        outcome: what all calls together cost.
        scores: candidate -> what the judge gave its answer.
    """

    answer: Answer
    decision: Decision
    outcome: Outcome
    scores: dict[str, float]


def ask_cascade(cascade: Cascade, router: Router, models: Mapping[str, Any], question: str) -> Answered:
    """Have a question answered.

    Args:
        cascade: who is asked in which order, and who judges.
        router: its gates say who cannot serve the question, and its pool has the prices.
        models: candidate -> model, see `pointsman.chat.ask_model`.
        question: the prompt.

    Raises:
        PoolError: a candidate has no model.
        JudgeError: the judge cannot tell, and the cascade is to raise that.
    """
    started, decision = _begin(router, models, question)

    def call(ask: Ask) -> Answer:
        return ask_model(*_what(ask, models, question))

    verdict = drive(cascade.steps(decision, router.pool, question), call)
    answer = verdict.answer or call(Ask(candidate=verdict.decision.candidate))
    return _end(router.pool, verdict, answer, started)


async def aask_cascade(cascade: Cascade, router: Router, models: Mapping[str, Any], question: str) -> Answered:
    """`ask_cascade` from a coroutine; further answers of one candidate are asked for at once."""
    started, decision = _begin(router, models, question)

    async def call(ask: Ask) -> Answer:
        return await aask_model(*_what(ask, models, question))

    verdict = await adrive(cascade.steps(decision, router.pool, question), call)
    answer = verdict.answer or await call(Ask(candidate=verdict.decision.candidate))
    return _end(router.pool, verdict, answer, started)


def _begin(router: Router, models: Mapping[str, Any], question: str) -> tuple[float, Decision]:
    absent = [name for name in router.pool.names if name not in models]
    if absent:
        msg = f"no model is given for {', '.join(absent)}; the pool has {', '.join(router.pool.names)}"
        raise PoolError(msg)
    return time.perf_counter(), router.decide(question)


def _what(ask: Ask, models: Mapping[str, Any], question: str) -> tuple[Any, str, Mapping[str, Any]]:
    """Model, prompt and options of a call."""
    return (
        (ask.model, ask.prompt, ask.options)
        if ask.candidate is None
        else (models[ask.candidate], question, ask.options)
    )


def _end(pool: Pool, verdict: Verdict, answer: Answer, started: float) -> Answered:
    outcome = Call(verdict.decision, pool, started=started, earlier=verdict.earlier).close(answer.usage)
    return Answered(answer, verdict.decision, outcome, verdict.scores)
