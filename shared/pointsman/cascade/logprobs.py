"""The answer's own token log-probabilities as its judge: a model that hesitates tends to be wrong. It costs nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pointsman.cascade.steps import Answers, Asks
from pointsman.chat import Answer, TokenLogprob
from pointsman.errors import ConfigurationError, JudgeError, MissingLogprobsError, ScorerError

__all__ = ["LogprobJudge", "Reading"]

Reading = Literal["mean", "minimum", "first", "answer"]

ANSWER = r"\b[A-J]\b(?!')|[-+]?\d[\d,]*(?:\.\d+)?"
"""An option's letter or a number; the last one in the text counts."""


@dataclass(frozen=True)
class LogprobJudge:
    """Reads how sure the model was of its own answer.

    Args:
        reading: "mean": e to the mean log-probability, the geometric mean of the tokens' probabilities; "minimum":
            that of the least likely token; "first": of the first; "answer": of the tokens in which the answer itself
            stands, multiplied.
        answer: for "answer", a regular expression for the answer; its last match counts, and of that the group
            "answer" if it has one. Default: the last option letter A to J or number.
        options: keyword arguments with which the provider is asked for log-probabilities. OpenAI, and most that speak
            its protocol, take `logprobs=True`.

    Raises:
        ConfigurationError: the reading is unknown, or the expression is not one.
    """

    reading: Reading = "mean"
    answer: str = ANSWER
    options: Mapping[str, Any] = field(default_factory=lambda: {"logprobs": True})

    def __post_init__(self) -> None:
        if self.reading not in get_args(Reading):
            msg = f"reading is {self.reading!r}; it is one of {', '.join(get_args(Reading))}"
            raise ConfigurationError(msg)
        try:
            re.compile(self.answer)
        except re.error as error:
            msg = f"answer={self.answer!r} is no regular expression ({error}); mend it"
            raise ConfigurationError(msg) from error

    def judge(self, question: str, answer: Answer, candidate: str) -> Generator[Asks, Answers, float]:  # noqa: ARG002  # protocol
        """The score, at once: nothing more need be asked.

        Raises:
            MissingLogprobsError: the answer came without log-probabilities.
            JudgeError: "answer" finds no answer in the text.
            ScorerError: a log-probability is above 0 or not a number.
        """
        yield from ()
        if not answer.logprobs:
            asked = ", ".join(f"{name}={value!r}" for name, value in self.options.items()) or "no option"
            msg = (
                f"{candidate} answered without token log-probabilities, although asked with {asked}; give "
                "LogprobJudge(options=...) what its provider takes for them, or take AgreementJudge or ChatJudge"
            )
            raise MissingLogprobsError(msg)
        wrong = [each for each in answer.logprobs if not each.logprob <= 1e-6]
        if wrong:
            msg = f"token {wrong[0].token!r} has log-probability {wrong[0].logprob}; they must be 0 or less"
            raise ScorerError(msg)
        return min(1.0, math.exp(self._read(answer.logprobs, candidate)))

    def _read(self, tokens: tuple[TokenLogprob, ...], candidate: str) -> float:
        values = [each.logprob for each in tokens]
        if self.reading == "mean":
            return math.fsum(values) / len(values)
        if self.reading == "minimum":
            return min(values)
        return values[0] if self.reading == "first" else math.fsum(self._of_answer(tokens, candidate))

    def _of_answer(self, tokens: tuple[TokenLogprob, ...], candidate: str) -> list[float]:
        """Log-probabilities of the tokens in which the answer stands, in whole or in part."""
        text = "".join(each.token for each in tokens)
        found = list(re.finditer(self.answer, text))
        if not found:
            msg = (
                f"{candidate} answered nothing that looks like {self.answer!r}; give LogprobJudge(answer=...) that fits"
            )
            raise JudgeError(msg)
        first, last = found[-1].span("answer" if "answer" in found[-1].groupdict() else 0)
        inside, start = [], 0
        for each in tokens:
            end = start + len(each.token)
            if start < last and end > first:
                inside.append(each.logprob)
            start = end
        return inside
