"""Similarity-weighted ranking: RouteLLM's own numbers, the closed form, and the optimum that is to be found."""

import functools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pointsman.data.outcomes import Battles
from pointsman.errors import ConfigurationError, DataError, ScorerError
from pointsman.scorers.bradley_terry import bradley_terry, mutual
from pointsman.training.sw_ranking import fit_sw_ranking
from tests.support.battles import MODELS, QUERIES, Lookup, arena

# What routellm 0.2.0 (PyPI) gives for tests.support.battles.arena: compute_elo_mle_with_tie on the battles,
# compute_tiers(ratings, num_tiers=3), models replaced by tiers, and for each query compute_elo_mle_with_tie with
# sample_weight = 10 * 10 ** (cosines / max(cosines)) and 1 - 1 / (1 + 10 ** ((R[m0] - R[m6]) / 400)), as in its
# SWRankingRouter. Its LogisticRegression was run with tol=1e-13; with scikit-learn's default of 1e-4, which RouteLLM
# leaves in place, it stops up to 1.2e-5 away from these. test_the_package_itself_gives_these_numbers makes them again.
GOLDEN_TIERS = {"m0": 0, "m1": 0, "m2": 1, "m3": 1, "m4": 2, "m5": 2, "m6": 2}
GOLDEN_WIN_RATES = (
    0.7298130669722976,
    0.7716348409481044,
    0.7458536032582317,
    0.695137395677663,
    0.6742740455769791,
    0.681470391035973,
)


def test_compatible_mode_gives_routellms_numbers():
    battles, embedder = arena()
    scorer = fit_sw_ranking(battles, embedder, tiers=3, compatible=True)
    assert dict(zip(scorer.models, scorer.tiers.tolist(), strict=True)) == GOLDEN_TIERS
    assert np.abs(scorer.win_rate(QUERIES, "m0", "m6") - GOLDEN_WIN_RATES).max() < 1e-5


@pytest.mark.filterwarnings("ignore")
def test_the_package_itself_gives_these_numbers(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")  # it builds a client on import
    utils = pytest.importorskip("routellm.routers.similarity_weighted.utils", reason="needs routellm 0.2.0 from PyPI")
    pandas = pytest.importorskip("pandas")
    solver = functools.partial(utils.LogisticRegression, tol=1e-13, max_iter=100_000)
    monkeypatch.setattr(utils, "LogisticRegression", solver)
    battles, embedder = arena()
    names = {0.0: "model_b", 0.5: "tie", 1.0: "model_a"}
    frame = pandas.DataFrame(
        {"model_a": battles.model_a, "model_b": battles.model_b, "winner": [names[x] for x in battles.labels]}
    )
    tiers = utils.compute_tiers(utils.compute_elo_mle_with_tie(frame), num_tiers=3)
    assert tiers == GOLDEN_TIERS
    frame["model_a"], frame["model_b"] = frame["model_a"].map(tiers), frame["model_b"].map(tiers)
    vectors = embedder.encode(battles.prompts).astype(float)
    ours = fit_sw_ranking(battles, embedder, tiers=3, compatible=True)
    for query, golden in zip(QUERIES, GOLDEN_WIN_RATES, strict=True):
        vector = embedder.encode([query])[0].astype(float)
        cosines = vectors @ vector / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vector)
        weights = 10 * 10 ** (cosines / cosines.max())
        ratings = utils.compute_elo_mle_with_tie(frame.copy(), sample_weight=weights)
        theirs = 1 - 1 / (1 + 10 ** ((ratings[tiers["m0"]] - ratings[tiers["m6"]]) / 400))
        assert theirs == pytest.approx(golden, abs=1e-6)
        assert ours.win_rate([query], "m0", "m6")[0] == pytest.approx(theirs, abs=1e-5)
        # both scales: theirs is free up to a constant only without battles within a tier, of which there are 105
        assert ours.ratings([query])[0, ours.models.index("m0")] == pytest.approx(ratings[0], abs=0.01)


def test_a_pair_is_the_weighted_mean_of_its_outcomes():
    battles, embedder = arena()
    two = [i for i, (a, b) in enumerate(zip(battles.model_a, battles.model_b, strict=True)) if {a, b} == {"m1", "m2"}]
    pair = Battles(
        *(tuple(column[i] for i in two) for column in (battles.prompts, battles.model_a, battles.model_b)),
        battles.labels[two],
    )
    scorer = fit_sw_ranking(pair, embedder)
    for query in QUERIES:
        cosines = [_cosine(embedder.table[p], embedder.table[query]) for p in pair.prompts]
        weights = [10 ** (1 + c / max(cosines)) for c in cosines]
        wins = [label if a == "m1" else 1 - label for label, a in zip(pair.labels, pair.model_a, strict=True)]
        mean = sum(w * x for w, x in zip(weights, wins, strict=True)) / sum(weights)
        assert scorer.win_rate([query], "m1", "m2")[0] == pytest.approx(mean, abs=1e-5)


def test_battles_within_a_tier_say_nothing_unless_compatible():
    battles, embedder = arena()
    tier = GOLDEN_TIERS
    across = np.array([tier[a] != tier[b] for a, b in zip(battles.model_a, battles.model_b, strict=True)])
    scorer = fit_sw_ranking(battles, embedder, tiers=3)
    assert dict(zip(scorer.models, scorer.tiers.tolist(), strict=True)) == tier
    kept = type(scorer)(
        scorer.models,
        embedder,
        scorer.index,
        scorer.tiers,
        scorer.sizes,
        scorer.battles[across],
        scorer.labels[across],
    )
    assert (scorer.win_rate(QUERIES, "m0", "m6") == kept.win_rate(QUERIES, "m0", "m6")).all()
    assert (scorer.win_rate(QUERIES, "m0", "m1") == 0.5).all()
    defect = fit_sw_ranking(battles, embedder, tiers=3, compatible=True).win_rate(QUERIES, "m0", "m6")
    assert (np.abs(defect - scorer.win_rate(QUERIES, "m0", "m6")) > 0.01).all()


