"""Whether a conversation keeps its model.

A provider keeps the beginning of a conversation in its prompt cache and charges a part for it; another model reads all
of it anew. And a model in the middle of a tool loop had better finish what it planned.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace

from pointsman.costs.usage import Usage
from pointsman.decision import Decision, Outcome
from pointsman.errors import ConfigurationError
from pointsman.pool import Pool

__all__ = ["Conversations", "Stay", "Turn"]


@dataclass(frozen=True, slots=True)
class Turn:
    """The last call of a conversation.

    Attributes:
        candidate: who answered.
        cached_tokens: input tokens that its provider can be expected to have in its cache: what went in and came out.
    """

    candidate: str
    cached_tokens: int = 0

    @classmethod
    def of(cls, decision: Decision, outcome: Outcome | None = None, usage: Usage | None = None) -> Turn:
        """The turn that these records tell of.

        Args:
            decision: whose candidate answered.
            outcome: of the whole call.
            usage: of the answer alone; the outcome adds up all calls, those of a cascade or of candidates that failed.
        """
        if outcome is None or outcome.error is not None:
            return cls(decision.candidate)
        if usage is not None:
            return cls(decision.candidate, usage.input_tokens + usage.output_tokens)
        return cls(decision.candidate, (outcome.input_tokens or 0) + (outcome.output_tokens or 0))


@dataclass(frozen=True, slots=True)
class Stay:
    """A conversation's model stays, unless leaving pays or is called for.

    It is left for a cheaper one if that saves more than the cached input is worth, and for the strong one if the win
    rate lies above the threshold by the margin. Inside a tool loop it stays, but for an escalation.

    Args:
        margin: in win rate (in predicted quality where the policy has no threshold), in [0, 1].
        reply_tokens: length of an answer, for what a call is expected to cost.

    Raises:
        ConfigurationError: the margin is not in [0, 1].
    """

    margin: float = 0.1
    reply_tokens: int = 264

    def __post_init__(self) -> None:
        if not 0 <= self.margin <= 1:
            msg = f"the margin is {self.margin}; give a difference of win rates in [0, 1]"
            raise ConfigurationError(msg)

    def settle(
        self,
        decision: Decision,
        previous: Turn | None,
        pool: Pool,
        *,
        prompt_tokens: int = 0,
        in_tool_loop: bool = False,
    ) -> Decision:
        """The decision to act by.

        Args:
            decision: for this call alone.
            previous: the conversation's last call; None for its first.
            pool: what was chosen from.
            prompt_tokens: of this call's whole prompt.
            in_tool_loop: the call hands a tool's result to the model that asked for it.

        Returns:
            The decision itself, or the previous candidate's with `sticky` set.
        """
        if previous is None or decision.forced or previous.candidate == decision.candidate:
            return decision
        if previous.candidate not in pool.names or previous.candidate in decision.gated:
            return decision
        why = "in the middle of a tool loop" if in_tool_loop else self._reason(decision, previous, pool, prompt_tokens)
        if why is None:
            return decision
        kept = pool.named(previous.candidate)
        reason = f"{kept.name} stays: {why} ({decision.candidate} by itself: {decision.reason})"
        return replace(decision, candidate=kept.name, model=kept.model, reason=reason, sticky=True)

    def _reason(self, decision: Decision, previous: Turn, pool: Pool, prompt_tokens: int) -> str | None:
        """Why to stay; None if there is reason to leave."""
        saved = self._saved(decision.candidate, previous, pool, prompt_tokens)
        if saved is not None and saved > 0:
            return None
        gain = self._gain(decision, previous)
        if gain is None:
            return "nothing was scored to go by"
        # without prices only the margin speaks, for leaving upwards and downwards alike
        if (abs(gain) if saved is None else gain) >= self.margin:
            return None
        if gain < 0 and saved is not None:
            return f"its prompt is cached, and leaving would cost {-saved:.2g} USD more than it saves"
        return f"{abs(gain):.3f} is less than the margin of {self.margin:g}"

    def _saved(self, candidate: str, previous: Turn, pool: Pool, prompt_tokens: int) -> float | None:
        """What leaving saves on this call in USD; None where prices are not known."""
        tokens = max(prompt_tokens, previous.cached_tokens)
        staying = pool.named(previous.candidate).price.cost(
            Usage(tokens, self.reply_tokens, cached_tokens=min(previous.cached_tokens, tokens))
        )
        leaving = pool.named(candidate).price.cost(Usage(tokens, self.reply_tokens))
        return None if staying is None or leaving is None else staying - leaving

    @staticmethod
    def _gain(decision: Decision, previous: Turn) -> float | None:
        """How much better the answer should be for leaving; None where nothing was scored."""
        if decision.threshold is not None and decision.win_rate is not None:
            return decision.win_rate - decision.threshold
        if {decision.candidate, previous.candidate} <= decision.quality.keys():
            return decision.quality[decision.candidate] - decision.quality[previous.candidate]
        return None


class Conversations:
    """The last turn of the conversations of late, by key; the oldest are forgotten first.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int = 10_000) -> None:
        self.most = most
        self._turns: OrderedDict[str, Turn] = OrderedDict()
        self._lock = threading.Lock()

    def last(self, key: str | None) -> Turn | None:
        """The conversation's last turn, if it has had one."""
        if key is None:
            return None
        with self._lock:
            return self._turns.get(key)

    def note(self, key: str | None, turn: Turn) -> None:
        """The conversation has had this turn."""
        if key is None:
            return
        with self._lock:
            self._turns[key] = turn
            self._turns.move_to_end(key)
            if len(self._turns) > self.most:
                self._turns.popitem(last=False)

    def __getstate__(self) -> dict[str, int]:
        """A copy or pickle starts without conversations: they are of the process that holds them."""
        return {"most": self.most}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__(state["most"])  # type: ignore[misc]  # the one way to set it up
