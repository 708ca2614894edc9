"""What the LangChain examples share: the two models, a search over the handbook, and the bill."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bill import asked_models, print_decisions, print_totals, refuse
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.vectorstores import InMemoryVectorStore
from pydantic import Field

from langchain_router import RoutingRecorder
from pointsman.artifacts import read_shipped
from pointsman.cli.demo.models import STRONG, WEAK, chat_model
from pointsman.cli.demo.standin_chat import StandInChat
from pointsman.cli.demo.texts import answer_to, load_texts
from pointsman.embedders import StaticEmbedder
from pointsman.errors import PointsmanError

__all__ = ["Step", "handbook_store", "print_bill", "two_models"]

Step = Callable[[str, Sequence[BaseMessage]], AIMessage]
"""(name of the model, messages) -> what a stand-in says, which may be a call of a tool."""


class ScriptedChat(StandInChat):
    """A stand-in that may call tools: local rules, and no model."""

    step: Step = Field(exclude=True)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[Any, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  # one signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002  # one signature
        **_: Any,
    ) -> ChatResult:
        said = self.step(self.model, messages)
        usage = self._usage(messages, said.text or str(said.tool_calls))
        update = {"usage_metadata": usage, "response_metadata": {"model_name": self.model}}
        return ChatResult(generations=[ChatGeneration(message=said.model_copy(update=update))])


class ShippedEmbeddings(Embeddings):
    """The static embedder that comes with pointsman: vectors with no key and no network."""

    def __init__(self) -> None:
        self._embedder = StaticEmbedder.from_artifact(read_shipped("minilm-static", "embedder"))

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        vectors: list[list[float]] = self._embedder.encode(texts).tolist()
        return vectors

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


def two_models(
    step: Step | None = None, weak_answers: Callable[[str], str] = answer_to
) -> tuple[BaseChatModel, BaseChatModel]:
    """The models that the command line or STRONG and WEAK name, or two stand-ins.

    Args:
        step: what the stand-ins do where they may call tools.
        weak_answers: prompt -> what the weak one says where it may not.
    """
    given = asked_models()
    try:
        if given:
            return chat_model(given[0]), chat_model(given[1])
    except PointsmanError as error:
        refuse(str(error))
    if step is None:
        return StandInChat(model=STRONG), StandInChat(model=WEAK, answers=weak_answers)
    return ScriptedChat(model=STRONG, step=step), ScriptedChat(model=WEAK, step=step)


def handbook_store() -> InMemoryVectorStore:
    """The demo's handbook, by chapter."""
    store = InMemoryVectorStore(ShippedEmbeddings())
    store.add_documents([Document(c.text, metadata={"title": c.title}) for c in load_texts().handbook])
    return store


def print_bill(recorder: RoutingRecorder) -> None:
    """Every decision with what its call cost, and the sum."""
    print_decisions(recorder.decisions, recorder.outcomes)
    print_totals(recorder.totals)
