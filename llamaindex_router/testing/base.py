"""What a subclass of the contract states, and the fixtures that its tests share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import pytest
from llama_index.core.llms import LLM
from llama_index.core.prompts import PromptTemplate

from llamaindex_router.testing.calls import CHAT, COMPLETE, Calls, conversation

__all__ = ["QUESTION", "Contract"]

QUESTION = PromptTemplate("Some context.\nQuestion: {question}\nAnswer: ")


class Contract:
    """Base of all parts of the contract.

    Attributes:
        has_tools: the model calls tools. Checked against its metadata; where it is False, the lines on tools are
            skipped by name.
        has_structured_output: the model can fill in an object; the lines on objects are skipped by name otherwise.
        reports_usage: whole answers say how many tokens they used.
        failed_calls: model calls that fail before the one that answers, as where a wrapper's first choice is down. They
            are on LlamaIndex's record beside it, each with no end and no tokens.
        deterministic: the same question has the same answer, in every way of asking. Without it, answers are not
            compared with each other.
        secrets: texts that must not be found in what the model shows of itself, such as its key.
        question, other_question: what the tests ask.
        deviations: test name, or "name[parameter]", -> why the model does not keep this line. A declared line still
            runs, and has to fail: it is a strict xfail, so a declaration that has become untrue fails.
    """

    has_tools: ClassVar[bool] = True
    has_structured_output: ClassVar[bool] = True
    reports_usage: ClassVar[bool] = True
    failed_calls: ClassVar[int] = 0
    deterministic: ClassVar[bool] = True
    secrets: ClassVar[tuple[str, ...]] = ()
    question: ClassVar[str] = "What is the capital of France?"
    other_question: ClassVar[str] = "Name three rivers of Europe that flow into the North Sea."
    deviations: ClassVar[Mapping[str, str]] = {}

    def make_llm(self) -> LLM:
        """A new LLM; called once per test."""
        msg = f"{type(self).__name__} has no make_llm; define it to return the LLM to test"
        raise NotImplementedError(msg)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        unknown = [name for name in cls.deviations if not hasattr(cls, name.split("[")[0])]
        if unknown:
            msg = f"{cls.__name__}.deviations names no line of the contract: {', '.join(unknown)}; correct the names"
            raise TypeError(msg)

    @pytest.fixture(autouse=True)
    def _declared(self, request: pytest.FixtureRequest) -> None:
        """Expect a line to fail where a deviation is declared."""
        name = request.node.name
        reason = self.deviations.get(name) or self.deviations.get(name.split("[")[0])
        if reason is not None:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    @pytest.fixture
    def llm(self) -> LLM:
        """The model under test."""
        return self.make_llm()

    @pytest.fixture
    def calls(self, llm: LLM) -> Iterator[Calls]:
        """The model's methods, sync, async and streaming, called in one way."""
        with Calls.of(llm) as opened:
            yield opened

    def arguments(self, method: str, question: str | None = None) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What a method of `CHAT`, `COMPLETE` or `PREDICT` is called with to ask a question."""
        question = question or self.question
        if method in CHAT:
            return (conversation(question),), {}
        return ((question,), {}) if method in COMPLETE else ((QUESTION,), {"question": question})

    def ask(self, calls: Calls, method: str, question: str | None = None) -> list[Any]:
        """The items that a method answers a question with."""
        args, kwargs = self.arguments(method, question)
        return calls(method, *args, **kwargs)
