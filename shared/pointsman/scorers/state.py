"""What a scorer is made of, as plain data: the form in which artifacts hold it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from pointsman.scorers.base import Scorer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.embedders.base import Embedder

__all__ = ["State", "StorableScorer"]


@dataclass(frozen=True)
class State:
    """A scorer taken apart.

    Attributes:
        settings: JSON values. The names "kind", "embedder" and "members" are taken.
        tensors: arrays by name.
        embedder: of a scorer over prompt vectors.
        members: of a scorer made of scorers.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    embedder: Embedder | None = None
    members: tuple[Scorer, ...] = ()

    @property
    def vectors_from(self) -> Embedder:
        """The embedder, which must be there.

        Raises:
            ValueError: it is not.
        """
        if self.embedder is None:
            msg = "a scorer over prompt vectors was stored without its embedder"
            raise ValueError(msg)
        return self.embedder


@runtime_checkable
class StorableScorer(Scorer, Protocol):
    """A scorer that an artifact can hold: `from_state(scorer.to_state())` is the same scorer."""

    kind: ClassVar[str]

    def to_state(self) -> State:
        """The scorer taken apart."""
        ...

    @classmethod
    def from_state(cls, state: State) -> Scorer:
        """The scorer put together again.

        Raises:
            KeyError, TypeError, ValueError: the parts do not make one.
        """
        ...
