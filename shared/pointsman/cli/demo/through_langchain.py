"""The demo's prompts through a LangChain chain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_router import RoutedChatModel, RoutingRecorder
from pointsman.cli.demo.rows import Row
from pointsman.cli.demo.texts import load_texts

__all__ = ["SYSTEM", "through_langchain"]

SYSTEM = "You are a helpful assistant. Answer correctly and briefly; show your work where it matters."


def through_langchain(strong: BaseChatModel, weak: BaseChatModel, **rule: Any) -> Iterator[Row]:
    """One row per prompt, streamed through `prompt | RoutedChatModel | parser`.

    Args:
        strong: the strong model.
        weak: the weak model.
        rule: `threshold` or `strong_share`, as for `RoutedChatModel`.

    Raises:
        PointsmanError: the router cannot be set up, or cannot decide.
    """
    prompt = ChatPromptTemplate.from_messages([("system", SYSTEM), ("human", "{question}")])
    chain = prompt | RoutedChatModel(strong=strong, weak=weak, **rule) | StrOutputParser()
    for exchange in load_texts().chain:
        with RoutingRecorder() as recorder:
            answer = "".join(chain.stream({"question": exchange.prompt}))
        yield Row("LangChain", exchange.prompt, answer, recorder.decisions[0], recorder.outcomes[0])
