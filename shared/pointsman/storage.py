"""Routers to and from artifacts: what each kind of part writes, and how it is put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pointsman.artifacts import Artifact, read_shipped
from pointsman.embedders import ConcatEmbedder, Embedder, StaticEmbedder
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.errors import ArtifactCorruptError, ArtifactError
from pointsman.matching import KnownModel
from pointsman.policies import Always, Policy, QualityFloor, Threshold, Utility
from pointsman.pool import Candidate, Pool
from pointsman.query import Needs
from pointsman.scorers import MatrixFactorization, PromptLength, RandomScorer, Scorer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Parts", "pack_embedder", "pack_router", "unpack_router"]

Tensors = dict[str, "NDArray[Any]"]
_TENSORS = "router.safetensors"
_POLICIES: dict[str, type[Policy]] = {
    "always": Always,
    "quality_floor": QualityFloor,
    "threshold": Threshold,
    "utility": Utility,
}
_MF_ARRAYS = ("model_vectors", "projection", "bias", "head", "reference")


@dataclass
class Parts:
    """Files being gathered for an artifact."""

    tensors: Tensors = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def as_files(self) -> dict[str, bytes]:
        """All files, the tensors among them."""
        from safetensors.numpy import save

        arrays = {name: np.ascontiguousarray(array) for name, array in self.tensors.items()}
        return self.files | ({_TENSORS: save(arrays)} if arrays else {})


def pack_router(pool: Pool, scorer: Scorer, policy: Policy) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Settings and files of a router.

    Raises:
        ArtifactError: a part is of a kind that cannot be stored.
    """
    parts = Parts()
    settings = {"pool": _pack_pool(pool), "policy": _pack_policy(policy), "scorer": _pack_scorer(scorer, parts)}
    return settings, parts.as_files()


def unpack_router(artifact: Artifact) -> tuple[Pool, Scorer, Policy]:
    """The parts that `pack_router` stored.

    Raises:
        ArtifactError: a part is missing, damaged or of an unknown kind.
    """
    settings = artifact.manifest.settings
    tensors = artifact.tensors(_TENSORS) if _TENSORS in artifact.manifest.files else {}
    try:
        scorer = _unpack_scorer(settings["scorer"], tensors, artifact)
        return _unpack_pool(settings["pool"]), scorer, _unpack_policy(settings["policy"])
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{artifact.folder} does not hold a whole router ({error!r}); copy it again, or save it anew"
        raise ArtifactCorruptError(msg) from error


def _pack_pool(pool: Pool) -> dict[str, Any]:
    candidates = [
        {
            "name": c.name,
            "model": c.model,
            "provider": c.provider,
            "input_price": c.input_price,
            "output_price": c.output_price,
            "context_window": c.context_window,
            "abilities": asdict(c.abilities),
            "metadata": dict(c.metadata),
        }
        for c in pool
    ]
    return {"candidates": candidates, "strong": pool.strong, "weak": pool.weak}


def _unpack_pool(settings: Mapping[str, Any]) -> Pool:
    candidates = [Candidate(**c | {"abilities": Needs(**c["abilities"])}) for c in settings["candidates"]]
    return Pool(candidates, strong=settings["strong"], weak=settings["weak"])


def _pack_policy(policy: Policy) -> dict[str, Any]:
    for kind, cls in _POLICIES.items():
        if type(policy) is cls:
            return {"kind": kind, **asdict(cast("Any", policy))}
    msg = f"a {type(policy).__name__} cannot be saved; save with a policy of pointsman's, set yours after loading"
    raise ArtifactError(msg)


def _unpack_policy(settings: Mapping[str, Any]) -> Policy:
    return _POLICIES[settings["kind"]](**{key: value for key, value in settings.items() if key != "kind"})


def _pack_scorer(scorer: Scorer, parts: Parts) -> dict[str, Any]:
    if isinstance(scorer, RandomScorer):
        return {"kind": "random", "models": scorer.models, "seed": scorer.seed}
    if isinstance(scorer, PromptLength):
        return {"kind": "prompt_length", **asdict(scorer)}
    if isinstance(scorer, MatrixFactorization):
        parts.tensors |= {name: getattr(scorer, name) for name in _MF_ARRAYS}
        parts.tensors |= {} if scorer.prior is None else {"prior": scorer.prior}
        return {
            "kind": "mf",
            "models": [asdict(model) for model in scorer.known_models] or [{"name": name} for name in scorer.models],
            "quality_scale": scorer.quality_scale,
            "quality_offset": scorer.quality_offset,
            "link": scorer.link,
            "embedder": pack_embedder(scorer.embedder, parts),
        }
    msg = f"a {type(scorer).__name__} cannot be saved; save the data it was made from and build it anew"
    raise ArtifactError(msg)


def _unpack_scorer(settings: Mapping[str, Any], tensors: Tensors, artifact: Artifact) -> Scorer:
    kind = settings["kind"]
    if kind == "random":
        return RandomScorer(tuple(settings["models"]), settings["seed"])
    if kind == "prompt_length":
        return PromptLength(tuple(settings["models"]), settings["midpoint"], settings["slope"])
    if kind == "mf":
        known = tuple(KnownModel(**m | {"aliases": tuple(m.get("aliases", ()))}) for m in settings["models"])
        return MatrixFactorization(
            models=tuple(model.name for model in known),
            embedder=_unpack_embedder(settings["embedder"], tensors, artifact, "embedder"),
            quality_scale=settings["quality_scale"],
            quality_offset=settings["quality_offset"],
            link=settings["link"],
            prior=tensors.get("prior"),
            known_models=known,
            **{name: tensors[name] for name in _MF_ARRAYS},
        )
    msg = f"unknown kind of scorer {kind!r}"
    raise ValueError(msg)


def pack_embedder(embedder: Embedder, parts: Parts, path: str = "embedder") -> dict[str, Any]:
    """Settings of an embedder; its arrays and files go into `parts` under `path`.

    Raises:
        ArtifactError: it is of a kind that cannot be stored.
    """
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
    msg = f"a {type(embedder).__name__} cannot be saved; keep it, and pass it to Router(..., embedder=...)"
    raise ArtifactError(msg)


def _unpack_embedder(settings: Mapping[str, Any], tensors: Tensors, artifact: Artifact, path: str) -> Embedder:
    kind = settings["kind"]
    if kind == "surface":
        return SurfaceFeatures()
    if kind == "concat":
        parts = [_unpack_embedder(part, tensors, artifact, f"{path}.{i}") for i, part in enumerate(settings["parts"])]
        return ConcatEmbedder(parts, tensors[f"{path}.mean"], tensors[f"{path}.scale"], settings["clip"])
    if kind == "static" and "shipped" in settings:
        shipped = read_shipped(settings["shipped"], "embedder")
        if shipped.manifest.version != settings["version"]:
            msg = f"needs {settings['shipped']} {settings['version']}, and {shipped.manifest.version} is installed"
            raise ValueError(msg)
        return StaticEmbedder.from_artifact(shipped)
    if kind == "static":
        tokenizer = artifact.read_text(f"{path}.tokenizer.json")
        return StaticEmbedder.from_json(tokenizer, tensors[f"{path}.table"], tensors[f"{path}.scale"])
    msg = f"unknown kind of embedder {kind!r}"
    raise ValueError(msg)
