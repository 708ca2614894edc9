"""The router's own run: a chain run, with the chosen model's run as its child.

A chat model's run cannot have children, and tokens are counted once per chat-model run. So the router opens a chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, Protocol, TypeVar, runtime_checkable
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForChainRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    CallbackManager,
    CallbackManagerForChainRun,
)
from langchain_core.language_models.chat_models import BaseChatModel

from langchain_router.plan import Plan
from langchain_router.route import Route
from pointsman.decision import Decision
from pointsman.records import EVENT_NAME, decision_metadata, outcome_metadata

__all__ = ["AsyncRun", "Run"]

Manager = TypeVar("Manager", CallbackManager, AsyncCallbackManager)


class _RunBase:
    """What both kinds of run do without waiting."""

    def __init__(self, owner: BaseChatModel, plan: Plan) -> None:
        self._owner = owner
        self._plan = plan
        self._name = plan.run_name or owner.get_name()
        self._inputs = {"messages": plan.messages}
        self._route: Route | None = None

    def _manager(self, kind: type[Manager]) -> Manager:
        """The call's callbacks and the router's. The latter too reach the chosen model, whose tokens they are for."""
        config, owner = self._plan.config, self._owner
        manager = kind.configure(
            config.get("callbacks"), None, owner.verbose, config.get("tags"), None, config.get("metadata"), None
        )
        for handler in _handlers(owner.callbacks):
            manager.add_handler(handler, inherit=True)
        if owner.tags:
            manager.add_tags(owner.tags)
        if owner.metadata:
            manager.add_metadata(owner.metadata)
        return manager

    def _take(self, decision: Decision, child: BaseCallbackManager) -> Route:
        """The way that was decided for."""
        self._route = route = Route(self._plan, decision)
        if route.tap is not None:
            child.add_handler(route.tap, inherit=True)
        metadata = {**route.config.get("metadata", {}), **decision_metadata(route.decision)}
        route.config = {**route.config, "callbacks": child, "metadata": metadata}
        return route

    def _note(self, handlers: Sequence[BaseCallbackHandler], run_id: UUID, error: BaseException | None) -> None:
        """Decision and outcome into the metadata of this run, where a tracer keeps it."""
        if (route := self._route) is None:
            return
        outcome = route.finish(error=error)
        for handler in handlers:
            run = getattr(handler, "run_map", {}).get(str(run_id))
            if isinstance(run, _TracedRun):
                run.add_metadata(decision_metadata(route.decision) | outcome_metadata(outcome))


class Run(_RunBase):
    """The router's run around a sync call; entering it decides."""

    def __enter__(self) -> Route:
        plan = self._plan
        manager = self._manager(CallbackManager)
        self._run: CallbackManagerForChainRun = manager.on_chain_start(
            None, self._inputs, run_id=plan.run_id, name=self._name
        )
        try:
            decision = plan.decision or plan.router.decide(plan.query)
            child = self._run.get_child()
            route = self._take(decision, child)
            if child.handlers:
                child.on_custom_event(EVENT_NAME, route.decision.as_dict(), run_id=self._run.run_id)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return route

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._note(self._run.handlers, self._run.run_id, error)
        if self._route is not None and (error is None or isinstance(error, GeneratorExit)):
            self._run.on_chain_end(self._route.outputs if self._run.handlers else {})
        elif error is not None:
            self._run.on_chain_error(error)


class AsyncRun(_RunBase):
    """The router's run around an async call; entering it decides."""

    async def __aenter__(self) -> Route:
        plan = self._plan
        manager = self._manager(AsyncCallbackManager)
        self._run: AsyncCallbackManagerForChainRun = await manager.on_chain_start(
            None, self._inputs, run_id=plan.run_id, name=self._name
        )
        try:
            decision = plan.decision or await plan.router.adecide(plan.query)
            child = self._run.get_child()
            route = self._take(decision, child)
            if child.handlers:
                await child.on_custom_event(EVENT_NAME, route.decision.as_dict(), run_id=self._run.run_id)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return route

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._note(self._run.handlers, self._run.run_id, error)
        if self._route is not None and (error is None or isinstance(error, GeneratorExit)):
            await self._run.on_chain_end(self._route.outputs if self._run.handlers else {})
        elif error is not None:
            await self._run.on_chain_error(error)


@runtime_checkable
class _TracedRun(Protocol):
    """A run of LangSmith's kind."""

    def add_metadata(self, metadata: dict[str, Any]) -> None:
        """Merge into the run's metadata."""
        ...


def _handlers(callbacks: list[BaseCallbackHandler] | BaseCallbackManager | None) -> list[BaseCallbackHandler]:
    return callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks or []
