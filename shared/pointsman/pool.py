"""The models to choose from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

from pointsman.costs.prices import Price, find_price
from pointsman.errors import PoolError
from pointsman.query import Needs

__all__ = ["Candidate", "Pool"]


@dataclass(frozen=True)
class Candidate:
    """One model that can be chosen.

    Args:
        name: how the pool, the policies and the record call it ("strong").
        model: the model's own name ("gpt-4o-2024-08-06"); `name` if not given.
        provider: who serves it ("openai"). With it, only that provider's list price counts.
        input_price, output_price: USD per million tokens; each overrides the list price.
        context_window: tokens; overrides what the price tables know.
        reply_tokens: room that the model is set up to leave for its answers, if it is.
        abilities: what the model can do. Default: everything, for a gate rules out only what is known to fail.
        metadata: anything else; carried, not read.

    Raises:
        PoolError: the name is empty or no text, a price is negative or not finite, or the window is not positive.
    """

    name: str
    model: str = field(default="", kw_only=True)
    provider: str | None = field(default=None, kw_only=True)
    input_price: float | None = field(default=None, kw_only=True)
    output_price: float | None = field(default=None, kw_only=True)
    context_window: int | None = field(default=None, kw_only=True)
    reply_tokens: int | None = field(default=None, kw_only=True)
    abilities: Needs = field(default=Needs.everything(), kw_only=True)
    metadata: Mapping[str, Any] = field(default_factory=dict, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if not self.name:
            msg = "a candidate needs a name; give one such as 'strong' or the model's name"
            raise PoolError(msg)
        named: dict[str, object] = {"name": self.name, "model": self.model}
        if self.provider is not None:
            named["provider"] = self.provider
        for label, text in named.items():
            if not isinstance(text, str):
                msg = f"a candidate's {label} is {text!r}; give its name as a str"
                raise PoolError(msg)
        for label, price in (("input_price", self.input_price), ("output_price", self.output_price)):
            if price is not None and not (math.isfinite(price) and price >= 0):
                msg = f"{self.name}: {label} is {price}; give USD per million tokens, 0 or more, or None if not known"
                raise PoolError(msg)
        if self.context_window is not None and self.context_window < 1:
            msg = f"{self.name}: context_window is {self.context_window}; give a count of tokens, or None if not known"
            raise PoolError(msg)
        object.__setattr__(self, "model", self.model or self.name)
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    @cached_property
    def price(self) -> Price:
        """The candidate's rates: its own where given, else the list price; None where neither is known."""
        own = (self.input_price, self.output_price)
        listed = None if None not in own else find_price(self.model, self.provider)
        if listed is None:
            return Price(*own)
        if own == (None, None):
            return listed
        given, answered = self.input_price, self.output_price
        return Price(
            listed.input if given is None else given,
            listed.output if answered is None else answered,
            listed.cached_input if given is None else None,
            listed.context_window,
        )

    @cached_property
    def window(self) -> int | None:
        """The context window in tokens, if anybody knows it."""
        if self.context_window is not None:
            return self.context_window
        listed = find_price(self.model, self.provider)
        return None if listed is None else listed.context_window

    def __getstate__(self) -> dict[str, Any]:
        """What pickles and copies: a read-only view and looked-up prices do not travel."""
        state = {key: value for key, value in self.__dict__.items() if key not in ("price", "window")}
        return state | {"metadata": dict(self.metadata)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state | {"metadata": MappingProxyType(state["metadata"])})


class Pool:
    """An ordered set of candidates.

    Args:
        candidates: candidates, or model names for candidates about which nothing else need be said.
        strong, weak: names of the pair whose win rate a threshold cuts. Both or neither.

    Raises:
        PoolError: no candidate, two of one name, or a role that names nobody or the same candidate twice.
    """

    def __init__(
        self, candidates: Sequence[Candidate | str], *, strong: str | None = None, weak: str | None = None
    ) -> None:
        self.candidates = tuple(c if isinstance(c, Candidate) else Candidate(c) for c in candidates)
        self.strong = strong
        self.weak = weak
        self._check()

    @classmethod
    def pair(cls, strong: Candidate | str, weak: Candidate | str) -> Pool:
        """A strong and a weak candidate, in this order."""
        first, second = (c if isinstance(c, Candidate) else Candidate(c) for c in (strong, weak))
        return cls((first, second), strong=first.name, weak=second.name)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The candidates' names, in order."""
        return tuple(c.name for c in self.candidates)

    def position(self, name: str) -> int:
        """Position of the candidate of that name.

        Raises:
            PoolError: there is none.
        """
        if name not in self.names:
            msg = f"no candidate named {name!r}; this pool has {', '.join(self.names)}"
            raise PoolError(msg)
        return self.names.index(name)

    def named(self, name: str) -> Candidate:
        """The candidate of that name.

        Raises:
            PoolError: there is none.
        """
        return self.candidates[self.position(name)]

    @cached_property
    def baseline(self) -> Candidate | None:
        """What a call is compared with: the strong candidate, else the dearest; None if prices do not tell."""
        if self.strong is not None:
            return self.named(self.strong)
        blended = [c.price.blended for c in self.candidates]
        known = [price for price in blended if price is not None]
        return self.candidates[blended.index(max(known))] if len(known) == len(blended) else None

    def _check(self) -> None:
        if not self.candidates:
            msg = "the pool is empty; give it at least one candidate"
            raise PoolError(msg)
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            msg = f"candidate names must differ, and {', '.join(repeated)} comes twice; rename one of them"
            raise PoolError(msg)
        if (self.strong is None) != (self.weak is None):
            msg = f"name both strong and weak, or neither (strong={self.strong!r}, weak={self.weak!r})"
            raise PoolError(msg)
        roles = [self.position(role) for role in (self.strong, self.weak) if role is not None]
        if len(set(roles)) < len(roles):
            msg = f"strong and weak are both {self.strong!r}; name two different candidates"
            raise PoolError(msg)

    def __len__(self) -> int:
        return len(self.candidates)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.candidates)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pool):
            return NotImplemented
        return (self.candidates, self.strong, self.weak) == (other.candidates, other.strong, other.weak)

    def __hash__(self) -> int:
        return hash((self.names, self.strong, self.weak))

    def __repr__(self) -> str:
        roles = f", strong={self.strong!r}, weak={self.weak!r}" if self.strong is not None else ""
        return f"Pool([{', '.join(self.names)}]{roles})"
