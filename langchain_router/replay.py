"""`bind_tools` and `with_structured_output`, kept as they were asked for and replayed on the chosen model.

Tool schemas, strict modes and parsers differ between providers, so nothing is converted before a model is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.runnables import Runnable

__all__ = ["REPLAY_KEY", "Replay"]

REPLAY_KEY = "pointsman_replay"
"""Where a binding carries it. Not "tools": others look inside that and expect a provider's format."""

_REMEMBERED = 32


@dataclass(frozen=True, eq=False)
class Replay:
    """One of the two calls, with its arguments."""

    method: Literal["bind_tools", "with_structured_output"]
    argument: Any
    options: Mapping[str, Any]
    _made: dict[int, tuple[BaseChatModel, Runnable[Any, Any]]] = field(default_factory=dict, repr=False)

    def on(self, model: BaseChatModel) -> Runnable[Any, Any]:
        """The model with the tools or the schema; made once per model, for converting schemas is slow."""
        made = self._made.get(id(model))
        if made is None:
            if len(self._made) >= _REMEMBERED:
                self._made.clear()
            made = (model, getattr(model, self.method)(self.argument, **self.options))
            self._made[id(model)] = made  # with the model itself: its id stays taken as long as this is kept
        return made[1]

    @property
    def structured(self) -> bool:
        """Whether the answer comes through a parser."""
        return self.method == "with_structured_output"
