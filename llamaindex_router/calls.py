"""One routed call: a model chosen, called as the framework would have called it, and its end put on the record."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from typing import TypeVar, cast

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index_instrumentation.span import active_span_id

from llamaindex_router.events import announce_decision, announce_outcome
from llamaindex_router.journal import note
from llamaindex_router.question import Asked
from llamaindex_router.streams import ain_scope, in_scope
from llamaindex_router.usage import count_usage, read_usage, words_of
from llamaindex_router.watch import Watch
from pointsman.costs.usage import Usage
from pointsman.decision import Decision
from pointsman.pool import Pool
from pointsman.records import ROUTING_KEY, Call, routing_record

__all__ = ["RoutedCall"]

T = TypeVar("T")


class RoutedCall:
    """A call from its decision to its outcome. Each of the four ways to make it is made once.

    Args:
        llm: the chosen model. It is called as a function calling model; the gates see to it that one without tools is
            never asked for any.
        model: the name that its events carry.
        asked: what the call asks.
        decision: the decision.
        pool: what was chosen from.
    """

    def __init__(self, llm: FunctionCallingLLM, model: str, asked: Asked, decision: Decision, pool: Pool) -> None:
        self._llm = llm
        self._asked = asked
        self._call = Call(decision, pool)
        self._watch = Watch(model)
        self._record = routing_record(decision)
        self._parent_span = active_span_id.get()
        self._tokens: list[str] = []
        self._last: object = None
        self._usage: Usage | None = None
        self._settled = False
        note(self._record)
        announce_decision(self._record, asked.query.text, self._parent_span)

    def value(self, act: Callable[[FunctionCallingLLM], T]) -> T:
        """What `act` makes the chosen model return."""
        with self._errors_noted(), self._watch.listening():
            result = act(self._llm)
        return self._finish(result)

    async def avalue(self, act: Callable[[FunctionCallingLLM], Awaitable[T]]) -> T:
        """`value`, awaited."""
        with self._errors_noted(), self._watch.listening():
            result = await act(self._llm)
        return self._finish(result)

    def stream(self, act: Callable[[FunctionCallingLLM], Generator[T, None, None]]) -> Generator[T, None, None]:
        """The stream that `act` makes the chosen model start, item by item."""
        with self._errors_noted(), self._watch.listening():
            items = act(self._llm)
        return self._relay(items)

    async def astream(
        self, act: Callable[[FunctionCallingLLM], Awaitable[AsyncGenerator[T, None]]]
    ) -> AsyncGenerator[T, None]:
        """`stream`, awaited."""
        with self._errors_noted(), self._watch.listening():
            items = await act(self._llm)
        return self._arelay(items)

    def _relay(self, items: Generator[T, None, None]) -> Generator[T, None, None]:
        try:
            with self._errors_noted(), closing(in_scope(items, self._watch.listening)) as steps:
                for item in steps:
                    yield self._take(item)
        finally:
            self._settle(None)

    async def _arelay(self, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        try:
            with self._errors_noted():
                async with aclosing(ain_scope(items, self._watch.listening)) as steps:
                    async for item in steps:
                        yield self._take(item)
        finally:
            self._settle(None)

    def _finish(self, result: T) -> T:
        marked = self._take(result)
        self._settle(None)
        return marked

    def _take(self, item: T) -> T:
        """Look at a result or an item of a stream, and mark it where it can carry the record.

        All items carry the same record, which the outcome joins when the stream ends. Held back until then, each item
        would come one item late.
        """
        if isinstance(item, str):
            self._tokens.append(item)
            return item
        self._last = item
        if not isinstance(item, ChatResponse | CompletionResponse):
            return item
        self._usage = read_usage(item) or self._usage
        return cast(
            T, item.model_copy(update={"additional_kwargs": item.additional_kwargs | {ROUTING_KEY: self._record}})
        )

    @contextmanager
    def _errors_noted(self) -> Iterator[None]:
        """An error ends the call and goes on; a reader who leaves a stream early is none."""
        try:
            yield
        except GeneratorExit:
            raise
        except BaseException as error:
            self._settle(error)
            raise

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
        self._record |= routing_record(None, outcome)
        announce_outcome(outcome.as_dict(), self._parent_span)

    @property
    def _answer(self) -> str:
        """What the model has said, as far as it came."""
        return "".join(self._tokens) if self._last is None else words_of(self._last)
