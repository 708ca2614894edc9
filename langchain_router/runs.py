"""The router's own run: a chain run, with the runs of the models that were asked as its children.

A chat model's run cannot have children, and tokens are counted once per chat-model run. So the router opens a chain.
Where nobody listens there is no run, and the chosen model's call stands where the router's would have.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from uuid import UUID

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForChainRun,
    BaseCallbackHandler,
    BaseCallbackManager,
    CallbackManager,
    CallbackManagerForChainRun,
    Callbacks,
)
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.utils import coro_with_context
from typing_extensions import Self

from langchain_router.cascading import Accepted, Drafts, aside
from langchain_router.conduct import Conduct
from langchain_router.context import in_config
from langchain_router.doors import Door, Whole
from langchain_router.listening import handlers_of, show_tokens, take_events
from langchain_router.plan import Plan
from langchain_router.route import Route
from pointsman.cascade.steps import adrive, drive
from pointsman.chat import Answer, aask_model, ask_model
from pointsman.decision import Decision
from pointsman.records import EVENT_NAME, ROUTING_KEY, Call, decision_metadata, outcome_metadata, routing_record

if TYPE_CHECKING:
    from pointsman.cascade import Ask, Cascade, Verdict

__all__ = ["AsyncRun", "Owner", "Run"]

Manager = TypeVar("Manager", CallbackManager, AsyncCallbackManager)


class Owner(Protocol):
    """Whose run it is: a chat model, or an agent's middleware."""

    @property
    def tags(self) -> list[str] | None:
        """Of its runs and those inside."""
        ...

    @property
    def metadata(self) -> dict[str, Any] | None:
        """Of its runs and those inside."""
        ...

    @property
    def verbose(self) -> bool:
        """Whether LangChain prints its runs."""
        ...

    @property
    def callbacks(self) -> Callbacks:
        """Of its runs and those inside."""
        ...

    def get_name(self) -> str:
        """Of its runs."""
        ...


class _RunBase:
    """What both kinds of run do without waiting."""

    def __init__(self, owner: Owner, conduct: Conduct, plan: Plan, door: Door) -> None:
        self._owner = owner
        self._conduct = conduct
        self._plan = plan
        self._door = door
        self._attempts = conduct.attempts(plan)
        self._route: Route | None = None
        self._since: Call | None = None
        self._accepted: Accepted | None = None

    def _manager(self, kind: type[Manager]) -> Manager | None:
        """The call's callbacks and the router's, for whom its run is opened; None where nobody listens."""
        owner: Owner = self._owner
        config: RunnableConfig = self._plan.config
        if tags := owner.tags:
            config["tags"] = list(dict.fromkeys((config.get("tags") or []) + tags))
        if owner.metadata:
            config["metadata"] = {**(config.get("metadata") or {}), **owner.metadata}
        manager = kind.configure(config.get("callbacks"), None, owner.verbose)
        for handler in handlers_of(owner.callbacks):
            manager.add_handler(handler, inherit=True)  # the model's tokens are for them, too
        structured = self._plan.replay is not None and self._plan.replay.structured
        if not (manager.handlers or structured):
            return None
        if tags := config.get("tags"):
            manager.add_tags(tags)
        if metadata := config.get("metadata"):
            manager.add_metadata(metadata)
        return manager

    def _opening(self) -> dict[str, Any]:
        return {
            "serialized": None,
            "inputs": {"messages": self._plan.messages},
            "run_id": self._plan.run_id,
            "name": self._plan.run_name or self._owner.get_name(),
        }

    def _take(self, decision: Decision, child: BaseCallbackManager | None) -> Route:
        """The candidate that is asked next."""
        if (before := self._route) is not None:
            self._since = before.call
            self._since.earlier = (before.finish(),)
        if self._accepted is None:
            decision = self._attempts.admit(decision)
        self._route = route = Route(self._plan, decision, self._door, self._attempts, self._since)
        metadata = {**route.config.get("metadata", {}), **decision_metadata(route.decision)}
        route.config = {**route.config, "metadata": metadata}
        shows = isinstance(self._door, Whole) and show_tokens(handlers_of(route.model.callbacks))  # to its own reader
        if child is not None:
            route.config["callbacks"] = child
            structured = self._plan.replay is not None and self._plan.replay.structured
            if structured or shows or (isinstance(self._door, Whole) and show_tokens(child.handlers)):
                child.add_handler(route.listen(), inherit=True)
        elif shows:
            route.config["callbacks"] = [route.listen()]
        if self._accepted is not None:
            route.tap = self._accepted.tap
        return route

    def _climb(self, decision: Decision) -> Generator[tuple[Ask, ...], tuple[Answer, ...], Verdict]:
        """The cascade of this call."""
        plan = self._plan
        self._drafts = Drafts(plan, decision, self._door, self._attempts)
        cascade: Cascade = self._conduct.cascade  # type: ignore[assignment]  # only a conduct with one climbs
        return cascade.steps(decision, plan.router.pool, plan.query.text)

    def _climbed(self, verdict: Verdict) -> Decision:
        """Whom to ask after the cascade, or whose answer it has accepted."""
        self._since = self._drafts.call
        self._since.earlier += verdict.earlier
        self._accepted = None if verdict.answer is None else verdict.answer.raw
        return verdict.decision

    def _close(
        self, handlers: Sequence[BaseCallbackHandler], run_id: UUID | None, error: BaseException | None
    ) -> dict[str, Any]:
        """What is kept of the call: in the conversation, and in the metadata of this run where a tracer keeps it.

        Returns:
            What handlers are told with an error: the record, for a run that fails has no outputs.
        """
        if (route := self._route) is None:
            return {}
        outcome = route.finish(error=error)
        self._conduct.remember(self._plan, route.decision, outcome, route.usage)
        for handler in handlers:
            run = getattr(handler, "run_map", {}).get(str(run_id))
            if run is not None and hasattr(
                run, "add_metadata"
            ):  # LangSmith's; isinstance with a protocol takes ten times as long
                run.add_metadata(decision_metadata(route.decision) | outcome_metadata(outcome))
        return {ROUTING_KEY: routing_record(route.decision, outcome)} if error is not None else {}

    def _ended_well(self, error: BaseException | None) -> bool:
        """A reader who leaves a stream has not failed."""
        return self._route is not None and (error is None or isinstance(error, GeneratorExit))


