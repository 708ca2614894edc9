"""Token counts: exact where a vocabulary lies on this machine, else an estimate that says so. Nothing is fetched."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tiktoken import Encoding

__all__ = ["TokenCount", "count_tokens", "estimate_tokens", "near_window"]

_HOME = "https://openaipublic.blob.core.windows.net/encodings"
_VOCABULARIES = {"cl100k_base": f"{_HOME}/cl100k_base.tiktoken", "o200k_base": f"{_HOME}/o200k_base.tiktoken"}
_STAND_IN = "o200k_base"
_BYTES_PER_TOKEN = 4
_TOO_FEW, _TOO_MANY = 2, 4
"""Factors by which an estimate may be wrong: hex digits have two bytes to a token, prose of long words some ten."""
_CACHE_VARIABLES = ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR")
_environment = threading.Lock()


class TokenCount(NamedTuple):
    """A count, and whether it is an estimate: no vocabulary was at hand, or it is not this model's own."""

    tokens: int
    estimated: bool


def estimate_tokens(text: str) -> int:
    """About one token to four UTF-8 bytes: the rule of thumb for byte-pair vocabularies, in nanoseconds."""
    return -(-len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN)


def near_window(estimate: int, windows: Iterable[int]) -> bool:
    """Whether an estimate lies so near one of these context windows that only a count can tell on which side."""
    return any(estimate < _TOO_MANY * window and window < _TOO_FEW * estimate for window in windows)


def count_tokens(text: str, model: str | None = None) -> TokenCount:
    """Tokens of `text` for `model`.

    Models of OpenAI are counted in their own vocabulary. Others keep theirs to themselves or on a hub: they are counted
    in o200k_base, flagged as an estimate. Without any vocabulary on the machine `estimate_tokens` counts, flagged too.
    """
    own = _encoding_name(model)
    encoding = _load(own or _STAND_IN)
    if encoding is None:
        return TokenCount(estimate_tokens(text), estimated=True)
    return TokenCount(len(encoding.encode(text, disallowed_special=())), estimated=own is None)


@lru_cache(maxsize=1024)
def _encoding_name(model: str | None) -> str | None:
    """The vocabulary that tiktoken names for a model, if it is one that can lie on disk."""
    if model is None:
        return None
    from tiktoken.model import encoding_name_for_model

    try:
        name = encoding_name_for_model(model.rsplit("/", 1)[-1].rsplit(":", 1)[-1])
    except KeyError:
        return None
    return name if name in _VOCABULARIES else None


@lru_cache(maxsize=len(_VOCABULARIES))
def _load(name: str) -> Encoding | None:
    """The vocabulary, from tiktoken's cache or from the copy inside llama-index-core; None if neither has it."""
    from tiktoken import get_encoding

    key = hashlib.sha1(_VOCABULARIES[name].encode(), usedforsecurity=False).hexdigest()  # tiktoken's cache key
    for folder in _cache_folders():
        if (folder / key).is_file():
            with _cache_set_to(folder):
                return get_encoding(name)
    return None


def _cache_folders() -> Iterator[Path]:
    import tempfile

    for variable in _CACHE_VARIABLES:
        if os.environ.get(variable):
            yield Path(os.environ[variable])
    yield Path(tempfile.gettempdir()) / "data-gym-cache"
    spec = importlib.util.find_spec("llama_index") and importlib.util.find_spec("llama_index.core")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "_static" / "tiktoken_cache"


@contextmanager
def _cache_set_to(folder: Path) -> Iterator[None]:
    """Point tiktoken at a folder. It knows no other way than the environment, so one thread at a time."""
    variable = _CACHE_VARIABLES[0]
    with _environment:
        before = os.environ.get(variable)
        os.environ[variable] = str(folder)
        try:
            yield
        finally:
            if before is None:
                del os.environ[variable]
            else:
                os.environ[variable] = before
