"""One model call of an agent, between LangChain's `ModelRequest` and the router's run around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from langchain.agents.middleware.types import ExtendedModelResponse, ModelRequest, ModelResponse
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AnyMessage, BaseMessage, SystemMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.utils import coro_with_context
from langgraph.types import Command

from langchain_router.conduct import Conduct, last_turn
from langchain_router.context import in_config
from langchain_router.doors import Whole, says_something
from langchain_router.phases import Phase, Phases, phase_of
from langchain_router.plan import Plan, make_plan
from langchain_router.route import Route
from langchain_router.scored import Scored
from langchain_router.settings import fit_settings, fit_tools, provider_of
from pointsman.costs.usage import Usage
from pointsman.decision import Decision, Outcome
from pointsman.router import Router
from pointsman.staying import Turn

__all__ = ["TURN_KEY", "AgentCall", "AgentConduct", "AgentPlan", "plan_of"]

TURN_KEY = "router_turn"
"""Where the agent's state keeps the last turn, as plain JSON."""

Request = ModelRequest[Any]
Response = ModelResponse[Any]


@dataclass(frozen=True)
class AgentPlan(Plan):
    """A model call of an agent.

    Attributes:
        phase: of the agent's run.
        previous: the conversation's last model call.
    """

    phase: Phase = "plan"
    previous: Turn | None = None


def plan_of(
    request: Request,
    config: RunnableConfig,
    router: Router,
    models: dict[str, BaseChatModel],
    scored: Scored,
    phases: Phases,
) -> AgentPlan:
    """The plan of a model call; errors as for `make_plan`."""
    messages: list[BaseMessage] = [*request.messages]
    if request.system_message is not None:
        messages.insert(0, request.system_message)
    asked: dict[str, Any] = {**request.model_settings, "tool_choice": request.tool_choice}
    if isinstance(request.response_format, ProviderStrategy):
        asked["response_format"] = request.response_format
    if request.tools or (request.response_format is not None and "response_format" not in asked):
        asked["tools"] = True  # LangChain has the answer given as a call of a tool where a provider has no format
    plan = make_plan(messages, config, asked, router, models, scored)
    phase = phase_of(request.messages, phases.errors)
    known = {f.name: getattr(plan, f.name) for f in fields(plan)}
    known["query"] = replace(plan.query, stage=phase)
    return AgentPlan(**known, phase=phase, previous=_turn_in(request.state))


@dataclass(frozen=True)
class AgentConduct(Conduct):
    """How an agent's calls are settled: by phase, and between the user's turns as a conversation is.

    Attributes:
        phases: which model serves which phase.
    """

    phases: Phases = field(default_factory=Phases)

    def settle(self, decision: Decision, plan: Plan) -> Decision:
        """The decision to act by, in view of the phase and of the conversation so far."""
        if not isinstance(plan, AgentPlan):
            return super().settle(decision, plan)
        pool = plan.router.pool
        if plan.phase == "plan" and self.phases.plan == "route" and self.stay is not None:
            tokens = plan.query.prompt_tokens or 0
            return self.stay.settle(decision, plan.previous, pool, prompt_tokens=tokens)
        return self.phases.settle(plan.phase, decision, plan.previous, pool)

    def remember(self, plan: Plan, decision: Decision, outcome: Outcome, usage: Usage | None) -> None:
        """Nothing: an agent's memory is its state, which its checkpointer keeps."""


class AgentCall(Whole):
    """The door that an agent's model call goes through: the rest of the agent's own machinery.

    Args:
        request: the call.
        handler: makes it; a coroutine function where it is awaited.
    """

    def __init__(self, request: Request, handler: Callable[[Request], Any]) -> None:
        self._request = request
        self._handler = handler

    def open(self, route: Route) -> Generator[Any]:
        """The response of the chosen model."""
        with in_config(route.config) as context:
            yield context.run(self._handler, self._for(route))

    async def aopen(self, route: Route) -> AsyncGenerator[Any]:
        """The same from a coroutine."""
        with in_config(route.config) as context:
            response = await coro_with_context(self._handler(self._for(route)), context)
        yield response

    def speaks(self, piece: Response) -> bool:
        """Whether there is anything of an answer."""
        answer = self.message([piece])
        return piece.structured_response is not None or (answer is not None and says_something(answer))

    def mark(self, route: Route, piece: Response) -> Response:
        """The response, its message with the record."""
        answer = self.message([piece])
        if answer is None:
            return piece
        marked = route.settle(answer)
        return replace(piece, result=[marked if message is answer else message for message in piece.result])

    def message(self, pieces: list[Any]) -> AIMessage | None:
        """The model's message; a tool's may follow it where the answer is structured."""
        return next((m for m in reversed(pieces[0].result) if isinstance(m, AIMessage)), None)

    def answered(self, route: Route, response: Response) -> ExtendedModelResponse[Any]:
        """The response for the agent, with the turn for its state.

        Raises:
            EmptyAnswerError: the model has said nothing, and another one is to be asked.
        """
        (done,) = [*route.ready(response), *route.rest()]
        turn = Turn.of(route.decision, route.outcome, route.usage)
        update = {TURN_KEY: {"candidate": turn.candidate, "cached_tokens": turn.cached_tokens}}
        return ExtendedModelResponse(model_response=done, command=Command(update=update))

    def _for(self, route: Route) -> Request:
        """The request for the chosen model: its messages, settings and tools made fit for it."""
        request, messages, system = self._request, route.messages, None
        if request.system_message is not None and isinstance(messages[0], SystemMessage):
            system, messages = messages[0], messages[1:]
        provider = provider_of(route.model)
        return request.override(
            model=route.model,
            messages=cast("list[AnyMessage]", messages),  # of the kinds that came in
            system_message=system,
            model_settings=fit_settings(request.model_settings, provider_of(request.model), provider),
            tools=fit_tools(request.tools, provider),
        )


def _turn_in(state: Mapping[str, Any]) -> Turn | None:
    """The last turn: of the state, else of the messages, for an agent that had no router until now."""
    kept = state.get(TURN_KEY)
    if isinstance(kept, dict) and isinstance(kept.get("candidate"), str):
        return Turn(kept["candidate"], int(kept.get("cached_tokens", 0)))
    return last_turn(state.get("messages", ()))
