"""Lines of the contract on the model as an object: its metadata, its copies, and what it shows of itself."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from llama_index.core import Settings
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import LLM
from llama_index.core.llms.function_calling import FunctionCallingLLM

from llamaindex_router.testing.base import Contract
from llamaindex_router.testing.calls import conversation, said

__all__ = ["ObjectContract"]


class ObjectContract(Contract):
    """The model as an object."""

    def test_it_is_an_llm(self, llm: LLM) -> None:
        """Core asks by class."""
        assert isinstance(llm, LLM)
        assert BaseLLM in type(llm).__mro__

    def test_metadata(self, llm: LLM) -> None:
        """Prompts are packed by it, so it holds real numbers, and reading it twice gives the same."""
        metadata = llm.metadata
        assert isinstance(metadata, LLMMetadata)
        assert metadata == llm.metadata
        assert metadata.context_window > 0
        assert metadata.num_output == -1 or 0 < metadata.num_output <= metadata.context_window
        assert metadata.model_name

    def test_tools_are_there_where_the_metadata_says_so(self, llm: LLM) -> None:
        """Agents and structured programs go by the metadata, and then ask for the class."""
        assert llm.metadata.is_function_calling_model == self.has_tools
        assert isinstance(llm, FunctionCallingLLM) or not self.has_tools

    def test_it_has_a_name_of_its_own(self, llm: LLM) -> None:
        """The base class's name tells a trace nothing."""
        assert llm.class_name() not in ("", "base_component", LLM.class_name())

    def test_what_it_shows_is_json_and_holds_no_secret(self, llm: LLM) -> None:
        """`to_payload` goes into every start event, `to_dict` into stored settings, `repr` into logs."""
        shown = (json.dumps(llm.to_payload()), json.dumps(llm.to_dict()), llm.to_json(), repr(llm), str(llm))
        assert [text for text in shown if any(secret in text for secret in self.secrets)] == []

    @pytest.mark.parametrize("way", ["pickle", "copy", "deepcopy"])
    def test_a_copy_answers_too(self, llm: LLM, way: str) -> None:
        """Engines copy models, and process pools pickle them."""
        other = pickle.loads(pickle.dumps(llm)) if way == "pickle" else getattr(copy, way)(llm)  # noqa: S301  # our own bytes
        assert type(other) is type(llm)
        assert other.metadata == llm.metadata
        answer = said(other.chat(conversation(self.question)))
        assert answer.strip()
        if self.deterministic:
            assert answer == said(llm.chat(conversation(self.question)))

    def test_a_callback_manager_can_be_set(self, llm: LLM) -> None:
        """`Settings.llm` sets one each time it is read."""
        manager = CallbackManager([])
        llm.callback_manager = manager
        assert llm.callback_manager is manager

    def test_it_can_be_the_default(self, llm: LLM) -> None:
        """`Settings.llm` hands out the very object."""
        before = Settings._llm  # noqa: SLF001  # reading `Settings.llm` would make an OpenAI client
        Settings.llm = llm
        try:
            assert Settings.llm is llm
        finally:
            Settings._llm = before  # noqa: SLF001  # as above
