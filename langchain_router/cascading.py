"""A cascade inside a routed call: answers that only a judge has seen, and what to do with the one that it accepts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig

from langchain_router.doors import Door
from langchain_router.listening import Tap
from langchain_router.messages import whole_text
from langchain_router.plan import Plan
from langchain_router.route import Route
from langchain_router.usage import usage_of
from pointsman.chat import Answer, openai_logprobs
from pointsman.decision import Decision
from pointsman.errors import EmptyAnswerError, JudgeError
from pointsman.failover import Attempts
from pointsman.records import Call, decision_metadata

if TYPE_CHECKING:
    from pointsman.cascade import Ask

__all__ = ["NOSTREAM", "Accepted", "Drafts", "aside"]

NOSTREAM = "nostream"
"""LangGraph leaves runs with this tag out of the stream of tokens."""
_UNSEEN = {"ls_message_view_exclude": True}
"""LangSmith leaves runs with this metadata out of its view of a conversation."""


@dataclass(frozen=True)
class Accepted:
    """An answer that a judge has let pass, as its door gave it."""

    pieces: list[Any]
    tap: Tap | None

    def again(self) -> Generator[Any]:
        """Its pieces, as if they came now."""
        yield from self.pieces

    async def aagain(self) -> AsyncGenerator[Any]:
        """The same from a coroutine."""
        for piece in self.pieces:
            yield piece


class Drafts:
    """The answers of one call that a judge is to see first.

    Attributes:
        call: the whole call: when it began, and what drafts that came to nothing have cost.
    """

    def __init__(self, plan: Plan, decision: Decision, door: Door, attempts: Attempts) -> None:
        self.call = Call(decision, plan.router.pool)
        self._plan = plan
        self._decision = decision
        self._door = door
        self._attempts = attempts

    def route(self, candidate: str, options: Mapping[str, Any], child: BaseCallbackManager | None) -> Route:
        """A candidate at work on a draft, with what the judge needs of it beside what the call asks."""
        named = self._plan.router.pool.named(candidate)
        decision = replace(self._decision, candidate=named.name, model=named.model)
        route = Route(self._plan, decision, self._door, self._attempts, None)
        route.kwargs = {**route.kwargs, **options}
        route.config = _out_of_the_stream(self._plan.config, decision_metadata(decision), child)
        if child is not None and self._plan.replay is not None and self._plan.replay.structured:
            route.tap = Tap(None)
            child.add_handler(route.tap, inherit=True)
        return route

    def answer(self, route: Route, pieces: list[Any]) -> Answer:
        """A draft for the judge.

        Raises:
            EmptyAnswerError: it says nothing, and another candidate may say more.
        """
        if self._attempts.settings is not None and not any(self._door.speaks(piece) for piece in pieces):
            msg = f"{route.decision.candidate} ended its answer without saying anything"
            raise EmptyAnswerError(msg)
        route.spoken()
        message = self._door.message(pieces) or (route.tap.answer if route.tap else None) or AIMessage("")
        return Answer(
            text=whole_text([message]),
            logprobs=openai_logprobs(message.response_metadata.get("logprobs")),
            usage=usage_of(message, route.messages, route.decision.model),
            raw=Accepted(pieces, route.tap),
        )

    def failed(self, route: Route) -> JudgeError:
        """A candidate that another one stands in for: its attempt counts, and there is nothing to judge."""
        self.call.earlier += (route.finish(),)
        return JudgeError(f"{route.decision.candidate} failed, so there is no answer to judge; the next one is asked")

    def judging(self, ask: Ask, child: BaseCallbackManager | None) -> dict[str, Any]:
        """Keyword arguments for the judge's own model: a run of its own, which no reader of the answer sees."""
        options = dict(ask.options)
        if hasattr(ask.model, "invoke"):
            options["config"] = aside(self._plan.config, child)
        return options


def aside(config: RunnableConfig, child: BaseCallbackManager | None = None) -> RunnableConfig:
    """The config for a model that is asked about the call: a run of its own, which no reader of the answer sees."""
    return _out_of_the_stream(config, _UNSEEN, child)


def _out_of_the_stream(
    config: RunnableConfig, metadata: dict[str, Any], child: BaseCallbackManager | None
) -> RunnableConfig:
    """The call's config for a run whose tokens are not the caller's."""
    config = config.copy()
    config["tags"] = [*(config.get("tags") or []), NOSTREAM]
    config["metadata"] = {**(config.get("metadata") or {}), **metadata}
    if child is not None:
        config["callbacks"] = child
    return config
