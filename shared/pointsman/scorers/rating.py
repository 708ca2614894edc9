"""The question that the causal routers put to a language model, and what its answer comes to.

RouteLLM (arXiv 2406.18665, section 4.2): predict on a scale from 1 to 5 how an expert would rate the weak model's
answer; P(weak is good enough) = p(4) + p(5), and the win rate is the rest.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError

__all__ = ["GOOD_ENOUGH", "LABELS", "SCALE", "PromptFormat", "messages", "score_log_probabilities", "win_rates"]

Floats = NDArray[np.float64]

SCALE = 5
LABELS = tuple(f"[[{score}]]" for score in range(1, SCALE + 1))
GOOD_ENOUGH = 4
"""The least score at which the weak model's answer will do."""

SYSTEM = (
    "You predict how well an AI assistant of modest ability will answer a user's question. Think of how demanding the "
    "question is, then give the score from 1 to 5 that an expert would give to the assistant's answer.\n"
    "5 or 4: the assistant will give a strong answer.\n"
    "3: the answer will be adequate, with gaps or small errors.\n"
    "2 or 1: the assistant will struggle: the answer will be wrong or of little use.\n"
    "Do not answer the question. Reply with the score alone."
)
USER = "[Question]\n{question}\n[End of question]\n\nPrediction:"
_MARK = "\0"


def messages(question: str, system: str = SYSTEM, user: str = USER) -> list[dict[str, str]]:
    """The question as chat messages, role and content."""
    return [{"role": "system", "content": system}, {"role": "user", "content": user.replace("{question}", question)}]


@dataclass(frozen=True)
class PromptFormat:
    """What stands before and after the question in the text that a causal model reads.

    Attributes:
        before: up to the question.
        after: from the question to where the score is predicted.
    """

    before: str
    after: str

    @classmethod
    def plain(cls, system: str = SYSTEM, user: str = USER) -> PromptFormat:
        """For a base model: the two messages one after the other, ending in "Prediction:"."""
        return cls._cut(f"{system}\n\n{user}".replace("{question}", _MARK))

    @classmethod
    def chat(cls, tokenizer: Any, system: str = SYSTEM, user: str = USER) -> PromptFormat:
        """For a chat model: its own template, up to where the assistant speaks.

        Raises:
            ConfigurationError: the template drops or repeats the question.
        """
        # templates that know of no thinking ignore the switch
        options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
        chat = messages(_MARK, system, user)
        try:
            rendered = tokenizer.apply_chat_template(chat, **options)
        except importlib.import_module("jinja2").TemplateError:  # it knows no system role
            chat = [{"role": "user", "content": "\n\n".join(message["content"] for message in chat)}]
            rendered = tokenizer.apply_chat_template(chat, **options)
        return cls._cut(str(rendered))

    @classmethod
    def of(cls, tokenizer: Any) -> PromptFormat:
        """The chat form where the tokenizer has a template, else the plain one."""
        return cls.plain() if tokenizer.chat_template is None else cls.chat(tokenizer)

    @classmethod
    def llama3(cls, system: str, user: str) -> PromptFormat:
        """RouteLLM's, of its Llama-3 checkpoint; `user` has the place {question}.

        RouteLLM ends the prompt with the user's turn and generates up to six tokens, of which the first four open the
        assistant's turn and the fifth is the score. Here that opening stands in the prompt, so that one look at the
        next token gives the score: the same number, without a loop of generation.
        """
        turns = {"system": system.strip(), "user": user.replace("{question}", _MARK).strip()}
        header = "<|start_header_id|>{role}<|end_header_id|>\n\n"
        text = "".join(f"{header.format(role=role)}{content}<|eot_id|>" for role, content in turns.items())
        return cls._cut(text + header.format(role="assistant"))

    @classmethod
    def _cut(cls, text: str) -> PromptFormat:
        parts = text.split(_MARK)
        if len(parts) != 2:
            msg = f"the prompt has {len(parts) - 1} places for the question, and needs one: {{question}}"
            raise ConfigurationError(msg)
        return cls(*parts)


def win_rates(log_probabilities: Floats, minimum_mass: float) -> Floats:
    """1 - P(weak is good enough), float64[n].

    Args:
        log_probabilities: of the five scores among all tokens, float64[n, 5]; -inf where one was not seen.
        minimum_mass: where the five together have less probability than this, the answer is no score at all, and the
            win rate is 1: the strong model is the safe one.
    """
    top = log_probabilities.max(axis=1, keepdims=True, initial=-np.finfo(np.float64).max)
    shares = np.exp(log_probabilities - top)  # of the likeliest score; 0 all along where none was seen
    total = shares.sum(axis=1)
    good = shares[:, GOOD_ENOUGH - 1 :].sum(axis=1) / np.maximum(total, np.finfo(np.float64).tiny)
    said = (total > 0) & (total * np.exp(top[:, 0]) >= minimum_mass)
    return np.where(said, 1.0 - np.minimum(good, 1.0), 1.0)


def score_log_probabilities(tokens: Mapping[str, float]) -> list[float]:
    """Log-probability per score from those of tokens: "4", " 4" and "[[4]]" are one score.

    Args:
        tokens: token -> natural logarithm of its probability.
    """
    found = [-np.inf] * SCALE
    names = {spelling: score for score, label in enumerate(LABELS) for spelling in (label, label.strip("[]"))}
    for token, value in tokens.items():
        score = names.get(token.strip(" \n\tĠ▁"))
        if score is not None:
            found[score] = float(np.logaddexp(found[score], value))
    return found
