"""Lines of the contract on what tracers and counters see: each call once."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler, TokenCountingHandler
from llama_index.core.instrumentation.events.llm import (
    LLMChatEndEvent,
    LLMChatInProgressEvent,
    LLMChatStartEvent,
    LLMCompletionEndEvent,
    LLMCompletionInProgressEvent,
    LLMCompletionStartEvent,
)
from llama_index.core.llms import LLM

from llamaindex_router.testing.base import Contract
from llamaindex_router.testing.calls import ASYNC, CHAT, COMPLETE, PREDICT, STREAMS, Calls, said
from llamaindex_router.testing.listeners import listening, watching_spans

__all__ = ["CUSTOM_LLM", "EventContract"]

STARTS = (LLMChatStartEvent, LLMCompletionStartEvent)
STEPS = (LLMChatInProgressEvent, LLMCompletionInProgressEvent)
ENDS = (LLMChatEndEvent, LLMCompletionEndEvent)
METHODS = (*CHAT, *COMPLETE, *PREDICT)
CUSTOM_LLM: Mapping[str, str] = MappingProxyType(
    {
        f"{line}[{method}]": "CustomLLM calls one decorated method from the other"
        for line in ("test_events_go_out_once_and_in_order", "test_callbacks_are_counted_once")
        for method in (*CHAT, *(name for name in (*COMPLETE, *PREDICT) if name in ASYNC))
    }
)
"""Deviations of a model whose chat and async methods are those of core's CustomLLM; it need not repeat them."""


class EventContract(Contract):
    """Events, callbacks and spans."""

    @pytest.mark.parametrize("method", METHODS)
    def test_events_go_out_once_and_in_order(self, calls: Calls, method: str) -> None:
        """One start, one step per item of a stream, one end, all of one span; those of failed calls come before."""
        with listening() as heard:
            items = self.ask(calls, method)
        events = heard.of(*STARTS, *STEPS, *ENDS)
        assert events
        first = next(row for row, event in enumerate(events) if event.span_id == events[-1].span_id)
        failed, answering = events[:first], events[first:]
        steps = len(items) if method in STREAMS else 0
        assert [_kind(event) for event in answering] == ["start", *["step"] * steps, "end"]
        assert len({event.span_id for event in answering}) == 1
        assert [_kind(event) for event in failed if _kind(event) != "step"] == ["start"] * self.failed_calls

    @pytest.mark.parametrize("method", METHODS)
    def test_the_end_event_holds_the_answer(self, calls: Calls, method: str) -> None:
        """Tracers read the answer there."""
        with listening() as heard:
            items = self.ask(calls, method)
        answer = "".join(items) if method in PREDICT else said(items[-1])
        ended: Any = heard.of(*ENDS)[-1]
        assert said(ended.response) == answer

    @pytest.mark.parametrize("method", METHODS)
    def test_callbacks_are_counted_once(self, llm: LLM, calls: Calls, method: str) -> None:
        """LlamaIndex's own token counter counts a call once, with a manager that is set after construction.

        A failed call is a count of no tokens.
        """
        counter, debug = TokenCountingHandler(tokenizer=str.split), LlamaDebugHandler(print_trace_on_end=False)
        llm.callback_manager = CallbackManager([counter, debug])
        self.ask(calls, method)
        *failed, answering = counter.llm_token_counts
        assert [counted.total_token_count for counted in failed] == [0] * self.failed_calls
        assert answering.prompt_token_count > 0
        assert answering.completion_token_count > 0
        assert len(debug.get_event_pairs(CBEventType.LLM)) == self.failed_calls + 1

    @pytest.mark.parametrize("method", ["chat", "achat", "complete", "acomplete", "predict", "apredict"])
    def test_whole_answers_report_usage(self, llm: LLM, calls: Calls, method: str) -> None:
        """A counter that cannot count for itself finds the model's own counts."""
        if not self.reports_usage:
            pytest.skip("reports_usage is False")
        counter = TokenCountingHandler(tokenizer=lambda _: [])
        llm.callback_manager = CallbackManager([counter])
        self.ask(calls, method)
        assert counter.prompt_llm_token_count > 0
        assert counter.completion_llm_token_count > 0

    @pytest.mark.parametrize("method", METHODS)
    def test_every_span_ends(self, calls: Calls, method: str) -> None:
        """What is opened is closed, streams included."""
        with watching_spans() as watch:
            self.ask(calls, method)
        assert watch.opened
        assert sorted(watch.opened) == sorted(watch.ended)

    @pytest.mark.parametrize("method", [*CHAT, *COMPLETE])
    def test_a_failed_call_ends_its_spans(self, calls: Calls, method: str) -> None:
        """An error leaves nothing open."""
        with watching_spans() as watch, pytest.raises((TypeError, ValueError, AttributeError)):
            calls(method, *([[self.question]] if method in CHAT else []))
        assert sorted(watch.opened) == sorted(watch.ended)


def _kind(event: Any) -> str:
    return "start" if isinstance(event, STARTS) else "end" if isinstance(event, ENDS) else "step"
