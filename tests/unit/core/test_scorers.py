"""The scorers against their formulas, computed here a second time and slowly."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import PromptLength, RandomScorer, Scorer
from pointsman.embedders import ConcatEmbedder, Embedder
from pointsman.errors import ConfigurationError
from tests.support.core import WORDS, tiny_embedder, tiny_mf

texts = st.lists(st.sampled_from([*WORDS, "unseen", ""]), max_size=6).map(" ".join)


@pytest.mark.parametrize("scorer", [tiny_mf(), PromptLength(("a", "b", "c")), RandomScorer(("a", "b", "c"))])
@given(batch=st.lists(st.text(), max_size=4))
def test_every_scorer_keeps_the_protocol(scorer, batch):
    assert isinstance(scorer, Scorer)
    quality = scorer.quality(batch)
    rates = scorer.win_rate(batch, scorer.models[0], scorer.models[1])
    assert quality.shape == (len(batch), 3)
    assert rates.shape == (len(batch),)
    for values in (quality, rates):
        assert values.dtype == np.float64
        assert ((values >= 0) & (values <= 1)).all()


@given(texts)
def test_mf_is_the_bilinear_form_of_the_paper(text):
    """delta = sum_k w2_k * v_Mk * (sum_d W1_dk * v_qd + b_k), summed in plain Python floats."""
    mf = tiny_mf()
    v_q = [float(x) for x in mf.embedder.encode([text])[0]]

    def delta(model):
        v_m = mf.model_vectors[mf.models.index(model)]
        hidden = [
            sum(v_q[d] * float(mf.projection[d, k]) for d in range(len(v_q))) + float(mf.bias[k]) for k in range(4)
        ]
        return sum(float(mf.head[k]) * float(v_m[k]) * hidden[k] for k in range(4))

    win = 1 / (1 + math.exp(delta("weak") - delta("strong")))
    assert mf.win_rate([text], "strong", "weak")[0] == pytest.approx(win, abs=1e-9)
    quality = 1 / (1 + math.exp(-(0.7 * delta("other") + 0.2)))
    assert mf.quality([text])[0, 2] == pytest.approx(quality, abs=1e-9)


@given(texts)
def test_mf_quality_and_win_rate_put_two_models_in_one_order(text):
    mf = tiny_mf()
    quality, win = mf.score([text], "strong", "weak")
    assert np.allclose(quality, mf.quality([text]))
    assert np.allclose(win, mf.win_rate([text], "strong", "weak"))
    assert (quality[0, 0] > quality[0, 1]) == (win[0] > 0.5)
    assert win[0] + mf.win_rate([text], "weak", "strong")[0] == pytest.approx(1)


def test_mf_narrowed_to_a_pool_says_the_same():
    mf = tiny_mf()
    narrow = mf.select(["weak", "strong"])
    assert narrow.models == ("weak", "strong")
    assert np.allclose(narrow.quality(["prove that two is even"]), mf.quality(["prove that two is even"])[:, [1, 0]])


def test_mf_refuses_what_does_not_fit():
    mf = tiny_mf()
    with pytest.raises(ConfigurationError, match="'gpt-9'"):
        mf.win_rate(["q"], "gpt-9", "weak")
    with pytest.raises(ConfigurationError, match="projection has shape"):
        mf.with_embedder(tiny_embedder(dim=5))


def test_random_repeats_itself_under_one_seed_and_not_under_another():
    prompts = [f"prompt {i}" for i in range(2000)]
    rates = RandomScorer(seed=1).win_rate(prompts, "s", "w")
    assert (rates == RandomScorer(seed=1).win_rate(prompts, "s", "w")).all()
    assert (rates != RandomScorer(seed=2).win_rate(prompts, "s", "w")).all()
    assert abs(np.corrcoef(rates, RandomScorer(seed=2).win_rate(prompts, "s", "w"))[0, 1]) < 0.1
    deciles = np.quantile(rates, np.arange(0.1, 1, 0.1))
    assert np.abs(deciles - np.arange(0.1, 1, 0.1)).max() < 0.04


def test_length_orders_by_length_and_is_half_at_the_midpoint():
    scorer = PromptLength.fit(["x" * n for n in (10, 40, 400)])
    rates = scorer.win_rate(["x" * n for n in (0, 10, 40, 400, 200_000)], "s", "w")
    assert (np.diff(rates) > 0).all()
    assert rates[0] == 0
    assert rates[2] == 0.5


def test_length_needs_texts_to_fit_and_positive_parameters():
    with pytest.raises(ConfigurationError, match="no texts"):
        PromptLength.fit([])
    with pytest.raises(ConfigurationError, match="positive"):
        PromptLength(midpoint=0)


def test_static_vectors_are_the_unit_mean_of_their_tokens():
    embedder = tiny_embedder()
    rows = embedder.table.astype(np.float64) * embedder.scale.astype(np.float64)[:, None]
    mean = (rows[1] + rows[2] + rows[2]) / 3
    assert np.allclose(embedder.encode(["hello world world"])[0], mean / np.linalg.norm(mean), atol=1e-5)
    assert not embedder.encode([""]).any()


def test_a_long_text_is_read_at_both_ends():
    embedder = tiny_embedder()
    filler = "is " * 50_000
    assert not np.allclose(embedder.encode([filler + "prove"]), embedder.encode([filler + "hello"]))
    assert not np.allclose(embedder.encode(["prove " + filler]), embedder.encode(["hello " + filler]))


def test_concat_standardises_and_cuts():
    parts = [tiny_embedder(0), tiny_embedder(1, dim=3)]
    scale = np.full(9, 1e-3, dtype=np.float32)
    joined = ConcatEmbedder(parts, np.zeros(9, dtype=np.float32), scale, clip=2.0)
    assert isinstance(joined, Embedder)
    assert joined.dim == 9
    assert np.abs(joined.encode(["hello world"])).max() == 2.0
