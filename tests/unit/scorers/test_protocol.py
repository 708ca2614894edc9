"""What every classical scorer promises, whatever it computes."""

import hashlib
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from pointsman import Candidate, Pool, Router, Scorer, Threshold, Utility
from pointsman.embedders import ConcatEmbedder
from pointsman.errors import ArtifactCorruptError, ConfigurationError
from pointsman.scorers import Ensemble
from pointsman.scorers.base import EmbeddingScorer, JointScorer, ReferenceScorer, SelectableScorer
from pointsman.scorers.state import StorableScorer
from tests.support.core import WORDS, pair, tiny_embedder
from tests.support.outcomes import MODELS
from tests.support.scorers import KINDS, ensemble, knn, svm

SCORERS = {name: make() for name, make in KINDS.items()}
texts = st.lists(st.sampled_from([*WORDS, "unseen", ""]), max_size=6).map(" ".join)
batches = st.lists(texts, max_size=4)
each = pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)


@each
@settings(max_examples=25, deadline=None)
@given(batch=batches)
def test_shapes_ranges_and_both_numbers_in_one_pass(scorer, batch):
    for protocol in (Scorer, JointScorer, SelectableScorer, ReferenceScorer, EmbeddingScorer, StorableScorer):
        assert isinstance(scorer, protocol)
    assert scorer.instant
    quality, rates = scorer.score(batch, "strong", "weak")
    assert quality.shape == (len(batch), 3)
    assert rates.shape == (len(batch),)
    for values in (quality, rates):
        assert values.dtype == np.float64
        assert ((values >= 0) & (values <= 1)).all()
    assert (quality == scorer.quality(batch)).all()
    assert (rates == scorer.win_rate(batch, "strong", "weak")).all()


@each
@settings(max_examples=25, deadline=None)
@given(batch=st.lists(texts, min_size=2, max_size=8))
def test_a_prompt_scores_the_same_alone_and_in_company(scorer, batch):
    quality, rates = scorer.score(batch, "strong", "weak")
    for row, text in enumerate(batch):
        alone, rate = scorer.score([text], "strong", "weak")
        assert (alone[0] == quality[row]).all()
        assert rate[0] == rates[row]


@each
@settings(max_examples=25, deadline=None)
@given(batch=batches)
def test_narrowed_to_a_pool_it_says_the_same(scorer, batch):
    narrow = scorer.select(["weak", "strong", "weak"])
    columns = [scorer.models.index(name) for name in ("weak", "strong", "weak")]
    assert narrow.models == ("weak", "strong", "weak")
    assert np.allclose(narrow.quality(batch), scorer.quality(batch)[:, columns], rtol=0, atol=1e-12)
    assert np.allclose(narrow.win_rate(batch, "strong", "weak"), scorer.win_rate(batch, "strong", "weak"), atol=1e-12)


@pytest.mark.parametrize("kind", ["knn", "svm", "mlp", "sw_ranking"])
@settings(max_examples=25, deadline=None)
@given(batch=batches)
def test_what_the_strong_wins_the_weak_loses(kind, batch):
    scorer = SCORERS[kind]
    forth, back = scorer.win_rate(batch, "strong", "weak"), scorer.win_rate(batch, "weak", "strong")
    assert np.allclose(forth + back, 1)
    quality = scorer.quality(batch)
    lead = quality[:, scorer.models.index("strong")] - quality[:, scorer.models.index("weak")]
    assert (np.sign(lead[np.abs(lead) > 1e-9]) == np.sign(forth - 0.5)[np.abs(lead) > 1e-9]).all()


@each
def test_it_comes_back_from_disk_to_the_last_bit(scorer, tmp_path):
    router = Router(pair(), scorer, Threshold(0.5), name="mine")
    router.save(tmp_path / "r")
    loaded = Router.load(tmp_path / "r")
    batch = ["hello world", "prove that two is even", "", "unseen"]
    assert type(loaded.scorer) is type(scorer)
    assert loaded.scorer.models == scorer.models
    assert (loaded.scorer.quality(batch) == scorer.quality(batch)).all()
    assert (loaded.scorer.win_rate(batch, "strong", "weak") == scorer.win_rate(batch, "strong", "weak")).all()
    ours, theirs = (s.reference_win_rates("strong", "weak") for s in (scorer, loaded.scorer))
    assert len(ours) > 10
    assert (ours == theirs).all()
    assert not list((tmp_path / "r").glob("*.pkl"))


