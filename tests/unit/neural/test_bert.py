"""The classifier as a router: both forms against their formulas, training that learns, and folders that keep it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pointsman import Pool, Router, Scorer, Threshold
from pointsman.data.outcomes import Battles
from pointsman.errors import (
    ArtifactCorruptError,
    ArtifactNotFoundError,
    ConfigurationError,
    DataError,
    MissingExtraError,
)
from pointsman.scorers import checkpoint
from pointsman.scorers.bert import BertScorer, read_logits
from pointsman.training.bert import duels, train_bert
from pointsman.training.loop import Descent, seeded
from tests.unit.neural import tiny

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PAIR = ("big", "small")
QUICK = Descent(steps=150, learning_rate=3e-3, validate_every=25, progress=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.bert_folder(tmp_path_factory.mktemp("bert"))


def sharp(folder, tmp_path, labels=3):
    """A scorer whose win rates are spread over [0, 1]."""
    return BertScorer.from_checkpoint(
        tiny.bert_folder(tmp_path / f"sharp{labels}", labels, spread=0.4),
        PAIR,
        form="three_way" if labels == 3 else "sigmoid",
        device="cpu",
    )


TEXTS = [*tiny.prompts(40, seed=3)[0], "", "unseen words", "prove " * 200]


@pytest.mark.parametrize("labels", [3, 1])
def test_win_rates_are_those_of_each_text_alone(folder, tmp_path, labels):
    """Recomputed from the network's own logits, one unpadded text at a time, in plain Python floats."""
    scorer = replace(sharp(folder, tmp_path, labels), batch_size=7)
    rates = scorer.win_rate(TEXTS, *PAIR)
    for text, rate in zip(TEXTS, rates, strict=True):
        ids = scorer.tokenizer(text).input_ids
        ids = ids if len(ids) <= 64 else [*ids[:63], ids[-1]]
        with torch.no_grad():
            logits = scorer.network(input_ids=torch.tensor([ids])).logits[0].tolist()
        shares = np.exp(logits) / np.sum(np.exp(logits))
        expected = 1 - (shares[1] + shares[2]) if labels == 3 else 1 / (1 + np.exp(-logits[0]))
        assert rate == pytest.approx(expected, abs=1e-5)
    assert rates.std() > 0.02


def test_scorer_protocol_and_both_readings(folder, tmp_path):
    scorer = sharp(folder, tmp_path)
    assert isinstance(scorer, Scorer)
    quality, rates = scorer.score(TEXTS, "big", "small")
    assert quality.shape == (len(TEXTS), 2)
    assert quality.dtype == rates.dtype == np.float64
    assert np.array_equal(quality[:, 0], rates)
    assert np.allclose(quality.sum(axis=1), 1)
    assert np.array_equal(scorer.win_rate(TEXTS, "small", "big"), 1 - scorer.win_rate(TEXTS, "big", "small"))
    assert np.array_equal(scorer.win_rate(TEXTS, "big", "big"), np.full(len(TEXTS), 0.5))
    assert scorer.quality([]).shape == (0, 2)
    with pytest.raises(ConfigurationError, match=r"'other'.*big and small"):
        scorer.win_rate(["a"], "big", "other")


def test_a_router_of_other_models_takes_the_pair_by_role(folder, tmp_path):
    scorer = sharp(folder, tmp_path).with_reference(TEXTS)
    router = Router(Pool.pair("mine-large", "mine-small"), scorer, Threshold(0.5))
    decisions = router.decide_batch(TEXTS[:5])
    assert [d.win_rate for d in decisions] == pytest.approx(scorer.strong_wins(TEXTS[:5]), abs=1e-6)
    assert decisions[0].matched == {"mine-large": "role: big", "mine-small": "role: small"}
    assert router.threshold_for_share(0.25) == pytest.approx(np.quantile(scorer.strong_wins(TEXTS), 0.75), abs=1e-6)


def test_logits_of_any_size_give_rates_in_range():
    huge = np.array([[1e4, 0, -1e4], [-1e4, 0, 1e4], [0, 0, 0]])
    assert read_logits(huge, "three_way") == pytest.approx([1, 0, 1 / 3])
    assert read_logits(huge[:, :1], "sigmoid") == pytest.approx([1, 0, 0.5])


