"""The cheapest candidate first; a judge accepts its answer, or the next one is asked. Every call is on the record."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from pointsman.cascade.asking import FunctionJudge
from pointsman.cascade.steps import Answers, Ask, Asks, Judge
from pointsman.chat import Answer
from pointsman.costs.outcomes import price_outcome
from pointsman.costs.tokens import estimate_tokens
from pointsman.costs.usage import Usage
from pointsman.decision import Decision, Outcome
from pointsman.errors import ConfigurationError, JudgeError, ScorerError, UnknownPriceError
from pointsman.pool import Pool

__all__ = ["Cascade", "Undecided", "Verdict"]

Undecided = Literal["escalate", "accept", "raise"]

_log = logging.getLogger("pointsman.cascade")


@dataclass(frozen=True)
class Verdict:
    """Where a cascade ended.

    Attributes:
        decision: of the candidate whose answer counts; `escalated_from` names the one before it.
        answer: the accepted answer. None: none was good enough, so call `decision.candidate` as any call is made,
            streaming if you like; nobody judges that one.
        scores: candidate -> what the judge gave its answer, of those that were judged.
        earlier: what the other calls cost, the judge's among them. `Call(decision, pool, earlier=...)` adds them up
            with the call whose answer counts.
    """

    decision: Decision
    answer: Answer | None
    scores: dict[str, float]
    earlier: tuple[Outcome, ...]


@dataclass(frozen=True)
class Cascade:
    """Asks candidates from cheap to dear until a judge accepts an answer.

    Args:
        judge: `LogprobJudge`, `AgreementJudge`, `ChatJudge`, or a function (question, answer) -> score in [0, 1].
        cut: the least score that is accepted, in [0, 1]; see `fit_cut` and `cut_for_share`.
        order: names of the candidates, the first one first. Default: by price; of a pair the weak one first.
        undecided: what to do where the judge cannot tell: "escalate", "accept" the answer, or "raise" its JudgeError.
            The first two log it as a warning and say it in the decision's reason.

    Raises:
        ConfigurationError: the cut lies outside [0, 1], the order repeats a name, or `undecided` is unknown.
    """

    judge: Judge | Callable[[str, Answer], float]
    cut: float
    order: tuple[str, ...] | None = None
    undecided: Undecided = "escalate"
    _judge: Judge = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 0 <= self.cut <= 1:
            msg = f"cut is {self.cut}; give the least accepted score, in [0, 1]"
            raise ConfigurationError(msg)
        if self.undecided not in get_args(Undecided):
            msg = f"undecided is {self.undecided!r}; it is one of {', '.join(get_args(Undecided))}"
            raise ConfigurationError(msg)
        if self.order is not None and len(set(self.order)) < len(self.order):
            msg = f"order names a candidate twice: {', '.join(self.order)}"
            raise ConfigurationError(msg)
        object.__setattr__(self, "_judge", FunctionJudge(self.judge) if callable(self.judge) else self.judge)

    def ladder(self, pool: Pool) -> tuple[str, ...]:
        """The candidates in the order in which they are asked.

        Raises:
            PoolError: `order` names one that the pool does not have.
            UnknownPriceError: there is no order, and no price of a candidate is known.
        """
        if self.order is not None:
            return tuple(pool.named(name).name for name in self.order)
        if pool.strong is not None and pool.weak is not None and len(pool) == 2:
            return (pool.weak, pool.strong)
        priced = [(candidate.price.blended, row, candidate.name) for row, candidate in enumerate(pool)]
        unknown = [name for price, _, name in priced if price is None]
        if unknown:
            msg = (
                f"no price is known for {', '.join(unknown)}; give Cascade(order=...), or input_price and output_price"
            )
            raise UnknownPriceError(msg)
        return tuple(name for _, _, name in sorted(priced, key=lambda each: (each[0] or 0.0, each[1])))

    def steps(self, decision: Decision, pool: Pool, question: str) -> Generator[Asks, Answers, Verdict]:
        """The cascade for one call; run it with `drive` or `adrive`.

        Every candidate but the last is asked and judged. A candidate that the decision's gates ruled out is passed
        over, and a forced decision stands without a judge.

        Args:
            decision: what the router decided; the verdict's decision is this one with another candidate.
            pool: the candidates.
            question: the user's words, for the judge.

        Raises:
            ScorerError: the judge's score lies outside [0, 1].
            JudgeError: the judge cannot tell, and `undecided` is "raise".
        """
        open_ = [name for name in self.ladder(pool) if name not in decision.gated]
        if decision.forced or not open_:
            return Verdict(decision, None, {}, ())
        climb = _Climb(self, self._judge, decision, pool, question)
        for name in open_[:-1]:
            accepted = yield from climb.ask(name)
            if accepted is not None:
                return climb.verdict(name, accepted)
        return climb.verdict(open_[-1], None)


class _Climb:
    """One run of a cascade: what was asked so far, and what it cost."""

    def __init__(self, cascade: Cascade, judge: Judge, decision: Decision, pool: Pool, question: str) -> None:
        self.cascade = cascade
        self.judge = judge
        self.decision = decision
        self.pool = pool
        self.question = question
        self.scores: dict[str, float] = {}
        self.reasons: list[str] = []
        self.below: str | None = None
        self.spent: list[Outcome] = []

    def ask(self, name: str) -> Generator[Asks, Answers, Answer | None]:
        """The candidate's answer if it is accepted; else None, and the answer is paid for."""
        try:
            (answer,) = yield (Ask(candidate=name, options=self.judge.options),)
        except JudgeError as error:  # it has no answer to give, so the next one is asked
            self._note(name, f"{name} gave no answer ({error})")
            return None
        try:
            score = yield from self._score(name, answer)
        except JudgeError as error:
            if self.cascade.undecided == "raise":
                raise
            accepted = self.cascade.undecided == "accept"
            _log.warning("%s, so its answer is %s: %s", name, "accepted" if accepted else "not accepted", error)
            why = f"{name} was not judged ({error})"
        else:
            accepted = score >= self.cascade.cut
            why = f"{name} was judged {score:.3f} {'>=' if accepted else '<'} {self.cascade.cut:g}"
        if accepted:
            self.reasons.append(why)
            return answer
        self._note(name, why)
        self._pay(Ask(candidate=name), answer)
        return None

    def verdict(self, name: str, answer: Answer | None) -> Verdict:
        """The end."""
        decision = replace(
            self.decision,
            candidate=name,
            model=self.pool.named(name).model,
            reason="; ".join([*self.reasons, *([] if answer else [f"so {name}"])]),
            escalated_from=self.below,
        )
        return Verdict(decision, answer, self.scores, tuple(self.spent))

    def _score(self, name: str, answer: Answer) -> Generator[Asks, Answers, float]:
        """What the judge says; its calls are paid for, also when it cannot tell in the end."""
        judging = self.judge.judge(self.question, answer, name)
        try:
            asks = next(judging)
            while True:
                answers = yield asks
                for ask, reply in zip(asks, answers, strict=True):
                    self._pay(ask, reply)
                asks = judging.send(answers)
        except StopIteration as done:
            score = float(done.value)
        if not 0 <= score <= 1:
            msg = f"the judge gave {name}'s answer {score}; a score lies in [0, 1]"
            raise ScorerError(msg)
        self.scores[name] = score
        return score

    def _note(self, name: str, why: str) -> None:
        self.below = name
        self.reasons.append(why)

    def _pay(self, ask: Ask, answer: Answer) -> None:
        if not ask.billed:
            return
        attempts = int(ask.candidate is not None and not ask.again)
        if ask.candidate is not None:
            priced = replace(self.decision, candidate=ask.candidate)
            outcome = price_outcome(priced, self.pool, answer.usage, latency_ms=0.0, attempts=attempts)
            cost = outcome.cost_usd if answer.cost_usd is None else answer.cost_usd
            self.spent.append(replace(outcome, cost_usd=cost))
            return
        usage = answer.usage or Usage(estimate_tokens(ask.prompt), estimate_tokens(answer.text), estimated=True)
        cost = answer.cost_usd if ask.price is None or answer.cost_usd is not None else ask.price.cost(usage)
        self.spent.append(_outcome(self.decision, usage, cost))


def _outcome(decision: Decision, usage: Usage, cost: float | None) -> Outcome:
    """Of a call to a model outside the pool, which is no attempt of a candidate."""
    return Outcome(
        decision_id=decision.id,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_usd=cost,
        estimated=usage.estimated,
        attempts=0,
    )
