"""A server on this machine that speaks LangSmith's ingest API, so that tests see what a trace would hold there.

It takes runs one by one (`POST /runs`, `PATCH /runs/ID`), in batches, in multipart bodies and in multipart bodies
compressed by zstd, as `/info` asks the client to send them, and it keeps feedback. Standard library, but for zstd.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from langsmith import Client

from tests.support.serving import serving

__all__ = ["API_KEY", "LangSmithServer", "Posted", "Style", "langsmith_server"]

API_KEY = "lsv2_a_secret_that_must_not_be_in_a_run"
Style = Literal["plain", "batch", "multipart", "zstd"]


@dataclass
class Posted:
    """A run as the server knows it, with the runs inside it in the order in which they started."""

    id: str
    name: str
    kind: str
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    metadata: dict[str, Any]
    tags: list[str]
    error: str | None
    ended: bool
    inside: list[Posted] = field(default_factory=list)

    def walk(self) -> Iterator[Posted]:
        """This run and all inside it."""
        yield self
        for run in self.inside:
            yield from run.walk()

    @property
    def shape(self) -> Any:
        """(kind, name) and, where there are any, the shapes inside."""
        own = f"{self.kind} {self.name}"
        return (own, [run.shape for run in self.inside]) if self.inside else own


@dataclass
class LangSmithServer:
    """A running server.

    Attributes:
        url: for a client.
        style: how the client is to send runs.
        paths: requests by method and path.
        bodies: what was sent, decompressed.
        feedback: as it was posted.
    """

    url: str
    style: Style
    paths: Counter[str] = field(default_factory=Counter)
    bodies: list[bytes] = field(default_factory=list)
    feedback: list[dict[str, Any]] = field(default_factory=list)
    _runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def client(self) -> Client:
        """A client of this server."""
        client = Client(api_url=self.url, api_key=API_KEY, auto_batch_tracing=self.style != "plain")
        end = time.monotonic() + 5
        while self.style == "zstd" and client.compressed_traces is None and time.monotonic() < end:
            time.sleep(0.005)  # its thread asks /info first; what is traced before that goes out uncompressed
        return client

    @property
    def info(self) -> dict[str, Any]:
        """What `/info` answers."""
        batching = {
            "use_multipart_endpoint": self.style in ("multipart", "zstd"),
            "scale_up_qsize_trigger": 1000,
            "scale_up_nthreads_limit": 1,
            "scale_down_nempty_trigger": 4,
            "size_limit": 100,
            "size_limit_bytes": 20_971_520,
        }
        flags = {"zstd_compression_enabled": self.style == "zstd"}
        return {"version": "0.9.0", "batch_ingest_config": batching, "instance_flags": flags}

    @property
    def roots(self) -> list[Posted]:
        """The traces, each as a tree."""
        with self._lock:
            known = {key: _posted(run) for key, run in self._runs.items()}
            order = sorted(self._runs.values(), key=lambda run: str(run["dotted_order"]).rsplit(".", 1)[-1])
        roots = []
        for run in order:
            above = known.get(str(run.get("parent_run_id")))
            (roots if above is None else above.inside).append(known[run["id"]])
        return roots

    def take(self, runs: list[dict[str, Any]]) -> None:
        """Runs, or parts of them, in whatever order they come: each adds to what is known."""
        with self._lock:
            for run in runs:
                held = self._runs.setdefault(run["id"], {})
                known = (held.get("extra") or {}).get("metadata") or {}
                held.update({key: value for key, value in run.items() if value is not None})
                if held.get("extra"):
                    held["extra"]["metadata"] = {**known, **(held["extra"].get("metadata") or {})}


@contextmanager
def langsmith_server(style: Style = "multipart") -> Iterator[LangSmithServer]:
    """A server for the length of a `with`."""
    with serving(_Handler, lambda url: LangSmithServer(url, style)) as server:
        yield server


def _posted(run: dict[str, Any]) -> Posted:
    return Posted(
        id=run["id"],
        name=run.get("name", ""),
        kind=run.get("run_type", ""),
        inputs=run.get("inputs") or {},
        outputs=run.get("outputs") or {},
        metadata=(run.get("extra") or {}).get("metadata") or {},
        tags=run.get("tags") or [],
        error=run.get("error"),
        ended=run.get("end_time") is not None,
    )


class _Handler(BaseHTTPRequestHandler):
    """One request per connection (HTTP/1.0): nothing stays open when a test ends."""

    @property
    def book(self) -> LangSmithServer:
        return self.server.book  # type: ignore[attr-defined, no-any-return]

    def do_GET(self) -> None:
        at = urlsplit(self.path)
        self.book.paths[f"GET {at.path}"] += 1
        if at.path == "/info":
            self._answer(200, self.book.info)
        elif at.path == "/feedback":
            self._answer(200, _page(self.book.feedback, parse_qs(at.query)))
        else:
            self._answer(404, {"detail": f"no {at.path} here"})

    def do_POST(self) -> None:
        body = self._body()
        if self.path == "/runs":
            self.book.take([json.loads(body)])
        elif self.path == "/runs/batch":
            sent = json.loads(body)
            self.book.take([*(sent.get("post") or []), *(sent.get("patch") or [])])
        elif self.path == "/runs/multipart":
            self.book.take(list(_runs_in(body, self.headers["Content-Type"])))
        elif self.path == "/feedback":
            now = datetime.now(timezone.utc).isoformat()
            self.book.feedback.append({"created_at": now, "modified_at": now, "trace_id": None, **json.loads(body)})
        else:
            self._answer(404, {"detail": f"no {self.path} here"})
            return
        self._answer(202, {})

    def do_PATCH(self) -> None:
        run = json.loads(self._body())
        self.book.take([run | {"id": self.path.rsplit("/", 1)[-1]}])
        self._answer(202, {})

    def _body(self) -> bytes:
        name = self.path if self.command == "POST" else self.path.rsplit("/", 1)[0]
        self.book.paths[f"{self.command} {name}"] += 1
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "zstd":
            from zstandard import ZstdDecompressor

            self.book.paths["zstd"] += 1
            body = ZstdDecompressor().decompressobj().decompress(body)
        self.book.bodies.append(body)
        return body

    def _answer(self, status: int, payload: Any) -> None:
        data = json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Silence."""


def _runs_in(body: bytes, content_type: str) -> Iterator[dict[str, Any]]:
    """The parts "post.ID", "post.ID.inputs" and so on, each as (a part of) a run."""
    whole = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    for part in whole.iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        operation, identifier, *rest = name.split(".")
        value = json.loads(part.get_payload(decode=True))
        if operation in ("post", "patch"):
            yield {"id": identifier, rest[0]: value} if rest else value | {"id": identifier}


def _page(feedback: list[dict[str, Any]], query: dict[str, list[str]]) -> list[dict[str, Any]]:
    runs, keys = query.get("run"), query.get("key")
    found = [
        {"id": str(uuid.uuid4()), **item}
        for item in feedback
        if (runs is None or item.get("run_id") in runs) and (keys is None or item["key"] in keys)
    ]
    first = int(query.get("offset", ["0"])[0])
    return found[first : first + int(query.get("limit", ["100"])[0])]
