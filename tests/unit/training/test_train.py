"""Every classical router trains on one call, learns what there is to learn, and says what is wrong with bad data."""

import sys

import numpy as np
import pytest

from pointsman.data.convert import as_battles
from pointsman.data.outcomes import Battles
from pointsman.embedders import ConcatEmbedder
from pointsman.errors import ConfigurationError, DataError, MissingExtraError
from pointsman.evaluation.metrics import apgr
from pointsman.scorers import Ensemble, PromptLength, RandomScorer
from pointsman.training import train
from pointsman.training.embedding import default_embedder
from pointsman.training.ensemble import fit_ensemble
from pointsman.training.pooling import fit_pool, log_loss
from pointsman.training.regressors import split_rows
from pointsman.training.train import TRAINERS
from tests.support.core import tiny_embedder
from tests.support.outcomes import MODELS, synthetic, table

VECTORS = ("mf", "knn", "sw_ranking", "svm", "mlp", "ensemble")
SKLEARN = {"svm", "mlp", "ensemble"}
OPTIONS = {
    "mf": {"dim": 16, "learning_rate": 3e-3},
    "mlp": {"iterations": 60},
    "ensemble": {"folds": 3},
    "sw_ranking": {"gamma": 1000.0},
}


def need(name):
    if name in SKLEARN:
        pytest.importorskip("sklearn", reason="needs scikit-learn")


def fitted(name, data, seed=0):
    need(name)
    return train(name, data, seed=seed, embedder=tiny_embedder(dim=16), **OPTIONS.get(name, {}))


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("convert", [lambda x: x, as_battles], ids=["outcomes", "battles"])
def test_it_finds_the_prompts_that_the_weak_model_fails(name, convert):
    """A random router has 0.5; on these data one that counts the hard words has some 0.67."""
    scorer = fitted(name, convert(synthetic(400, missing=0.05)))
    test = synthetic(600, seed=1)
    rates = scorer.win_rate(test.prompts, "strong", "weak")
    assert apgr(rates, test.score("strong"), test.score("weak")) > 0.57
    assert set(scorer.models) == set(MODELS)
    means = scorer.quality(test.prompts).mean(axis=0)
    assert means[scorer.models.index("strong")] > means[scorer.models.index("other")]
    assert means[scorer.models.index("other")] > means[scorer.models.index("weak")]


@pytest.mark.parametrize("name", sorted(TRAINERS.keys() - {"bert", "causal_llm"}))
def test_the_same_seed_gives_the_same_router(name):
    need(name)
    options = OPTIONS.get(name, {})
    data, batch = synthetic(120, missing=0.1), list(synthetic(20, seed=3).prompts)
    first, again = (train(name, data, seed=4, embedder=tiny_embedder(), **options) for _ in range(2))
    assert (first.quality(batch) == again.quality(batch)).all()
    assert (first.win_rate(batch, "strong", "weak") == again.win_rate(batch, "strong", "weak")).all()


def test_reference_predictions_are_of_prompts_that_were_not_learned_by_heart():
    """On coin flips a network that knows its prompts by heart is right on them, and no better than chance elsewhere."""
    need("mlp")
    rng = np.random.default_rng(0)
    data = synthetic(300)
    data = table(data.prompts, MODELS, rng.integers(0, 2, data.scores.shape))
    options = {"early_stopping": False, "penalty": 1e-4, "iterations": 400}
    scorer = train("mlp", data, embedder=tiny_embedder(dim=16), **options)
    _, held = split_rows(data, 0.1, 1000, 0)
    known = scorer.predict(scorer.embedder.encode([data.prompts[row] for row in held]))
    assert 27 <= len(held) <= 33  # some 30: prompts that come twice are on one side
    assert scorer.reference.shape == (len(held), 3)
    assert ((known - data.scores[held]) ** 2).mean() < 0.15
    assert ((scorer.reference - data.scores[held]) ** 2).mean() > 0.25


def test_baselines_need_no_vectors():
    data = synthetic(50)
    assert train("random", data, seed=3) == RandomScorer(data.models, 3)
    length = train("prompt_length", data, slope=2.0)
    assert isinstance(length, PromptLength)
    assert length.models[0] == "strong"
    assert length.midpoint == np.median([len(p) for p in data.prompts])


def bad(name):
    whole = synthetic(60)
    scores = whole.scores.copy()
    if name == "5 rows":
        return whole.select(np.arange(5))
    if name == "a model without outcomes":
        scores[:, 2] = np.nan
    elif name == "one class":
        scores[:] = [1.0, 0.0, 1.0]
    elif name == "no two models differ":
        scores[:] = scores[:, :1]
    elif name == "score out of range":
        scores[7, 1] = 3.0
    elif name == "infinite score":
        scores[7, 1] = np.inf
    elif name == "one model":
        return table(whole.prompts, ["strong"], scores[:, :1])
    elif name == "wrong columns":
        return table(whole.prompts, MODELS, scores[:, :2])
    elif name == "no data":
        return {"prompt": ["a"]}
    return table(whole.prompts, MODELS, scores)


