"""A sequence classifier as a router: RouteLLM's BERT (arXiv 2406.18665, section 4.2, and its code)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from pointsman.scorers.stored import StoredPairScorer

__all__ = ["LABELS", "BertScorer", "Form", "check_form", "read_logits"]

Floats = NDArray[np.float64]
Form = Literal["three_way", "sigmoid"]
LABELS = {
    "three_way": ("strong wins", "tie", "weak wins"),
    "sigmoid": ("strong wins",),
}


@dataclass(frozen=True, eq=False)
class BertScorer(StoredPairScorer):
    """P(strong wins) from any encoder with a classification head.

    The two published forms:

    * "three_way", RouteLLM's code: softmax over [strong wins, tie, weak wins], P = 1 - (p_tie + p_weak). A tie speaks
      for the weak model, which is as good and cheaper.
    * "sigmoid", the paper's: P = sigmoid(w . h_CLS + b). Trained with ties as 1/2.

    A text that is longer than `max_length` tokens is cut at its end. A win rate depends on the rows scored beside it
    by no more than float32 rounding, about 1e-7; set `batch_size` to 1 where even that matters.

    Args:
        models: (strong, weak).
        network: a transformers sequence classifier with 3 labels or 1, as `form` has it.
        tokenizer: its fast tokenizer.
        form: what the logits mean.
        max_length: tokens read of a text, special ones included; at most what network and tokenizer can take.
        batch_size: texts to a forward pass.
        reference: win rates of some prompts, float64[r]; see `with_reference`.

    Raises:
        ConfigurationError: the network has another number of labels than the form.
    """

    kind: ClassVar[str] = "bert"
    models: tuple[str, str]
    network: Any
    tokenizer: Any
    form: Form = "three_way"
    max_length: int = 512
    batch_size: int = 32
    reference: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        check_form(self.form, self.network.config.num_labels)

    @classmethod
    def from_checkpoint(
        cls,
        source: str | Path,
        models: tuple[str, str],
        *,
        form: Form = "three_way",
        max_length: int | None = 512,
        batch_size: int = 32,
        device: str | None = None,
        revision: str | None = None,
    ) -> BertScorer:
        """A trained classifier in Hugging Face's layout.

        Args:
            source: a local folder, or a name on the hub.
            models: (strong, weak) of its training data.
            form: what its logits mean; RouteLLM's published ones are "three_way".
            max_length: tokens read of a text; None for as many as the tokenizer says.
            batch_size: texts to a forward pass.
            device: where it runs; the best there is if not given.
            revision: of the hub.

        Raises:
            ArtifactError: it is not there, damaged, or has no trained head.
            ConfigurationError: it has another number of labels than the form.
            MissingExtraError: torch or transformers is not installed.
        """
        folder = checkpoint_folder(source, revision)
        network = open_network("AutoModelForSequenceClassification", folder).float().to(pick_device(device))
        tokenizer = open_tokenizer(folder)
        length = longest_input(network, tokenizer, max_length)
        return cls(models, network, tokenizer, form, length, batch_size)

    def strong_wins(self, texts: Sequence[str]) -> Floats:
        """P(strong wins), float64[n]; the texts are read in batches of like length."""
        return read_logits(self.logits(texts), self.form)

    def logits(self, texts: Sequence[str]) -> Floats:
        """What the head says, float64[n, labels]."""
        torch = require("torch")
        out = np.empty((len(texts), len(LABELS[self.form])))
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            with torch.inference_mode():
                found = self.network(**self.inputs([texts[row] for row in rows])).logits
            out[rows] = found.float().cpu().numpy()
        return out

    def inputs(self, texts: Sequence[str]) -> Any:
        """Padded token ids and masks, on the network's device."""
        encoded = self.tokenizer(
            list(texts), return_tensors="pt", padding=True, truncation=True, max_length=self.max_length
        )
        return encoded.to(self.network.device)

    def settings(self) -> dict[str, Any]:
        """The pair, the form and the limits."""
        names = ("form", "max_length", "batch_size")
        return {"models": list(self.models), **{name: getattr(self, name) for name in names}}

    def write(self, folder: Path) -> None:
        """Network and tokenizer, in Hugging Face's layout."""
        write_checkpoint(self.network, self.tokenizer, folder)

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any], reference: Floats) -> BertScorer:
        """The scorer of such files; errors as for `from_checkpoint`."""
        strong, weak = settings["models"]
        options = {name: settings[name] for name in ("form", "max_length", "batch_size")}
        return replace(cls.from_checkpoint(folder, (strong, weak), **options), reference=reference)


def read_logits(logits: NDArray[np.floating], form: Form) -> Floats:
    """P(strong wins), float64[n], from logits [n, labels]: see `BertScorer` for the two forms."""
    values = logits.astype(np.float64)
    if form == "sigmoid":
        values = np.column_stack([values[:, 0], np.zeros(len(values))])  # sigmoid(x) = softmax([x, 0])[0]
    weights = np.exp(values - values.max(axis=1, keepdims=True))
    # the rest, and not the first share: the same rounding as RouteLLM's, and never above 1
    return np.asarray(1.0 - np.minimum(weights[:, 1:].sum(axis=1) / weights.sum(axis=1), 1.0))


def check_form(form: str, labels: int) -> None:
    """Whether a head with this many labels can have this form.

    Raises:
        ConfigurationError: it cannot.
    """
    if form not in LABELS:
        msg = f"form is {form!r}; it is one of {', '.join(LABELS)}"
        raise ConfigurationError(msg)
    if labels != len(LABELS[form]):
        msg = f"form {form!r} needs {len(LABELS[form])} labels, not {labels}; give the other form, or train it"
        raise ConfigurationError(msg)
