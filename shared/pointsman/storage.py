"""Routers to and from artifacts: what each kind of part writes, and how it is put together again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from pointsman.artifacts import Artifact
from pointsman.calibrated import Calibration
from pointsman.embedders.storage import TENSORS, Parts, Stored, pack_embedder, unpack_embedder
from pointsman.errors import ArtifactCorruptError, ArtifactError
from pointsman.policies import Always, Policy, QualityFloor, QualityMargin, Threshold, Utility
from pointsman.pool import Candidate, Pool
from pointsman.query import Needs
from pointsman.scorers import Scorer
from pointsman.scorers.registry import scorer_class
from pointsman.scorers.state import State, StorableScorer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pointsman.embedders.base import Embedder

__all__ = ["pack_router", "unpack_router"]

_CALIBRATION = "calibration."
_POLICIES: dict[str, type[Policy]] = {
    "always": Always,
    "quality_floor": QualityFloor,
    "quality_margin": QualityMargin,
    "threshold": Threshold,
    "utility": Utility,
}


def pack_router(
    pool: Pool, scorer: Scorer, policy: Policy, calibration: Calibration | None = None
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Settings and files of a router.

    Raises:
        ArtifactError: a part is of a kind that cannot be stored.
    """
    parts = Parts()
    settings = {"pool": _pack_pool(pool), "policy": _pack_policy(policy), "scorer": _pack_scorer(scorer, parts)}
    if calibration is not None:
        settings["calibration"] = calibration.as_dict() | {"policy": _pack_policy(calibration.policy)}
        parts.tensors |= {f"{_CALIBRATION}{name}": array for name, array in calibration.arrays().items()}
    return settings, parts.as_files()


def unpack_router(
    artifact: Artifact, embedder: Embedder | None = None
) -> tuple[Pool, Scorer, Policy, Calibration | None]:
    """The parts that `pack_router` stored.

    Args:
        artifact: of a router.
        embedder: what stands in for one that could not be stored.

    Raises:
        ArtifactError: a part is missing, damaged or of an unknown kind.
    """
    settings = artifact.manifest.settings
    tensors = artifact.tensors(TENSORS) if TENSORS in artifact.manifest.files else {}
    try:
        scorer = _unpack_scorer(settings["scorer"], Stored(artifact, tensors, embedder))
        calibration = _unpack_calibration(settings["calibration"], tensors) if "calibration" in settings else None
        if not all(isinstance(name, str) for name in scorer.models):
            msg = f"the scorer's models are {scorer.models!r}"
            raise TypeError(msg)
        return _unpack_pool(settings["pool"]), scorer, _unpack_policy(settings["policy"]), calibration
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:  # settings of other types, too
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
            "reply_tokens": c.reply_tokens,
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


def _unpack_calibration(settings: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Calibration:
    cut = len(_CALIBRATION)
    arrays = {name[cut:]: array for name, array in tensors.items() if name.startswith(_CALIBRATION)}
    return Calibration.from_parts(_unpack_policy(settings["policy"]), settings, arrays)


def _pack_scorer(scorer: Scorer, parts: Parts, path: str = "") -> dict[str, Any]:
    if not isinstance(scorer, StorableScorer) or scorer_class(scorer.kind) is not type(scorer):
        msg = f"a {type(scorer).__name__} cannot be saved; save the data it was made from and build it anew"
        raise ArtifactError(msg)
    state = scorer.to_state()
    parts.tensors |= {f"{path}{name}": array for name, array in state.tensors.items()}
    packed = {"kind": scorer.kind, **state.settings}
    if state.embedder is not None:
        packed["embedder"] = pack_embedder(state.embedder, parts, f"{path}embedder")
    if state.members:
        packed["members"] = [_pack_scorer(m, parts, f"{path}{i}.") for i, m in enumerate(state.members)]
    return packed


def _unpack_scorer(settings: Mapping[str, Any], stored: Stored, path: str = "") -> Scorer:
    cls = scorer_class(settings["kind"])
    if cls is None:
        msg = f"unknown kind of scorer {settings['kind']!r}"
        raise ValueError(msg)
    tensors = {name[len(path) :]: array for name, array in stored.tensors.items() if name.startswith(path)}
    embedder = unpack_embedder(settings["embedder"], stored, f"{path}embedder") if "embedder" in settings else None
    members = [_unpack_scorer(member, stored, f"{path}{i}.") for i, member in enumerate(settings.get("members", ()))]
    return cls.from_state(State(settings, tensors, embedder, tuple(members)))
