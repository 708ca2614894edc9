"""A causal language model as a router: it predicts, from 1 to 5, how well the weak model will do (RouteLLM)."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError
from pointsman.scorers.checkpoint import (
    checkpoint_folder,
    longest_input,
    open_network,
    open_tokenizer,
    pick_device,
    require,
    write_checkpoint,
)
from pointsman.scorers.rating import LABELS, SCALE, PromptFormat, win_rates
from pointsman.scorers.stored import StoredPairScorer

__all__ = ["CausalLLMScorer", "Labels", "label_tokens", "widest_dtype"]

Floats = NDArray[np.float64]
Labels = Literal["digits", "special"]


@dataclass(frozen=True, eq=False)
class CausalLLMScorer(StoredPairScorer):
    """Win rate = 1 - (p4 + p5), from the softmax over the five score tokens at the first position of the answer.

    The prompt ends where the score belongs, so one forward pass gives its distribution; nothing is generated. RouteLLM
    generates greedily until a score token comes, and where none comes within six tokens takes the strong model:
    `minimum_mass` does the same for an answer that hardly begins with a score.

    A question that is too long is cut at its end, so that the whole prompt has at most `max_length` tokens. Control
    tokens that are spelled out in a question are broken up, and so read as plain text.

    Args:
        models: (strong, weak).
        network: a transformers causal language model.
        tokenizer: its fast tokenizer.
        format: what stands around the question.
        labels: "digits": the plain tokens 1 to 5 of any model; "special": the added tokens [[1]] to [[5]].
        max_length: tokens of a prompt.
        batch_size: prompts to a forward pass.
        minimum_mass: probability of the five score tokens together, below which the win rate is 1. 0 switches it off;
            a model that was not trained for this may need that.
        reference: win rates of some prompts, float64[r]; see `with_reference`.

    Raises:
        ConfigurationError: the tokenizer lacks a score token, or the format alone fills `max_length`.
    """

    kind: ClassVar[str] = "causal_llm"
    models: tuple[str, str]
    network: Any
    tokenizer: Any
    format: PromptFormat
    labels: Labels = "digits"
    max_length: int = 2048
    batch_size: int = 8
    minimum_mass: float = 0.01
    reference: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if not 0 <= self.minimum_mass <= 1:
            msg = f"minimum_mass is {self.minimum_mass}; it is a probability, in [0, 1]"
            raise ConfigurationError(msg)
        if self._room < 1:
            msg = f"the words around the question leave no room for it in {self.max_length} tokens; raise max_length"
            raise ConfigurationError(msg)
        if (
            max(token for group in self.tokens for token in group)
            >= self.network.get_input_embeddings().weight.shape[0]
        ):
            msg = "the network has no rows for the score tokens of its tokenizer; they are not of one checkpoint"
            raise ConfigurationError(msg)

    @classmethod
    def from_checkpoint(
        cls,
        source: str | Path,
        models: tuple[str, str],
        *,
        format: PromptFormat | None = None,  # noqa: A002  # the field's name
        labels: Labels = "digits",
        max_length: int | None = 2048,
        batch_size: int = 8,
        minimum_mass: float = 0.01,
        dtype: str | None = None,
        device: str | None = None,
        tokenizer: Any = None,
        revision: str | None = None,
    ) -> CausalLLMScorer:
        """A causal model in Hugging Face's layout, trained for this or not.

        Args:
            source: a local folder, or a name on the hub.
            models: (strong, weak); the model rates the weak one.
            format: what stands around the question; the tokenizer's chat template if not given, else the plain one.
            labels: which tokens are the scores.
            max_length: tokens of a prompt.
            batch_size: prompts to a forward pass.
            minimum_mass: see the class.
            dtype: "float32", "bfloat16"; bfloat16 where the device has it if not given, else float32.
            device: where it runs; the best there is if not given.
            tokenizer: for a folder without one.
            revision: of the hub.

        Raises:
            ArtifactError: it is not there, or damaged.
            ConfigurationError: as for the class.
            MissingExtraError: torch or transformers is not installed.
        """
        folder = checkpoint_folder(source, revision)
        place = pick_device(device)
        kind = getattr(require("torch"), dtype or widest_dtype(place))
        network = open_network("AutoModelForCausalLM", folder).to(device=place, dtype=kind)
        tokenizer = open_tokenizer(folder) if tokenizer is None else tokenizer
        if labels == "special":
            tokenizer.add_tokens(list(LABELS), special_tokens=True)
        length = longest_input(network, tokenizer, max_length)
        shape = PromptFormat.of(tokenizer) if format is None else format
        return cls(models, network, tokenizer, shape, labels, length, batch_size, minimum_mass)

    def strong_wins(self, texts: Sequence[str]) -> Floats:
        """1 - P(the weak model's answer is good enough), float64[n]."""
        return win_rates(self.log_probabilities(texts), self.minimum_mass)

    def log_probabilities(self, texts: Sequence[str]) -> Floats:
        """Logarithms of the five scores' probabilities among all tokens, float64[n, 5]."""
        torch = require("torch")
        prompts = [self.prompt(text) for text in texts]
        out = np.empty((len(texts), SCALE))
        order = sorted(range(len(texts)), key=lambda row: len(prompts[row]))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            with torch.inference_mode():
                every = self.next_logits([prompts[row] for row in rows]).log_softmax(dim=-1)
                scores = [every[:, list(group)].logsumexp(dim=-1) for group in self.tokens]
                out[rows] = torch.stack(scores, dim=-1).float().cpu().numpy()
        return out

    def prompt(self, text: str) -> list[int]:
        """Token ids of the whole prompt, at most `max_length`.

        Tokenized in one piece, since a token may reach over the edge of the question.
        """
        for token in self._control_tokens:
            if token in text:  # what a user writes must not end the user's turn
                text = text.replace(token, f"{token[0]} {token[1:]}")
        ids = self._encode(text)
        if len(ids) <= self.max_length:
            return ids
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        ends = [end for _, end in encoded.offset_mapping]
        room = min(self._room, len(ends))
        while len(ids) > self.max_length:  # once, or twice where the cut makes other tokens
            ids = self._encode(text[: ends[room - 1]] if room else "")
            room -= 1
        return ids

    def next_logits(self, prompts: Sequence[Sequence[int]]) -> Any:
        """Logits of the token after each prompt, float32 tensor [n, vocabulary].

        Padded on the right: under a causal mask the padding is never seen, and positions count from the first token.
        """
        torch = require("torch")
        lengths = torch.tensor([len(ids) for ids in prompts])
        padded = torch.zeros((len(prompts), int(lengths.max())), dtype=torch.long)
        mask = torch.zeros_like(padded)
        for row, ids in enumerate(prompts):
            padded[row, : len(ids)] = torch.tensor(list(ids))
            mask[row, : len(ids)] = 1
        device = self.network.device
        inputs = {"input_ids": padded.to(device), "attention_mask": mask.to(device), "use_cache": False}
        kept, place = torch.unique(lengths - 1, return_inverse=True)
        if not self._keeps_logits:
            kept, place = torch.arange(padded.shape[1]), lengths - 1
        else:
            inputs["logits_to_keep"] = kept.to(device)
        logits = self.network(**inputs).logits
        return logits[torch.arange(len(prompts), device=device), place.to(device)].float()

    def settings(self) -> dict[str, Any]:
        """The pair, the words around the question, and the limits."""
        names = ("labels", "max_length", "batch_size", "minimum_mass")
        dtype = str(self.network.dtype).removeprefix("torch.")
        chosen = {name: getattr(self, name) for name in names}
        return {"models": list(self.models), "format": asdict(self.format), "dtype": dtype, **chosen}

    def write(self, folder: Path) -> None:
        """Network and tokenizer, in Hugging Face's layout."""
        write_checkpoint(self.network, self.tokenizer, folder)

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any], reference: Floats) -> CausalLLMScorer:
        """The scorer of such files, in the number format that it was saved in; errors as for `from_checkpoint`."""
        strong, weak = settings["models"]
        names = ("labels", "max_length", "batch_size", "minimum_mass", "dtype")
        options = {name: settings[name] for name in names}
        shape = PromptFormat(**settings["format"])
        return replace(cls.from_checkpoint(folder, (strong, weak), format=shape, **options), reference=reference)

    @cached_property
    def tokens(self) -> tuple[tuple[int, ...], ...]:
        """Ids of each score's tokens."""
        return label_tokens(self.tokenizer, self.labels)

    def _encode(self, question: str) -> list[int]:
        text = f"{self.format.before}{question}{self.format.after}"
        ids: list[int] = self.tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        first = self.tokenizer.bos_token_id
        return [first, *ids] if self._opens and ids[:1] != [first] else ids

    @cached_property
    def _opens(self) -> bool:
        """Whether the tokenizer begins each text with a token of its own."""
        first = self.tokenizer.bos_token_id
        return first is not None and self.tokenizer("a").input_ids[:1] == [first]

    @cached_property
    def _room(self) -> int:
        """Tokens left for the question."""
        return self.max_length - len(self._encode(""))

    @cached_property
    def _control_tokens(self) -> list[str]:
        return [token for token in self.tokenizer.get_added_vocab() if len(token) > 1]

    @cached_property
    def _keeps_logits(self) -> bool:
        """Whether the network can leave out the logits of other positions."""
        return "logits_to_keep" in inspect.signature(self.network.forward).parameters


def label_tokens(tokenizer: Any, labels: Labels) -> tuple[tuple[int, ...], ...]:
    """Ids of the tokens that are each score: one per special label; for a digit, those with and without a space.

    Raises:
        ConfigurationError: a score is not a single token.
    """
    groups: list[tuple[int, ...]] = []
    for score, label in enumerate(LABELS, start=1):
        spellings = (label,) if labels == "special" else (str(score), f" {score}")
        encoded = [tokenizer(text, add_special_tokens=False).input_ids for text in spellings]
        groups.append(
            tuple(dict.fromkeys(ids[0] for ids in encoded if len(ids) == 1 and ids[0] != tokenizer.unk_token_id))
        )
    if any(len(group) != len(groups[0]) or not group for group in groups):
        msg = f"the tokenizer does not have each of the scores 1 to 5 as one token of the kind {labels!r}; "
        msg += 'use the other kind: labels="special" adds its own when a router is trained'
        raise ConfigurationError(msg)
    return tuple(groups)


def widest_dtype(device: str) -> str:
    """bfloat16 where the device computes in it, else float32."""
    torch = require("torch")
    fast = device.startswith("cuda") and torch.cuda.is_bf16_supported()
    return "bfloat16" if fast else "float32"
