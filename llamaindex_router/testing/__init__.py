"""A conformance suite for LlamaIndex LLMs: what engines, agents and tracers rely on, as tests to inherit.

LlamaIndex has no such suite. This one asks nothing of a model beyond the public methods of `LLM`, so it serves any
integration, and wrappers of models all the more. It needs pytest and no plugin of it; nothing here is imported by the
rest of the package.

Example:
    from llama_index.llms.openai import OpenAI
    from llamaindex_router.testing import LLMContract

    class TestOpenAI(LLMContract):
        secrets = ("sk-...",)
        deviations = {"test_whole_answers_report_usage": "why this line does not hold"}

        def make_llm(self):
            return OpenAI(model="gpt-4o-mini")

`llamaindex_router.testing.base.Contract` lists the facts to state (`has_tools`, `has_structured_output`,
`reports_usage`, `failed_calls`, `deterministic`, `secrets`), and says how a deviation is declared. `CUSTOM_LLM` has the
deviations of every model whose chat is core's `CustomLLM.chat`.
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{part}" for part in ("calls", "events", "objects", "structured", "text", "tools"))
)

from llamaindex_router.testing.events import CUSTOM_LLM, EventContract  # noqa: E402  # pytest has to rewrite the asserts first
from llamaindex_router.testing.listeners import listening, watching_spans  # noqa: E402  # as above
from llamaindex_router.testing.objects import ObjectContract  # noqa: E402  # as above
from llamaindex_router.testing.structured import StructuredContract  # noqa: E402  # as above
from llamaindex_router.testing.text import TextContract  # noqa: E402  # as above
from llamaindex_router.testing.tools import ToolContract  # noqa: E402  # as above

__all__ = ["CUSTOM_LLM", "LLMContract", "listening", "watching_spans"]


class LLMContract(TextContract, StructuredContract, ToolContract, EventContract, ObjectContract):
    """The whole contract. Subclass it in a test module as `Test...`, with `make_llm` and the facts."""
