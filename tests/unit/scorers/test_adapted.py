"""The scorer that adapting makes: the base, moved."""

from dataclasses import replace

import numpy as np
import pytest

from pointsman.errors import ConfigurationError
from pointsman.scorers import Adapted
from tests.support.core import tiny_mf
from tests.support.outcomes import MODELS

BATCH = ["hello world", "prove that two is even", "", "why"]


def adapted(**changes) -> Adapted:
    base = tiny_mf(MODELS)
    d = base.embedder.dim
    plain = Adapted(
        base=base,
        models=("big", "small", "third"),
        stands_for=MODELS,
        embedder=base.embedder,
        pair=("big", "small"),
        intercepts=np.zeros(4, dtype=np.float32),
        slopes=np.ones(4, dtype=np.float32),
        weights=np.zeros((d, 4), dtype=np.float32),
        mean=np.zeros(d, dtype=np.float32),
        scale=np.ones(d, dtype=np.float32),
    )
    return replace(plain, **changes)


def moved(seed: int = 0) -> Adapted:
    rng = np.random.default_rng(seed)
    return adapted(
        intercepts=rng.normal(scale=0.1, size=4).astype(np.float32),
        slopes=rng.uniform(0.5, 1, 4).astype(np.float32),
        weights=rng.normal(scale=0.1, size=(6, 4)).astype(np.float32),
        mean=rng.normal(size=6).astype(np.float32),
        scale=rng.uniform(0.5, 2, 6).astype(np.float32),
    )


def test_unmoved_it_says_what_the_base_says():
    base, same = tiny_mf(MODELS), adapted()
    assert (same.quality(BATCH) == base.quality(BATCH)).all()
    for strong, weak in (("big", "small"), ("third", "small")):
        theirs = dict(zip(same.models, MODELS, strict=True))
        assert same.win_rate(BATCH, strong, weak) == pytest.approx(base.win_rate(BATCH, theirs[strong], theirs[weak]))


def test_the_formula():
    scorer, base = moved(), tiny_mf(MODELS)
    z = np.clip((base.embedder.encode(BATCH) - scorer.mean) / scorer.scale, -4, 4)
    raw = scorer.intercepts[-1] + scorer.slopes[-1] * base.win_rate(BATCH, "strong", "weak") + z @ scorer.weights[:, -1]
    assert scorer.win_rate(BATCH, "big", "small") == pytest.approx(np.clip(raw, 0, 1), abs=1e-6)
    quality = scorer.intercepts[:3] + scorer.slopes[:3] * base.quality(BATCH) + z @ scorer.weights[:, :3]
    assert scorer.quality(BATCH) == pytest.approx(np.clip(quality, 0, 1), abs=1e-6)
    assert scorer.win_rate(BATCH, "small", "big") == pytest.approx(1 - scorer.win_rate(BATCH, "big", "small"))


def test_another_pair_moves_with_its_qualities():
    scorer, base = moved(), tiny_mf(MODELS)
    change = scorer.quality(BATCH) - base.quality(BATCH)
    expected = base.win_rate(BATCH, "other", "weak") + (change[:, 2] - change[:, 1]) / 2
    assert scorer.win_rate(BATCH, "third", "small") == pytest.approx(np.clip(expected, 0, 1))


def test_narrowed_and_alone_it_says_the_same():
    scorer = moved()
    narrow = scorer.select(("small", "big"))
    assert narrow.models == ("small", "big")
    assert narrow.quality(BATCH) == pytest.approx(scorer.quality(BATCH)[:, [1, 0]])
    assert narrow.win_rate(BATCH, "big", "small") == pytest.approx(scorer.win_rate(BATCH, "big", "small"))
    for row, text in enumerate(BATCH):
        quality, rate = scorer.score([text], "big", "small")
        assert (quality[0] == scorer.quality(BATCH)[row]).all()
        assert rate[0] == scorer.win_rate(BATCH, "big", "small")[row]
    assert scorer.select(("third", "big")).pair is None


def test_a_text_is_read_once():
    class Counting:
        def __init__(self, inner):
            self.inner, self.dim, self.calls = inner, inner.dim, 0

        def encode(self, texts):
            self.calls += 1
            return self.inner.encode(texts)

    counting = Counting(tiny_mf(MODELS).embedder)
    moved().with_embedder(counting).score(BATCH, "big", "small")
    assert counting.calls == 1


@pytest.mark.parametrize(
    "change",
    [
        {"intercepts": np.zeros(3, dtype=np.float32)},
        {"weights": np.zeros((5, 4), dtype=np.float32)},
        {"slopes": np.full(4, np.nan, dtype=np.float32)},
        {"scale": np.zeros(6, dtype=np.float32)},
        {"stands_for": ("strong", "weak")},
        {"stands_for": ("strong", "weak", "gpt-9")},
    ],
)
def test_what_does_not_fit_is_refused(change):
    with pytest.raises(ConfigurationError):
        adapted(**change)
