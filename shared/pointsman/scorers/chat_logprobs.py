"""Any chat model that returns log-probabilities as a router, without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError, ScorerError
from pointsman.scorers.pair import PairScorer
from pointsman.scorers.rating import SYSTEM, USER, messages, score_log_probabilities, win_rates

__all__ = ["ChatLogprobScorer", "langchain_logprobs"]

Floats = NDArray[np.float64]
Ask = Callable[[list[dict[str, str]]], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class ChatLogprobScorer(PairScorer):
    """Asks a chat model how well the weak model would do, and reads the probabilities of the scores 1 to 5.

    Every scored text is a call of that model, with its price and its latency.

    Args:
        models: (strong, weak).
        ask: chat messages -> token -> natural logarithm of its probability as the first token of the answer.
        system: the task, see `pointsman.scorers.rating`.
        user: the question's message; {question} is its place.
        max_characters: of a question; what is over is cut at its end.
        minimum_mass: probability of the five scores together, below which the win rate is 1; 0 switches it off.
        at_once: calls in flight.
        reference: win rates of some prompts, float64[r].

    Raises:
        ConfigurationError: the user's message has no place for the question, or a number is out of range.
    """

    models: tuple[str, str]
    ask: Ask
    system: str = SYSTEM
    user: str = USER
    max_characters: int = 8000
    minimum_mass: float = 0.01
    at_once: int = 8
    reference: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if "{question}" not in self.user:
            msg = "the user's message has no place for the question; put {question} in it"
            raise ConfigurationError(msg)
        if not 0 <= self.minimum_mass <= 1 or self.max_characters < 1 or self.at_once < 1:
            msg = "minimum_mass lies in [0, 1], max_characters and at_once are positive; give such values"
            raise ConfigurationError(msg)

    @classmethod
    def from_langchain(
        cls, model: Any, models: tuple[str, str], *, options: Mapping[str, Any] | None = None, **settings: Any
    ) -> ChatLogprobScorer:
        """The scorer over a LangChain chat model; see `langchain_logprobs`.

        Args:
            model: any chat model that returns log-probabilities.
            models: (strong, weak).
            options: bound to the model beside those that ask for log-probabilities.
            settings: of the scorer.
        """
        return cls(models, langchain_logprobs(model, **(options or {})), **settings)

    def strong_wins(self, texts: Sequence[str]) -> Floats:
        """1 - P(the weak model's answer is good enough), float64[n].

        Raises:
            ScorerError: a log-probability is above 0 or not a number.
        """
        if len(texts) < 2:
            rows = [self._read(text) for text in texts]
        else:
            with ThreadPoolExecutor(min(self.at_once, len(texts))) as pool:
                contexts = [copy_context() for _ in texts]  # each call's own: one runs in one thread at a time
                rows = list(pool.map(lambda context, text: context.run(self._read, text), contexts, texts))
        return win_rates(np.array(rows, dtype=np.float64).reshape(len(texts), 5), self.minimum_mass)

    def _read(self, text: str) -> list[float]:
        tokens = self.ask(messages(text[: self.max_characters], self.system, self.user))
        if any(not value <= 1e-6 for value in tokens.values()):
            msg = f"{self.ask!r} returned log-probabilities above 0 or NaN; return natural logarithms"
            raise ScorerError(msg)
        return score_log_probabilities(tokens)


def langchain_logprobs(model: Any, **options: Any) -> Ask:
    """A LangChain chat model as the callable that `ChatLogprobScorer` asks.

    Args:
        model: a `langchain_core` chat model whose provider returns log-probabilities in OpenAI's form, in
            `response_metadata["logprobs"]`.
        options: bound to the model; `logprobs=True` and `top_logprobs=20` if not given otherwise. A limit on the length
            of the answer saves money, and providers name it differently.
    """
    bound = model.bind(**({"logprobs": True, "top_logprobs": 20} | options))

    def ask(chat: list[dict[str, str]]) -> dict[str, float]:
        answer = bound.invoke(chat)
        logprobs = answer.response_metadata.get("logprobs") or {}
        content = logprobs.get("content") or []
        if not content:
            msg = "the chat model returned no log-probabilities; use one whose provider returns them"
            raise ScorerError(msg)
        first = content[0]
        return {str(e["token"]): float(e["logprob"]) for e in [first, *(first.get("top_logprobs") or [])]}

    return ask
