"""Published data sets from their public homes: resumed where a connection was cut, and checked by their hash."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path, PurePosixPath

from pointsman.data.alone import alone
from pointsman.data.download import download, version_of
from pointsman.errors import ConfigurationError, DownloadError

__all__ = ["Dataset", "RemoteFile", "catalogue", "fetch"]

Progress = Callable[[str, int, int | None], None]
"""Path of a file, bytes that are here, and bytes in all where the server says so."""

RECORD = "fetched.json"
ATTEMPTS = 4
TIMEOUT = 30.0
_CHUNK = 1 << 18


@dataclass(frozen=True)
class RemoteFile:
    """One file of a data set.

    Attributes:
        path: where it goes, below the data folder.
        url: where it is.
        size: in bytes; None if not known.
        sha256: of its content; None where its publisher gives none and we have never had it: then the hash of the first
            fetch is recorded, and later ones must match.
    """

    path: str
    url: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A published data set: what it is, its licence, its home, and its files."""

    name: str
    what: str
    licence: str
    home: str
    files: tuple[RemoteFile, ...]

    @property
    def pinned(self) -> bool:
        """Whether the hash of every file is known beforehand."""
        return all(file.sha256 is not None for file in self.files)


@lru_cache(maxsize=1)
def catalogue() -> Mapping[str, Dataset]:
    """Name -> what can be fetched."""
    text = resources.files("pointsman.data").joinpath("catalogue.json").read_text(encoding="utf-8")
    out = {}
    for name, entry in json.loads(text).items():
        files = tuple(RemoteFile(f["path"], f["url"], f["bytes"], f["sha256"]) for f in entry["files"])
        out[name] = Dataset(name, entry["what"], entry["licence"], entry["home"], files)
    return out


def fetch(
    dataset: Dataset,
    folder: str | Path,
    *,
    progress: Progress = lambda _path, _have, _all: None,
    attempts: int = ATTEMPTS,
    timeout: float = TIMEOUT,
) -> tuple[Path, ...]:
    """Bring a data set's files into a folder; those that are there already are checked and kept.

    A file grows beside its place, as `<name>.part`, and moves there when it is whole and its hash is right. A
    connection that ends early is taken up again where it ended, in this call or in a later one. Of several processes
    that want the same file one fetches it and the others wait for it.

    Args:
        dataset: from `catalogue`.
        folder: the data folder.
        progress: told of every piece.
        attempts: connections to a file before giving up.
        timeout: seconds without an answer.

    Raises:
        DownloadError: a file cannot be had, or is not what its hash promises.
        ConfigurationError: an address is not https.
    """
    root = Path(folder)
    return tuple(_fetch_file(file, root, progress, attempts, timeout) for file in dataset.files)


def _fetch_file(file: RemoteFile, root: Path, progress: Progress, attempts: int, timeout: float) -> Path:
    target = _target(file, root)
    if _is_here(file, target, root, progress):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    with alone(part):
        if _is_here(file, target, root, progress):  # another process was quicker
            return target
        found = _whole(file, part, _expected(file, root), progress, attempts, timeout)
        part.replace(target)
        version_of(part).unlink(missing_ok=True)
        if file.sha256 is None:
            _record(root, file, found)
    return target


def _is_here(file: RemoteFile, target: Path, root: Path, progress: Progress) -> bool:
    """Whether the file is in its place, and is the one that is meant."""
    expected = _expected(file, root)
    if not target.is_file() or expected is None or _sha256(target) != expected:
        return False
    progress(file.path, target.stat().st_size, target.stat().st_size)
    return True


def _whole(
    file: RemoteFile, part: Path, expected: str | None, progress: Progress, attempts: int, timeout: float
) -> str:
    """Fill the part file until it is the file that is meant; its hash."""
    pinned = file.sha256 is not None
    for resumed in (part.exists(), False):
        download(
            file.url, part, size=file.size, pinned=pinned, tell=lambda have, whole: progress(file.path, have, whole),
            attempts=attempts, timeout=timeout,
        )  # fmt: skip
        found = _sha256(part)
        if part.stat().st_size and expected in (None, found):
            return found
        part.unlink()
        if not resumed:  # else what was there before may have been of another version
            break
    wanted = "something" if expected is None else expected
    msg = (
        f"{file.url} is not the file that was meant: its sha256 is {found}, and {wanted} was expected; "
        "its publisher may have changed it, or something on the way did"
    )
    raise DownloadError(msg)


def _target(file: RemoteFile, root: Path) -> Path:
    inside = PurePosixPath(file.path)
    if inside.is_absolute() or ".." in inside.parts:
        msg = f"{file.path} leads out of the data folder; give a path below it"
        raise ConfigurationError(msg)
    return root / inside


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _expected(file: RemoteFile, root: Path) -> str | None:
    """The hash that the file must have; None for the first fetch of one whose hash is not known."""
    return file.sha256 or _recorded(root).get(file.path)


def _recorded(root: Path) -> dict[str, str]:
    """Path -> hash of what was fetched before without knowing it."""
    path = root / RECORD
    try:
        known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return {name: str(entry["sha256"]) for name, entry in known.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} is damaged ({error!r}); delete it, and the first fetch of each file records its hash anew"
        raise DownloadError(msg) from error


def _record(root: Path, file: RemoteFile, sha256: str) -> None:
    path = root / RECORD
    with alone(path):
        known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        draft = root / f"{RECORD}.{os.getpid()}"
        entry = {file.path: {"sha256": sha256, "url": file.url}}
        draft.write_text(json.dumps(known | entry, indent=1, sort_keys=True) + "\n", "utf-8")
        draft.replace(path)
