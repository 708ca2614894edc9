"""Any chat model as a function from a prompt to an `Answer`: LangChain's, LlamaIndex's or a function of yours.

Told apart by the methods that they have, so that no framework is imported.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pointsman.costs.tokens import estimate_tokens
from pointsman.costs.usage import Usage
from pointsman.errors import ConfigurationError

__all__ = ["Answer", "TokenLogprob", "aask_model", "ask_model", "check_model", "openai_logprobs"]


_COUNTS = (
    ("input_tokens", "output_tokens", "input_token_details", "cache_read"),
    ("prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens"),
)


class TokenLogprob(NamedTuple):
    """A token of an answer and the natural logarithm of the probability with which the model chose it."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, free of any framework.

    Attributes:
        text: its words; for an answer that only calls tools, the calls written out.
        logprobs: of its tokens, in order; None where the provider gave none.
        usage: tokens billed; None if nobody knows.
        cost_usd: the call's price, where whoever made the call knows it; else it follows from usage and list price.
        raw: the framework's own answer, untouched.
    """

    text: str
    logprobs: tuple[TokenLogprob, ...] | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    raw: Any = None


def check_model(model: object) -> None:
    """Refuse what cannot be asked.

    Raises:
        ConfigurationError: the model is neither a chat model nor a function.
    """
    if not (hasattr(model, "invoke") or hasattr(model, "complete") or callable(model)):
        msg = f"{model!r} cannot be asked; give a LangChain chat model, a LlamaIndex LLM or a function of the prompt"
        raise ConfigurationError(msg)


def ask_model(model: Any, prompt: str, options: Mapping[str, Any] | None = None) -> Answer:
    """The model's answer to a prompt.

    Args:
        model: a LangChain chat model or other Runnable, a LlamaIndex LLM, or a function of the prompt that returns a
            text, a number or an `Answer`.
        prompt: one message of the user.
        options: keyword arguments of the call; a function gets none.

    Raises:
        ConfigurationError: the model cannot be asked, or only from a coroutine.
    """
    check_model(model)
    if hasattr(model, "invoke"):
        return _answer(prompt, model.invoke(prompt, **(options or {})))
    if hasattr(model, "complete"):
        return _answer(prompt, model.complete(prompt, **(options or {})))
    if inspect.iscoroutinefunction(model):
        msg = f"{model!r} is a coroutine function; call from a coroutine (ainvoke, achat), or give a plain one"
        raise ConfigurationError(msg)
    return _answer(prompt, model(prompt))


async def aask_model(model: Any, prompt: str, options: Mapping[str, Any] | None = None) -> Answer:
    """`ask_model` from a coroutine; a plain function runs in a thread, so that it does not block the loop."""
    check_model(model)
    if hasattr(model, "ainvoke"):
        return _answer(prompt, await model.ainvoke(prompt, **(options or {})))
    if hasattr(model, "acomplete"):
        return _answer(prompt, await model.acomplete(prompt, **(options or {})))
    if inspect.iscoroutinefunction(model):
        return _answer(prompt, await model(prompt))
    import asyncio  # the import is dear, and here the loop is running already

    return await asyncio.to_thread(ask_model, model, prompt, options)


def openai_logprobs(found: Any) -> tuple[TokenLogprob, ...] | None:
    """Token log-probabilities in OpenAI's form, dict or object, `{"content": [{"token": ..., "logprob": ...}]}`."""
    content = _get(found, "content")
    if not content:
        return None
    return tuple(TokenLogprob(str(_get(each, "token")), float(_get(each, "logprob"))) for each in content)


def _answer(prompt: str, said: Any) -> Answer:
    """Whatever a model returned, as an answer; tokens that nobody counted are estimated."""
    if isinstance(said, Answer):
        return said
    words = said if isinstance(said, str | int | float) else _get(said, "text")
    if words is None or (callable(words) and not isinstance(words, str)):
        msg = f"the model returned a {type(said).__name__} without a text; give a chat model, or a function to a text"
        raise ConfigurationError(msg)
    text = str(words)
    usage = _usage(said) or Usage(estimate_tokens(prompt), estimate_tokens(text), estimated=True)
    return Answer(text, logprobs=_logprobs(said), usage=usage, raw=said)


def _logprobs(said: Any) -> tuple[TokenLogprob, ...] | None:
    """LangChain keeps them in the metadata of the message, LlamaIndex in the provider's own response."""
    found = openai_logprobs(_get(_get(said, "response_metadata"), "logprobs"))
    if found is not None:
        return found
    choices = _get(_get(said, "raw"), "choices")
    return openai_logprobs(_get(choices[0], "logprobs")) if choices else None


def _usage(said: Any) -> Usage | None:
    """Tokens where the message or the provider's response has them."""
    counts = _get(said, "usage_metadata") or _get(_get(said, "raw"), "usage")
    for asked, answered, details, read in _COUNTS:
        pair = _get(counts, asked), _get(counts, answered)
        if all(isinstance(count, int) for count in pair):
            return Usage(*pair, cached_tokens=_get(_get(counts, details), read) or 0)
    return None


def _get(holder: Any, name: str) -> Any:
    """A field of a dict or of an object."""
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
