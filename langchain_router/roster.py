"""The models behind the router: what is known of each, and what the router's own settings mean for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile

from pointsman.errors import ConfigurationError, PoolError
from pointsman.lineup import line_up
from pointsman.pool import Candidate, Pool
from pointsman.query import Needs
from pointsman.router import Router

__all__ = ["REPLY_ROOM", "common_profile", "hand_down", "named_models", "pool_of"]

REPLY_ROOM = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
"""What fields and arguments are called that limit an answer, in tokens."""
_HANDED_DOWN = ("cache", "rate_limiter", "disable_streaming", "output_version")


def named_models(
    strong: BaseChatModel | None, weak: BaseChatModel | None, models: Mapping[str, BaseChatModel] | None
) -> dict[str, BaseChatModel]:
    """Candidate name -> model.

    Raises:
        ConfigurationError: neither a pair nor a mapping is given, or both, or half a pair.
        PoolError: the mapping is empty.
    """
    if models is not None:
        if strong is not None or weak is not None:
            msg = "give either strong and weak, or models, not both"
            raise ConfigurationError(msg)
        if not models:
            msg = "models is empty; give at least one, as {'name': chat_model}"
            raise PoolError(msg)
        return dict(models)
    if strong is None or weak is None:
        msg = "give two chat models as strong= and weak=, or any number as models={'name': chat_model}"
        raise ConfigurationError(msg)
    return {"strong": strong, "weak": weak}


def pool_of(models: Mapping[str, BaseChatModel], given: Mapping[str, Candidate] | None, router: Router | str) -> Pool:
    """The pool of these models: what is given, completed by what the models say of themselves.

    Raises:
        ConfigurationError: `given` names a model that is not there.
    """
    return line_up([_describe(name, model) for name, model in models.items()], given, router)


def common_profile(models: Mapping[str, BaseChatModel]) -> ModelProfile | None:
    """What every model can do: booleans by and, numbers by minimum, other facts only where all agree.

    None where a model says nothing of itself.
    """
    profiles = [model.profile for model in models.values()]
    if not profiles or any(not profile for profile in profiles):
        return None
    first, *others = [dict[str, Any](profile or {}) for profile in profiles]
    common: dict[str, Any] = {}
    for key, value in first.items():
        values = [value, *(other.get(key) for other in others)]
        if all(isinstance(v, bool) for v in values):
            common[key] = all(values)
        elif all(isinstance(v, int) for v in values):
            common[key] = min(values)
        elif all(v == value for v in values):
            common[key] = value
    return cast("ModelProfile", common)


def hand_down(router: BaseChatModel, models: Mapping[str, BaseChatModel]) -> dict[str, BaseChatModel]:
    """The models with the router's cache, rate limiter and output settings, for they can act only there.

    Copies: the models that were given stay as they are.

    Raises:
        ConfigurationError: a model has another value of its own.
    """
    fields = BaseChatModel.model_fields
    settings = {
        name: getattr(router, name)
        for name in _HANDED_DOWN
        if name in router.model_fields_set and getattr(router, name) != fields[name].get_default()
    }
    settings = {name: value for name, value in settings.items() if value is not None}
    for name, value in settings.items():
        for label, model in models.items():
            own = getattr(model, name)
            if name in model.model_fields_set and own not in (value, fields[name].get_default()):
                msg = f"{name} is {value!r} on the router and {own!r} on {label}; set it on one of them"
                raise ConfigurationError(msg)
    return {label: model.model_copy(update=settings) if settings else model for label, model in models.items()}


def _describe(name: str, model: BaseChatModel) -> Candidate:
    """What a model says of itself."""
    known = model._get_ls_params()  # noqa: SLF001  # the one place where chat models name themselves and their provider
    profile: Mapping[str, Any] = model.profile or {}
    return Candidate(
        name,
        model=known.get("ls_model_name") or name,
        provider=known.get("ls_provider"),
        context_window=profile.get("max_input_tokens"),
        reply_tokens=_reply_room(model),
        abilities=_abilities(model, profile),
    )


def _abilities(model: BaseChatModel, profile: Mapping[str, Any]) -> Needs:
    """Everything but what the profile denies, or the class has no way to do.

    Structured output needs the provider's own or, as in LangChain's default, tools.
    """
    kind = type(model)
    tools = profile.get("tool_calling") is not False and kind.bind_tools is not BaseChatModel.bind_tools
    own = kind.with_structured_output is not BaseChatModel.with_structured_output
    return Needs(
        tools=tools,
        structured_output=tools or (own and profile.get("structured_output") is not False),
        images=profile.get("image_inputs") is not False,
        audio=profile.get("audio_inputs") is not False,
        documents=profile.get("pdf_inputs") is not False,
        tool_choice=tools and profile.get("tool_choice") is not False,
    )


def _reply_room(model: BaseChatModel) -> int | None:
    """The longest answer that a model is set up to ask its provider for; most have a field of one of these names."""
    found = (getattr(model, name, None) for name in REPLY_ROOM)
    return next((room for room in found if isinstance(room, int) and room > 0), None)
