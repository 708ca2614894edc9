"""One routed call: a model chosen, called as the framework would have called it, and its end put on the record."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, NamedTuple, TypeVar, cast

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index_instrumentation.span import active_span_id

from llamaindex_router.choice import Choice, Chooser
from llamaindex_router.events import announce_decision, announce_outcome
from llamaindex_router.journal import note
from llamaindex_router.opentelemetry import CallSpan
from llamaindex_router.question import Asked
from llamaindex_router.streams import ain_scope, in_scope
from llamaindex_router.thinking import signed
from llamaindex_router.usage import count_usage, is_blank, is_empty, read_usage, words_of
from llamaindex_router.watch import Watch
from pointsman.costs.outcomes import price_outcome
from pointsman.costs.usage import Usage
from pointsman.decision import Decision
from pointsman.errors import EmptyAnswerError
from pointsman.pool import Pool
from pointsman.records import ROUTING_KEY, Call, routing_record

__all__ = ["Model", "RoutedCall"]

T = TypeVar("T")


class Model(NamedTuple):
    """One of the models to choose from.

    Attributes:
        candidate: its name in the pool.
        llm: called as a function calling model; the gates see to it that one without tools is never asked for any.
        name: what its events call it.
    """

    candidate: str
    llm: FunctionCallingLLM
    name: str


class _Trying:
    """A block whose errors are left behind if the call survives them."""

    __slots__ = ("_survive",)

    def __init__(self, survive: Callable[[BaseException], bool]) -> None:
        self._survive = survive

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        return error is not None and self._survive(error)


class RoutedCall:
    """A call from its decision to its outcome. Each of the four ways to make it is made once.

    A model that fails before anything of its answer was seen is replaced by the next best, if the rules for that allow
    it; the record then tells of both.

    Args:
        models: by candidate.
        asked: what the call asks.
        choice: who makes it, and who if that fails.
        chooser: hears who answered.
        pool: what was chosen from.
    """

    def __init__(self, models: Mapping[str, Model], asked: Asked, choice: Choice, chooser: Chooser, pool: Pool) -> None:
        self._models = models
        self._asked = asked
        self._choice = choice
        self._chooser = chooser
        self._call = Call(choice.decision, pool)
        self._record: dict[str, object] = {}
        self._parent_span = active_span_id.get()
        self._span = CallSpan()
        self._held: list[Any] = []
        self._tokens: list[str] = []
        self._last: object = None
        self._usage: Usage | None = None
        self._begun = choice.attempts.settings is None
        self._settled = False
        self._turn_to(choice.decision)
        note(self._record)

    def value(self, act: Callable[[FunctionCallingLLM], T]) -> T:
        """What `act` makes the chosen model return."""
        while True:
            with self._trying(), self._watch.listening():
                result = act(self._model.llm)
                if not self._passed_over(result):
                    break
        return self._finish(result)

    async def avalue(self, act: Callable[[FunctionCallingLLM], Awaitable[T]]) -> T:
        """`value`, awaited."""
        while True:
            with self._trying(), self._watch.listening():
                result = await act(self._model.llm)
                if not self._passed_over(result):
                    break
        return self._finish(result)

    def stream(self, act: Callable[[FunctionCallingLLM], Generator[T, None, None]]) -> Generator[T, None, None]:
        """The stream that `act` makes the chosen model start, item by item."""
        return self._seen_to(self._relay(act, self._started(act)))

    async def astream(
        self, act: Callable[[FunctionCallingLLM], Awaitable[AsyncGenerator[T, None]]]
    ) -> AsyncGenerator[T, None]:
        """`stream`, awaited."""
        return self._seen_to(self._arelay(act, await self._astarted(act)))

    def _started(self, act: Callable[[FunctionCallingLLM], Generator[T, None, None]]) -> Generator[T, None, None]:
        while True:
            with self._trying(), self._watch.listening():
                return act(self._model.llm)

    async def _astarted(
        self, act: Callable[[FunctionCallingLLM], Awaitable[AsyncGenerator[T, None]]]
    ) -> AsyncGenerator[T, None]:
        while True:
            with self._trying(), self._watch.listening():
                return await act(self._model.llm)

    def _relay(
        self, act: Callable[[FunctionCallingLLM], Generator[T, None, None]], items: Generator[T, None, None]
    ) -> Generator[T, None, None]:
        try:
            while True:
                with self._trying(), closing(in_scope(items, self._watch.listening)) as steps:
                    for item in steps:
                        for piece in (item,) if self._begun else self._ready(item):
                            yield self._take(piece)
                    if not self._passed_over(self._held[-1] if self._held else ""):
                        for piece in self._held:
                            yield self._take(piece)
                        return
                items = self._started(act)
        finally:
            self._settle(None)

    async def _arelay(
        self,
        act: Callable[[FunctionCallingLLM], Awaitable[AsyncGenerator[T, None]]],
        items: AsyncGenerator[T, None],
    ) -> AsyncGenerator[T, None]:
        try:
            while True:
                with self._trying():
                    async with aclosing(ain_scope(items, self._watch.listening)) as steps:
                        async for item in steps:
                            for piece in (item,) if self._begun else self._ready(item):
                                yield self._take(piece)
                    if not self._passed_over(self._held[-1] if self._held else ""):
                        for piece in self._held:
                            yield self._take(piece)
                        return
                items = await self._astarted(act)
        finally:
            self._settle(None)

    def _turn_to(self, decision: Decision) -> None:
        """Go on with the model of this decision, the call's first or the next after a failure."""
        decision = self._choice.attempts.admit(decision)
        self._call.decision = decision
        self._model = self._models[decision.candidate]
        self._watch = Watch(self._model.name, self._parent_span)
        self._record.update(
            routing_record(decision)
        )  # the same dict: whoever noted the call sees who answered in the end
        self._choice.attempts.start(decision)
        announce_decision(decision, self._asked.query.text, self._parent_span)
        self._span.show_decision(decision)

    def _trying(self) -> _Trying:
        return _Trying(self._survive)

    def _survive(self, error: BaseException) -> bool:
        """Whether the call goes on after an error, as it does with the next model before the first word.

        Any other error ends it; a reader who leaves a stream early is none.
        """
        if isinstance(error, GeneratorExit):
            return False
        if self._left_to_another(error):
            return True
        self._settle(error)
        return False

    def _passed_over(self, result: object) -> bool:
        """Whether an answer with nothing in it is left for that of the next model; without one it is the answer."""
        return (
            not self._begun
            and is_empty(result)
            and self._left_to_another(EmptyAnswerError(f"{self._model.name} answered with nothing"))
        )

    def _left_to_another(self, error: BaseException) -> bool:
        """Whether the next model takes over, as it may until something was said; what the last one cost is kept."""
        following = None if self._begun else self._choice.attempts.fail(self._call.decision, error)
        if following is None:
            return False
        self._watch.close()
        usage = self._watch.usage()
        if usage is None and isinstance(error, EmptyAnswerError):
            usage = count_usage(self._asked.prompt, "", self._call.decision.model)
        spent = price_outcome(self._call.decision, self._call.pool, usage, latency_ms=0.0, error=type(error).__name__)
        self._call.earlier += (spent,)
        self._held.clear()
        self._turn_to(following)
        return True

    def _finish(self, result: T) -> T:
        marked = self._take(result)
        self._settle(None)
        return marked

    def _ready(self, item: T) -> Sequence[T]:
        """The pieces for the reader: none until the model has said something, for until then another can be asked."""
        self._held.append(item)
        if is_empty(item) or is_blank(item):
            return ()
        held, self._held = self._held, []
        return held

    def _seen_to(self, stream: T) -> T:
        """The stream, and its end on the record if nobody ever reads it: a generator that has not begun has none."""
        weakref.finalize(stream, self._settle, None).atexit = False
        return stream

    def _take(self, item: T) -> T:
        """Look at a result or an item of a stream, and mark it where it can carry the record.

        All items carry the same record, which the outcome joins when the stream ends. Held back until then, each item
        would come one item late.
        """
        if not self._begun:
            self._begun = True
            self._choice.attempts.succeed(self._call.decision)
        if isinstance(item, str):
            self._tokens.append(item)
            return item
        self._last = item
        if not isinstance(item, ChatResponse | CompletionResponse):
            return item
        self._usage = read_usage(item) or self._usage
        marks: dict[str, object] = {"additional_kwargs": item.additional_kwargs | {ROUTING_KEY: self._record}}
        if isinstance(item, ChatResponse):
            marks |= signed(item.message, self._call.decision.candidate)
        return cast(T, item.model_copy(update=marks))

    def _settle(self, error: BaseException | None) -> None:
        """Put the end of the call on the record, once."""
        if self._settled:
            return
        self._settled = True
        self._watch.close()
        usage = self._usage or self._watch.usage()
        if usage is None and (error is None or self._answer):
            usage = count_usage(self._asked.prompt, self._answer, self._call.decision.model)
        outcome = self._call.close(usage, error)
        if error is None:
            self._chooser.answered(self._choice, self._call.decision)
        self._record.update(routing_record(None, outcome))
        announce_outcome(outcome, self._parent_span)
        self._span.show_outcome(self._call.decision, outcome)

    @property
    def _answer(self) -> str:
        """What the model has said, as far as it came."""
        return "".join(self._tokens) if self._last is None else words_of(self._last)
