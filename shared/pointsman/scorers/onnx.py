"""A fine-tuned classifier in ONNX: the same win rates as the torch scorer, on onnxruntime and tokenizers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.onnx import OnnxNetwork, export_network
from pointsman.scorers.bert import Form, check_form, read_logits
from pointsman.scorers.stored import StoredPairScorer

if TYPE_CHECKING:
    from pointsman.scorers.bert import BertScorer

__all__ = ["OnnxScorer"]

Floats = NDArray[np.float64]
_MODEL, _TOKENIZER = "model.onnx", "tokenizer.json"


@dataclass(frozen=True, eq=False)
class OnnxScorer(StoredPairScorer):
    """P(strong wins) from a classifier that was exported by `from_bert`; see `BertScorer` for the two forms.

    Args:
        models: (strong, weak).
        network: from text to logits.
        form: what the logits mean.
        reference: win rates of some prompts, float64[r].
    """

    kind: ClassVar[str] = "bert_onnx"
    models: tuple[str, str]
    network: OnnxNetwork
    form: Form = "three_way"
    reference: Floats = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def from_bert(cls, scorer: BertScorer, *, quantize: bool = False) -> OnnxScorer:
        """Export a scorer. Its network is moved to the CPU.

        Args:
            scorer: trained.
            quantize: to int8: a quarter of the size, and win rates that differ by some hundredths. The reference stays
                that of the float network: take a new one with `with_reference` before asking for a share of calls.

        Raises:
            MissingExtraError: a package of the extra "onnx", or torch, is not installed.
        """
        scorer.network.cpu()
        example = dict(scorer.inputs(["two texts", "are an example to trace"]))
        network = export_network(scorer.network, example, scorer.tokenizer, scorer.max_length, quantize=quantize)
        return cls(scorer.models, network, scorer.form, scorer.reference)

    def strong_wins(self, texts: Sequence[str]) -> Floats:
        """P(strong wins), float64[n]."""
        return read_logits(self.network.run(texts), self.form)

    def settings(self) -> dict[str, Any]:
        """The pair, the form and the limits."""
        limits = {"max_length": self.network.max_length, "threads": self.network.threads}
        return {"models": list(self.models), "form": self.form, **limits}

    def write(self, folder: Path) -> None:
        """The model and its tokenizer."""
        (folder / _MODEL).write_bytes(self.network.model)
        (folder / _TOKENIZER).write_text(self.network.tokenizer, encoding="utf-8")

    @classmethod
    def open(cls, folder: Path, settings: Mapping[str, Any], reference: Floats) -> OnnxScorer:
        """The scorer of such files; errors as for `OnnxNetwork.run`."""
        strong, weak = settings["models"]
        tokenizer = (folder / _TOKENIZER).read_text(encoding="utf-8")
        network = OnnxNetwork((folder / _MODEL).read_bytes(), tokenizer, settings["max_length"], settings["threads"])
        check_form(settings["form"], network.width)
        return cls((strong, weak), network, settings["form"], reference)
