"""`RoutingRecorder`: the decisions, outcomes and totals of everything that ran while it listened."""

from __future__ import annotations

import time
from contextvars import ContextVar, Token
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
from pointsman.records import EVENT_NAME, ROUTING_KEY, Totals, outcome_from

__all__ = ["RoutingRecorder"]

_listening: ContextVar[RoutingRecorder | None] = ContextVar("pointsman_routing_recorder", default=None)
register_configure_hook(_listening, inheritable=True)


@dataclass
class _Recorded:
    decision: Decision
    started: float
    outcome: Outcome | None = None
    prompt: str = ""


class RoutingRecorder(BaseCallbackHandler):
    """Collects what routers decided and what it cost.

    Either a callback handler, `model.invoke(..., {"callbacks": [recorder]})`, or a context manager that hears every
    call inside it, in threads and tasks too:

        with RoutingRecorder() as recorder:
            chain.invoke(...)
        print(recorder.totals.saved_usd)

    Args:
        keep_prompts: keep the words that were scored, in this process, for `rated_outcomes` to learn from.
    """

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

    def __init__(self, *, keep_prompts: bool = False) -> None:
        self.keep_prompts = keep_prompts
        self._prompts: dict[UUID, str] = {}
        self._calls: dict[UUID, _Recorded] = {}
        self._around: RoutingRecorder | None = None
        self._token: Token[RoutingRecorder | None] | None = None

    @property
    def decisions(self) -> list[Decision]:
        """In the order in which they were made."""
        return [call.decision for call in list(self._calls.values())]

    @property
    def outcomes(self) -> list[Outcome]:
        """Of the calls that have ended, in the order of their decisions."""
        return [call.outcome for call in list(self._calls.values()) if call.outcome is not None]

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
            for run_id, call in list(self._calls.items())
        ]

    @property
    def totals(self) -> Totals:
        """Sums over the calls that have ended."""
        totals = Totals()
        for call in list(self._calls.values()):
            if call.outcome is not None:
                totals.add(call.decision, call.outcome)
        return totals

    def __enter__(self) -> Self:
        self._around = _listening.get()
        self._token = _listening.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _listening.reset(self._token)
        self._token = self._around = None

    @override
    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if self.keep_prompts and isinstance(inputs, dict):
            messages = inputs.get("messages")
            if isinstance(messages, list) and messages and all(isinstance(m, BaseMessage) for m in messages):
                self._prompts[run_id] = question(messages)[0]
        if self._around is not None:
            self._around.on_chain_start(serialized, inputs, run_id=run_id)

    @override
    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        if name == EVENT_NAME:
            self._open(run_id, Decision.from_dict(data))

    @override
    def on_chain_end(self, outputs: dict[str, Any], *, run_id: UUID, **kwargs: Any) -> None:
        self._forget(run_id)
        if run_id in self._calls:
            self._close(run_id, outcome_from(outputs[ROUTING_KEY]))

    @override
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        self._forget(run_id)
        if (call := self._calls.get(run_id)) is not None:
            latency = (time.perf_counter() - call.started) * 1e3
            self._close(run_id, Outcome(decision_id=call.decision.id, latency_ms=latency, error=type(error).__name__))

    def _open(self, run_id: UUID, decision: Decision) -> None:
        self._calls[run_id] = _Recorded(decision, time.perf_counter(), prompt=self._prompts.get(run_id, ""))
        if self._around is not None:  # LangChain hears one recorder at a time: the inner one passes it on
            self._around._open(run_id, decision)  # noqa: SLF001  # another of this class

    def _forget(self, run_id: UUID) -> None:
        """What was asked in a run that has ended; a routed call has it by now."""
        self._prompts.pop(run_id, None)
        if self._around is not None:
            self._around._forget(run_id)  # noqa: SLF001  # another of this class

    def _close(self, run_id: UUID, outcome: Outcome | None) -> None:
        if run_id in self._calls:
            self._calls[run_id].outcome = outcome
        if self._around is not None:
            self._around._close(run_id, outcome)  # noqa: SLF001  # another of this class
