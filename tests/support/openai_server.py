"""A server on this machine that speaks OpenAI's chat completions, so that tests run the real clients.

It answers from the name of the model and the prompt, whole or in pieces, with usage, and calls a tool where one is
offered and none has answered yet. Standard library only.
"""

from __future__ import annotations

import gc
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.serving import serving

__all__ = ["ANSWER", "Failure", "OpenAIServer", "openai_server"]

ANSWER = "{model} has read {characters} characters and answers in a few words"


@dataclass
class Failure:
    """What the next request meets instead of an answer.

    Attributes:
        status: an HTTP error; 200 serves the answer after the delay.
        delay_s: seconds before the first byte.
        cut_after: pieces of a stream after which the connection ends without a goodbye.
    """

    status: int = 200
    delay_s: float = 0.0
    cut_after: int | None = None


@dataclass
class OpenAIServer:
    """A running server.

    Attributes:
        url: base URL for a client, ending in /v1.
        requests: bodies received, in order.
        failures: one is taken off the front for each request.
        reply: what to say to a request instead of `ANSWER`.
    """

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    reply: Callable[[dict[str, Any]], str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def asked(self, model: str) -> list[dict[str, Any]]:
        """The requests for one model."""
        return [body for body in self.requests if body["model"] == model]

    def take(self, body: dict[str, Any]) -> Failure | None:
        """Note a request, and say what it is to meet."""
        with self._lock:
            self.requests.append(body)
            return self.failures.pop(0) if self.failures else None


@contextmanager
def openai_server() -> Iterator[OpenAIServer]:
    """A server for the length of a `with`."""
    with serving(_Handler, lambda url: OpenAIServer(f"{url}/v1")) as server:
        yield server
        gc.collect()  # openai's streams that were left half-read: closed inside httpx's next call, they would block it


class _Handler(BaseHTTPRequestHandler):
    """One request per connection (HTTP/1.0): nothing stays open when a test ends."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        failure = self.server.book.take(body) or Failure()
        time.sleep(failure.delay_s)
        if failure.status != 200:
            error = {"message": f"refused with {failure.status}", "type": "test", "param": None, "code": None}
            self._whole(failure.status, {"error": error})
        elif not self.path.endswith("/chat/completions"):
            self._whole(404, {"error": {"message": f"no {self.path} here", "type": "test"}})
        elif body.get("stream"):
            self._pieces(list(_events(body)), failure.cut_after)
        else:
            self._whole(200, _completion(body, self.server.book.reply))

    def _whole(self, status: int, payload: dict[str, Any]) -> None:
        data = json.dumps(payload).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _pieces(self, events: list[dict[str, Any]], cut_after: int | None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if cut_after is not None:
            self.send_header("Content-Length", "1000000")  # promises more than it gives, so the client sees the cut
        self.end_headers()
        for event in events[:cut_after]:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        if cut_after is None:
            self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's name
        """Silence."""


def _completion(body: dict[str, Any], reply: Callable[[dict[str, Any]], str] | None = None) -> dict[str, Any]:
    message, finish = _message(body)
    if reply is not None:
        message = {"role": "assistant", "content": reply(body)}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": _logprobs(body, message)}
    return {**_head(body, "chat.completion"), "choices": [choice], "usage": _usage(body, message)}


def _events(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    message, finish = _message(body)
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    words = (message["content"] or "").split(" ") if message["content"] else []
    deltas += [{"content": word if row == 0 else f" {word}"} for row, word in enumerate(words)]
    deltas += [{"tool_calls": [{**call, "index": row}]} for row, call in enumerate(message.get("tool_calls", []))]
    head = _head(body, "chat.completion.chunk")
    for delta in deltas:
        logprobs = _logprobs(body, delta) if delta.get("content") else None
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None, "logprobs": logprobs}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": _usage(body, message)}


def _logprobs(body: dict[str, Any], message: dict[str, Any]) -> dict[str, Any] | None:
    """A token to a word; each of probability 1/2."""
    if not body.get("logprobs") or not message["content"]:
        return None
    words = re.findall(" ?[^ ]+", message["content"])
    tokens = [{"token": word, "logprob": -0.6931, "bytes": None, "top_logprobs": []} for word in words]
    return {"content": tokens, "refusal": None}


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1, "model": body["model"], "system_fingerprint": "test"}


def _message(body: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The assistant's message, and why it ended."""
    answered = any(message["role"] == "tool" for message in body["messages"])
    if body.get("tools") and not answered and body.get("tool_choice") != "none":
        function = _chosen(body)
        arguments = json.dumps(_value(function.get("parameters", {})))
        call = {"id": "call_1", "type": "function", "function": {"name": function["name"], "arguments": arguments}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        text = json.dumps(_value(form["json_schema"]["schema"]))
    elif form.get("type") == "json_object":
        text = "{}"
    else:
        text = ANSWER.format(model=body["model"], characters=_characters(body))
    return {"role": "assistant", "content": text}, "stop"


def _chosen(body: dict[str, Any]) -> dict[str, Any]:
    """The tool that the request insists on, else the first."""
    choice = body.get("tool_choice")
    functions = [tool["function"] for tool in body["tools"]]
    wanted = choice["function"]["name"] if isinstance(choice, dict) else functions[0]["name"]
    return next(function for function in functions if function["name"] == wanted)


def _value(schema: dict[str, Any], definitions: dict[str, Any] | None = None) -> Any:
    """A value that fits a JSON schema."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], definitions)
    if "properties" in schema:
        return {name: _value(part, definitions) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_value(schema.get("items", {}), definitions)]
    return {"integer": 3, "number": 3.0, "boolean": True, "object": {}, "null": None}.get(
        schema.get("type", ""), "word"
    )


def _characters(body: dict[str, Any]) -> int:
    return sum(len(json.dumps(message.get("content") or "")) for message in body["messages"])


def _usage(body: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    asked, answered = _characters(body), len(json.dumps(message))
    return {
        "prompt_tokens": asked,
        "completion_tokens": answered,
        "total_tokens": asked + answered,
        "prompt_tokens_details": {"cached_tokens": asked // 2},
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
