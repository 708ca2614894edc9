"""Embedders to and from artifacts, and the files of an artifact while it is gathered or read."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pointsman.artifacts import Artifact, read_shipped
from pointsman.embedders.base import Embedder
from pointsman.embedders.concat import ConcatEmbedder
from pointsman.embedders.static import StaticEmbedder
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.errors import ArtifactError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["TENSORS", "Parts", "Stored", "pack_embedder", "unpack_embedder"]

Tensors = dict[str, "NDArray[Any]"]
TENSORS = "router.safetensors"

_HEAVY = {
    "sentence_transformer": "SentenceTransformerEmbedder",
    "sentence_onnx": "OnnxSentenceEmbedder",
}
"""Kinds of `pointsman.embedders.sentence_transformer`, which is imported only to read them back."""


@dataclass
class Parts:
    """Files being gathered for an artifact."""

    tensors: Tensors = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    embedders: dict[int, str] = field(default_factory=dict)
    yours: bool = False

    def as_files(self) -> dict[str, bytes]:
        """All files, the tensors among them."""
        from safetensors.numpy import save

        arrays = {name: np.ascontiguousarray(array) for name, array in self.tensors.items()}
        return self.files | ({TENSORS: save(arrays)} if arrays else {})


@dataclass
class Stored:
    """What is read back from an artifact, with the embedders that are built already.

    `yours` is what stands in for an embedder that no artifact can hold.
    """

    artifact: Artifact
    tensors: Tensors
    yours: Embedder | None = None
    embedders: dict[str, Embedder] = field(default_factory=dict)


def pack_embedder(embedder: Embedder, parts: Parts, path: str = "embedder") -> dict[str, Any]:
    """Settings of an embedder; its arrays and files go into `parts` under `path`, once if several scorers share it.

    Of an embedder that is not one of these, another framework's or your own, only what it is called and what decides
    its vectors is kept; it is to be given again when the router is loaded.

    Raises:
        ArtifactError: two such embedders are in one router.
    """
    embedder = getattr(embedder, "uncached", embedder)
    if id(embedder) in parts.embedders:
        return {"kind": "shared", "path": parts.embedders[id(embedder)]}
    parts.embedders[id(embedder)] = path
    if isinstance(embedder, SurfaceFeatures):
        return {"kind": "surface"}
    if isinstance(embedder, ConcatEmbedder):
        parts.tensors |= {f"{path}.mean": embedder.mean, f"{path}.scale": embedder.scale}
        packed = [pack_embedder(part, parts, f"{path}.{i}") for i, part in enumerate(embedder.parts)]
        return {"kind": "concat", "clip": embedder.clip, "parts": packed}
    if isinstance(embedder, StaticEmbedder):
        if embedder.shipped_as is not None:
            return {"kind": "static", "shipped": embedder.shipped_as, "version": embedder.version}
        parts.tensors |= {f"{path}.table": embedder.table, f"{path}.scale": embedder.scale}
        parts.files[f"{path}.tokenizer.json"] = embedder.tokenizer.to_str().encode()
        return {"kind": "static"}
    kind = getattr(embedder, "kind", "")
    if _HEAVY.get(kind) == type(embedder).__name__:
        settings, tensors = cast("Any", embedder).to_state()
        parts.tensors |= {f"{path}.{name}": array for name, array in tensors.items()}
        return {"kind": kind, **settings}
    if parts.yours:
        msg = (
            f"a {type(embedder).__name__} and another embedder of yours cannot be saved in one router; use one for all"
        )
        raise ArtifactError(msg)
    parts.yours = True
    return {"kind": "yours", **_facts(embedder)}


def _facts(embedder: Embedder) -> dict[str, Any]:
    """What must be the same when the embedder is given again."""
    named = {name: str(getattr(embedder, name, "")) for name in ("name", "fingerprint")}
    return {"class": type(embedder).__name__, "dim": embedder.dim, **named}


def _given_again(settings: Mapping[str, Any], yours: Embedder | None) -> Embedder:
    """The embedder that stands in for one that was not stored.

    Raises:
        ArtifactError: there is none, or it is another.
    """
    wanted = {name: settings[name] for name in ("class", "dim", "name", "fingerprint")}
    if yours is None:
        msg = f"the router was trained on vectors of {_told(wanted)}; pass it again: Router.load(folder, embedder=...)"
        raise ArtifactError(msg)
    yours = getattr(yours, "uncached", yours)
    found = _facts(yours)
    if found != wanted:
        msg = f"the router was trained on vectors of {_told(wanted)}, and {_told(found)} was given; give that one"
        raise ArtifactError(msg)
    return yours


def _told(facts: Mapping[str, Any]) -> str:
    said = ", ".join(text for text in (facts["name"], facts["fingerprint"], f"{facts['dim']} numbers") if text)
    return f"a {facts['class']} ({said})"


def unpack_embedder(settings: Mapping[str, Any], stored: Stored, path: str) -> Embedder:
    """The embedder that `pack_embedder` described.

    Raises:
        KeyError, TypeError, ValueError: the description is not whole.
        ArtifactError: a file is missing or damaged.
    """
    if settings["kind"] == "shared":
        return stored.embedders[settings["path"]]
    stored.embedders[path] = _build_embedder(settings, stored, path)
    return stored.embedders[path]


def _build_embedder(settings: Mapping[str, Any], stored: Stored, path: str) -> Embedder:
    kind, tensors = settings["kind"], stored.tensors
    if kind == "yours":
        return _given_again(settings, stored.yours)
    if kind == "surface":
        return SurfaceFeatures()
    if kind == "concat":
        parts = [unpack_embedder(part, stored, f"{path}.{i}") for i, part in enumerate(settings["parts"])]
        joined = ConcatEmbedder(parts, tensors[f"{path}.mean"], tensors[f"{path}.scale"], settings["clip"])
        if joined.mean.shape != (joined.dim,):
            msg = f"vectors of length {joined.dim} are standardised by {joined.mean.shape} numbers"
            raise ValueError(msg)
        return joined
    if kind == "static" and "shipped" in settings:
        shipped = read_shipped(settings["shipped"], "embedder")
        if shipped.manifest.version != settings["version"]:
            msg = f"needs {settings['shipped']} {settings['version']}, and {shipped.manifest.version} is installed"
            raise ValueError(msg)
        return StaticEmbedder.from_artifact(shipped)
    if kind == "static":
        tokenizer = stored.artifact.read_text(f"{path}.tokenizer.json")
        return StaticEmbedder.from_json(tokenizer, tensors[f"{path}.table"], tensors[f"{path}.scale"])
    if kind in _HEAVY:
        cls = getattr(import_module("pointsman.embedders.sentence_transformer"), _HEAVY[kind])
        own = {name[len(path) + 1 :]: array for name, array in tensors.items() if name.startswith(f"{path}.")}
        opened: Embedder = cls.from_state(settings, own)
        return opened
    msg = f"unknown kind of embedder {kind!r}"
    raise ValueError(msg)
