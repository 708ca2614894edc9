"""k nearest prompts, against a search in plain Python."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.errors import ConfigurationError
from pointsman.scorers import KNN
from pointsman.scorers.index import PromptIndex
from tests.support.battles import Lookup
from tests.support.scorers import index

rows = st.integers(2, 12)


def problem(seed: int, n: int, m: int = 3, missing: float = 0.3):
    rng = np.random.default_rng(seed)
    table = {f"p{i}": rng.normal(size=5) for i in range(n)} | {"q": rng.normal(size=5)}
    scores = np.where(rng.random((n, m)) < missing, np.nan, rng.integers(0, 5, (n, m)) / 4)
    scores[0] = 0.25
    return Lookup(table), scores


def cosine(a, b):
    dot = sum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(float(x) ** 2 for x in a) * sum(float(y) ** 2 for y in b))


@settings(deadline=None)
@given(st.integers(0, 10_000), rows, st.integers(1, 15))
def test_quality_is_the_mean_score_of_the_nearest_answered_prompts(seed, n, k):
    embedder, scores = problem(seed, n)
    knn = KNN(("a", "b", "c"), embedder, index(embedder.encode([f"p{i}" for i in range(n)])), scores.astype("f2"), k)
    near = sorted(range(n), key=lambda i: -cosine(embedder.table[f"p{i}"], embedder.table["q"]))
    for column in range(3):
        answered = [scores[i, column] for i in near if not math.isnan(scores[i, column])][:k]
        assert knn.quality(["q"])[0, column] == pytest.approx(sum(answered) / len(answered), abs=1e-12)
    win = 0.5 + (knn.quality(["q"])[0, 0] - knn.quality(["q"])[0, 2]) / 2
    assert knn.win_rate(["q"], "a", "c")[0] == pytest.approx(win, abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), rows)
def test_reference_prompts_are_scored_as_if_they_had_not_been_there(seed, n):
    embedder, scores = problem(seed, n, missing=0.0)
    prompts = [f"p{i}" for i in range(n)]
    knn = KNN(("a", "b", "c"), embedder, index(embedder.encode(prompts)), scores.astype("f2"), 3)
    found = knn.reference_predictions()
    for i in range(n):
        others = [j for j in range(n) if j != i]
        without = KNN(
            knn.models, embedder, index(embedder.encode([prompts[j] for j in others])), scores[others].astype("f2"), 3
        )
        assert np.allclose(found[i], without.predict(embedder.encode([prompts[i]]))[0])


@pytest.mark.parametrize(("bits", "dim"), [(8, 40), (8, 3000), (16, 40), (16, 3000)])
def test_similarities_are_exact_in_the_integers_that_are_stored(bits, dim):
    rng = np.random.default_rng(0)
    stored = PromptIndex.of(rng.normal(size=(30, dim)), bits=bits)
    queries = rng.normal(size=(7, dim)).astype(np.float32)
    codes = PromptIndex.of(queries, bits=bits).codes.astype(object)
    products = codes @ stored.codes.astype(object).T
    lengths = [np.sqrt((c**2).sum(axis=1).astype(float)) for c in (codes, stored.codes.astype(object))]
    expected = products.astype(float) / lengths[0][:, None] / lengths[1]
    ((_, found),) = stored.blocks(queries)
    assert np.abs(found - expected).max() < 1e-15
    true = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    assert np.abs(found - true @ rng_free(stored)).max() < {8: 0.02, 16: 1e-4}[bits]


def rng_free(stored):
    codes = stored.codes.astype(float)
    return (codes / np.linalg.norm(codes, axis=1, keepdims=True)).T


def test_a_text_without_a_vector_is_like_nothing():
    stored = index(np.eye(3))
    ((_, found),) = stored.blocks(np.zeros((1, 3), dtype=np.float32))
    assert not found.any()


def test_a_new_model_joins_from_its_probe_set_and_the_others_do_not_move():
    embedder, scores = problem(3, 12)
    prompts = [f"p{i}" for i in range(12)]
    knn = KNN(("a", "b", "c"), embedder, index(embedder.encode(prompts)), scores.astype("f2"), 4)
    joined = knn.with_model("new", prompts[:6], [1, 0, 1, 1, 0, 1])
    assert joined.models == ("a", "b", "c", "new")
    assert (joined.quality(["q"])[:, :3] == knn.quality(["q"])).all()
    near = sorted(range(6), key=lambda i: -cosine(embedder.table[f"p{i}"], embedder.table["q"]))[:4]
    assert joined.quality(["q"])[0, 3] == pytest.approx(np.mean([[1, 0, 1, 1, 0, 1][i] for i in near]))
    for bad in (("a", prompts[:2], [1, 1]), ("x", [], []), ("x", prompts[:2], [1]), ("x", prompts[:1], [math.nan])):
        with pytest.raises(ConfigurationError):
            knn.with_model(*bad)


def test_what_does_not_fit_is_refused():
    embedder, scores = problem(0, 6)
    stored = index(embedder.encode([f"p{i}" for i in range(6)]))
    with pytest.raises(ConfigurationError, match="k is 0"):
        KNN(("a", "b", "c"), embedder, stored, scores.astype("f2"), 0)
    with pytest.raises(ConfigurationError, match="scores"):
        KNN(("a", "b"), embedder, stored, scores.astype("f2"))
    scores[:, 1] = np.nan
    with pytest.raises(ConfigurationError, match="no outcome of b"):
        KNN(("a", "b", "c"), embedder, stored, scores.astype("f2"))
    with pytest.raises(ConfigurationError, match="8 or 16"):
        PromptIndex.of(np.eye(3), bits=4)
    with pytest.raises(ConfigurationError, match="not finite"):
        PromptIndex.of(np.full((2, 3), np.nan))
    with pytest.raises(ConfigurationError, match="expected int8"):
        PromptIndex(np.eye(3))