@pytest.mark.parametrize("form", ["three_way", "sigmoid"])
def test_training_learns_the_toy_problem_and_does_so_twice_alike(folder, form):
    runs = [train_bert(tiny.battles(400), folder, "big", "small", form=form, settings=QUICK) for _ in range(2)]
    texts, hard = tiny.prompts(200, seed=99)
    scorer, history = runs[0]
    rates = scorer.strong_wins(texts)
    assert ((rates > 0.5) == hard).mean() > 0.95
    assert history.best < 0.6 * history.validation[0]
    assert min(history.loss) == QUICK.validate_every
    assert list(history.loss.values())[-1] < 0.6 * history.loss[QUICK.validate_every]
    assert np.array_equal(rates, runs[1][0].strong_wins(texts))
    assert history == runs[1][1]
    assert scorer.models == PAIR
    assert len(scorer.reference_win_rates("big", "small")) == 40


def test_training_leaves_other_random_numbers_alone_and_takes_its_seed(folder):
    state = torch.random.get_rng_state()
    short = replace(QUICK, steps=3, validate_every=3)
    first, _ = train_bert(tiny.battles(60), folder, "big", "small", form="sigmoid", settings=short)
    other, _ = train_bert(tiny.battles(60), folder, "big", "small", form="sigmoid", settings=replace(short, seed=1))
    assert torch.equal(state, torch.random.get_rng_state())
    assert not np.array_equal(first.strong_wins(TEXTS), other.strong_wins(TEXTS))


def test_early_stopping_keeps_the_best_weights(folder):
    """Labels without a pattern: what is learned does not carry over, so the validation loss soon rises."""
    rng = np.random.default_rng(0)
    noise = replace(tiny.battles(80, ties=0), labels=rng.integers(0, 2, 80).astype(float))
    wild = replace(QUICK, steps=400, learning_rate=5e-3, validate_every=5, patience=3)
    scorer, history = train_bert(noise, folder, "big", "small", form="sigmoid", validation=0.3, settings=wild)
    assert history.stopped_early
    assert max(history.validation) < 400
    assert history.best == min(history.validation.values())
    held_out = np.random.default_rng(0).permutation(80)[:24]
    seen = duels(noise, "big", "small")
    rates = scorer.strong_wins([seen.prompts[row] for row in held_out])
    labels = seen.labels[held_out]
    loss = -(labels * np.log(rates) + (1 - labels) * np.log(1 - rates)).mean()
    assert loss == pytest.approx(history.best, abs=1e-4)


def test_progress_is_shown_when_asked_for(folder, capsys):
    train_bert(
        tiny.battles(60), folder, "big", "small", settings=replace(QUICK, steps=2, validate_every=1, progress=True)
    )
    shown = capsys.readouterr()
    assert "step 2 loss" in shown.err
    assert not shown.out


def test_duels_are_seen_from_the_strong_side():
    found = duels(
        Battles(
            ("p0", "p1", "p2", "p3", "p4"),
            ("big", "small", "small", "big", "x"),
            ("small", "big", "large", "large", "small"),
            np.array([1.0, 1.0, 0.5, 0.0, 1.0]),
        ),
        ["big", "large"],
        "small",
    )
    assert found.prompts == ("p0", "p1", "p2")
    assert found.labels.tolist() == [1.0, 0.0, 0.5]
    assert found.dropped == 2


@pytest.mark.parametrize(
    ("strong", "weak", "message"),
    [("huge", "small", "none of 60 battles"), (["big", "small"], "small", "small is on both sides")],
)
def test_names_that_make_no_pair(strong, weak, message):
    with pytest.raises(DataError, match=message):
        duels(tiny.battles(60), strong, weak)


def test_data_that_cannot_be_learned_from(folder):
    same = replace(tiny.battles(30), labels=np.full(30, 0.5))
    with pytest.raises(DataError, match="same result"):
        train_bert(same, folder, "big", "small", settings=QUICK)
    two = Battles(("a", "b"), PAIR, ("small", "big"), np.array([1.0, 1.0]))
    with pytest.raises(DataError, match="too few"):
        train_bert(two, folder, "big", "small", validation=0.9, settings=QUICK)
    with pytest.raises(ConfigurationError, match="validation share"):
        train_bert(tiny.battles(30), folder, "big", "small", validation=0.0, settings=QUICK)
    with pytest.raises(ConfigurationError, match="steps is 0"):
        replace(QUICK, steps=0)


def test_saved_and_loaded_it_is_the_same(folder, tmp_path):
    scorer = sharp(folder, tmp_path).with_reference(TEXTS)
    scorer.save(tmp_path / "saved", training={"rows": 3})
    loaded = BertScorer.load(tmp_path / "saved")
    for found in (loaded, BertScorer.from_state(scorer.to_state())):
        assert np.array_equal(found.strong_wins(TEXTS), scorer.strong_wins(TEXTS))
        assert np.array_equal(found.reference, scorer.reference)
        assert found.settings() == scorer.settings()
    files = {path.name for path in (tmp_path / "saved").iterdir()}
    assert {"manifest.json", "config.json", "model.safetensors", "tokenizer.json"} <= files
    assert not [name for name in files if name.endswith((".bin", ".pt", ".pkl", ".py"))]


