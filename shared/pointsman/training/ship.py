"""Rebuilds what ships in the wheel: ``python -m pointsman.training.ship --data ../shared/data``.

Two artifacts come out: ``minilm-static``, the embedder, and ``default``, the router. Both are written whole or not at
all, so an interrupted run leaves the old ones as they were. With ``--check`` nothing is written; the rebuilt files are
compared with the committed ones instead. With OMP_NUM_THREADS=1 a rebuild on the same machine has the same bytes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pointsman import artifacts
from pointsman.artifacts import read_artifact, write_artifact
from pointsman.costs.prices import find_price
from pointsman.data.sources import Corpus, load_corpus
from pointsman.embedders import StaticEmbedder
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.errors import PointsmanError, UnknownPriceError
from pointsman.policies import Threshold
from pointsman.pool import Candidate, Pool
from pointsman.router import Router
from pointsman.storage import pack_router
from pointsman.training.cards import TEACHER_LICENCES, embedder_card, licences_of, router_card
from pointsman.training.default import build_scorer, fit_default, read_features
from pointsman.training.distill import DIMENSIONS, SIF_COEFFICIENT, distill_minilm
from pointsman.training.rasch import FitSettings
from pointsman.training.report import Row, leave_one_source_out

__all__ = ["main", "ship"]

EMBEDDER, ROUTER = "minilm-static", "default"
PAIR = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18")
STRONG_SHARE = 0.5
TOLERANCE = 1e-4
"""Largest difference in a win rate between a rebuild on another machine and the committed router."""


def ship(data: str | Path | None, out: Path, seed: int) -> None:
    """Build both artifacts into a folder.

    Args:
        data: folder of outcome tables; None for the default place.
        out: where to; artifacts that are there are replaced once everything has been built.
        seed: draws the reference prompts and the pairs and samples of the report; the fit has no chance in it.

    Raises:
        DataError: a table is absent or malformed.
        MissingExtraError: a package of the "train" extra is not installed.
        ArtifactError: `out` holds other things.
    """
    _say("reading outcome tables")
    corpus = load_corpus(data)
    _say(f"{len(corpus):,} prompts, {len(corpus.models)} models; distilling the embedder (half a minute)")
    distilled = distill_minilm()
    embedder = StaticEmbedder.from_json(distilled.tokenizer, distilled.table, distilled.scale)
    _say("reading prompts")
    features = read_features(embedder, corpus.prompts)
    settings = FitSettings()
    report = leave_one_source_out(corpus, features, settings, seed, _say)
    _say("fitting the router on every source")
    fitted = fit_default(corpus, features, np.ones(len(corpus), dtype=bool), settings)
    _say("writing")
    shipped = _write_embedder(out / EMBEDDER, embedder, seed)
    scorer = build_scorer(corpus, features, shipped, fitted, settings, seed)
    pool = Pool.pair(*(_with_list_price(name) for name in PAIR))
    threshold = round(Router(pool, scorer, Threshold(0.5)).threshold_for_share(STRONG_SHARE), 6)
    packed, files = pack_router(pool, scorer, Threshold(threshold))
    write_artifact(
        out / ROUTER,
        files,
        kind="router",
        name=ROUTER,
        settings=packed,
        training=_provenance(corpus, settings, seed, report),
    )
    card = router_card(corpus, settings, seed, report, SurfaceFeatures().dim)
    (out / ROUTER / "README.md").write_text(card, encoding="utf-8")


def _with_list_price(model: str) -> Candidate:
    """A candidate that holds what the price tables say today, so that the router's own pool need not read them."""
    listed = find_price(model)
    if listed is None:
        msg = f"the price tables do not know {model}; upgrade genai-prices"
        raise UnknownPriceError(msg)
    return Candidate(model, input_price=listed.input, output_price=listed.output, context_window=listed.context_window)


