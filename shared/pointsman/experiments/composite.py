"""A router made of routers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pointsman.errors import ConfigurationError
from pointsman.query import Query
from pointsman.router import Router

if TYPE_CHECKING:
    from pointsman.data.outcomes import Outcomes

__all__ = ["Composite", "key_of"]


class Composite(Router):
    """A router that others decide for; what is asked of it besides is answered by the first of them."""

    def __init__(self, first: Router) -> None:
        self.__dict__.update(first.__dict__)  # one that is bound already; binding it again would look up every model

    def save(self, folder: str | Path) -> NoReturn:  # noqa: ARG002  # the same signature
        """Refused: what stands over live traffic is not an artifact."""
        msg = f"a {type(self).__name__} stands over live traffic and is not saved; save the routers in it"
        raise ConfigurationError(msg)

    def adapt(self, outcomes: Outcomes, *, seed: int = 0) -> NoReturn:  # noqa: ARG002  # the same signature
        """Refused: it would not be clear which router learns."""
        msg = f"a {type(self).__name__} stands over live traffic and does not learn; adapt one of the routers in it"
        raise ConfigurationError(msg)


def key_of(query: Query) -> str:
    """What a query is dealt out by: its conversation, else its text, so that the same question meets the same arm."""
    return query.text if query.conversation is None else query.conversation
