"""`RouterMiddleware`: an agent's model, chosen for each of its calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Annotated, Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables.config import ensure_config
from typing_extensions import NotRequired

from langchain_router.phases import Phases
from langchain_router.roster import named_models, pool_of
from langchain_router.runs import AsyncRun, Run
from langchain_router.scored import Scored, Turns
from pointsman.configure import configure_router
from pointsman.errors import MissingExtraError
from pointsman.failover import Failover
from pointsman.policies import Policy
from pointsman.pool import Candidate
from pointsman.router import Router
from pointsman.staying import Stay

try:
    from langchain.agents.middleware import types
    from langchain.agents.middleware.types import (
        AgentMiddleware,
        AgentState,
        ExtendedModelResponse,
        ModelRequest,
        ModelResponse,
        PrivateStateAttr,
    )
    from langchain.chat_models import init_chat_model

    from langchain_router.agent import AgentCall, AgentConduct, AgentPlan, plan_of
except ImportError:
    raise MissingExtraError("langchain", "agents") from None

__all__ = ["RouterMiddleware", "RoutingState"]

_STAY, _FAILOVER = Stay(), Failover()
_TRACED: Any = getattr(types, "TracePolicy", None)
"""From langchain 1.4: what LangSmith's span of a middleware records."""


class RoutingState(AgentState[Any]):
    """The agent's state with the last turn, which a checkpointer keeps with the rest."""

    router_turn: NotRequired[Annotated[dict[str, Any], PrivateStateAttr]]


class RouterMiddleware(AgentMiddleware[RoutingState, Any, Any]):
    """Chooses the model of each of an agent's model calls.

    The agent's `request.model` is the chosen model itself, so that middleware that looks at its class, such as a
    provider's prompt caching, works as if it were the only one: put the router first in the list, where it is
    outermost. The model that `create_agent` is given is not called.

    In a run, the model of the first call serves the tool loop too, unless a tool fails: see `Phases`. Over the user's
    turns it stays as `Stay` says. Where a model fails before its first token another is asked, as `Failover` says. The
    agent's state holds which model answered last, so a conversation goes on after a restart as it was.

    Args:
        strong: one of the two models to choose from, or its name as `init_chat_model` takes it; candidate "strong".
        weak: the other one; candidate "weak".
        models: any number of models by candidate name, instead of the pair.
        router: a router, or the name or folder of a saved one.
        threshold: win rate in [0, 1] from which the strong model is chosen; higher is cheaper.
        strong_share: share of calls in [0, 1] for the strong model, instead of a threshold.
        policy: any other rule of choice.
        candidates: facts that replace what the models say of themselves, by candidate name.
        phases: which model serves which phase of a run.
        stay: when a conversation keeps its model from one turn of the user to the next; None to choose anew.
        failover: when another model is asked; None for never.
        scored: which words decide, as for `RoutedChatModel`.

    One call can ask for another rule, as with `RoutedChatModel`: `agent.invoke(..., {"configurable":
    {"router_threshold": 0.3, "router_candidate": "strong", "router_policy": "Utility(0.01)"}})`.

    Raises:
        ConfigurationError: the models, the rule, the phases and the router do not go together.
        ArtifactError: the named router does not exist or is damaged.
    """

    state_schema = RoutingState
    if _TRACED is not None:
        trace_policy = _TRACED(process_inputs=types.omit_payload)  # the router's run in it has the messages

    def __init__(
        self,
        *,
        strong: BaseChatModel | str | None = None,
        weak: BaseChatModel | str | None = None,
        models: Mapping[str, BaseChatModel | str] | None = None,
        router: Router | str = "default",
        threshold: float | None = None,
        strong_share: float | None = None,
        policy: Policy | None = None,
        candidates: Mapping[str, Candidate] | None = None,
        phases: Phases | None = None,
        stay: Stay | None = _STAY,
        failover: Failover | None = _FAILOVER,
        scored: Scored | Turns | int = "last",
    ) -> None:
        super().__init__()
        named = None if models is None else {name: _model(model) for name, model in models.items()}
        pair = [None if model is None else _model(model) for model in (strong, weak)]
        self.models = named_models(pair[0], pair[1], named)
        self.router = configure_router(
            pool_of(self.models, candidates, router),
            router,
            threshold=threshold,
            strong_share=strong_share,
            policy=policy,
        )
        self.phases = Phases() if phases is None else phases
        self.phases.check(self.router.pool)
        self._scored = Scored.of(scored)
        self._conduct = AgentConduct(failover, stay, phases=self.phases)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ExtendedModelResponse[Any]:
        """The call, made by the chosen model."""
        plan, door = self._opened(request, handler)
        with Run(_Owner(self.name), self._conduct, plan, door) as run:
            while True:
                with run.route() as route, closing(run.pieces(route)) as pieces:
                    return door.answered(route, next(pieces))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ExtendedModelResponse[Any]:
        """The same from a coroutine."""
        plan, door = self._opened(request, handler)
        async with AsyncRun(_Owner(self.name), self._conduct, plan, door) as run:
            while True:
                with await run.route() as route:
                    async with aclosing(run.pieces(route)) as pieces:
                        return door.answered(route, await anext(pieces))

    def _opened(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Any]
    ) -> tuple[AgentPlan, AgentCall]:
        plan = plan_of(request, ensure_config(), self.router, self.models, self._scored, self.phases)
        return plan, AgentCall(request, handler)


@dataclass(frozen=True)
class _Owner:
    """Whose runs they are: the middleware's, which has no settings of its own for them."""

    name: str
    tags: None = None
    metadata: None = None
    verbose: bool = False
    callbacks: None = None

    def get_name(self) -> str:
        return self.name


def _model(model: BaseChatModel | str) -> BaseChatModel:
    return init_chat_model(model) if isinstance(model, str) else model
