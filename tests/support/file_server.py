"""A file server on loopback that can resume, refuse, cut its answers short, and change its mind."""

from __future__ import annotations

import contextlib
import http.server
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class FileServer:
    """What it serves, and what it was asked.

    Attributes:
        files: path -> content.
        cut: cut the first answers after so many bytes each.
        ranges: whether it can resume.
        etag: what it calls the version of its files; none if empty.
        status: answer with this instead, for so many requests.
        redirect: send everybody there; nowhere if empty.
        chunked: say no length.
        shifted: resume so many bytes before what was asked for.
        asked: (path, Range header) of every request.
    """

    files: dict[str, bytes]
    cut: list[int] = field(default_factory=list)
    ranges: bool = True
    etag: str = '"v1"'
    status: list[int] = field(default_factory=list)
    redirect: str = ""
    chunked: bool = False
    shifted: int = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@contextlib.contextmanager
def serving(server: FileServer) -> Iterator[FileServer]:
    """The server, on a port of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(server, self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its parent's name
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        server.address = f"http://127.0.0.1:{httpd.server_address[1]}"
        yield server
        httpd.shutdown()
        thread.join()


def answer(server: FileServer, request: http.server.BaseHTTPRequestHandler) -> None:
    """One answer."""
    wanted = request.headers.get("Range")
    server.asked.append((request.path, wanted))
    content = server.files.get(request.path)
    if server.redirect:
        request.send_response(302)
        request.send_header("Location", server.redirect)
        request.end_headers()
        return
    code = server.status.pop(0) if server.status else 200 if content is not None else 404
    if code != 200 or content is None:
        request.send_error(code)
        return
    start = 0
    if wanted and server.ranges and request.headers.get("If-Range") in (None, server.etag):
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
        if start >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start -= server.shifted
        request.send_response(206)
        request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
    else:
        request.send_response(200)
    if server.etag:
        request.send_header("ETag", server.etag)
    if server.chunked:
        request.send_header("Transfer-Encoding", "chunked")
    else:
        request.send_header("Content-Length", str(len(content) - start))
    request.end_headers()
    piece = content[start:]
    if server.chunked:
        request.wfile.write(b"%x\r\n" % len(piece))
    if server.cut:
        request.wfile.write(piece[: server.cut.pop(0)])
        return
    request.wfile.write(piece + (b"\r\n0\r\n\r\n" if server.chunked else b""))
