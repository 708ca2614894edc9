"""LangChain on top of pointsman: a chat model that sends each call to the model it needs.

Names are imported when they are first asked for, so that importing this package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from langchain_router.decision_model import RouterDecisionModel as RouterDecisionModel
    from langchain_router.middleware import RouterMiddleware as RouterMiddleware
    from langchain_router.model import RoutedChatModel
    from langchain_router.phases import Phases
    from langchain_router.record import routing_decision, routing_outcome
    from langchain_router.recorder import RoutingRecorder
    from langchain_router.scored import Scored, with_question

__all__ = [
    "Phases",
    "RoutedChatModel",
    "RoutingRecorder",
    "Scored",
    "routing_decision",
    "routing_outcome",
    "with_question",
]

# RouterDecisionModel and RouterMiddleware are not in `__all__`: `import *` must need neither langchain nor the newest
# langchain-core.
_HOMES = {
    "Phases": "langchain_router.phases",
    "RoutedChatModel": "langchain_router.model",
    "RouterDecisionModel": "langchain_router.decision_model",
    "RouterMiddleware": "langchain_router.middleware",
    "RoutingRecorder": "langchain_router.recorder",
    "Scored": "langchain_router.scored",
    "routing_decision": "langchain_router.record",
    "routing_outcome": "langchain_router.record",
    "with_question": "langchain_router.scored",
}

if find_spec("langchain_core") is None:
    from pointsman.errors import MissingExtraError  # with numpy, which nobody else need wait for

    raise MissingExtraError("langchain-core", "langchain")


def __getattr__(name: str) -> object:
    """The public name, from the module that holds it."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
