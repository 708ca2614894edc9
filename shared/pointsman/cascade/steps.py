"""What a cascade wants asked, and who asks it: the cascade itself makes no call, so one body of logic serves all.

A cascade and its judges are generators. They yield the calls that they need, all of which may run at once, and are
sent the answers. `drive` and `adrive` run them with a function that makes one call in whatever framework.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from pointsman.chat import Answer
from pointsman.costs.prices import Price
from pointsman.errors import JudgeError

__all__ = ["Answers", "Ask", "Asks", "Judge", "adrive", "drive"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call to be made.

    Attributes:
        candidate: the pool's candidate to call with the caller's own request as it stands, tools and all; None for a
            judge's own model.
        options: keyword arguments of the call ("logprobs", "temperature"), over those of the request.
        model: the judge's own model, see `pointsman.chat.ask_model`.
        prompt: what to say to it.
        price: of the judge's own model.
        again: it is a further draw of an answer that was already given.
        billed: whether the call costs anything: a function in this process does not.
    """

    candidate: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None
    prompt: str = ""
    price: Price | None = None
    again: bool = False
    billed: bool = True


Asks = tuple[Ask, ...]
Answers = tuple[Answer, ...]


class Judge(Protocol):
    """Says how good an answer is."""

    @property
    def options(self) -> Mapping[str, Any]:
        """Keyword arguments of the call whose answer is to be judged ("logprobs")."""
        ...

    def judge(self, question: str, answer: Answer, candidate: str) -> Generator[Asks, Answers, float]:
        """The score of an answer in [0, 1].

        Args:
            question: what was asked, the user's words.
            answer: what the candidate said.
            candidate: who said it.

        Raises:
            JudgeError: it cannot be told.
        """
        ...


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a cascade or a judge came to."""

    value: T


def drive(steps: Generator[Asks, Answers, T], call: Callable[[Ask], Answer]) -> T:
    """Run a cascade or a judge.

    Args:
        steps: what `Cascade.steps` or `Judge.judge` returns.
        call: makes one call. A JudgeError that it raises is told to the cascade, which goes on without that answer;
            any other error ends the run.
    """
    try:
        found = _advance(steps, None)
        while not isinstance(found, Done):
            found = _advance(steps, _answers(found, call))
    finally:
        steps.close()
    return found.value


async def adrive(steps: Generator[Asks, Answers, T], call: Callable[[Ask], Awaitable[Answer]]) -> T:
    """`drive` from a coroutine; calls that may run at once do, and where one fails the others are cancelled."""
    try:
        found = _advance(steps, None)
        while not isinstance(found, Done):
            found = _advance(steps, await _aanswers(found, call))
    finally:
        steps.close()
    return found.value


def _advance(steps: Generator[Asks, Answers, T], reply: Answers | JudgeError | None) -> Asks | Done[T]:
    try:
        if isinstance(reply, JudgeError):
            return steps.throw(reply)
        return next(steps) if reply is None else steps.send(reply)
    except StopIteration as done:
        return Done(done.value)


def _answers(asks: Asks, call: Callable[[Ask], Answer]) -> Answers | JudgeError:
    try:
        return tuple([call(ask) for ask in asks])
    except JudgeError as error:
        return error


async def _aanswers(asks: Asks, call: Callable[[Ask], Awaitable[Answer]]) -> Answers | JudgeError:
    import asyncio  # the import is dear, and here the loop is running already

    tasks = [asyncio.ensure_future(call(ask)) for ask in asks]
    try:
        return tuple(await asyncio.gather(*tasks))
    except JudgeError as error:
        return error
    finally:
        for task in tasks:
            task.cancel()