class Run(_RunBase):
    """The router's run around a sync call."""

    _run: CallbackManagerForChainRun | None = None

    def __enter__(self) -> Self:
        manager = self._manager(CallbackManager)
        if manager is not None:
            self._run = manager.on_chain_start(**self._opening())
        return self

    def route(self) -> Route:
        """The candidate to ask: as decided, or the one to ask instead of the one before."""
        decision = None if self._route is None else self._route.instead
        if decision is None:
            plan = self._plan
            decision = self._conduct.settle(plan.decision or self._decided(), plan)
            if self._conduct.climbs(decision, plan):
                decision = self._climbed(drive(self._climb(decision), self._ask))
        child = self._child()
        route = self._take(decision, child)
        if self._run is not None and child is not None and take_events(child.handlers):
            child.on_custom_event(EVENT_NAME, route.decision.as_dict(), run_id=self._run.run_id)
        return route

    def pieces(self, route: Route) -> Generator[Any]:
        """What the candidate says, or has said before a judge."""
        return self._door.open(route) if self._accepted is None else self._accepted.again()

    def _decided(self) -> Decision:
        """The router's decision; a scorer that asks a model does so in a run of its own, beside the answer."""
        plan, excluded = self._plan, self._attempts.excluded
        if plan.router.instant:
            return plan.router.decide(plan.query, excluded=excluded)
        with in_config(aside(plan.config, self._child())) as context:
            return context.run(plan.router.decide, plan.query, excluded=excluded)

    def _child(self) -> CallbackManager | None:
        return None if self._run is None else self._run.get_child()

    def _ask(self, ask: Ask) -> Answer:
        """One call of a cascade."""
        drafts, child = self._drafts, self._child()
        if ask.candidate is None:
            return ask_model(ask.model, ask.prompt, drafts.judging(ask, child))
        with drafts.route(ask.candidate, ask.options, child) as route:
            return drafts.answer(route, list(self._door.open(route)))
        raise drafts.failed(route)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run = self._run
        record = self._close(run.handlers if run else (), run.run_id if run else None, error)
        if run is None:
            return
        if self._route is not None and self._ended_well(error):
            run.on_chain_end(self._route.outputs)
        elif error is not None:
            run.on_chain_error(error, **record)


class AsyncRun(_RunBase):
    """The router's run around an async call."""

    _run: AsyncCallbackManagerForChainRun | None = None

    async def __aenter__(self) -> Self:
        manager = self._manager(AsyncCallbackManager)
        if manager is not None:
            self._run = await manager.on_chain_start(**self._opening())
        return self

    async def route(self) -> Route:
        """The candidate to ask: as decided, or the one to ask instead of the one before."""
        decision = None if self._route is None else self._route.instead
        if decision is None:
            plan = self._plan
            decision = self._conduct.settle(plan.decision or await self._decided(), plan)
            if self._conduct.climbs(decision, plan):
                decision = self._climbed(await adrive(self._climb(decision), self._ask))
        child = self._child()
        route = self._take(decision, child)
        if self._run is not None and child is not None and take_events(child.handlers):
            await child.on_custom_event(EVENT_NAME, route.decision.as_dict(), run_id=self._run.run_id)
        return route

    def pieces(self, route: Route) -> AsyncGenerator[Any]:
        """What the candidate says, or has said before a judge."""
        return self._door.aopen(route) if self._accepted is None else self._accepted.aagain()

    async def _decided(self) -> Decision:
        """The router's decision; a scorer that asks a model does so in a run of its own, beside the answer."""
        plan, excluded = self._plan, self._attempts.excluded
        if plan.router.instant:
            return await plan.router.adecide(plan.query, excluded=excluded)
        with in_config(aside(plan.config, self._child())) as context:
            return await coro_with_context(plan.router.adecide(plan.query, excluded=excluded), context)

    def _child(self) -> AsyncCallbackManager | None:
        return None if self._run is None else self._run.get_child()

    async def _ask(self, ask: Ask) -> Answer:
        """One call of a cascade."""
        drafts, child = self._drafts, self._child()
        if ask.candidate is None:
            return await aask_model(ask.model, ask.prompt, drafts.judging(ask, child))
        with drafts.route(ask.candidate, ask.options, child) as route:
            return drafts.answer(route, [piece async for piece in self._door.aopen(route)])
        raise drafts.failed(route)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        run = self._run
        record = self._close(run.handlers if run else (), run.run_id if run else None, error)
        if run is None:
            return
        if self._route is not None and self._ended_well(error):
            await run.on_chain_end(self._route.outputs)
        elif error is not None:
            await run.on_chain_error(error, **record)
