"""`RoutingRecorder`: the decisions, outcomes and totals of everything that ran while it listened."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextvars import ContextVar
from copy import deepcopy
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.tracers.context import register_configure_hook
from typing_extensions import Self, override

from langchain_router.feedback import RoutedRun
from langchain_router.scored import question
from pointsman.decision import Decision, Outcome
from pointsman.errors import ConfigurationError
from pointsman.records import EVENT_NAME, ROUTING_KEY, Totals, outcome_from

__all__ = ["RoutingRecorder"]


@dataclass
class _Recorded:
    decision: Decision
    outcome: Outcome | None = None
    prompt: str = ""


class _Quiet(BaseCallbackHandler):
    """A handler that hears of chains and of custom events, where it is."""

    run_inline = True

    @property
    @override
    def ignore_chat_model(self) -> bool:
        """A model's start, which LangChain writes out as a text for a handler that does not know of chat models."""
        return True

    @property
    @override
    def ignore_llm(self) -> bool:
        """Tokens are none of its business."""
        return True


class RoutingRecorder(_Quiet):
    """Collects what routers decided and what it cost.

    Either a callback handler, `model.invoke(..., {"callbacks": [recorder]})`, or a context manager that hears every
    call inside it, in threads and tasks too:

        with RoutingRecorder() as recorder:
            chain.invoke(...)
        print(recorder.totals.saved_usd)

    Args:
        keep_prompts: keep the words that were scored, in this process, for `rated_outcomes` to learn from.
        most: calls of which decision and outcome are kept, the newest; None for all of them. The totals are of all.

    Raises:
        ConfigurationError: most is less than one.
    """

    def __init__(self, *, keep_prompts: bool = False, most: int | None = 10_000) -> None:
        if most is not None and most < 1:
            msg = f"most is {most}; give the number of calls to keep, 1 or more, or None for all"
            raise ConfigurationError(msg)
        self.keep_prompts = keep_prompts
        self.most = most
        self._prompts: dict[UUID, str] = {}
        self._calls: OrderedDict[UUID, _Recorded] = OrderedDict()
        self._open: dict[UUID, _Recorded] = {}
        self._totals = Totals()
        self._lock = threading.Lock()  # around a few dict operations; threads share a recorder

    @property
    def decisions(self) -> list[Decision]:
        """In the order in which they were made."""
        return [call.decision for _, call in self._kept()]

    @property
    def outcomes(self) -> list[Outcome]:
        """Of the calls that have ended, in the order of their decisions."""
        return [call.outcome for _, call in self._kept() if call.outcome is not None]

    @property
    def runs(self) -> list[RoutedRun]:
        """The calls with the ids of their runs, by which feedback finds them."""
        return [
            RoutedRun(
                run_id=str(run_id),
                decision=call.decision,
                cost_usd=None if call.outcome is None else call.outcome.cost_usd,
                prompt=call.prompt,
            )
            for run_id, call in self._kept()
        ]

    @property
    def totals(self) -> Totals:
        """Sums over the calls that have ended, those that are no longer kept among them."""
        with self._lock:
            return deepcopy(self._totals)

    def __enter__(self) -> Self:
        _listening.set(_Listener(self, _listening.get()))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if (listener := _listening.get()) is not None:
            _listening.set(listener.around)

    @override
    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if self.keep_prompts and isinstance(inputs, dict):
            messages = inputs.get("messages")
            if isinstance(messages, list) and messages and all(isinstance(m, BaseMessage) for m in messages):
                self._prompts[run_id] = question(messages)[0]

    @override
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if name != EVENT_NAME:
            return
        decision = Decision.from_dict(data)
        with self._lock:
            call = self._open.get(run_id) or _Recorded(decision, prompt=self._prompts.get(run_id, ""))
            call.decision = decision  # another, where a model failed and one more is asked
            self._calls[run_id] = self._open[run_id] = call
            if self.most is not None and len(self._calls) > self.most:
                self._calls.popitem(last=False)

    @override
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self._prompts.pop(run_id, None)
        if run_id in self._open:
            self._close(run_id, outcome_from(outputs[ROUTING_KEY]))

    @override
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._prompts.pop(run_id, None)
        if run_id in self._open:
            self._close(run_id, outcome_from(kwargs.get(ROUTING_KEY)))

    def _close(self, run_id: UUID, outcome: Outcome | None) -> None:
        with self._lock:
            call = self._open.pop(run_id, None)
            if call is not None and outcome is not None:
                call.outcome = outcome
                self._totals.add(call.decision, outcome)

    def __getstate__(self) -> dict[str, Any]:
        """A copy has what was recorded, and a lock of its own."""
        with self._lock:
            kept = {"_calls": self._calls.copy(), "_open": self._open.copy(), "_totals": deepcopy(self._totals)}
        return {key: value for key, value in self.__dict__.items() if key != "_lock"} | kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def _kept(self) -> list[tuple[UUID, _Recorded]]:
        with self._lock:
            return list(self._calls.items())


class _Listener(_Quiet):
    """A recorder that listens in this context, and what listened around it: LangChain hears one handler at a time.

    Of the context and not of the recorder, so tasks and threads can share one, and it can listen inside itself.
    """

    def __init__(self, recorder: RoutingRecorder, around: _Listener | None) -> None:
        self.around = around
        inner: tuple[RoutingRecorder, ...] = () if around is None else around.recorders
        self.recorders: tuple[RoutingRecorder, ...] = inner if recorder in inner else (*inner, recorder)

    @override
    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        for recorder in self.recorders:
            recorder.on_chain_start(serialized, inputs, run_id=run_id)

    @override
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        for recorder in self.recorders:
            recorder.on_custom_event(name, data, run_id=run_id)

    @override
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        for recorder in self.recorders:
            recorder.on_chain_end(outputs, run_id=run_id)

    @override
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        for recorder in self.recorders:
            recorder.on_chain_error(error, run_id=run_id, **kwargs)


_listening: ContextVar[_Listener | None] = ContextVar("pointsman_routing_recorder", default=None)
register_configure_hook(_listening, inheritable=True)