def test_a_changed_file_is_refused(folder, tmp_path):
    sharp(folder, tmp_path).save(tmp_path / "saved")
    weights = tmp_path / "saved/model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ArtifactCorruptError, match="damaged"):
        BertScorer.load(tmp_path / "saved")
    manifest = json.loads((tmp_path / "saved/manifest.json").read_text())
    (tmp_path / "saved/manifest.json").write_text(
        json.dumps(manifest | {"settings": manifest["settings"] | {"kind": "causal_llm"}})
    )
    with pytest.raises(ArtifactCorruptError, match="'causal_llm', not 'bert'"):
        BertScorer.load(tmp_path / "saved")


def test_a_checkpoint_without_a_head_is_no_router(folder, tmp_path):
    network = transformers.AutoModel.from_pretrained(folder)
    network.save_pretrained(tmp_path)
    tiny.word_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ArtifactCorruptError, match="no trained router"):
        BertScorer.from_checkpoint(tmp_path, PAIR)
    with pytest.raises(ConfigurationError, match="needs 1 labels, not 3"):
        BertScorer.from_checkpoint(folder, PAIR, form="sigmoid")
    with pytest.raises(ConfigurationError, match="form is 'softmax'"):
        train_bert(tiny.battles(30), folder, "big", "small", form="softmax")
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ArtifactNotFoundError, match="no whole checkpoint"):
        BertScorer.from_checkpoint(tmp_path, PAIR)


class Malice:
    def __reduce__(self):
        return (Path.touch, (Path("ran-code"),))


def test_a_pickle_with_code_in_it_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save({"classifier.weight": Malice()}, tmp_path / "pytorch_model.bin")
    with pytest.raises((ArtifactCorruptError, ArtifactNotFoundError)):
        BertScorer.from_checkpoint(tmp_path, PAIR)
    assert not Path("ran-code").exists()


def test_the_length_is_the_least_of_all_limits(folder, tmp_path):
    assert BertScorer.from_checkpoint(folder, PAIR, max_length=20).max_length == 20
    assert BertScorer.from_checkpoint(folder, PAIR, max_length=None).max_length == 64
    network = BertScorer.from_checkpoint(folder, PAIR).network
    tokenizer = tiny.word_tokenizer(10**30)
    assert checkpoint.longest_input(network, tokenizer, 512) == 64
    network.config.model_type, network.config.pad_token_id = "xlm-roberta", 1
    assert checkpoint.longest_input(network, tokenizer, 512) == 62
    with pytest.raises(ConfigurationError, match="at least 8"):
        checkpoint.longest_input(network, tokenizer, 4)


def test_from_the_hub_safetensors_come_first(folder, tmp_path, monkeypatch):
    asked = []

    def snapshot_download(name, *, revision, allow_patterns):
        asked.append((name, revision, allow_patterns))
        return str(folder if name == "some/router" else tmp_path)

    hub = checkpoint.require("huggingface_hub")
    monkeypatch.setattr(hub, "snapshot_download", snapshot_download)
    assert checkpoint.checkpoint_folder("some/router", "v1") == folder
    assert [(name, revision) for name, revision, _ in asked] == [("some/router", "v1")]
    assert not [pattern for pattern in asked[0][2] if "bin" in pattern]
    checkpoint.checkpoint_folder("some/pickles")
    assert "pytorch_model*.bin" in asked[-1][2]


def test_no_network_is_a_named_error():
    with pytest.raises(ArtifactNotFoundError, match="no folder here"):
        checkpoint.checkpoint_folder("nobody/nothing here")


def test_what_is_missing_is_named():
    with pytest.raises(
        MissingExtraError, match=r'no_such_module is not installed; run: pip install "pointsman\[torch\]"'
    ):
        checkpoint.require("no_such_module.part")


def test_the_best_device_is_taken(monkeypatch):
    assert checkpoint.pick_device("meta") == "meta"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert checkpoint.pick_device() == "mps"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert checkpoint.pick_device() == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert checkpoint.pick_device() == "cuda"


def test_seeded_numbers_repeat():
    with seeded(3):
        first = torch.rand(4)
    with seeded(3):
        assert torch.equal(first, torch.rand(4))
