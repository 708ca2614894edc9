"""The pool of a plugin's models: what the user says of them, completed by what they say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pointsman.errors import ConfigurationError
from pointsman.pool import Candidate, Pool
from pointsman.query import Needs
from pointsman.router import Router

__all__ = ["line_up"]

_ROLES = ("strong", "weak")


def line_up(found: Sequence[Candidate], given: Mapping[str, Candidate] | None, router: Router | str) -> Pool:
    """The pool of the models that a plugin found.

    A fact comes from `given`, else from the candidate of that name in the pool of a router that was passed in, else
    from `found`. The pair is the router's where its pool names two of these models, else "strong" and "weak" where both
    are there.

    Args:
        found: a candidate per model, with what the model says of itself.
        given: facts by candidate name.
        router: the router that will choose among them.

    Raises:
        ConfigurationError: `given` describes a model that is not there, or under another name.
        PoolError: two models of one name, or none.
    """
    names = [candidate.name for candidate in found]
    for key, candidate in (given or {}).items():
        if key not in names:
            msg = f"candidates describes {key}, and the models are {', '.join(names)}; use their names as keys"
            raise ConfigurationError(msg)
        if candidate.name != key:
            msg = f"candidates[{key!r}] is named {candidate.name!r}; name it {key!r}, and give model= if that differs"
            raise ConfigurationError(msg)
    own = router.pool if isinstance(router, Router) else None
    facts = {candidate.name: candidate for candidate in own or ()} | dict(given or {})
    candidates = [_completed(candidate, facts.get(candidate.name)) for candidate in found]
    for strong, weak in ((own.strong, own.weak) if own else _ROLES, _ROLES):
        if strong in names and weak in names:
            return Pool(candidates, strong=strong, weak=weak)
    return Pool(candidates)


def _completed(found: Candidate, given: Candidate | None) -> Candidate:
    if given is None:
        return found
    renamed = given.model not in (given.name, found.model)  # another model need not be served by the same provider
    return replace(
        given,
        name=found.name,
        model=given.model if renamed else found.model,
        provider=given.provider or (None if renamed else found.provider),
        context_window=given.context_window or found.context_window,
        reply_tokens=given.reply_tokens or found.reply_tokens,
        abilities=found.abilities if given.abilities == Needs.everything() else given.abilities,
    )
