"""The ways into a chat model: what each asks of the chosen model, and how its answer is told apart from silence."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, Protocol, cast

from langchain_core.messages import AIMessage, AIMessageChunk

from langchain_router.record import answer_in

if TYPE_CHECKING:
    from langchain_router.route import Route

__all__ = ["GENERATE", "INVOKE", "STREAM", "Door", "Whole", "refuses", "says_something"]

_REFUSALS = {"refusal", "content_filter", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST"}
"""How Anthropic, OpenAI and Google give the reason why an answer ends."""


class Door(Protocol):
    """One way in. Pieces come as the chosen model gives them: one, or those of a stream."""

    def open(self, route: Route) -> Generator[Any]:
        """The chosen model's pieces."""
        ...

    def aopen(self, route: Route) -> AsyncGenerator[Any]:
        """The same from a coroutine."""
        ...

    def speaks(self, piece: Any) -> bool:
        """Whether a piece holds anything of an answer."""
        ...

    def mark(self, route: Route, piece: Any) -> Any:
        """The piece for the caller, with what it carries of the record."""
        ...

    def message(self, pieces: list[Any]) -> AIMessage | None:
        """The message that all pieces make up; None where a parser has left none."""
        ...


class Whole:
    """An answer in one piece."""

    def speaks(self, piece: Any) -> bool:
        """What a parser made of an answer speaks, too."""
        answer = answer_in(piece)
        return answer is None or says_something(answer)

    def mark(self, route: Route, piece: Any) -> Any:
        """The answer with the whole record."""
        return route.settle(piece)

    def message(self, pieces: list[Any]) -> AIMessage | None:
        """The message in the one piece."""
        return answer_in(pieces[0])


class _Invoke(Whole):
    def open(self, route: Route) -> Generator[Any]:
        yield route.target.invoke(route.messages, route.config, **route.kwargs)

    async def aopen(self, route: Route) -> AsyncGenerator[Any]:
        yield await route.target.ainvoke(route.messages, route.config, **route.kwargs)


class _Generate(Whole):
    def open(self, route: Route) -> Generator[Any]:
        yield route.model.generate([route.messages], **_unpacked(route), **route.kwargs)

    async def aopen(self, route: Route) -> AsyncGenerator[Any]:
        yield await route.model.agenerate([route.messages], **_unpacked(route), **route.kwargs)


class _Stream:
    def open(self, route: Route) -> Generator[Any]:
        stream: Iterator[Any] = route.target.stream(route.messages, route.config, **route.kwargs)
        with closing(cast("Generator[Any]", stream)):
            yield from stream

    async def aopen(self, route: Route) -> AsyncGenerator[Any]:
        stream: AsyncIterator[Any] = route.target.astream(route.messages, route.config, **route.kwargs)
        async with aclosing(cast("AsyncGenerator[Any]", stream)):
            async for piece in stream:
                yield piece

    def speaks(self, piece: Any) -> bool:
        answer = answer_in(piece)
        return answer is None or says_something(answer)

    def mark(self, route: Route, piece: Any) -> Any:
        return route.piece(piece)

    def message(self, pieces: list[Any]) -> AIMessage | None:
        answers = [answer for piece in pieces if (answer := answer_in(piece)) is not None]
        chunks = [answer for answer in answers if isinstance(answer, AIMessageChunk)]
        if chunks:
            return chunks[0] + chunks[1:] if chunks[1:] else chunks[0]
        return answers[-1] if answers else None


def says_something(answer: AIMessage) -> bool:
    """Whether an answer, or a piece of one, has words, calls a tool, or holds anything else for its reader."""
    if answer.tool_calls or answer.invalid_tool_calls:
        return True
    if any(answer.additional_kwargs.values()):  # OpenAI's client leaves {"refusal": None} where nobody refused
        return True
    if isinstance(answer, AIMessageChunk) and answer.tool_call_chunks:
        return True
    if isinstance(answer.content, str):
        return bool(answer.content)
    return any(
        block.get("type") != "text" or block.get("text") if isinstance(block, dict) else block
        for block in answer.content
    )


def refuses(answer: AIMessage) -> bool:
    """Whether an answer is marked as a refusal by its provider; one in plain words is not."""
    if answer.additional_kwargs.get("refusal"):
        return True
    if any(answer.response_metadata.get(name) in _REFUSALS for name in ("stop_reason", "finish_reason")):
        return True
    blocks = answer.content if isinstance(answer.content, list) else ()
    return any(isinstance(block, dict) and _is_refusal(block) for block in blocks)


def _is_refusal(block: dict[str, Any]) -> bool:
    """OpenAI's block, plain or as LangChain wraps what it has no kind of its own for."""
    return block.get("type") == "refusal" or (block.get("type") == "non_standard" and "refusal" in block["value"])


def _unpacked(route: Route) -> dict[str, Any]:
    """The config as `generate` takes it."""
    return {key: route.config.get(key) for key in ("callbacks", "tags", "metadata")}


INVOKE, STREAM, GENERATE = _Invoke(), _Stream(), _Generate()
