"""The corpus that trains what ships."""

import numpy as np
import pytest

from pointsman.data.sources import data_folder, fingerprint, load_corpus, near_copies, question
from pointsman.errors import DataError

FOUR = "Find the degree of the extension.\nA. 0\nB. 4\nC. 2\nD. 6\nAnswer:"
TEN = "Find the degree of the extension.\nA. 0\nB. 4\nC. 2\nD. 6\nE. 8\nF. 10\nG. 12\nH. 1\nI. 3\nJ. 5"


def test_a_question_is_the_same_with_four_options_or_ten():
    assert question(FOUR) == question(TEN) == "Find the degree of the extension."
    assert fingerprint(FOUR) == fingerprint(TEN)
    assert fingerprint(FOUR) != fingerprint(FOUR.replace("degree", "order"))


def test_a_prompt_that_is_all_options_stays():
    assert question("A. yes\nB. no") == "A. yes\nB. no"
    assert question("Hi") == "Hi"


def test_near_copies_by_text_and_by_vector():
    prompts = [FOUR, TEN, "Something else entirely.", "Yet another text."]
    vectors = np.array([[1, 0, 0], [0, 1, 0], [0.96, 0.28, 0], [0, 0, 1]], dtype=np.float32)
    held_out = np.array([True, False, False, False])
    assert near_copies(prompts, vectors, held_out).tolist() == [True, True, True, False]


def test_data_folder_order(monkeypatch, tmp_path):
    monkeypatch.delenv("POINTSMAN_DATA", raising=False)
    assert data_folder().parts[-2:] == ("shared", "data")
    monkeypatch.setenv("POINTSMAN_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    assert data_folder("elsewhere").name == "elsewhere"


def test_absent_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="POINTSMAN_DATA"):
        load_corpus(tmp_path)


@pytest.mark.data
def test_the_corpus(data_dir):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    corpus = load_corpus(data_dir)
    sources, counts = np.unique(corpus.sources, return_counts=True)
    found = dict(zip(sources.tolist(), counts.tolist(), strict=True))
    assert found["routellm/mmlu"] == 14_042
    assert found["routellm/gsm8k"] == 1_319
    assert found["llmfao_human"] == 13
    assert corpus.scores.shape == (len(corpus), len(corpus.models))
    assert np.nanmin(corpus.scores) >= 0
    assert np.nanmax(corpus.scores) <= 1
    assert np.isfinite(corpus.scores).any(axis=0).all()
    assert np.isfinite(corpus.scores).any(axis=1).all()
    mmlu = corpus.scores[corpus.sources == "routellm/mmlu"]
    assert np.mean(mmlu[:, corpus.models.index("gpt-4-1106-preview")]) == pytest.approx(0.80587, abs=1e-3)
    assert np.mean(mmlu[:, corpus.models.index("mixtral-8x7b-instruct-v0.1")]) == pytest.approx(0.68091, abs=1e-3)
    assert not {"llama-2-70b", "yi-34b"} & set(corpus.models)
