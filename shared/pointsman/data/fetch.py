"""Published data sets from their public homes: resumed where a connection was cut, and checked by their hash."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from pointsman.errors import ConfigurationError, DownloadError

__all__ = ["Dataset", "RemoteFile", "catalogue", "fetch"]

Progress = Callable[[str, int, int | None], None]
"""Path of a file, bytes that are here, and bytes in all where the server says so."""

RECORD = "fetched.json"
ATTEMPTS = 4
TIMEOUT = 30.0
_CHUNK = 1 << 18
_LOCAL = ("127.0.0.1", "localhost", "::1")


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
    connection that ends early is taken up again where it ended, in this call or in a later one.

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
    expected = file.sha256 or _recorded(root).get(file.path, {}).get("sha256")
    if target.is_file() and expected is not None and _sha256(target) == expected:
        progress(file.path, target.stat().st_size, target.stat().st_size)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    for resumed in (part.exists(), False):
        _download(file, part, progress, attempts, timeout)
        found = _sha256(part)
        if expected in (None, found):
            break
        part.unlink()
        if not resumed:  # else what was there before may have been of another version
            msg = (
                f"{file.url} is not the file that was meant: its sha256 is {found}, and {expected} was expected; "
                "its publisher may have changed it, or something on the way did"
            )
            raise DownloadError(msg)
    part.replace(target)
    _sidecar(part).unlink(missing_ok=True)
    if file.sha256 is None:
        _record(root, file, found)
    return target


def _download(file: RemoteFile, part: Path, progress: Progress, attempts: int, timeout: float) -> None:
    """Fill the part file, in several connections if need be."""
    trouble: Exception | None = None
    for attempt in range(attempts):
        if attempt:
            time.sleep(min(2.0 ** (attempt - 1) / 4, 5.0))
        try:
            if _continue(file, part, progress, timeout):
                return
            trouble = None
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < http.client.INTERNAL_SERVER_ERROR and error.code != http.client.TOO_MANY_REQUESTS:
                msg = f"{file.url} cannot be had ({error.code} {error.reason}); look at its home, it may have moved"
                raise DownloadError(msg) from error
            trouble = error
        except (OSError, http.client.HTTPException) as error:
            trouble = error
    have = part.stat().st_size if part.exists() else 0
    why = f" ({trouble})" if trouble else ""
    msg = f"{file.url} broke off after {have:,} bytes, {attempts} times{why}; run the command again to go on from there"
    raise DownloadError(msg) from trouble


def _continue(file: RemoteFile, part: Path, progress: Progress, timeout: float) -> bool:
    """One connection: append what is missing. Whether the file is whole."""
    have = part.stat().st_size if part.exists() else 0
    validator = _validator(part)
    headers = {"User-Agent": "pointsman", "Accept-Encoding": "identity"}
    if have and (validator or file.sha256):
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    try:
        answer = _open(file.url, headers, timeout)
    except urllib.error.HTTPError as error:
        if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        error.close()
        if error.headers.get("Content-Range", "").endswith(f"/{have}"):
            return True
        part.unlink()
        return False
    with answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            have = 0
        length = answer.headers.get("Content-Length")
        whole = None if length is None else have + int(length)
        _sidecar(part).write_text(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "", "utf-8")
        with part.open("ab" if have else "wb") as out:
            for piece in _pieces(answer):
                out.write(piece)
                have += len(piece)
                progress(file.path, have, whole or file.size)
    return whole is None or have >= whole


def _pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """What arrives, until the end or until the connection is cut."""
    with suppress(http.client.IncompleteRead):
        while piece := answer.read(_CHUNK):
            yield piece


def _open(url: str, headers: Mapping[str, str], timeout: float) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        msg = f"{url} is not an https address; nothing else is fetched"
        raise ConfigurationError(msg)
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  # https, as checked above
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=timeout)  # noqa: S310  # the same
    return answer


def _target(file: RemoteFile, root: Path) -> Path:
    inside = PurePosixPath(file.path)
    if inside.is_absolute() or ".." in inside.parts:
        msg = f"{file.path} leads out of the data folder; give a path below it"
        raise ConfigurationError(msg)
    return root / inside


def _sidecar(part: Path) -> Path:
    """What the server called the version of which a part is here."""
    return part.with_name(part.name + ".version")


def _validator(part: Path) -> str:
    sidecar = _sidecar(part)
    named = sidecar.read_text("utf-8") if sidecar.is_file() else ""
    return "" if named.startswith("W/") else named  # a weak one does not promise the same bytes


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()


def _recorded(root: Path) -> dict[str, dict[str, Any]]:
    path = root / RECORD
    found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return found


def _record(root: Path, file: RemoteFile, sha256: str) -> None:
    known = _recorded(root) | {file.path: {"sha256": sha256, "url": file.url}}
    draft = root / f"{RECORD}.{os.getpid()}"
    draft.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", "utf-8")
    draft.replace(root / RECORD)
