"""A router made of routers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pointsman.errors import ConfigurationError
from pointsman.query import Query
from pointsman.router import Router

if TYPE_CHECKING:
    from pointsman.calibrated import Certificate
    from pointsman.data.outcomes import Outcomes
    from pointsman.decision import Decision
    from pointsman.policies import Policy

__all__ = ["Composite", "Over", "key_of"]


class Composite(Router):
    """A router that others decide for; what is asked of it besides is answered by the first of them."""

    def __init__(self, first: Router) -> None:
        self.__dict__.update(first.__dict__)  # one that is bound already; binding it again would look up every model

    def save(
        self,
        folder: str | Path,  # noqa: ARG002  # the same signature
        *,
        training: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> NoReturn:
        """Refused: what stands over live traffic is not an artifact."""
        msg = f"a {type(self).__name__} stands over live traffic and is not saved; save the routers in it"
        raise ConfigurationError(msg)

    def adapt(self, outcomes: Outcomes, *, seed: int = 0) -> NoReturn:  # noqa: ARG002  # the same signature
        """Refused: it would not be clear which router learns."""
        msg = f"a {type(self).__name__} stands over live traffic and does not learn; adapt one of the routers in it"
        raise ConfigurationError(msg)


class Over(Composite):
    """What stands over one router and leaves to it what it does not say itself."""

    def __init__(self, router: Router) -> None:
        super().__init__(router)
        self.router = router

    def instead(self, decision: Decision, failed: Mapping[str, str]) -> Decision | None:
        """Whom to ask after the chosen candidate failed; the router says."""
        return self.router.instead(decision, failed)

    @property
    def certificate(self) -> Certificate | None:
        """That of the router, which knows whether it still holds."""
        return self.router.certificate

    @property
    def instant(self) -> bool:
        """Whether deciding takes less time than handing it to a thread."""
        return self.router.instant

    def with_policy(self, policy: Policy) -> Router:
        """The router under this one, with a rule of its own: a call that asks for one is its own affair."""
        return self.router.with_policy(policy)


def key_of(query: Query) -> str:
    """What a query is dealt out by: its conversation, else its text, so that the same question meets the same arm."""
    return query.text if query.conversation is None else query.conversation
