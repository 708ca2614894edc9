"""Lines of the contract on text: chat, completion and templates; sync, async and streaming."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, MessageRole
from llama_index.core.llms import LLM
from llama_index.core.prompts import ChatPromptTemplate

from llamaindex_router.testing.base import QUESTION, Contract
from llamaindex_router.testing.calls import ASYNC, CHAT, COMPLETE, PREDICT, STREAMS, Calls, conversation, said

__all__ = ["TextContract"]

CHATTED = ChatPromptTemplate.from_messages([("system", "Answer briefly."), ("user", "{question}")])


class TextContract(Contract):
    """Answers as text."""

    @pytest.mark.parametrize("method", [*CHAT, *COMPLETE, *PREDICT])
    def test_answers(self, calls: Calls, method: str) -> None:
        """Every item is of the documented class; the answer has words."""
        kind = ChatResponse if method in CHAT else CompletionResponse if method in COMPLETE else str
        items = self.ask(calls, method)
        assert items
        assert all(isinstance(item, kind) for item in items)
        assert ("".join(items) if kind is str else said(items[-1])).strip()

    @pytest.mark.parametrize("method", [*CHAT, *COMPLETE, *PREDICT])
    def test_async_is_awaited_and_streams_are_iterators(self, calls: Calls, method: str) -> None:
        """`await llm.astream_chat(...)` is an async iterator, `stream_chat` gives an iterator, others their result."""
        args, kwargs = self.arguments(method)
        result = getattr(calls.llm, method)(*args, **kwargs)
        assert inspect.isawaitable(result) == (method in ASYNC)
        got = calls.wait(result) if method in ASYNC else result
        iterator = AsyncIterator if method in ASYNC else Iterator
        assert isinstance(got, iterator) == (method in STREAMS)
        calls.read(got)

    @pytest.mark.parametrize("method", CHAT)
    def test_a_chat_is_answered_by_the_assistant(self, calls: Calls, method: str) -> None:
        """The role of an answer is the assistant's."""
        assert self.ask(calls, method)[-1].message.role == MessageRole.ASSISTANT

    @pytest.mark.parametrize("method", [name for name in (*CHAT, *COMPLETE) if name in STREAMS])
    def test_deltas_add_up(self, calls: Calls, method: str) -> None:
        """Item by item, the text is that of the deltas so far."""
        text = ""
        for item in self.ask(calls, method):
            text += item.delta or ""
            assert said(item) == text

    @pytest.mark.parametrize("methods", [CHAT, COMPLETE, PREDICT], ids=["chat", "complete", "predict"])
    def test_all_ways_give_the_same_answer(self, calls: Calls, methods: tuple[str, ...]) -> None:
        """Sync, async and both streams say the same."""
        self._compares_answers()
        streamed = ["".join(self.ask(calls, name)) if methods is PREDICT else "" for name in methods]
        answers = streamed if methods is PREDICT else [said(self.ask(calls, name)[-1]) for name in methods]
        assert answers == [answers[0]] * len(methods)

    def test_predict_is_a_chat_or_a_completion_of_the_filled_in_template(self, calls: Calls) -> None:
        """A template adds nothing and loses nothing."""
        self._compares_answers()
        messages = CHATTED.format_messages(question=self.question)
        expected = calls("chat", messages) if calls.llm.metadata.is_chat_model else None
        (answer,) = calls("predict", CHATTED, question=self.question)
        assert expected is None or answer == said(expected[-1])

    @pytest.mark.parametrize("method", PREDICT)
    def test_variables_may_stand_in_the_template_already(self, calls: Calls, method: str) -> None:
        """`partial_format` is how response synthesizers hand over the question."""
        prompt = QUESTION.partial_format(question=self.question)
        before = dict(prompt.kwargs)
        answer = "".join(calls(method, prompt))
        assert answer.strip()
        assert prompt.kwargs == before
        if self.deterministic:
            assert answer == "".join(self.ask(calls, method))

    @pytest.mark.parametrize("method", CHAT)
    def test_messages_are_not_changed(self, calls: Calls, method: str) -> None:
        """The caller's messages stay as they are, and so does the list."""
        messages = conversation(self.question, "An answer.", self.other_question)
        before = [message.model_dump() for message in messages]
        calls(method, messages)
        assert [message.model_dump() for message in messages] == before

    @pytest.mark.parametrize("method", COMPLETE)
    def test_a_prompt_may_be_given_by_name(self, calls: Calls, method: str) -> None:
        """`complete(prompt=...)` is `complete(...)`."""
        text = said(calls(method, prompt=self.question)[-1])
        assert text.strip()
        if self.deterministic:
            assert text == said(self.ask(calls, method)[-1])

    @pytest.mark.parametrize("method", COMPLETE)
    def test_a_missing_prompt_is_an_error(self, calls: Calls, method: str) -> None:
        """Core's own decorator raises a ValueError, and its callers know that one."""
        with pytest.raises(ValueError, match="No prompt provided"):
            calls(method)

    @pytest.mark.parametrize("method", CHAT)
    def test_what_is_no_message_is_an_error(self, calls: Calls, method: str) -> None:
        """A str in the place of a message is never sent."""
        with pytest.raises((TypeError, ValueError, AttributeError)):
            calls(method, [self.question])

    @pytest.mark.parametrize("method", CHAT)
    def test_no_messages_at_all_is_answered_or_refused(self, calls: Calls, method: str) -> None:
        """An empty conversation is up to the model, but alike in all ways of asking."""
        assert _outcome(calls, method) == _outcome(calls, "chat")

    @pytest.mark.parametrize("method", [*CHAT, *COMPLETE])
    def test_additional_kwargs_are_a_dict_of_each_answers_own(self, calls: Calls, method: str) -> None:
        """What one caller writes there is not found by the next."""
        self.ask(calls, method)[-1].additional_kwargs["written"] = "by a caller"
        assert "written" not in self.ask(calls, method)[-1].additional_kwargs

    def test_concurrent_calls_do_not_mix(self, calls: Calls) -> None:
        """Tasks of one loop each get their own answer."""
        self._compares_answers()
        questions = [self.question, self.other_question] * 4

        async def asked() -> list[ChatResponse]:
            return await asyncio.gather(*(calls.llm.achat(conversation(question)) for question in questions))

        assert [said(answer) for answer in calls.wait(asked())] == self._answers(calls.llm, questions)

    def test_calls_of_many_threads_do_not_mix(self, llm: LLM) -> None:
        """Threads each get their own answer."""
        self._compares_answers()
        questions = [self.question, self.other_question] * 4
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda question: said(llm.chat(conversation(question))), questions))
        assert answers == self._answers(llm, questions)

    @pytest.mark.parametrize("method", STREAMS)
    def test_a_stream_may_be_left(self, calls: Calls, method: str) -> None:
        """Closing a stream after its first item is no error, and the model can be called again."""
        args, kwargs = self.arguments(method)
        calls.wait(_leave(getattr(calls.llm, method)(*args, **kwargs)))
        assert self.ask(calls, method)

    def _compares_answers(self) -> None:
        if not self.deterministic:
            pytest.skip("deterministic is False: answers are not compared")

    def _answers(self, llm: LLM, questions: list[str]) -> list[str]:
        alone = {question: said(llm.chat(conversation(question))) for question in set(questions)}
        return [alone[question] for question in questions]


def _outcome(calls: Calls, method: str) -> str:
    """How an empty conversation ends."""
    messages: list[ChatMessage] = []
    try:
        calls(method, messages)
    except (LookupError, TypeError, ValueError) as error:
        return type(error).__name__
    return "answered"


async def _leave(stream: Any) -> None:
    """Read one item of a stream of either kind, and close it.

    openai's `Stream` is part of a reference cycle, and a garbage collection that closes it inside httpx's next call
    waits forever for a lock that this call holds. So it is collected here.
    """
    opened = await stream if inspect.isawaitable(stream) else stream
    if isinstance(opened, AsyncIterator):
        await anext(opened)
        await opened.aclose()  # type: ignore[attr-defined]  # the contract asks for generators
    else:
        next(opened)
        opened.close()
    del stream, opened
    gc.collect()
