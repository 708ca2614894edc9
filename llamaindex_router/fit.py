"""Whether a prompt fits: measured exactly where an estimate could decide it.

LlamaIndex packs prompts up to the last token of the window, and sometimes over the room that is left for the answer. An
estimate that is a few percent off would rule out models that the framework has packed for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from llamaindex_router.question import Asked
from pointsman.costs.tokens import count_tokens, near_window
from pointsman.gates import ContextWindow
from pointsman.pool import Pool

__all__ = ["Fit"]

_REPLY = ContextWindow().reply_tokens


@dataclass(frozen=True)
class Fit:
    """The windows of a pool.

    Args:
        known: tokens, of the models whose window is known.
        largest: tokens; None if some window is not known, for it may hold anything.
        room: tokens that the model of the largest window leaves for its answer.
    """

    known: tuple[int, ...]
    largest: int | None
    room: int = _REPLY

    @classmethod
    def of(cls, pool: Pool) -> Fit:
        """The windows of this pool."""
        known = tuple(candidate.window for candidate in pool if candidate.window is not None)
        if len(known) < len(pool):
            return cls(known, None)
        rooms = [candidate.reply_tokens or _REPLY for candidate in pool if candidate.window == max(known)]
        return cls(known, max(known), min(rooms))

    def near(self, asked: Asked) -> bool:
        """Whether the prompt may come near a window."""
        return near_window(asked.query.prompt_tokens or 0, self.known)

    def measured(self, asked: Asked) -> Asked:
        """What is asked, with its prompt counted if it may come near a window.

        A prompt that fits into the largest window is let through to it, be there little room for the answer: the model
        itself would have been called, too.
        """
        if not self.near(asked):
            return asked
        tokens = count_tokens("\n".join(asked.prompt)).tokens
        if self.largest is not None and tokens <= self.largest:
            tokens = max(0, min(tokens, self.largest - self.room))
        return replace(asked, query=replace(asked.query, prompt_tokens=tokens))
