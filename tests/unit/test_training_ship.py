"""The command that rebuilds what ships, on a corpus of our own that is small enough for a unit test."""

import subprocess
import sys

import numpy as np
import pytest

from pointsman.artifacts import read_artifact, read_shipped
from pointsman.data.sources import Corpus, load_corpus
from pointsman.embedders import StaticEmbedder
from pointsman.errors import DataError, MissingExtraError
from pointsman.router import Router, load_router
from pointsman.training import report, ship
from pointsman.training.cards import TEACHER_LICENCES
from pointsman.training.default import (
    build_scorer,
    fit_default,
    known_models,
    read_features,
    reference_prompts,
    reference_rows,
)
from pointsman.training.distill import Distilled, _quantise, distill_minilm
from pointsman.training.rasch import FitSettings
from tests.support.core import tiny_embedder

SHIPPED = (("default", "router"), ("minilm-static", "embedder"))
MODELS = ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "llama-3.1-8b-instruct")


def corpus(n=240, seed=0):
    """Prompts of two sources; longer ones are harder, and the models differ."""
    generator = np.random.default_rng(seed)
    words = generator.integers(2, 60, n)
    prompts = tuple(f"hello number {row}" + " world" * int(count) for row, count in enumerate(words))
    ability = np.array([2.0, 1.0, 0.0])
    chance = 1 / (1 + np.exp(-(ability - (words / 15.0 - 1.5)[:, None])))
    scores = (generator.random(chance.shape) < chance).astype(np.float64)
    sources = np.array(["routellm/mmlu" if row % 2 else "mmlu_pro" for row in range(n)])
    aliases = {name: (name.upper(),) for name in MODELS}
    return Corpus(prompts, MODELS, scores, sources, np.char.add(sources, "/all"), aliases)


@pytest.fixture(autouse=True)
def no_copies(monkeypatch):
    """Two words make every prompt a near copy of every other; that search has its own tests."""
    monkeypatch.setattr(report, "near_copies", lambda prompts, vectors, held_out: held_out)


@pytest.fixture
def stubs(monkeypatch):
    """The command with our corpus and embedder in place of the tables and the teacher."""
    embedder = tiny_embedder()
    made = Distilled(embedder.table, np.asarray(embedder.scale, dtype=np.float16), embedder.tokenizer.to_str())
    monkeypatch.setattr(ship, "load_corpus", lambda data: corpus())
    monkeypatch.setattr(ship, "distill_minilm", lambda: made)
    monkeypatch.setattr(report, "BOOTSTRAPS", 5)


def built():
    embedder, table = tiny_embedder(), corpus()
    features = read_features(embedder, table.prompts)
    settings = FitSettings()
    fitted = fit_default(table, features, np.ones(len(table), dtype=bool), settings)
    return table, features, fitted, settings, build_scorer(table, features, embedder, fitted, settings, 0)


def test_the_scorer_serves_what_was_fitted():
    table, features, (response, mean, scale), settings, scorer = built()
    rows = np.arange(20)
    expected = report.pair_win_rate(features, rows, (response, mean, scale), settings, 0, 2)
    found = scorer.win_rate([table.prompts[row] for row in rows], MODELS[0], MODELS[2])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_reference_rates_are_those_of_the_reference_prompts():
    table, _, _, _, scorer = built()
    texts = reference_prompts(table, 0)
    stored = scorer.reference_win_rates(MODELS[0], MODELS[2])
    np.testing.assert_allclose(stored, scorer.win_rate(texts, MODELS[0], MODELS[2]), atol=1e-5)


def test_known_models_carry_what_matching_needs():
    table, features, fitted, settings, scorer = built()
    skills = [model.skill for model in scorer.known_models]
    assert skills == sorted(skills, reverse=True)
    assert [model.family for model in scorer.known_models] == ["gpt-4o", "gpt-4o-mini", "llama-8b"]
    assert scorer.known_models[0].aliases == (MODELS[0].upper(),)
    nobody = known_models(table, features, fitted, settings, np.zeros(len(table), dtype=bool))
    assert nobody == ()


def test_reference_prompts_are_even_over_tasks(monkeypatch):
    monkeypatch.setattr("pointsman.training.default.REFERENCE_QUESTIONS", 40)
    table = corpus()
    rows = reference_rows(table, 3)
    assert len(set(rows.tolist())) == 40
    assert (table.sources[rows] == "mmlu_pro").sum() == 20
    assert rows.tolist() == reference_rows(table, 3).tolist() != reference_rows(table, 4).tolist()


def test_reference_prompts_are_half_everyday_ones():
    prompts = reference_prompts(corpus(), 0)
    assert len(prompts) == len(set(prompts)) == 320 + len(corpus())
    assert sum(prompt.startswith("hello number") for prompt in prompts[:320]) == 0


def test_report_has_a_row_per_source_and_a_mean():
    table, features, _, settings, _ = built()
    rows = report.leave_one_source_out(table, features, settings, 0)
    assert [row.source for row in rows] == ["mmlu_pro", "routellm/mmlu", "mean"]
    assert rows[2].apgr == pytest.approx((rows[0].apgr + rows[1].apgr) / 2)
    for row in rows:
        assert row.low <= row.high
    assert rows[0].trained_on == 120


def test_nothing_left_to_train_on_is_named():
    table, features, _, settings, _ = built()
    with pytest.raises(DataError, match="more than one source"):
        fit_default(table, features, np.zeros(len(table), dtype=bool), settings)