@pytest.mark.parametrize("router", ["knn", "svm", "mlp", "ensemble", "prompt_length", "random"])
@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("5 rows", "5 prompts are too few"),
        ("a model without outcomes", "no prompt has a score of other"),
        ("one class", "no model's score varies"),
        ("no two models differ", "the models scored alike"),
        ("score out of range", r"row 7, model 'weak': score 3 is not in \[0, 1\]"),
        ("infinite score", "row 7, model 'weak': score inf"),
        ("one model", "a router needs 2 models"),
        ("wrong columns", r"scores \(60, 2\) for 60 prompts and 3 models"),
        ("no data", "is a dict; give Outcomes or Battles"),
    ],
)
def test_bad_outcomes_are_named(router, case, message):
    with pytest.raises(DataError, match=message):
        train(router, bad(case), embedder=tiny_embedder())


def battles(n=40, label=None, b="y"):
    labels = np.random.default_rng(0).integers(0, 3, n) / 2 if label is None else np.full(n, label)
    return Battles(tuple(f"hello {i}" for i in range(n)), ("x",) * n, (b,) * n, labels)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (battles(5), "5 battles between two models are too few"),
        (battles(label=1.0), "the same always won"),
        (battles(label=0.7).__class__(("a",), ("x",), ("y",), np.array([np.nan])), "row 0: label nan"),
        (battles(label=2.0), r"row 0: label 2 is not in \[0, 1\]"),
        (battles(b="x"), "0 battles between two models"),
        (Battles(("a", "b"), ("x",), ("y",), np.array([1.0])), "give one of each"),
    ],
)
def test_bad_battles_are_named(data, message):
    with pytest.raises(DataError, match=message):
        train("sw_ranking", data, embedder=tiny_embedder())


@pytest.mark.parametrize("embedder", [None, tiny_embedder()], ids=["default", "given"])
def test_many_battles_over_few_prompts_can_be_ranked(embedder):
    """LLMFAO has 8,931 votes on 13 prompts: too few prompts for a regression, enough battles for a ranking."""
    data = battles(60)
    few = Battles(tuple(f"hello {i % 5}" for i in range(60)), data.model_a, data.model_b, data.labels)
    rates = train("sw_ranking", few, embedder=embedder).win_rate(["hello 1", "a prompt"], "x", "y")
    assert ((rates > 0) & (rates < 1)).all()
    with pytest.raises(DataError, match="5 prompts are too few"):
        train("knn", few, embedder=embedder)


@pytest.mark.parametrize("name", VECTORS)
def test_missing_scores_and_duplicate_prompts_are_fine(name):
    """A prompt that comes twice counts twice: the score predicted for it lies between its two outcomes."""
    base = synthetic(60, missing=0.3)
    twice = table(base.prompts * 2, MODELS, np.concatenate([base.scores, base.scores]))
    scorer = fitted(name, twice)
    assert np.isfinite(scorer.quality(base.prompts)).all()
    assert np.isfinite(scorer.reference_win_rates("strong", "weak")).all()


def test_an_ensembles_members_are_weighed_on_prompts_that_they_had_not_seen():
    base = synthetic(60)
    twice = table(base.prompts * 2, MODELS, np.concatenate([base.scores, base.scores[::-1]]))
    seen: list[set[str]] = []

    class Spy(RandomScorer):
        def win_rate(self, texts, strong, weak):
            assert not seen[-1] & set(texts)
            return super().win_rate(texts, strong, weak)

    def fit(data, embedder, *, seed):
        seen.append(set(data.prompts))
        return Spy(data.models, seed)

    fit_ensemble(twice, tiny_embedder(), fits={"spy": fit}, folds=3)
    assert len(seen) == 4
    with pytest.raises(DataError, match=r"16 prompts are too few .* beside one of the 5 folds that weigh the members"):
        train("ensemble", base.select(range(20)), embedder=tiny_embedder(), members=("knn",))


def test_unknown_routers_and_options_are_named():
    with pytest.raises(ConfigurationError, match=r"no router .best. to train; there are bert, causal_llm, .*knn"):
        train("best", synthetic(30))
    with pytest.raises(ConfigurationError, match=r"knn takes no neighbours; it takes bits, k"):
        train("knn", synthetic(30), embedder=tiny_embedder(), neighbours=3)
    with pytest.raises(ConfigurationError, match="1 folds"):
        train("ensemble", synthetic(30), embedder=tiny_embedder(), folds=1, members=("knn",))
    with pytest.raises(ConfigurationError, match="prompt_length look at no model"):
        train("ensemble", synthetic(60), embedder=tiny_embedder(), members=("prompt_length",), folds=2)
    with pytest.raises(ConfigurationError, match=r"members is 'knn'; give several names"):
        train("ensemble", synthetic(30), embedder=tiny_embedder(), members="knn")
    with pytest.raises(ConfigurationError, match="'x'"):
        train("ensemble", synthetic(30), embedder=tiny_embedder(), members=("knn",), pairs=[("x", "weak")])


