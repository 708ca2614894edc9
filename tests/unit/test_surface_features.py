"""Surface features: fixed counts, whatever the text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.embedders.surface import SurfaceFeatures

FEATURES = SurfaceFeatures()


def of(text):
    return dict(zip(FEATURES.names, FEATURES.encode([text])[0].tolist(), strict=True))


@given(st.text(st.characters(codec=None), max_size=300))
def test_any_text_gives_finite_numbers(text):
    row = FEATURES.encode([text])
    assert row.shape == (1, FEATURES.dim)
    assert row.dtype == np.float32
    assert np.isfinite(row).all()


@pytest.mark.parametrize("text", ["", " ", "\n", "\ud800", "\x00", "é" * 10])
def test_odd_texts(text):
    assert np.isfinite(FEATURES.encode([text])).all()


def test_empty_text_is_zero():
    assert not FEATURES.encode([""]).any()
    assert FEATURES.encode([]).shape == (0, FEATURES.dim)


def test_length_counts_the_whole_text_and_the_cap_stops_at_400():
    short, long = of("a" * 399), of("word " * 40_000)
    assert long["log_characters"] == pytest.approx(np.log1p(200_000))
    assert long["log_characters_to_400"] == pytest.approx(np.log1p(400))
    assert short["log_characters_to_400"] == short["log_characters"]


def test_counts():
    row = of("Solve 12 + 345 = x?\nA. one\nB) two\n(C) three\nWhy?")
    assert row["log_options"] == pytest.approx(np.log1p(3))
    assert row["log_numbers"] == pytest.approx(np.log1p(2))
    assert row["longest_number"] == 3
    assert row["log_lines"] == pytest.approx(np.log1p(4))
    assert row["log_questions"] == pytest.approx(np.log1p(2))
    assert of("x = {a: [1]}; f(x)")["code_share"] > of("plain words here")["code_share"] == 0
    assert of("ünïcödé")["non_ascii_share"] == pytest.approx(4 / 7)


def test_a_batch_is_its_rows():
    texts = ["Hi", "", "def f(x):\n    return x ** 2", "9" * 50]
    np.testing.assert_array_equal(FEATURES.encode(texts), np.concatenate([FEATURES.encode([t]) for t in texts]))
