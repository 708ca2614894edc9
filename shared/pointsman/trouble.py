"""What kind of trouble an error from a model is, whichever client raised it."""

from __future__ import annotations

import re
from typing import Literal

__all__ = ["Trouble", "retry_after", "trouble_of"]

Trouble = Literal[
    "rate_limit",
    "timeout",
    "connection",
    "overloaded",
    "server",
    "context_overflow",
    "refusal",
    "empty",
    "access",
    "caller",
    "unknown",
]
"""Too many requests, no answer in time, no way to the provider, no capacity, a 5xx, a prompt beyond the window, a
declined request, an answer without content, a key or model that the provider does not accept, a request that it does
not accept, and anything else."""

_NAMED: dict[str, Trouble] = {
    # LangChain (from langchain-core 1.7)
    "ContextOverflowError": "context_overflow",
    "ModelRefusalError": "refusal",
    "ModelRateLimitError": "rate_limit",
    "ModelTimeoutError": "timeout",
    "ModelConnectionError": "connection",
    "ModelAPIError": "server",
    "ModelInvalidRequestError": "caller",
    "ModelAuthenticationError": "access",
    "ModelPermissionDeniedError": "access",
    "ModelNotFoundError": "access",
    # the openai and anthropic clients, and what is built like them; those with a status are told by it
    "APITimeoutError": "timeout",
    "APIConnectionError": "connection",
    "ContentFilterFinishReasonError": "refusal",
    "OpenAIRefusalError": "refusal",
    "OverloadedError": "overloaded",
    # google-api-core and google-genai
    "ResourceExhausted": "rate_limit",
    "DeadlineExceeded": "timeout",
    "ServiceUnavailable": "overloaded",
    # litellm
    "ContextWindowExceededError": "context_overflow",
    "ContentPolicyViolationError": "refusal",
    # botocore
    "EndpointConnectionError": "connection",
    "ReadTimeoutError": "timeout",
    # httpx, requests, the standard library
    "TimeoutException": "timeout",
    "Timeout": "timeout",
    "TimeoutError": "timeout",
    "TransportError": "connection",
    "ConnectionError": "connection",
    # ours
    "EmptyAnswerError": "empty",
    "RefusedAnswerError": "refusal",
}
_BY_STATUS: dict[int, Trouble] = {
    401: "access",
    402: "access",
    403: "access",
    404: "access",
    408: "timeout",
    413: "context_overflow",
    429: "rate_limit",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_OVERFLOW = re.compile(
    r"context.?(length|window|size)|maximum context|(prompt|input|request) is too (long|large)|too many (input )?tokens"
    r"|exceeds? the (maximum|limit|available).{0,40}tokens?|input token count",
    re.IGNORECASE,
)
_THROTTLED = re.compile(r"throttl|too many requests|rate.?limit", re.IGNORECASE)


def trouble_of(error: BaseException) -> Trouble:
    """The kind of trouble, told by the error's HTTP status, its class and its bases, and for a bad request its words.

    No client is imported for this: LangChain's typed errors, those of the openai, anthropic, google, boto and litellm
    clients, httpx's and the standard library's are known by name. An error that wraps another (`raise ... from`) and
    says nothing itself is what the other is.
    """
    status = _status(error)
    found = _named(error) or (None if status is None else _of_status(status))
    if found in ("caller", None) and _speaks_of_overflow(error, status):
        return "context_overflow"
    if found == "caller" and getattr(error, "code", None) == "content_filter":  # Azure's answer to a filtered prompt
        return "refusal"
    if found is None and _THROTTLED.search(_code(error)):
        return "rate_limit"
    if found is None and error.__cause__ is not None:
        return trouble_of(error.__cause__)
    return found or "unknown"


def retry_after(error: BaseException) -> float | None:
    """Seconds after which the provider wants to be asked again, if its answer says so in seconds."""
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None or not hasattr(headers, "get"):
        return None
    value = headers.get("retry-after")
    try:
        seconds = float(value) if value is not None else -1.0
    except ValueError:  # an HTTP date: rare, and clocks differ
        return None
    return seconds if seconds >= 0 else None


def _named(error: BaseException) -> Trouble | None:
    return next((_NAMED[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in _NAMED), None)


def _of_status(status: int) -> Trouble | None:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return "server"
    return "caller" if status >= 400 else None


def _status(error: BaseException) -> int | None:
    """The HTTP status, under the names that clients give it."""
    response = getattr(error, "response", None)
    places = (
        getattr(error, "status_code", None),
        getattr(error, "http_status", None),
        getattr(error, "code", None),
        getattr(response, "status_code", None),
    )
    return next((place for place in places if isinstance(place, int) and 100 <= place < 600), None)


def _code(error: BaseException) -> str:
    """The provider's own word for it: botocore's is in `response["Error"]["Code"]`."""
    response = getattr(error, "response", None)
    inner = response.get("Error", {}) if isinstance(response, dict) else {}
    return str(inner.get("Code", "")) if isinstance(inner, dict) else ""


def _speaks_of_overflow(error: BaseException, status: int | None) -> bool:
    from_a_model = status is not None or _named(error) == "caller" or bool(_code(error))
    return from_a_model and bool(_OVERFLOW.search(str(error)))