@pytest.mark.parametrize(("name", "module"), [("svm", "sklearn.svm"), ("mlp", "sklearn.neural_network")])
def test_without_scikit_learn_the_extra_is_named(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        MissingExtraError, match=r'scikit-learn is not installed; run: pip install "pointsman\[train\]"'
    ):
        train(name, synthetic(30), embedder=tiny_embedder())


def test_an_ensemble_finds_the_member_that_knows_something():
    scorer = train("ensemble", synthetic(300), embedder=tiny_embedder(dim=16), members=("random", "knn"), folds=3)
    assert isinstance(scorer, Ensemble)
    guess, knows = (w * s for w, s in zip(scorer.win_pool.weights, scorer.win_pool.slopes, strict=True))
    assert knows > 5 * guess
    assert scorer.pairs[-1] == ("strong", "weak")
    assert len(scorer.reference_win_rates("strong", "weak")) == 300


def test_an_ensemble_of_some_models_lets_those_members_see_the_others_that_ask_for_it():
    """svm names its models, and takes hardness from the third; knn does not, and never sees it."""
    data, pair = synthetic(200), MODELS[:2]
    own = {"svm": {"kernel": "exponential", "models": pair}}
    asked = {"embedder": tiny_embedder(dim=16), "members": ("svm", "knn"), "folds": 2}
    wide = train("ensemble", data, models=pair, options=own, **asked)
    narrow = train("ensemble", data.of(pair), options=own, **asked)
    assert wide.models == narrow.models == pair
    assert wide.pairs == (pair,)
    assert wide.members[0].hardness.any()
    assert not narrow.members[0].hardness.any()
    assert wide.members[1].models == pair
    assert wide.quality(["prove that two is even"]).shape == (1, 2)
    np.testing.assert_array_equal(wide.members[1].scores, narrow.members[1].scores)
    with pytest.raises(DataError, match="'x'"):
        train("ensemble", data, models=("x",), **asked)


def test_a_pool_has_the_log_loss_that_no_change_of_a_weight_lowers():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=4000)
    target = (rng.random(4000) < 1 / (1 + np.exp(-truth))).astype(float)
    noisy = [1 / (1 + np.exp(-(truth + rng.normal(size=4000)) * scale)) for scale in (0.2, 3.0)]
    useless = rng.random(4000)
    pool = fit_pool([*noisy, useless], target)
    least = log_loss(pool.pool([*noisy, useless]), target)
    best = log_loss(1 / (1 + np.exp(-truth)), target)
    assert best < least < min(log_loss(p, target) for p in noisy)
    assert pool.weights[2] * pool.slopes[2] < 0.05
    from dataclasses import replace

    for i in range(2):
        for step in (0.9, 1.1):
            moved = replace(pool, weights=tuple(w * step if j == i else w for j, w in enumerate(pool.weights)))
            assert log_loss(moved.pool([*noisy, useless]), target) > least - 1e-3
    with pytest.raises(DataError, match="no prompt with an outcome"):
        fit_pool([useless], np.full(4000, np.nan))


def test_no_row_is_held_out_where_a_model_would_lose_its_scores():
    scores = np.full((20, 2), np.nan)
    scores[:, 0] = 1.0
    scores[3, 1] = 1.0
    kept, held = split_rows(table([f"p{i}" for i in range(20)], ["a", "b"], scores), 0.5, 100, 0)
    assert len(kept) == 20
    assert not len(held)


def test_a_prompt_that_comes_twice_is_on_one_side():
    data = table([f"p{i % 30}" for i in range(90)], ["a", "b"], np.zeros((90, 2)))
    kept, held = split_rows(data, 0.1, 1000, 0)
    assert 9 <= len(held) <= 27
    assert sorted([*kept, *held]) == list(range(90))
    assert not {data.prompts[row] for row in kept} & {data.prompts[row] for row in held}
    assert not len(split_rows(data.select(range(0, 90, 30)), 0.4, 1000, 0)[1])


def test_the_default_embedder_is_standardised_on_the_training_prompts():
    prompts = list(synthetic(200).prompts)
    embedder = default_embedder(prompts)
    assert isinstance(embedder, ConcatEmbedder)
    raw = np.concatenate([part.encode(prompts) for part in embedder.parts], axis=1)
    spread = ((raw - embedder.mean) / embedder.scale).std(axis=0)
    text = embedder.parts[0].dim
    assert spread[:text].max() == pytest.approx(0.125, rel=1e-3)
    assert np.isclose(spread[text:][spread[text:] > 0.5], 1, atol=1e-3).all()
