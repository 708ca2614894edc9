"""How the neural scorers are kept: as a folder of their own, or within a saved router."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from pointsman.artifacts import read_artifact, write_artifact
from pointsman.errors import ArtifactCorruptError
from pointsman.scorers.pair import PairScorer
from pointsman.scorers.state import State

__all__ = ["StoredPairScorer"]

Self = TypeVar("Self", bound="StoredPairScorer")
_ARTIFACT = "scorer"
_FILE = "file:"


class StoredPairScorer(PairScorer):
    """A scorer of one pair that is made of files: weights, a tokenizer, their configuration.

    Attributes:
        kind: name of this kind of scorer in artifacts.
    """

    kind: ClassVar[str]

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What is not in the files, as JSON values."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Write the files into an empty folder."""

    @classmethod
    @abstractmethod
    def open(cls: type[Self], folder: Path, settings: Mapping[str, Any], reference: NDArray[np.float64]) -> Self:
        """The scorer of the files that `write` wrote, on the best device there is.

        Raises:
            ArtifactError: the files do not make one.
            KeyError, TypeError, ValueError: nor do the settings.
        """

    def save(self, folder: str | Path, *, training: Mapping[str, Any] | None = None) -> None:
        """Write the scorer into a folder of its own, the network's files as other tools read them too.

        Args:
            folder: new, empty, or one that holds an earlier artifact.
            training: what it was made from, for people to read.

        Raises:
            ArtifactError: the folder holds other things.
        """
        settings = {**self.settings(), "kind": self.kind, "reference": self.reference.tolist()}
        with tempfile.TemporaryDirectory() as scratch:
            self.write(Path(scratch))
            files = _Files(Path(scratch))
            write_artifact(folder, files, kind=_ARTIFACT, name=self.kind, settings=settings, training=training)

    @classmethod
    def load(cls: type[Self], folder: str | Path) -> Self:
        """A scorer that `save` wrote. Each file is checked against its hash, and no code in the folder is run.

        Raises:
            ArtifactError: it is not there, damaged, or of another kind.
        """
        artifact = read_artifact(folder, _ARTIFACT)
        settings = artifact.manifest.settings
        if settings.get("kind") != cls.kind:
            msg = f"{folder} holds a scorer of kind {settings.get('kind')!r}, not {cls.kind!r}; load it as that"
            raise ArtifactCorruptError(msg)
        for name in artifact.manifest.files:
            artifact.read_bytes(name)
        try:
            return cls.open(artifact.folder, settings, np.array(settings["reference"], dtype=np.float64))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{folder} does not hold a whole scorer ({error!r}); copy it again, or save it anew"
            raise ArtifactCorruptError(msg) from error

    def to_state(self) -> State:
        """The scorer taken apart; each file is an array of its bytes."""
        with tempfile.TemporaryDirectory() as scratch:
            self.write(Path(scratch))
            files = {_FILE + path.name: np.fromfile(path, np.uint8) for path in sorted(Path(scratch).iterdir())}
        return State(settings=self.settings(), tensors={**files, "reference": self.reference})

    @classmethod
    def from_state(cls: type[Self], state: State) -> Self:
        """The scorer put together again; errors as for `open`."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
            for name, content in state.tensors.items():
                if name.startswith(_FILE):
                    (Path(scratch) / Path(name.removeprefix(_FILE)).name).write_bytes(content.tobytes())
            return cls.open(Path(scratch), state.settings, state.tensors["reference"])


@dataclass(frozen=True)
class _Files(Mapping[str, bytes]):
    """The files of a folder, read one at a time: large weights are never all in memory twice."""

    folder: Path

    def __getitem__(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(path.name for path in self.folder.iterdir()))

    def __len__(self) -> int:
        return sum(1 for _ in self)
