"""Saved routers and embedders: a folder of safetensors and JSON, with a schema version and a hash per file.

Nothing in such a folder is code and nothing is unpickled: reading one from a stranger is safe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointsman.errors import ArtifactCorruptError, ArtifactNotFoundError, ArtifactVersionError, ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SCHEMA_VERSION", "Artifact", "Manifest", "is_shipped", "read_artifact", "read_shipped", "write_artifact"]

SCHEMA_VERSION = 1
_MANIFEST = "manifest.json"
_ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Manifest:
    """The JSON file at the root of an artifact.

    Attributes:
        schema_version: layout of the folder.
        kind: what it holds ("router", "embedder").
        name: what it is called.
        files: file name -> sha256 of its bytes.
        settings: what the loader of this kind needs beside the tensors.
        training: what it was made from: sources, rows, seed, metrics, licences. Read by people, not by code.
    """

    schema_version: int
    kind: str
    name: str
    files: dict[str, str]
    settings: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # by hand: building a pydantic model would take longer than importing all the rest
        kinds = {"schema_version": int, "kind": str, "name": str, "files": dict, "settings": dict, "training": dict}
        wrong = [name for name, kind in kinds.items() if not isinstance(getattr(self, name), kind)]
        if wrong or not all(isinstance(digest, str) for digest in self.files.values()):
            msg = f"{', '.join(wrong) or 'files'} is not of its type"
            raise TypeError(msg)

    @property
    def version(self) -> str:
        """Twelve hex digits that change when anything that decides does."""
        content = json.dumps([self.kind, self.files, self.settings], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Artifact:
    """A folder whose manifest has been read; each file is checked against its hash when it is read."""

    folder: Path
    manifest: Manifest

    def read_bytes(self, name: str) -> bytes:
        """Contents of a file.

        Raises:
            ArtifactNotFoundError: it is not there.
            ArtifactCorruptError: it is not the file that was saved.
        """
        path = self.folder / name
        if name not in self.manifest.files or not path.is_file():
            msg = f"{path} is missing; copy the whole folder again, or save the artifact anew"
            raise ArtifactNotFoundError(msg)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != self.manifest.files[name]:
            msg = f"{path} is damaged: its sha256 is not the one in {_MANIFEST}; copy it again, or save anew"
            raise ArtifactCorruptError(msg)
        return content

    def read_text(self, name: str) -> str:
        """Contents of a UTF-8 file; errors as for `read_bytes`."""
        return self.read_bytes(name).decode("utf-8", "replace")

    def tensors(self, name: str, required: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
        """Arrays of a safetensors file.

        Raises:
            ArtifactNotFoundError: the file is not there.
            ArtifactCorruptError: it is damaged, or lacks a required array.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load

        try:
            arrays = load(self.read_bytes(name))
        except (SafetensorError, ValueError) as error:
            msg = f"{self.folder / name} is no safetensors file ({error}); copy it again, or save the artifact anew"
            raise ArtifactCorruptError(msg) from error
        missing = [key for key in required if key not in arrays]
        if missing:
            msg = f"{self.folder / name} lacks {', '.join(missing)}; it was not written for this kind of artifact"
            raise ArtifactCorruptError(msg)
        return arrays


def read_artifact(folder: str | Path, kind: str) -> Artifact:
    """Open an artifact.

    Args:
        folder: where it was saved.
        kind: what it must hold.

    Raises:
        ArtifactNotFoundError: there is no manifest.
        ArtifactCorruptError: the manifest is not valid, or the artifact is of another kind.
        ArtifactVersionError: it was written with another schema.
    """
    path = Path(folder) / _MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        msg = f"{path} does not exist; give the folder that .save() wrote"
        raise ArtifactNotFoundError(msg) from None
    except ValueError as error:
        msg = f"{path} is not JSON ({error}); copy the folder again, or save the artifact anew"
        raise ArtifactCorruptError(msg) from error
    found = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(found, int) and found != SCHEMA_VERSION:
        msg = f"{path} has schema {found} and this version reads {SCHEMA_VERSION}; upgrade pointsman or save it anew"
        raise ArtifactVersionError(msg)
    try:
        manifest = Manifest(**content)
    except TypeError as error:
        msg = f"{path} is not a manifest ({error}); copy the folder again, or save the artifact anew"
        raise ArtifactCorruptError(msg) from error
    if manifest.kind != kind:
        msg = f"{folder} is of kind {manifest.kind!r}, not {kind!r}; give another folder"
        raise ArtifactCorruptError(msg)
    return Artifact(Path(folder), manifest)


def write_artifact(
    folder: str | Path,
    files: Mapping[str, bytes],
    *,
    kind: str,
    name: str,
    settings: Mapping[str, Any],
    training: Mapping[str, Any] | None = None,
) -> Artifact:
    """Write an artifact, whole or not at all: a run that is cut off leaves what stood there before.

    Args:
        folder: where to; an artifact that is there already is replaced, any other folder with content is not.
        files: file name -> bytes.
        kind: what it holds, see `Manifest`.
        name: what it is called.
        settings: what its loader needs beside the files.
        training: what it was made from.

    Raises:
        ArtifactNotFoundError: `folder` has content and no manifest.
        ConfigurationError: it is the current folder, which cannot be replaced.
    """
    import shutil
    import tempfile

    target = Path(folder).resolve()  # what a link points to is replaced, and not the link
    if target == Path.cwd():
        msg = f"{folder} is the current folder, which cannot be replaced; give another, such as ./{name}"
        raise ConfigurationError(msg)
    if target.exists() and any(target.iterdir()) and not (target / _MANIFEST).exists():
        msg = f"{target} holds other things than an artifact; give a new or an empty folder"
        raise ArtifactNotFoundError(msg)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        kind=kind,
        name=name,
        files={file: hashlib.sha256(content).hexdigest() for file, content in sorted(files.items())},
        settings=dict(settings),
        training=dict(training or {}),
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        fresh = Path(scratch) / "new"
        fresh.mkdir()
        for file, content in files.items():
            (fresh / file).write_bytes(content)
        (fresh / _MANIFEST).write_text(json.dumps(asdict(manifest), indent=1, sort_keys=True) + "\n")
        old = Path(scratch) / "old"
        try:
            if target.exists():
                for keep in target.glob("*.md"):
                    shutil.copy2(keep, fresh)
                target.replace(old)
            fresh.replace(target)
        finally:
            if old.exists() and not target.exists():  # cut off between the two
                old.replace(target)
    return Artifact(Path(folder), manifest)


def is_shipped(name: str) -> bool:
    """Whether an artifact of this name comes with the package."""
    return (_ASSETS / name / _MANIFEST).is_file()


def read_shipped(name: str, kind: str) -> Artifact:
    """Open an artifact that comes with the package.

    Raises:
        ArtifactNotFoundError: none of that name does.
        ArtifactError: it is damaged, or of another kind.
    """
    if is_shipped(name):
        return read_artifact(_ASSETS / name, kind)
    names = []
    for path in sorted(_ASSETS.glob(f"*/{_MANIFEST}")):
        with suppress(ArtifactCorruptError):  # of another kind
            names.append(read_artifact(path.parent, kind).manifest.name)
    msg = f"no {kind} named {name!r} comes with pointsman; there is {', '.join(names) or 'none'}"
    raise ArtifactNotFoundError(msg)
