"""Saved routers come back the same, and damage is named."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from pointsman import (
    Always,
    Candidate,
    Needs,
    Pool,
    PromptLength,
    QualityFloor,
    QualityMargin,
    RandomScorer,
    Router,
    Threshold,
    Utility,
    load_router,
)
from pointsman.artifacts import read_artifact
from pointsman.embedders import ConcatEmbedder
from pointsman.embedders.surface import SurfaceFeatures
from pointsman.errors import (
    ArtifactCorruptError,
    ArtifactError,
    ArtifactNotFoundError,
    ArtifactVersionError,
    ConfigurationError,
)
from pointsman.scorers import Ensemble
from tests.support.core import pair, tiny_embedder, tiny_mf

PROMPTS = ["hello world", "prove that two is even", ""]


def concat_mf():
    parts = [tiny_embedder(), SurfaceFeatures()]
    dim = sum(part.dim for part in parts)
    rng = np.random.default_rng(3)
    embedder = ConcatEmbedder(parts, rng.normal(size=dim).astype(np.float32), np.ones(dim, dtype=np.float32))
    mf = tiny_mf()
    projection = rng.normal(size=(dim, 4)).astype(np.float32)
    return type(mf)(mf.models, embedder, mf.model_vectors, projection, mf.bias, mf.head)


@pytest.mark.parametrize("scorer", [RandomScorer(seed=4), PromptLength(midpoint=7.0), tiny_mf(), concat_mf()])
@pytest.mark.parametrize(
    "policy", [Threshold(0.3), Utility(0.2), QualityFloor(0.4), QualityMargin(0.1), Always("weak")]
)
def test_a_router_comes_back_the_same(tmp_path, scorer, policy):
    router = Router(pair(abilities=Needs(tools=True), metadata={"a": 1}), scorer, policy, name="mine")
    router.save(tmp_path / "r")
    loaded = Router.load(tmp_path / "r")
    assert loaded.pool == router.pool
    assert loaded.policy == router.policy
    for before, after in zip(router.decide_batch(PROMPTS), loaded.decide_batch(PROMPTS), strict=True):
        assert (before.candidate, before.win_rate, before.quality) == (after.candidate, after.win_rate, after.quality)
    assert after.router == "mine"
    assert len(after.router_version) == 12


def test_saving_again_replaces_and_keeps_the_card(tmp_path):
    Router(pair(), RandomScorer(seed=1), Threshold(0.5)).save(tmp_path / "r")
    (tmp_path / "r" / "README.md").write_text("card")
    Router(pair(), RandomScorer(seed=2), Threshold(0.5)).save(tmp_path / "r")
    assert Router.load(tmp_path / "r").scorer.seed == 2
    assert (tmp_path / "r" / "README.md").read_text() == "card"
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


@pytest.mark.parametrize("cut_off", [1, 2])
def test_saving_that_is_cut_off_leaves_the_old_one(saved, monkeypatch, cut_off):
    """Between the old one's leaving and the new one's coming, too."""
    version, replaced, moves = Router.load(saved).version, Path.replace, []

    def interrupted(path, target):
        moves.append(path)
        if len(moves) == cut_off:
            raise KeyboardInterrupt
        return replaced(path, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Router(pair(), RandomScorer(), Threshold(0.5)).save(saved)
    monkeypatch.undo()
    assert Router.load(saved).version == version
    assert [path.name for path in saved.parent.iterdir()] == ["r"]


def test_the_current_folder_is_no_place_for_a_router(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=r"is the current folder, .* such as \./custom"):
        Router(pair(), RandomScorer(), Threshold(0.5)).save(".")


def test_a_link_goes_on_pointing_at_the_router(saved):
    link = saved.with_name("current")
    link.symlink_to(saved)
    Router(pair(), RandomScorer(seed=2), Threshold(0.5)).save(link)
    assert link.is_symlink()
    assert Router.load(saved).scorer.seed == 2


def test_a_router_keeps_what_it_was_made_from(tmp_path):
    made_from = {"data": [{"file": "d.csv", "sha256": "0" * 64}], "licences": ["MIT"], "seed": 3}
    version = Router(pair(), RandomScorer(), Threshold(0.5)).save(tmp_path / "r", training=made_from)
    assert read_artifact(tmp_path / "r", "router").manifest.training == made_from
    assert Router.load(tmp_path / "r").version == version


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtifactError, match="other things"):
        Router(pair(), RandomScorer(), Threshold(0.5)).save(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_what_cannot_be_stored_says_what_to_do(tmp_path):
    class Own:
        models = ("strong", "weak")

        def quality(self, texts):
            return np.zeros((len(texts), 2))

        def win_rate(self, texts, strong, weak):
            return np.zeros(len(texts))

    with pytest.raises(ArtifactError, match="Own cannot be saved"):
        Router(pair(), Own(), Threshold(0.5)).save(tmp_path / "r")
    assert not (tmp_path / "r").exists()


class Vectors:
    """An embedder that no artifact can hold."""

    def __init__(self, dim=6, name="mine", fingerprint=""):
        self.dim, self.name, self.fingerprint = dim, name, fingerprint

    def encode(self, texts):
        return tiny_embedder().encode(texts)


def test_a_router_over_vectors_of_your_own_is_saved_without_them(tmp_path):
    router = Router(pair(), replace(tiny_mf(), embedder=Vectors()), Threshold(0.5))
    router.save(tmp_path / "r")
    wanted = read_artifact(tmp_path / "r", "router").manifest.settings["scorer"]["embedder"]
    assert wanted == {"kind": "yours", "class": "Vectors", "dim": 6, "name": "mine", "fingerprint": ""}
    for loaded in (
        Router.load(tmp_path / "r", embedder=Vectors()),
        load_router(str(tmp_path / "r"), embedder=Vectors()),
    ):
        before, after = router.decide_batch(PROMPTS), loaded.decide_batch(PROMPTS)
        assert [d.win_rate for d in before] == [d.win_rate for d in after]
    with pytest.raises(ArtifactError, match=r"a Vectors \(mine, 6 numbers\); pass it again: Router.load\(folder, emb"):
        Router.load(tmp_path / "r")
    for other in (Vectors(dim=7), Vectors(name="theirs"), Vectors(fingerprint="cut"), tiny_embedder()):
        with pytest.raises(ArtifactError, match="was given; give that one"):
            Router.load(tmp_path / "r", embedder=other)


def test_one_embedder_of_your_own_to_a_router(tmp_path):
    both = Ensemble.of(replace(tiny_mf(), embedder=Vectors()), replace(tiny_mf(seed=1), embedder=Vectors()))
    with pytest.raises(ArtifactError, match="another embedder of yours cannot be saved in one router"):
        Router(pair(), both, Threshold(0.5)).save(tmp_path / "r")
    shared = Vectors()
    one = Ensemble.of(replace(tiny_mf(), embedder=shared), replace(tiny_mf(seed=1), embedder=shared))
    Router(pair(), one, Threshold(0.5)).save(tmp_path / "r")
    assert Router.load(tmp_path / "r", embedder=Vectors()).decide("hello world").win_rate is not None


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "r"
    Router(pair(), tiny_mf(), Threshold(0.5)).save(folder)
    return folder


def test_a_changed_or_truncated_file_is_refused(saved):
    tensors = saved / "router.safetensors"
    whole = tensors.read_bytes()
    for damaged in (whole[:-9], whole[:3], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        tensors.write_bytes(damaged)
        with pytest.raises(ArtifactCorruptError, match="damaged"):
            Router.load(saved)


def test_a_missing_file_or_folder_is_named(saved, tmp_path):
    (saved / "router.safetensors").unlink()
    with pytest.raises(ArtifactNotFoundError, match=r"router\.safetensors is missing"):
        Router.load(saved)
    with pytest.raises(ArtifactNotFoundError, match="does not exist"):
        Router.load(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema_version": 1}'])
def test_a_manifest_that_is_none_is_refused(saved, content):
    (saved / "manifest.json").write_text(content)
    with pytest.raises(ArtifactCorruptError, match=r"manifest\.json"):
        Router.load(saved)


def edited(folder, **changes):
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_another_schema_or_kind_is_refused(saved):
    edited(saved, schema_version=99)
    with pytest.raises(ArtifactVersionError, match="schema 99"):
        Router.load(saved)
    edited(saved, schema_version=1, kind="embedder")
    with pytest.raises(ArtifactCorruptError, match="of kind 'embedder', not 'router'"):
        Router.load(saved)


@pytest.mark.parametrize("key", ["pool", "policy", "scorer"])
@pytest.mark.parametrize("value", [{}, {"kind": "exec"}, [], None, 3])
def test_settings_that_make_no_router_are_refused(saved, key, value):
    settings = json.loads((saved / "manifest.json").read_text())["settings"]
    edited(saved, settings=settings | {key: value})
    with pytest.raises(ArtifactCorruptError, match="does not hold a whole router"):
        Router.load(saved)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("scorer", "models"), "names"),
        (("scorer", "models"), [{"name": 3}, {"name": 4}, {"name": 5}]),
        (("scorer", "embedder"), {"kind": ["static"]}),
        (("pool", "candidates", 0, "model"), 3),
        (("pool", "candidates", 0, "provider"), ["x"]),
    ],
)
def test_settings_of_the_wrong_type_are_refused(saved, where, value):
    settings = json.loads((saved / "manifest.json").read_text())["settings"]
    inner = settings
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    edited(saved, settings=settings)
    with pytest.raises(ArtifactCorruptError, match="does not hold a whole router"):
        Router.load(saved)


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("embedder.mean", lambda a: a[:0]),
        ("embedder.mean", lambda a: a * np.nan),
        ("embedder.scale", lambda a: a[:, None]),
        ("embedder.scale", lambda a: a * 0),
    ],
)
def test_a_standardisation_that_makes_no_vectors_is_refused(tmp_path, name, spoil):
    Router(pair(), concat_mf(), Threshold(0.5)).save(tmp_path / "r")
    tensors = read_artifact(tmp_path / "r", "router").tensors("router.safetensors")
    content = save(tensors | {name: np.ascontiguousarray(spoil(tensors[name]))})
    (tmp_path / "r" / "router.safetensors").write_bytes(content)
    files = read_artifact(tmp_path / "r", "router").manifest.files
    edited(tmp_path / "r", files=files | {"router.safetensors": hashlib.sha256(content).hexdigest()})
    with pytest.raises(ArtifactCorruptError, match="does not hold a whole router"):
        Router.load(tmp_path / "r")


def test_an_unknown_shipped_router_lists_those_that_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactNotFoundError, match=r"no router named 'best-ever'.*there is default"):
        load_router("best-ever", Pool.pair(Candidate("a"), Candidate("b")))


def test_a_folder_that_happens_to_be_named_default_does_not_hide_the_shipped_router(tmp_path, monkeypatch):
    Router(pair(), RandomScorer(), Threshold(0.5), name="mine").save(tmp_path / "default")
    Router(pair(), RandomScorer(), Threshold(0.5), name="mine").save(tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    assert load_router("default").name == "default"
    assert load_router("./default").name == load_router("own").name == "mine"