@each
def test_a_share_of_strong_calls_becomes_a_threshold(scorer):
    router = Router(pair(), scorer, Threshold(0.5))
    rates = scorer.reference_win_rates("strong", "weak")
    for share in (0.0, 0.3, 1.0):
        alpha = router.threshold_for_share(share)
        assert (rates > alpha).mean() <= share <= (rates >= alpha - 1e-12).mean()


@each
def test_another_embedder_of_the_same_length_takes_over(scorer):
    other = tiny_embedder(seed=9)
    batch = ["prove that two is even"]
    swapped = scorer.with_embedder(other)
    assert not np.allclose(swapped.quality(batch), scorer.quality(batch))
    assert np.allclose(swapped.with_embedder(tiny_embedder()).quality(batch), scorer.quality(batch))


@each
def test_it_routes_a_pool_of_three(scorer):
    pool = Pool([Candidate(name, input_price=p, output_price=p) for name, p in zip(MODELS, (5, 1, 2), strict=True)])
    decisions = Router(pool, scorer, Utility(0.01)).decide_batch(["hello world", "prove that two is even"])
    assert {d.candidate for d in decisions} <= set(MODELS)
    assert all(len(d.quality) == 3 for d in decisions)


@each
def test_an_unknown_model_is_named(scorer):
    with pytest.raises(ConfigurationError, match="'gpt-9'"):
        scorer.select(["gpt-9"])


@pytest.mark.parametrize("kind", ["knn", "svm", "kernel_svm", "mlp", "sw_ranking"])
def test_an_embedder_of_another_length_is_refused(kind):
    with pytest.raises(ConfigurationError):
        SCORERS[kind].with_embedder(tiny_embedder(dim=4))


DAMAGE = {
    "knn": "scores",
    "svm": "weights",
    "kernel_svm": "points",
    "mlp": "biases.1",
    "sw_ranking": "labels",
    "ensemble": "2.intercepts",
}


@each
def test_parts_that_make_no_scorer_are_refused(scorer, tmp_path):
    """A file that is whole by its hash, and was written with one array a row too short."""
    Router(pair(), scorer, Threshold(0.5)).save(tmp_path / "r")
    tensors, name = load_file(tmp_path / "r" / "router.safetensors"), DAMAGE[scorer.kind]
    save_file(tensors | {name: np.ascontiguousarray(tensors[name][:-1])}, tmp_path / "r" / "router.safetensors")
    _accept(tmp_path / "r")
    with pytest.raises(ArtifactCorruptError, match="does not hold a whole router"):
        Router.load(tmp_path / "r")


def test_positions_outside_their_table_are_refused(tmp_path):
    Router(pair(), SCORERS["sw_ranking"], Threshold(0.5)).save(tmp_path / "r")
    tensors = load_file(tmp_path / "r" / "router.safetensors")
    tensors["battles"][3, 0] = 10_000
    save_file(tensors, tmp_path / "r" / "router.safetensors")
    _accept(tmp_path / "r")
    with pytest.raises(ArtifactCorruptError, match="do not fit"):
        Router.load(tmp_path / "r")


def _accept(folder):
    """Make the manifest agree with the file, as a writer with a defect would."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["router.safetensors"] = hashlib.sha256((folder / "router.safetensors").read_bytes()).hexdigest()
    path.write_text(json.dumps(manifest))


def test_members_over_one_embedder_store_and_run_it_once(tmp_path):
    embedder = ConcatEmbedder([tiny_embedder()], np.zeros(6, dtype=np.float32), np.ones(6, dtype=np.float32))
    both = Ensemble.of(knn().with_embedder(embedder), svm().with_embedder(embedder))
    Router(pair(), both, Threshold(0.5)).save(tmp_path / "r")
    tables = [name for name in load_file(tmp_path / "r" / "router.safetensors") if name.endswith("table")]
    assert len(tables) == 1
    first, second = Router.load(tmp_path / "r").scorer.members
    assert first.embedder is second.embedder


def test_an_ensemble_reads_a_text_once():
    class Counting:
        dim = 6
        calls = 0

        def encode(self, batch):
            self.calls += 1
            return tiny_embedder().encode(batch)

    counting = Counting()
    ensemble().with_embedder(counting).score(["hello world"], "strong", "weak")
    assert counting.calls == 1
