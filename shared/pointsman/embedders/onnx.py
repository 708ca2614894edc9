"""Encoders in ONNX: served by onnxruntime and tokenizers alone, without torch."""

from __future__ import annotations

import importlib
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ArtifactCorruptError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OnnxNetwork", "export_network"]

_EXTRA = "onnx"


@dataclass(frozen=True, eq=False)
class OnnxNetwork:
    """A network from text to a row of numbers.

    Texts are run one at a time: on a CPU padding costs more than batching saves, and so a row depends on its own text
    alone, down to the last bit, in int8 as well.

    Args:
        model: an ONNX model whose first output is [batch, width]; inputs among input_ids, attention_mask and
            token_type_ids.
        tokenizer: JSON of the `tokenizers` package.
        max_length: tokens read of a text, special ones included; what is over is cut at the end.
        threads: of one run; all cores if 0.
    """

    model: bytes
    tokenizer: str
    max_length: int
    threads: int = 1

    def run(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The rows, float32[n, width].

        Raises:
            MissingExtraError: onnxruntime is not installed.
            ArtifactCorruptError: the model or the tokenizer cannot be read.
        """
        rows = [self.session.run(None, self._inputs(text))[0][0] for text in texts]
        return np.array(rows, dtype=np.float32).reshape(len(texts), self.width)

    @property
    def room(self) -> int:
        """Tokens of a text that are read, without the special ones."""
        return self.max_length - int(self._tokenizer.num_special_tokens_to_add(is_pair=False))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token of the whole text begins and ends, in characters; without special tokens."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return [span for part in (encoding, *encoding.overflowing) for span in part.offsets]

    @cached_property
    def session(self) -> Any:
        """The open model."""
        runtime = _require("onnxruntime")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        failures = runtime.capi.onnxruntime_pybind11_state
        try:
            return runtime.InferenceSession(self.model, options, providers=["CPUExecutionProvider"])
        except (failures.Fail, failures.InvalidGraph, failures.InvalidProtobuf, failures.NotImplemented) as error:
            msg = f"onnxruntime cannot open the model ({error}); export it again, or upgrade onnxruntime"
            raise ArtifactCorruptError(msg) from error

    @cached_property
    def width(self) -> int:
        """Length of a row."""
        return int(self.session.get_outputs()[0].shape[-1])

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_str(self.tokenizer)
        except Exception as error:  # the Rust side raises a bare Exception for any malformed file
            msg = f"not a tokenizer ({error}); export the network again"
            raise ArtifactCorruptError(msg) from error
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.max_length)
        return tokenizer

    def _inputs(self, text: str) -> dict[str, NDArray[np.int64]]:
        encoding = self._tokenizer.encode(text)
        known = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        names = [node.name for node in self.session.get_inputs()]
        return {name: np.array([known[name]], dtype=np.int64) for name in names}


def export_network(
    network: Any, inputs: Mapping[str, Any], tokenizer: Any, max_length: int, *, quantize: bool = False
) -> OnnxNetwork:
    """Turn a torch network into ONNX.

    Args:
        network: a torch module that takes `inputs` by name, and whose first output is [batch, width].
        inputs: an example, int64[batch, length] each, with batch and length of 2 at least.
        tokenizer: the fast tokenizer of transformers that made them.
        max_length: tokens read of a text.
        quantize: store the weights as int8 and multiply in int8, scaled by each text's own range.

    Raises:
        MissingExtraError: onnx, onnxscript, onnxruntime or torch is not installed.
    """
    torch = _require("torch")
    for name in ("onnx", "onnxscript", "onnxruntime"):
        _require(name)
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", max=max_length)}
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about its own use of torch
        path = Path(scratch) / "model.onnx"
        torch.onnx.export(
            network.eval().cpu(),
            (),
            str(path),
            kwargs=dict(inputs),
            dynamo=True,
            dynamic_shapes=dict.fromkeys(inputs, axes),
            external_data=False,
            verbose=False,
        )
        if quantize:
            path = _quantize(path)
        return OnnxNetwork(path.read_bytes(), tokenizer.backend_tokenizer.to_str(), max_length)


def _quantize(path: Path) -> Path:
    """The model with int8 weights, beside the one given."""
    onnx, quantization = _require("onnx"), _require("onnxruntime.quantization")
    model = onnx.load(path)
    model.graph.ClearField("value_info")  # the exporter's notes on shapes, which its own optimiser has outdated
    small = path.with_name("int8.onnx")
    # a scale per column keeps most of the accuracy; 7 bits, or sums overflow on processors without VNNI instructions
    int8 = quantization.QuantType.QInt8
    quantization.quantize_dynamic(model, small, weight_type=int8, per_channel=True, reduce_range=True)
    return small


def _require(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(module.partition(".")[0], _EXTRA) from error