def test_ratings_are_the_optimum_of_the_weighted_likelihood():
    """The gradient at the ratings, battle by battle: what each tier won is what it was expected to win."""
    battles, embedder = arena()
    scorer = fit_sw_ranking(battles, embedder, tiers=4)
    ratings = scorer.ratings(["q2"])[0]
    cosines = [_cosine(embedder.table[p], embedder.table["q2"]) for p in battles.prompts]
    excess = dict.fromkeys(range(4), 0.0)
    total = 0.0
    for a, b, label, c in zip(battles.model_a, battles.model_b, battles.labels, cosines, strict=True):
        i, j = scorer.models.index(a), scorer.models.index(b)
        if scorer.tiers[i] != scorer.tiers[j]:
            weight = 10 ** (1 + c / max(cosines))
            surprise = weight * (label - 1 / (1 + 10 ** ((ratings[j] - ratings[i]) / 400)))
            excess[int(scorer.tiers[i])] += surprise
            excess[int(scorer.tiers[j])] -= surprise
            total += weight
    assert max(map(abs, excess.values())) / total < 1e-5


def test_quality_is_the_chance_against_a_model_of_the_data():
    battles, embedder = arena()
    scorer = fit_sw_ranking(battles, embedder, tiers=4)
    ratings = dict(zip(scorer.models, scorer.ratings(["q0"])[0], strict=True))
    for column, model in enumerate(scorer.models):
        beaten = [1 / (1 + 10 ** ((ratings[other] - ratings[model]) / 400)) for other in MODELS]
        assert scorer.quality(["q0"])[0, column] == pytest.approx(sum(beaten) / len(beaten))


def test_a_query_like_nothing_weighs_all_battles_alike():
    battles, embedder = arena()
    embedder.table["nothing"] = np.zeros(8, dtype=np.float32)
    scorer = fit_sw_ranking(battles, embedder, tiers=2)
    flat = fit_sw_ranking(battles, embedder, tiers=2, gamma=1.0)
    assert scorer.win_rate(["nothing"], "m0", "m6")[0] == pytest.approx(flat.win_rate(["q1"], "m0", "m6")[0])


def test_a_side_that_never_loses_has_no_rating():
    prompts = tuple(f"p{i}" for i in range(30))
    embedder = Lookup({p: np.arange(4) - i for i, p in enumerate(prompts)})
    rout = Battles(prompts, ("a",) * 30, ("b",) * 30, np.ones(30))
    for compatible in (False, True):
        with pytest.raises(DataError, match=r"always won|all its battles"):
            fit_sw_ranking(rout, embedder, compatible=compatible)
    one_tie = Battles(prompts, ("a",) * 30, ("b",) * 30, np.array([0.5] + [1.0] * 29))
    assert 0.9 < fit_sw_ranking(one_tie, embedder).win_rate(["p3"], "a", "b")[0] < 1


def test_an_unbeaten_model_shares_a_tier_so_that_ratings_stay_finite():
    battles, embedder = arena()
    labels = battles.labels.copy()
    for i, (a, b) in enumerate(zip(battles.model_a, battles.model_b, strict=True)):
        if "m0" in (a, b):
            labels[i] = float(a == "m0")
    scorer = fit_sw_ranking(Battles(battles.prompts, battles.model_a, battles.model_b, labels), embedder, tiers=7)
    assert len(scorer.sizes) < 7
    assert np.isfinite(scorer.ratings(QUERIES)).all()
    assert (scorer.win_rate(QUERIES, "m0", "m6") < 1).all()


def test_gamma_below_one_is_refused():
    battles, embedder = arena()
    with pytest.raises(ConfigurationError, match="gamma"):
        fit_sw_ranking(battles, embedder, gamma=0.5)


@settings(deadline=None)
@given(st.integers(2, 8), st.integers(0, 10_000), st.floats(-6, 6))
def test_bradley_terry_finds_the_optimum(players, seed, scale):
    """Expected wins equal wins, for tables as lopsided as e^12 to 1."""
    rng = np.random.default_rng(seed)
    wins = np.exp(rng.uniform(-abs(scale), abs(scale), (players, players)))
    theta = bradley_terry(wins.copy())
    np.fill_diagonal(wins, 0)
    expected = [
        sum((wins[i, j] + wins[j, i]) / (1 + math.exp(theta[j] - theta[i])) for j in range(players) if j != i)
        for i in range(players)
    ]
    assert wins.sum(axis=1) == pytest.approx(expected, abs=1e-9 * wins.sum())
    assert theta.sum() == pytest.approx(0, abs=1e-9)


def test_ratings_are_finite_where_everyone_can_be_reached():
    ring = np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=float)
    assert mutual(ring).all()
    assert np.allclose(bradley_terry(ring), 0)
    chain = np.array([[0, 1, 0], [0, 0, 1], [0, 1, 0]], dtype=float)
    assert mutual(chain).tolist() == [[True, False, False], [False, True, True], [False, True, True]]
    for hopeless in (chain, np.array([[0.0, 3.0], [0.0, 0.0]])):
        with pytest.raises(ScorerError):
            bradley_terry(hopeless)


def _cosine(a, b):
    return float(a.astype(float) @ b.astype(float) / np.linalg.norm(a.astype(float)) / np.linalg.norm(b.astype(float)))
