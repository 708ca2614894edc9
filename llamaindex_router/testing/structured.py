"""Lines of the contract on structured output."""

from __future__ import annotations

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.llms import LLM
from llama_index.core.llms.structured_llm import StructuredLLM
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, Field

from llamaindex_router.testing.base import Contract
from llamaindex_router.testing.calls import Calls, said

__all__ = ["Capital", "StructuredContract"]

PROMPT = PromptTemplate("Answer with a city.\nQuestion: {question}")
WHOLE = ("structured_predict", "astructured_predict")
STREAMED = ("stream_structured_predict", "astream_structured_predict")


class Capital(BaseModel):
    """A capital city."""

    city: str = Field(description="name of the city")


class StructuredContract(Contract):
    """Answers as objects."""

    @pytest.fixture
    def structured(self, calls: Calls) -> Calls:
        """The calls of a model that can fill in objects."""
        if not self.has_structured_output:
            pytest.skip("has_structured_output is False")
        return calls

    @pytest.mark.parametrize("method", WHOLE)
    def test_an_object_is_filled_in(self, structured: Calls, method: str) -> None:
        """The result is an object of the class that was asked for."""
        (capital,) = structured(method, Capital, PROMPT, question=self.question)
        assert isinstance(capital, Capital)
        assert capital.city

    @pytest.mark.parametrize("method", STREAMED)
    def test_a_streamed_object_fills_up(self, structured: Calls, method: str) -> None:
        """Every item has the class's fields, and the last is an object of the class."""
        items = structured(method, Capital, PROMPT, question=self.question)
        assert all(hasattr(item, "city") for item in items)
        assert isinstance(items[-1], Capital)
        assert items[-1].city

    @pytest.mark.parametrize("method", [*WHOLE, *STREAMED])
    def test_options_for_the_model_are_apart_from_the_template(self, structured: Calls, method: str) -> None:
        """`llm_kwargs` is the third argument by place; what has a name fills in the template."""
        prompt = PROMPT.partial_format(question=self.question)
        assert isinstance(structured(method, Capital, prompt, {})[-1], Capital)

    def test_a_structured_llm(self, structured: Calls) -> None:
        """Core's synthesizers ask for a `StructuredLLM` by class."""
        wrapped = structured.llm.as_structured_llm(Capital)
        assert isinstance(wrapped, StructuredLLM)
        assert wrapped.metadata == structured.llm.metadata

    @pytest.mark.parametrize("method", ["chat", "achat"])
    def test_a_structured_llm_chats(self, structured: Calls, method: str) -> None:
        """The message is JSON of the object, and `raw` is the object."""
        answer = self._wrapped(structured)(method, [ChatMessage(role=MessageRole.USER, content=self.question)])[-1]
        assert isinstance(answer.raw, Capital)
        assert Capital.model_validate_json(said(answer)) == answer.raw

    @pytest.mark.filterwarnings("ignore:The `json` method is deprecated")  # core's own streams use it
    @pytest.mark.parametrize("method", ["stream_chat", "astream_chat"])
    def test_a_structured_llm_streams(self, structured: Calls, method: str) -> None:
        """The last item holds the whole object."""
        answer = self._wrapped(structured)(method, [ChatMessage(role=MessageRole.USER, content=self.question)])[-1]
        assert Capital.model_validate_json(said(answer)).city

    @pytest.mark.parametrize("method", ["predict", "apredict"])
    def test_a_structured_llm_fills_in_templates(self, structured: Calls, method: str) -> None:
        """The answer to a template is JSON of the object."""
        (text,) = self._wrapped(structured)(method, PROMPT, question=self.question)
        assert Capital.model_validate_json(text).city

    def _wrapped(self, calls: Calls) -> Calls:
        llm: LLM = calls.llm.as_structured_llm(Capital)
        return Calls(llm, calls.loop)