def _write_embedder(folder: Path, embedder: StaticEmbedder, seed: int) -> StaticEmbedder:
    from safetensors.numpy import save

    files = {
        "embedder.safetensors": save({"table": embedder.table, "scale": np.asarray(embedder.scale)}),
        "tokenizer.json": embedder.tokenizer.to_str().encode(),
    }
    settings = {"dimensions": DIMENSIONS, "vocabulary": len(embedder.table)}
    (teacher,) = TEACHER_LICENCES
    training = {"teacher": teacher, "method": "model2vec", "sif": SIF_COEFFICIENT, "licences": TEACHER_LICENCES}
    artifact = write_artifact(folder, files, kind="embedder", name=EMBEDDER, settings=settings, training=training)
    (folder / "README.md").write_text(embedder_card(settings, seed), encoding="utf-8")
    return StaticEmbedder.from_artifact(artifact)


def _provenance(corpus: Corpus, settings: FitSettings, seed: int, report: Sequence[Row]) -> dict[str, Any]:
    sources, counts = np.unique(corpus.sources, return_counts=True)
    return {
        "prompts": {str(source): int(count) for source, count in zip(sources, counts, strict=True)},
        "models": len(corpus.models),
        "outcomes": int(np.isfinite(corpus.scores).sum()),
        "data": list(corpus.files),
        "licences": licences_of(corpus) | TEACHER_LICENCES,
        "settings": asdict(settings),
        "seed": seed,
        "held_out": [asdict(row) for row in report],
    }


def compare(committed: Path, rebuilt: Path) -> list[str]:
    """What differs between two folders of artifacts, one line each; none if they agree to 1e-4 in win rate."""
    names = [f"{part}/{path.name}" for part in (EMBEDDER, ROUTER) for path in sorted((rebuilt / part).iterdir())]
    differing = [
        name
        for name in names
        if not (committed / name).is_file() or (committed / name).read_bytes() != (rebuilt / name).read_bytes()
    ]
    if not differing:
        return []
    old, new = (_reference_rates(folder) for folder in (committed, rebuilt))
    gap = float(np.abs(old - new).max()) if old.shape == new.shape else float("inf")
    if gap <= TOLERANCE:
        _say(f"not the same bytes ({', '.join(differing)}), but the same win rates to {gap:.1e}")
        return []
    return [f"{name} differs" for name in differing] + [f"win rates differ by up to {gap:.2g}"]


def _reference_rates(folder: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    tensors = read_artifact(folder / ROUTER, "router").tensors("router.safetensors", ("reference", "model_vectors"))
    difficulty = tensors["reference"].astype(np.float64)[:, :2]
    scores = difficulty @ tensors["model_vectors"].astype(np.float64)[:, :2].T
    return np.asarray(1 / (1 + np.exp(-scores)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 on success, 1 if a check finds a difference, 2 on bad input, 130 when interrupted."""
    parser = argparse.ArgumentParser(prog="python -m pointsman.training.ship", description="Rebuild what ships.")
    parser.add_argument("--data", default=None, help="outcome tables (default: POINTSMAN_DATA, ../shared/data)")
    parser.add_argument("--out", type=Path, default=Path(artifacts.__file__).parent / "assets", help="where to write")
    parser.add_argument("--seed", type=int, default=0, help="for reference prompts and intervals (default: 0)")
    parser.add_argument("--check", action="store_true", help="write nothing; compare a rebuild with what is there")
    options = parser.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        beside = None if options.check else options.out  # on the same disk, so that a finished folder only moves
        with tempfile.TemporaryDirectory(dir=beside, prefix=".building-") as scratch:
            ship(options.data, Path(scratch), options.seed)
            if options.check:
                differences = compare(options.out, Path(scratch))
                _say("\n".join(differences) or "a rebuild gives what is there")
                return 1 if differences else 0
            for name in (EMBEDDER, ROUTER):
                _replace(Path(scratch) / name, options.out / name)
    except PointsmanError as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        _say("interrupted; what was there is untouched")
        return 130
    return 0


def _replace(fresh: Path, target: Path) -> None:
    """Put a finished folder in the place of another, which goes with the scratch folder."""
    if target.exists():
        target.replace(fresh.with_name(f"old-{target.name}"))
    fresh.replace(target)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