def test_ship_writes_checks_and_repeats(stubs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pointsman.artifacts._ASSETS", tmp_path / "one")
    assert ship.main(["--out", str(tmp_path / "one")]) == 0
    matched = Router.load(tmp_path / "one" / "default").decide("hello world").matched
    assert matched == {name: f"known: {name}" for name in MODELS[:2]}
    assert ship.main(["--out", str(tmp_path / "one"), "--check"]) == 0
    assert "a rebuild gives what is there" in capsys.readouterr().err
    card = (tmp_path / "one" / "default" / "README.md").read_text()
    assert "routellm/mmlu" in card
    assert "CC-BY-4.0" in card
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["default", "minilm-static"]


def test_check_finds_a_change(stubs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("pointsman.artifacts._ASSETS", tmp_path)
    assert ship.main(["--out", str(tmp_path)]) == 0
    monkeypatch.setattr(ship, "load_corpus", lambda data: corpus(seed=1))
    assert ship.main(["--out", str(tmp_path), "--check"]) == 1
    assert "win rates differ" in capsys.readouterr().err
    assert read_artifact(tmp_path / "default", "router").manifest.training["seed"] == 0


def test_an_interrupted_run_leaves_the_old_ones(stubs, tmp_path, monkeypatch):
    monkeypatch.setattr("pointsman.artifacts._ASSETS", tmp_path)
    assert ship.main(["--out", str(tmp_path)]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ship, "pack_router", stop)
    assert ship.main(["--out", str(tmp_path)]) == 130
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_missing_data_is_bad_usage(tmp_path, capsys):
    assert ship.main(["--data", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert "POINTSMAN_DATA" in capsys.readouterr().err


def test_missing_teacher_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pointsman\[train\]"):
        distill_minilm()


def test_importing_the_command_does_not_import_torch():
    code = "import sys, pointsman.training.ship; sys.exit('torch' in sys.modules or 'pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603  # our own text


def test_a_quantised_table_is_within_half_a_step():
    vectors = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    vectors[3] = 0.0
    table, scale = _quantise(vectors)
    restored = table.astype(np.float32) * scale.astype(np.float32)[:, None]
    assert np.abs(restored - vectors).max() <= np.abs(vectors).max() / 127
    assert not restored[3].any()


@pytest.fixture(scope="module")
def shipped():
    return load_router()


def test_what_ships_says_what_it_was_made_from(shipped):
    training = read_shipped("default", "router").manifest.training
    assert training["licences"].keys() >= training["prompts"].keys()
    assert training["licences"]["llmfao_human"] == "CC-BY-4.0"
    assert {len(each["sha256"]) for each in training["data"]} == {64}
    assert len(training["data"]) == 9
    assert read_shipped("minilm-static", "embedder").manifest.training["licences"] == TEACHER_LICENCES


@pytest.mark.data
def test_what_ships_was_made_from_the_data_at_hand(data_dir):
    shipped = read_shipped("default", "router").manifest.training["data"]
    assert list(load_corpus(data_dir).files) == shipped


def test_shipped_files_fit_the_wheel(shipped):
    files = [path for name, kind in SHIPPED for path in read_shipped(name, kind).folder.iterdir()]
    assert sum(path.stat().st_size for path in files) <= 16e6
    assert isinstance(shipped, Router)
    assert isinstance(shipped.scorer.embedder.parts[0], StaticEmbedder)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"),
        ("gpt-4o-2024-05-13", "gpt-4o-mini-2024-07-18"),
        ("gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"),
        ("claude-3-opus-20240229", "claude-3-haiku-20240307"),
        ("claude-3-5-sonnet-20240620", "claude-3-haiku-20240307"),
        ("llama-3.1-405b-instruct", "llama-3.1-70b-instruct"),
        ("llama-3.1-70b-instruct", "llama-3.1-8b-instruct"),
        ("qwen2.5-72b-instruct", "qwen2.5-7b-instruct"),
        ("gemini-1.5-pro", "gemini-1.5-flash"),
        ("gemma-2-27b-it", "gemma-2-2b-it"),
        ("o1-preview-2024-09-12", "gpt-4o-2024-08-06"),
    ],
)
def test_shipped_skills_are_in_the_order_everybody_knows(shipped, better, worse):
    skill = {model.name: model.skill for model in shipped.scorer.known_models}
    assert skill[better] > skill[worse]


EASY = ["Hi", "Thanks!", "What is the capital of France?", "Who wrote Romeo and Juliet?", "Is a tomato a fruit?"]
HARD = [
    (
        "Let f be continuous on [0, 1] with f(0) = f(1). Show that for every integer n >= 1 there is an x such that "
        "f(x) = f(x + 1/n), and find a counterexample for other steps."
    ),
    "Find all pairs of integers (x, y) such that x^3 - 3xy^2 + y^3 = 2891, or prove that there are none.",
    (
        "A train leaves A at 60 km/h and another leaves B, 300 km away, 40 minutes later at 90 km/h towards the first. "
        "After how many minutes do they meet, and how far from A?"
    ),
    (
        "Five people sit in a row. Anna is not next to Ben. Carl is two seats left of Dora. Eve is at an end, Ben is "
        "in the middle. List every seating that satisfies all of this and show why there is no other."
    ),
]


@pytest.mark.parametrize(
    "pair",
    [
        ("gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18"),
        ("gpt-4-1106-preview", "mixtral-8x7b-instruct-v0.1"),
        ("claude-3-5-sonnet-20240620", "llama-3.1-8b-instruct"),
    ],
)
def test_shipped_router_puts_hard_prompts_above_easy_ones(shipped, pair):
    easy, hard = shipped.scorer.win_rate(EASY, *pair), shipped.scorer.win_rate(HARD, *pair)
    assert hard.min() > easy.max()
