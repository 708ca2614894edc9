"""RouteLLM's published layouts, against values that its own package gave for the same weights.

The golden values were made with the package `routellm` 0.2.0 (calculate_strong_win_rate of MatrixFactorizationRouter
and of BERTRouter) from the folders that the helpers here write, `Vectors` in place of OpenAI's embeddings. The tests at
the end compute them anew where the package is installed.
"""

import hashlib
import types

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from pointsman import Pool, Router, Threshold
from pointsman.errors import ArtifactCorruptError, ArtifactNotFoundError, ConfigurationError
from pointsman.scorers.rating import PromptFormat
from pointsman.training.routellm import (
    MODELS,
    PAIR,
    load_routellm_bert,
    load_routellm_causal_llm,
    load_routellm_mf,
)
from tests.unit.neural import tiny

TEXTS = ["prove the theorem for me", "hello", "", "unseen words and thanks", "derive " * 100]
MF_GOLDEN = [0.38679054, 0.87839776, 0.44780827, 0.55487233, 0.29061711]
BERT_GOLDEN = [0.09582585, 0.72721815, 0.68508124, 0.55713212, 0.00848472]


class Vectors:
    """Seeded unit vectors of the published length in place of text-embedding-3-small."""

    dim = 1536

    def encode(self, texts):
        return np.array([self.of(text) for text in texts], dtype=np.float32).reshape(len(texts), self.dim)

    def of(self, text):
        seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
        vector = np.random.default_rng(seed).normal(size=self.dim)
        return vector / np.linalg.norm(vector)


def mf_folder(folder):
    """The arrays of routellm/mf_gpt4_augmented, seeded."""
    rng = np.random.default_rng(0)
    shapes = {"P.weight": (64, 128), "classifier.0.weight": (1, 128), "text_proj.0.weight": (128, 1536)}
    save_file(
        {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()},
        folder / "model.safetensors",
    )
    return folder


def test_mf_wins_as_often_as_with_routellm(tmp_path):
    scorer = load_routellm_mf(mf_folder(tmp_path), Vectors())
    assert scorer.win_rate(TEXTS, *PAIR) == pytest.approx(MF_GOLDEN, abs=1e-5)
    assert (len(scorer.models), scorer.models[24], scorer.models[36]) == (64, *PAIR)
    assert not scorer.bias.any()


def test_mf_quality_is_to_beat_the_average_model(tmp_path):
    scorer = load_routellm_mf(mf_folder(tmp_path), Vectors())
    weights = load_file(tmp_path / "model.safetensors")
    rows = weights["P.weight"] / np.linalg.norm(weights["P.weight"], axis=1, keepdims=True)
    for text in TEXTS:
        delta = rows @ (weights["classifier.0.weight"][0] * (weights["text_proj.0.weight"] @ Vectors().of(text)))
        assert scorer.quality([text])[0] == pytest.approx(1 / (1 + np.exp(delta.mean() - delta)), abs=1e-5)


def test_mf_serves_models_that_it_does_not_know(tmp_path):
    prompts = tiny.prompts(50)[0]
    scorer = load_routellm_mf(mf_folder(tmp_path), Vectors(), prompts=prompts)
    router = Router(Pool.pair("gpt-4-1106-preview", "my-own-model"), scorer, Threshold(0.5))
    assert router.decide("prove it").matched["gpt-4-1106-preview"] == "known: gpt-4-1106-preview"
    share = router.threshold_for_share(0.3)
    rates = router._bound.scorer.win_rate(prompts, *router._bound.pair)
    assert (rates >= share).mean() == pytest.approx(0.3, abs=0.02)


