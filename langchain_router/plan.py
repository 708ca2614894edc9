"""From the arguments of a call to what is asked of the router and of the chosen model."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from langchain_router.messages import attachments, prompt_size
from langchain_router.replay import REPLAY_KEY, Replay
from langchain_router.roster import REPLY_ROOM
from langchain_router.scored import QUERY_KEY, Scored, question
from pointsman.configure import override
from pointsman.decision import Decision
from pointsman.errors import ConfigurationError, QueryError
from pointsman.policies import Policy
from pointsman.query import Query, Source
from pointsman.records import ROUTING_KEY
from pointsman.router import Router

__all__ = [
    "CANDIDATE_KEY",
    "DECISION_KEY",
    "OVERRIDES",
    "POLICY_KEY",
    "THRESHOLD_KEY",
    "Plan",
    "make_plan",
    "overridden",
]

THRESHOLD_KEY = "router_threshold"
CANDIDATE_KEY = "router_candidate"
POLICY_KEY = "router_policy"
OVERRIDES = (THRESHOLD_KEY, CANDIDATE_KEY, POLICY_KEY)
DECISION_KEY = "__pointsman_decision"
"""Where a batch, which decides for all prompts at once, leaves each call its decision."""
_FREE_CHOICE = (None, False, "auto", "none")
"""Values of `tool_choice` that leave the choice to the model."""


@dataclass(frozen=True)
class Plan:
    """One call, ready to be decided.

    Attributes:
        messages: the prompt.
        config: for the chosen model, but for callbacks.
        kwargs: for the chosen model, those of the router taken out.
        query: for the router.
        router: the model's own, or one with this call's overrides.
        models: candidate name -> model.
        replay: tools or schema to bind to the chosen model.
        model_name: a model name to hand to the chosen model, which may serve several.
        decision: already made, in a batch.
        run_name, run_id: of the router's own run.
        thread: key of the conversation that the config names.
    """

    messages: list[BaseMessage]
    config: RunnableConfig
    kwargs: dict[str, Any]
    query: Query
    router: Router
    models: dict[str, BaseChatModel]
    replay: Replay | None = None
    model_name: str | None = None
    decision: Decision | None = None
    run_name: str | None = None
    run_id: uuid.UUID | None = None
    thread: str | None = None


def make_plan(
    messages: list[BaseMessage],
    config: RunnableConfig | None,
    kwargs: dict[str, Any],
    router: Router,
    models: dict[str, BaseChatModel],
    scored: Scored,
) -> Plan:
    """The plan of a call.

    Args:
        messages: the prompt.
        config: of the call.
        kwargs: of the call.
        router: decides, unless the config asks for another rule.
        models: candidate name -> model.
        scored: which words of the prompt count.

    Raises:
        QueryError: there are no messages.
        ConfigurationError: an override that cannot work.
    """
    if not messages:
        msg = "the prompt has no messages; give at least one"
        raise QueryError(msg)
    config = ensure_config(config)
    name, run_id = config.pop("run_name", None), config.pop("run_id", None)
    configurable = config.setdefault("configurable", {})  # a copy, without our keys: a router further down has its own
    asked = {key: configurable.pop(key) for key in OVERRIDES if key in configurable}
    decision, named = configurable.pop(DECISION_KEY, None), configurable.pop(QUERY_KEY, None)
    kwargs = {key: value for key, value in kwargs.items() if not (key == "stop" and value is None)}
    replay = kwargs.pop(REPLAY_KEY, None)
    model = kwargs.get("model")
    if replay is not None and replay.options.get("include_raw"):
        model = model if model in models else None  # LangChain drops a call's arguments there, so it is not asked for
    if model in models:
        asked[CANDIDATE_KEY] = kwargs.pop("model")
    found = _found(messages, scored, named)
    thread = None if (given := configurable.get("thread_id")) is None else str(given)
    return Plan(
        messages=messages,
        config=config,
        kwargs=kwargs,
        query=_query(
            messages, kwargs, replay, router, found, _begun_with(messages, scored) if thread is None else thread
        ),
        router=overridden(router, asked) if asked else router,
        models=models,
        replay=replay,
        model_name=model if isinstance(model, str) and model not in models else None,
        decision=decision,
        run_name=name,
        run_id=run_id,
        thread=thread,
    )


def _query(
    messages: Sequence[BaseMessage],
    kwargs: Mapping[str, Any],
    replay: Replay | None,
    router: Router,
    found: tuple[str, Source],
    conversation: str | None,
) -> Query:
    text, source = found
    bound = replay is not None and not replay.structured
    options = {**replay.options, **kwargs} if replay is not None and bound else kwargs
    return Query(
        text,
        source=source,
        prompt_tokens=prompt_size(messages, [c.window for c in router.pool if c.window]),
        needs=attachments(
            messages,
            tools=bound or bool(kwargs.get("tools")),
            structured_output=replay.structured if replay else "response_format" in kwargs,
            tool_choice=options.get("tool_choice") not in _FREE_CHOICE,
        ),
        conversation=conversation,
        reply_tokens=_room(options) if options else None,
    )


def _begun_with(messages: Sequence[BaseMessage], scored: Scored) -> str | None:
    """What the router scored when this conversation began, by which an A/B test knows it; None for a first call."""
    rows = (row for row, m in enumerate(messages) if isinstance(m, AIMessage) and ROUTING_KEY in m.response_metadata)
    first = next(rows, 0)
    return question(messages[:first], scored)[0] if first else None


def _room(options: Mapping[str, Any]) -> int | None:
    """The longest answer that the call asks for, in tokens."""
    return next((room for name in REPLY_ROOM if isinstance(room := options.get(name), int)), None)


def _found(messages: Sequence[BaseMessage], scored: Scored, named: object) -> tuple[str, Source]:
    """What is scored: the question as the config names it, else as the messages have it."""
    if named is None:
        return question(messages, scored)
    if not isinstance(named, str) or not named.strip():
        msg = f"{QUERY_KEY} is {named!r}; give the words of the question"
        raise ConfigurationError(msg)
    return named, "explicit"


def overridden(router: Router, asked: Mapping[str, Any]) -> Router:
    """The router for a call whose config asks for another threshold, candidate or policy.

    Args:
        router: the one that would decide.
        asked: a config's `configurable`; other keys are left alone.

    Raises:
        ConfigurationError: an override that cannot work.
    """
    threshold, candidate, policy = (asked.get(key) for key in OVERRIDES)
    if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, int | float)):
        msg = f"{THRESHOLD_KEY} is {threshold!r}; give a win rate in [0, 1]"
        raise ConfigurationError(msg)
    if candidate is not None and not isinstance(candidate, str):
        msg = f"{CANDIDATE_KEY} is {candidate!r}; give the name of a candidate"
        raise ConfigurationError(msg)
    if policy is not None and not isinstance(policy, str | Policy):
        msg = f"{POLICY_KEY} is {policy!r}; give a policy, or one written as in code, like 'Threshold(0.4)'"
        raise ConfigurationError(msg)
    return override(router, threshold=threshold, candidate=candidate, policy=policy)
