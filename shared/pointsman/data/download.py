"""One file over https, in as many connections as it takes: each goes on where the last one ended."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from pointsman.errors import ConfigurationError, DownloadError

__all__ = ["Progress", "download", "version_of"]

Progress = Callable[[int, int | None], None]
"""Bytes that are here, and bytes in all where the server says so."""

_CHUNK = 1 << 18
_LOCAL = ("127.0.0.1", "localhost", "::1")


def download(
    url: str, part: Path, *, size: int | None, pinned: bool, tell: Progress, attempts: int, timeout: float
) -> None:
    """Fill the part file, in several connections if need be.

    Args:
        url: where the file is.
        part: what is here of it; may not be there yet.
        size: of the file in bytes; None if not known.
        pinned: its hash is known, so that a part of another version cannot pass.
        tell: of every piece.
        attempts: connections before giving up.
        timeout: seconds without an answer.

    Raises:
        DownloadError: it cannot be had, or broke off every time.
        ConfigurationError: the address, or one that it leads to, is not https.
    """
    trouble: Exception | None = None
    for attempt in range(attempts):
        if attempt:
            time.sleep(min(2.0 ** (attempt - 1) / 4, 5.0))
        try:
            if _continue(url, part, size, pinned, tell, timeout):
                return
            trouble = None
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < http.client.INTERNAL_SERVER_ERROR and error.code != http.client.TOO_MANY_REQUESTS:
                msg = f"{url} cannot be had ({error.code} {error.reason}); look at its home, it may have moved"
                raise DownloadError(msg) from error
            trouble = error
        except (OSError, http.client.HTTPException) as error:
            trouble = error
    have = part.stat().st_size if part.exists() else 0
    why = f" ({trouble})" if trouble else ""
    msg = f"{url} broke off after {have:,} bytes, {attempts} times{why}; run the command again to go on from there"
    raise DownloadError(msg) from trouble


def version_of(part: Path) -> Path:
    """Where it is kept what the server called the version of which a part is here."""
    return part.with_name(part.name + ".version")


def _continue(url: str, part: Path, size: int | None, pinned: bool, tell: Progress, timeout: float) -> bool:
    """One connection: append what is missing. Whether the file is whole."""
    have = part.stat().st_size if part.exists() else 0
    validator = _validator(part)
    headers = {"User-Agent": "pointsman", "Accept-Encoding": "identity"}
    if have and (validator or pinned):
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = validator
    try:
        answer = _open(url, headers, timeout)
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
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()  # it sends another stretch than the one that is missing
            return False
        version_of(part).write_text(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "", "utf-8")
        return _append(answer, part, have, size, tell)


def _append(answer: http.client.HTTPResponse, part: Path, have: int, size: int | None, tell: Progress) -> bool:
    """What arrives, until the end or until the connection is cut. Whether it was the end."""
    length = answer.headers.get("Content-Length")
    whole = size if length is None else have + int(length)
    with part.open("ab" if have else "wb") as out:
        try:
            while piece := answer.read(_CHUNK):
                out.write(piece)
                have += len(piece)
                tell(have, whole or size)
        except http.client.IncompleteRead as cut:
            out.write(cut.partial)
            return False
    return whole is None or have >= whole


class _OnlyHttps(urllib.request.HTTPRedirectHandler):
    """Follows redirects to where it would have gone itself."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]  # typeshed's HTTPMessage


def _open(url: str, headers: Mapping[str, str], timeout: float) -> http.client.HTTPResponse:
    _require_https(url)
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  # https, as checked above
    answer: http.client.HTTPResponse = urllib.request.build_opener(_OnlyHttps).open(request, timeout=timeout)
    return answer


def _require_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        msg = f"{url} is not an https address; nothing else is fetched"
        raise ConfigurationError(msg)


def _validator(part: Path) -> str:
    sidecar = version_of(part)
    named = sidecar.read_text("utf-8") if sidecar.is_file() else ""
    return "" if named.startswith("W/") else named  # a weak one does not promise the same bytes