def test_mf_from_a_torch_file_and_without_a_projection(tmp_path):
    torch = pytest.importorskip("torch")
    arrays = load_file(mf_folder(tmp_path) / "model.safetensors")
    (tmp_path / "model.safetensors").unlink()
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, tmp_path / "pytorch_model.bin")
    assert load_routellm_mf(tmp_path, Vectors()).win_rate(TEXTS, *PAIR) == pytest.approx(MF_GOLDEN, abs=1e-5)
    torch.save({"P.weight": object()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ArtifactCorruptError, match="more than tensors"):
        load_routellm_mf(tmp_path, Vectors())
    bare = {"P.weight": arrays["P.weight"], "classifier.0.weight": arrays["classifier.0.weight"]}
    save_file(bare, tmp_path / "model.safetensors")
    with pytest.raises(ConfigurationError, match=r"\(128, 128\), expected \(1536, 128\)"):
        load_routellm_mf(tmp_path, Vectors())


def test_mf_that_is_none(tmp_path):
    with pytest.raises(ArtifactNotFoundError, match=r"neither model\.safetensors nor"):
        load_routellm_mf(tmp_path, Vectors())
    mf_folder(tmp_path)
    with pytest.raises(ConfigurationError, match="64 models and 1 names"):
        load_routellm_mf(tmp_path, Vectors(), models=("one",))
    save_file({"other": np.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(ArtifactCorruptError, match=r"lacks P.weight"):
        load_routellm_mf(tmp_path, Vectors())
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ArtifactCorruptError, match="damaged"):
        load_routellm_mf(tmp_path, Vectors())


def bert_folder(folder):
    return tiny.bert_folder(folder, spread=0.4, seed=7)


def test_bert_wins_as_often_as_with_routellm(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    scorer = load_routellm_bert(bert_folder(tmp_path), device="cpu")
    assert scorer.models == PAIR
    assert scorer.strong_wins(TEXTS) == pytest.approx(BERT_GOLDEN, abs=1e-5)


HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
SYSTEM, USER = "Predict the score from 1 to 5.\n", "Question: {question}\nPrediction:\n"


def causal_folder(folder):
    """The published layout: the base model's tokenizer, five rows more for the added tokens, two files of prompts."""
    tokenizer = tiny.byte_tokenizer(specials=HEADERS)
    tiny.causal_folder(folder, tokenizer=tokenizer, rows=len(tokenizer) + 5)
    (folder / "system_ft_v5.txt").write_text(SYSTEM)
    (folder / "classifier_ft_v5.txt").write_text(USER)
    return folder


def test_causal_llm_reads_the_score_where_routellm_does(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    scorer = load_routellm_causal_llm(causal_folder(tmp_path), device="cpu", dtype="float32", minimum_mass=0.0)
    header = "<|start_header_id|>{}<|end_header_id|>\n\n"
    for text, rate in zip(TEXTS, scorer.strong_wins(TEXTS), strict=True):
        whole = (
            f"{header.format('system')}Predict the score from 1 to 5.<|eot_id|>"
            f"{header.format('user')}Question: {text}\nPrediction:<|eot_id|>{header.format('assistant')}"
        )
        with torch.no_grad():
            logits = scorer.network(**scorer.tokenizer(whole, return_tensors="pt")).logits[0, -1, -5:].double().numpy()
        shares = np.exp(logits) / np.exp(logits).sum()
        assert rate == pytest.approx(1 - shares[3:].sum(), abs=1e-5)
    size = scorer.network.config.vocab_size
    assert scorer.tokens == tuple((token,) for token in range(size - 5, size))
    assert load_routellm_causal_llm(tmp_path, device="cpu").strong_wins(TEXTS).tolist() == [1.0] * len(TEXTS)


def test_causal_llm_needs_its_prompts_and_its_tokenizer(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    causal_folder(tmp_path)
    tokenizer = tiny.byte_tokenizer(specials=HEADERS)
    for path in tmp_path.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ArtifactNotFoundError, match="no tokenizer"):
        load_routellm_causal_llm(tmp_path)
    assert len(load_routellm_causal_llm(tmp_path, tokenizer=tokenizer, device="cpu").tokens) == 5
    (tmp_path / "classifier_ft_v5.txt").unlink()
    with pytest.raises(ArtifactNotFoundError, match=r"classifier_ft_v5.txt is missing"):
        load_routellm_causal_llm(tmp_path)
    with pytest.raises(ConfigurationError, match="2 places"):
        PromptFormat.llama3(SYSTEM, USER + USER)


# -- where the package is installed


@pytest.fixture
def routellm(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    routers = pytest.importorskip("routellm.routers.routers")
    from routellm.routers.matrix_factorization import model

    def create(input, model):  # noqa: A002  # OpenAI's name
        return types.SimpleNamespace(data=[types.SimpleNamespace(embedding=Vectors().of(t).tolist()) for t in input])

    monkeypatch.setattr(model, "OPENAI_CLIENT", types.SimpleNamespace(embeddings=types.SimpleNamespace(create=create)))
    assert tuple(model.MODEL_IDS) == MODELS
    return routers, model


def test_mf_against_the_package(routellm, tmp_path):
    routers, model = routellm
    arrays = load_file(mf_folder(tmp_path) / "model.safetensors")
    own = model.MFModel(dim=128, num_models=64, text_dim=1536, num_classes=1, use_proj=True)
    torch = pytest.importorskip("torch")
    own.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    own.save_pretrained(tmp_path / "published")
    theirs = routers.MatrixFactorizationRouter(str(tmp_path / "published"))
    expected = [theirs.calculate_strong_win_rate(text) for text in TEXTS]
    assert expected == pytest.approx(MF_GOLDEN, abs=1e-6)
    found = load_routellm_mf(tmp_path / "published", Vectors()).win_rate(TEXTS, *PAIR)
    assert found == pytest.approx(expected, abs=1e-5)


def test_bert_against_the_package(routellm, tmp_path):
    routers, _ = routellm
    theirs = routers.BERTRouter(str(bert_folder(tmp_path)))
    expected = [float(theirs.calculate_strong_win_rate(text)) for text in TEXTS]
    assert expected == pytest.approx(BERT_GOLDEN, abs=1e-6)
    assert load_routellm_bert(tmp_path, device="cpu").strong_wins(TEXTS) == pytest.approx(expected, abs=1e-5)
