"""Tokens of a call, as the chosen model reports them, or counted here and flagged so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse, ToolCallBlock
from pydantic import BaseModel

from pointsman.costs.tokens import TokenCount, count_tokens, estimate_tokens
from pointsman.costs.usage import Usage

__all__ = ["Response", "count_usage", "is_blank", "is_empty", "read_usage", "words_of"]

Response = ChatResponse | CompletionResponse
_RESPONSES = (ChatResponse, CompletionResponse)

_INPUT = ("prompt_tokens", "input_tokens", "prompt_token_count")
_OUTPUT = ("completion_tokens", "output_tokens", "candidates_token_count")
_CACHED_INSIDE = ("prompt_tokens_details", "input_tokens_details")
_REASONING_INSIDE = ("completion_tokens_details", "output_tokens_details")
_COUNTED_CHARACTERS = 100_000
"""Longer texts are estimated by their bytes: exact counts of what nobody reports are not worth the time."""


def read_usage(response: Response | None) -> Usage | None:
    """The provider's counts in a response, in whichever of the providers' layouts; None where it reports none.

    `raw["usage"]` and `raw["usage_metadata"]`, then `additional_kwargs`, as LlamaIndex's own token counter reads them.
    Cached and hidden reasoning tokens are made parts of the input and the output for all providers.
    """
    if response is None:
        return None
    raw = response.raw
    if not raw and not response.additional_kwargs:  # so it is with all but the last piece of a stream
        return None
    get = _reader(raw)
    for counts in (get("usage"), get("usage_metadata"), response.additional_kwargs):
        usage = None if not counts else _read(counts)
        if usage is not None:
            return usage
    return None


def count_usage(prompt: Sequence[str], answer: str, model: str) -> Usage:
    """Our own count, flagged as an estimate: nobody can see a provider's chat format from outside."""
    asked, answered = (_count(text, model) for text in ("\n".join(prompt), answer))
    return Usage(asked.tokens, answered.tokens, estimated=True)


def words_of(result: object) -> str:
    """The text that a model wrote, of any of the kinds of result that LlamaIndex's methods give."""
    if isinstance(result, str):
        return result
    if isinstance(result, CompletionResponse):
        return result.text
    if isinstance(result, ChatResponse):
        calls = [f"{b.tool_name} {b.tool_kwargs}" for b in result.message.blocks if isinstance(b, ToolCallBlock)]
        return "\n".join([result.message.content or "", *calls])
    return result.model_dump_json() if isinstance(result, BaseModel) else str(result)


def is_blank(item: object) -> bool:
    """Whether it is an object in which nothing is filled in: core makes one of the first piece of any stream.

    As a whole answer that is one, for a text may have nothing of what was looked for.
    """
    return type(item) not in _RESPONSES and isinstance(item, BaseModel) and all(v is None for v in vars(item).values())


def is_empty(result: object) -> bool:
    """Whether a model has said nothing at all: no word, no tool call, nothing else."""
    if isinstance(result, ChatResponse):
        message = result.message
        if result.delta or result.additional_kwargs.get("thinking_delta"):  # a thought may be there alone
            return False
        return not (message.additional_kwargs or any(getattr(block, "text", block) for block in message.blocks))
    text = (result.text or result.delta or "") if isinstance(result, CompletionResponse) else result
    return isinstance(text, str) and not text


def _read(counts: object) -> Usage | None:
    get = _reader(counts)
    asked, answered = _first(get, _INPUT), _first(get, _OUTPUT)
    if asked is None or answered is None:
        return None
    # Gemini counts cached tokens inside the prompt and thoughts beside the answer
    cached = _inside(get, _CACHED_INSIDE, "cached_tokens") or _int(get("cached_content_token_count")) or 0
    reasoning = _inside(get, _REASONING_INSIDE, "reasoning_tokens")
    thoughts = _int(get("thoughts_token_count")) or 0
    # Anthropic counts what was read from and written to its cache beside the input
    read = _int(get("cache_read_input_tokens")) or 0
    written = _int(get("cache_creation_input_tokens")) or 0
    return Usage(asked + read + written, answered + thoughts, cached or read, reasoning or thoughts)


def _reader(holder: object) -> Callable[[str], object]:
    """Reads a field, None where there is none; of a dict or of an object, for clients answer with either."""
    return holder.get if isinstance(holder, dict) else lambda name: getattr(holder, name, None)


def _first(get: Callable[[str], object], names: Sequence[str]) -> int | None:
    for name in names:
        if (count := _int(get(name))) is not None:
            return count
    return None


def _inside(get: Callable[[str], object], places: Sequence[str], name: str) -> int:
    """The count of this name in the first of these places that has it, else 0."""
    for place in places:
        details = get(place)
        if details is not None and (count := _int(_reader(details)(name))) is not None:
            return count
    return 0


def _int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _count(text: str, model: str) -> TokenCount:
    if len(text) > _COUNTED_CHARACTERS:
        return TokenCount(estimate_tokens(text), estimated=True)
    return count_tokens(text, model)
