"""Any sentence-transformers model as an embedder, in torch or in ONNX."""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pointsman.embedders.long_text import LongText, check_long_text, encode_pieces
from pointsman.embedders.onnx import OnnxNetwork, export_network
from pointsman.errors import ArtifactError, ConfigurationError, MissingExtraError

__all__ = ["OnnxSentenceEmbedder", "SentenceTransformerEmbedder"]

Vectors = NDArray[np.float32]

_SAMPLED = 64


@dataclass(frozen=True, eq=False)
class SentenceTransformerEmbedder:
    """Vectors of a sentence-transformers model.

    A text that is longer than the model reads is cut, or read in windows of that many tokens: see
    `pointsman.embedders.long_text.encode_pieces`.

    Args:
        model: a `sentence_transformers.SentenceTransformer`; `load` opens one by name.
        long_text: "truncate" or "mean_chunks".
        batch_size: texts to a forward pass.
        source: where `load` found it.
        revision: of the hub.

    Raises:
        ConfigurationError: `long_text` is none of these, or the model's tokenizer is a slow one.
    """

    kind: ClassVar[str] = "sentence_transformer"
    model: Any
    long_text: LongText = "truncate"
    batch_size: int = 32
    source: str = ""
    revision: str | None = None

    def __post_init__(self) -> None:
        check_long_text(self.long_text)
        if not getattr(self.model.tokenizer, "is_fast", False):
            msg = "the model has a slow tokenizer, which cannot say where a text is to be cut; give another model"
            raise ConfigurationError(msg)

    @classmethod
    def load(
        cls,
        source: str,
        *,
        long_text: LongText = "truncate",
        batch_size: int = 32,
        backend: str = "torch",
        device: str | None = None,
        revision: str | None = None,
        **options: Any,
    ) -> SentenceTransformerEmbedder:
        """Open a model. No code of the checkpoint is run.

        Args:
            source: a local folder, or a name on the hub.
            long_text: "truncate" or "mean_chunks".
            batch_size: texts to a forward pass.
            backend: "torch", or "onnx" for a model that was published in ONNX (sentence-transformers then wants
                optimum); to make an ONNX model of any, see `to_onnx`.
            device: where it runs; the best there is if not given.
            revision: of the hub.
            options: passed on to `SentenceTransformer`.

        Raises:
            ConfigurationError: the folder names modules of its own, which would have to be run.
            MissingExtraError: sentence-transformers, or what the backend needs, is not installed.
        """
        if not options.get("trust_remote_code"):
            _refuse_code(source)
        try:
            library = importlib.import_module("sentence_transformers")
            model = library.SentenceTransformer(source, backend=backend, device=device, revision=revision, **options)
        except ImportError as error:
            raise MissingExtraError(error.name or "sentence-transformers", "torch") from error
        return cls(model, long_text, batch_size, source, revision)

    @property
    def name(self) -> str:
        """How caches name the model; empty if it was not opened by `load`."""
        return f"{self.source}@{self.revision}" if self.revision else self.source

    @property
    def fingerprint(self) -> str:
        """What decides a vector beside the model's name: caches keep apart by it."""
        return f"{self.long_text} {_window(self.model)} {self._weights}"

    @cached_property
    def _weights(self) -> str:
        """A hash over some numbers of every weight: training changes them all, and to read all would take long."""
        digest = hashlib.blake2b(digest_size=16)
        for parameter in self.model.parameters():
            flat = parameter.detach().flatten()
            some = flat[:: max(1, len(flat) // _SAMPLED)][:_SAMPLED]
            digest.update(some.float().cpu().numpy().astype("<f4").tobytes())
        return digest.hexdigest()

    @cached_property
    def dim(self) -> int:
        """Length of a vector."""
        # renamed in sentence-transformers 5.2; the old name warns there
        current = getattr(self.model, "get_embedding_dimension", None) or self.model.get_sentence_embedding_dimension
        return int(current())

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors float32[n, dim]; a blank text is the zero vector."""
        return encode_pieces(texts, self._split, self._encode, self.dim, self.long_text)

    def to_onnx(self, *, quantize: bool = False) -> OnnxSentenceEmbedder:
        """The same embedder in ONNX, which needs onnxruntime alone. The model is moved to the CPU.

        Args:
            quantize: to int8: a quarter of the size, two to four times as fast, vectors that differ a little.

        Raises:
            MissingExtraError: a package of the extra "onnx" is not installed.
        """
        torch = importlib.import_module("torch")
        tokenizer, length = self.model.tokenizer, _window(self.model)
        self.model.cpu()
        encoded = tokenizer(["two texts", "are an example to trace"], padding=True, return_tensors="pt")
        inputs = {name: encoded[name] for name in tokenizer.model_input_names}
        bare = type("Bare", (torch.nn.Module,), {"forward": _sentence_embedding})()
        bare.model = self.model
        network = export_network(bare, inputs, tokenizer, length, quantize=quantize)
        return OnnxSentenceEmbedder(network, self.long_text, f"{self.name}#{'int8' if quantize else 'onnx'}")

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Settings and arrays from which `from_state` opens it again: where it was found and what it was, not itself.

        Raises:
            ArtifactError: it was not opened by `load`.
        """
        if not self.source:
            msg = "a sentence-transformers model that was passed as an object cannot be saved; open it with load"
            raise ArtifactError(msg)
        found = {name: getattr(self, name) for name in ("source", "revision", "long_text", "batch_size")}
        return {**found, "max_length": _window(self.model), "weights": self._weights}, {}

    @classmethod
    def from_state(
        cls,
        settings: Mapping[str, Any],
        tensors: Mapping[str, NDArray[Any]],  # noqa: ARG003  # it has none; the same call for every kind
    ) -> SentenceTransformerEmbedder:
        """The embedder that `to_state` described; errors as for `load`.

        Raises:
            ValueError: another model lies at that place now.
        """
        names = ("revision", "long_text", "batch_size")
        opened = cls.load(settings["source"], **{name: settings[name] for name in names})
        opened.model.max_seq_length = settings["max_length"]
        if opened._weights != settings["weights"]:  # noqa: SLF001  # its own class
            msg = f"{settings['source']} has other weights now than when the router was trained"
            raise ValueError(msg)
        return opened

    def _encode(self, pieces: list[str]) -> Vectors:
        vectors: Vectors = self.model.encode(
            pieces, batch_size=self.batch_size, convert_to_numpy=True, show_progress_bar=False
        )
        return vectors

    def _split(self, text: str) -> list[str]:
        tokenizer, size = self.model.tokenizer, _window(self.model)
        encoded = tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, truncation=False, verbose=False
        )
        return _windows(text, encoded["offset_mapping"], size - tokenizer.num_special_tokens_to_add())


@dataclass(frozen=True, eq=False)
class OnnxSentenceEmbedder:
    """Vectors of a sentence-transformers model that was exported by `SentenceTransformerEmbedder.to_onnx`.

    Args:
        network: from text to vector.
        long_text: "truncate" or "mean_chunks".
        name: how caches and records name the model.
    """

    kind: ClassVar[str] = "sentence_onnx"
    network: OnnxNetwork
    long_text: LongText = "truncate"
    name: str = ""

    def __post_init__(self) -> None:
        check_long_text(self.long_text)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.network.width

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Vectors float32[n, dim]; a blank text is the zero vector."""
        return encode_pieces(texts, self._split, self.network.run, self.dim, self.long_text)

    @cached_property
    def fingerprint(self) -> str:
        """What decides a vector beside the model's name: caches keep apart by it."""
        network = self.network
        content = hashlib.blake2b(network.model + network.tokenizer.encode(), digest_size=16).hexdigest()
        return f"{self.long_text} {network.max_length} {content}"

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Settings and arrays from which `from_state` makes it again; the model is among them, as bytes."""
        network = self.network
        settings = {"max_length": network.max_length, "threads": network.threads, "tokenizer": network.tokenizer}
        model = {"model": np.frombuffer(network.model, dtype=np.uint8)}
        return {**settings, "long_text": self.long_text, "name": self.name}, model

    @classmethod
    def from_state(cls, settings: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> OnnxSentenceEmbedder:
        """The embedder that `to_state` took apart."""
        limits = {name: settings[name] for name in ("tokenizer", "max_length", "threads")}
        return cls(OnnxNetwork(tensors["model"].tobytes(), **limits), settings["long_text"], settings["name"])

    def _split(self, text: str) -> list[str]:
        return _windows(text, self.network.offsets(text), self.network.room)


def _refuse_code(source: str) -> None:
    """Before its version 6, sentence-transformers runs the code that a local folder's modules.json names.

    Raises:
        ConfigurationError: it names some.
    """
    listed = Path(source) / "modules.json"
    if not listed.is_file():
        return
    modules = json.loads(listed.read_text(encoding="utf-8"))
    own = [each["type"] for each in modules if not each["type"].startswith("sentence_transformers.")]
    if own:
        msg = f"{source} names code of its own, {', '.join(own)}; read it, then pass trust_remote_code=True to run it"
        raise ConfigurationError(msg)


def _sentence_embedding(self: Any, input_ids: Any, attention_mask: Any, token_type_ids: Any = None) -> Any:
    """Names each input: the exporter wants to see them."""
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
    if token_type_ids is not None:
        inputs["token_type_ids"] = token_type_ids
    return self.model.forward(inputs)["sentence_embedding"]


def _window(model: Any) -> int:
    """Tokens that the model reads, special ones included."""
    limit = model.max_seq_length
    return int(limit) if limit is not None else 512


def _windows(text: str, offsets: Sequence[tuple[int, int]], size: int) -> list[str]:
    """The text in windows of `size` tokens; each begins where a token does, none of the text is lost."""
    starts = [offsets[token][0] for token in range(0, len(offsets), size)][1:]
    return [text[a:b] for a, b in zip([0, *starts], [*starts, len(text)], strict=True)]
