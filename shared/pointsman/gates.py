"""Who can serve a call at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pointsman.costs.tokens import count_tokens, estimate_tokens, near_window
from pointsman.pool import Candidate
from pointsman.query import Query

__all__ = ["DEFAULT_GATES", "ContextWindow", "Gate", "abilities"]

Gate = Callable[[Query, Candidate], str | None]
"""Why the candidate cannot serve the query, or None if it can."""


@dataclass(frozen=True)
class ContextWindow:
    """Rules out candidates whose window does not hold the prompt and a reply.

    Args:
        reply_tokens: room to leave for the answer, where neither the call nor the candidate is set up for another.
    """

    reply_tokens: int = 256

    def __call__(self, query: Query, candidate: Candidate) -> str | None:
        """Why not, or None."""
        if candidate.window is None:
            return None
        tokens = query.prompt_tokens
        if tokens is None:
            tokens = estimate_tokens(query.text)
            if near_window(tokens, (candidate.window,)):
                tokens = count_tokens(query.text, candidate.model).tokens
        room = query.reply_tokens or candidate.reply_tokens or self.reply_tokens
        if tokens + room <= candidate.window:
            return None
        return f"{tokens} prompt tokens + {room} for the reply exceed its window of {candidate.window}"


def abilities(query: Query, candidate: Candidate) -> str | None:
    """Rules out candidates that lack what the call needs (tools, structured output, images, audio, documents)."""
    missing = query.needs.missing_from(candidate.abilities)
    return f"no {', no '.join(name.replace('_', ' ') for name in missing)}" if missing else None


DEFAULT_GATES: tuple[Gate, ...] = (abilities, ContextWindow())
