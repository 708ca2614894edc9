"""Battles of unequal weight: read, kept, converted, and learned from as if weight 2 were two battles."""

from dataclasses import replace

import numpy as np
import pytest

from pointsman.data.convert import battles_to_outcomes, keep_rows
from pointsman.data.merge import merge_battles
from pointsman.data.outcomes import Battles
from pointsman.errors import DataError
from pointsman.router import Router
from pointsman.scorers.sw_ranking import SWRanking
from pointsman.training import train
from tests.support.battles import QUERIES, arena
from tests.support.core import tiny_embedder

SMALL = {"dim": 8, "epochs": 4, "noise": 0.0}
FAST = {"dim": 8, "epochs": 60, "patience": 60, "learning_rate": 1e-2}


def weighted(seed=0):
    """Battles with weights 1 and 2, the same battles with those of weight 2 written twice, and an embedder."""
    battles, embedder = arena()
    weights = np.random.default_rng(seed).integers(1, 3, len(battles)).astype(float)
    rows = np.repeat(np.arange(len(battles)), weights.astype(int))
    names = (tuple(column[row] for row in rows) for column in (battles.prompts, battles.model_a, battles.model_b))
    return replace(battles, weights=weights), Battles(*names, battles.labels[rows]), embedder


def rates(scorer):
    return scorer.win_rate(QUERIES, "m6", "m0")


def test_a_battle_of_weight_two_counts_as_two_battles():
    once, twice, embedder = weighted()
    fits = [train("sw_ranking", data, embedder=embedder, tiers=3) for data in (once, twice)]
    assert fits[0].tiers.tolist() == [fits[1].tiers[fits[1].models.index(name)] for name in fits[0].models]
    assert rates(fits[0]) == pytest.approx(rates(fits[1]), abs=1e-6)
    plain = train("sw_ranking", replace(once, weights=None), embedder=embedder, tiers=3)
    assert np.abs(rates(fits[0]) - rates(plain)).max() > 1e-3


@pytest.mark.parametrize(("router", "options"), [("sw_ranking", {"tiers": 3}), ("mf", SMALL), ("knn", {"k": 5})])
def test_only_ratios_of_weights_matter(router, options):
    battles, embedder = arena()
    equal = replace(battles, weights=np.full(len(battles), 0.25))
    fits = [train(router, data, embedder=embedder, **options) for data in (battles, equal)]
    assert rates(fits[0]) == pytest.approx(rates(fits[1]), abs=1e-6)


def test_mf_believes_the_heavier_of_two_that_contradict_each_other():
    battles, embedder = arena()
    both = Battles(
        battles.prompts * 2,
        battles.model_a * 2,
        battles.model_b * 2,
        np.concatenate([battles.labels, 1 - battles.labels]),
    )
    original = np.repeat([True, False], len(battles))
    told, reversed_ = (
        rates(train("mf", replace(both, weights=np.where(heavy, 9.0, 1.0)), embedder=embedder, **FAST)).mean()
        for heavy in (original, ~original)
    )
    assert told < 0.45, "m0 is the stronger one"
    assert reversed_ > 0.55


def test_battles_of_weight_zero_are_left_out():
    battles, embedder = arena()
    cut = keep_rows(battles, np.arange(len(battles)) < 300)
    zeroed = replace(battles, weights=(np.arange(len(battles)) < 300).astype(float))
    fits = [train("sw_ranking", data, embedder=embedder, tiers=3) for data in (cut, zeroed)]
    assert rates(fits[0]) == pytest.approx(rates(fits[1]), abs=1e-6)


def test_a_saved_scorer_keeps_its_weights(tmp_path):
    from pointsman import Pool, Threshold

    once, _, _ = weighted()
    named = replace(once, prompts=tuple(f"hello world {i}" for i in range(len(once))))
    scorer = train("sw_ranking", named, embedder=tiny_embedder(), tiers=3)
    Router(Pool.pair("m6", "m0"), scorer, Threshold(0.5)).save(tmp_path / "r")
    again = Router.load(tmp_path / "r").scorer
    assert isinstance(again, SWRanking)
    assert again.counts.tolist() == scorer.counts.tolist()
    assert again.win_rate(["prove"], "m6", "m0") == pytest.approx(scorer.win_rate(["prove"], "m6", "m0"))


def test_shares_of_battles_won_are_weighted():
    battles = Battles(
        ("q", "q", "q"), ("x", "x", "x"), ("y", "y", "z"), np.array([1.0, 0.0, 0.5]), np.array([3.0, 1, 0])
    )
    found = battles_to_outcomes(battles)
    assert found.models == ("x", "y", "z")
    assert found.scores[0, :2].tolist() == [0.75, 0.25]
    assert np.isnan(found.scores[0, 2]), "a battle of weight 0 says nothing of z"


def test_weights_are_read_kept_and_merged(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text("prompt,model_a,model_b,winner,weight\np,x,y,a,2\nq,x,y,tie,0.5\n", encoding="utf-8")
    read = Battles.read(path)
    assert read.counts.tolist() == [2.0, 0.5]
    assert keep_rows(read, np.array([False, True])).counts.tolist() == [0.5]
    plain = replace(read, weights=None)
    assert plain.counts.tolist() == [1.0, 1.0]
    assert merge_battles([read, plain]).counts.tolist() == [2.0, 0.5, 1.0, 1.0]
    assert merge_battles([plain, plain]).weights is None


@pytest.mark.parametrize("value", ["-1", "nan", "much", "", "inf"])
def test_a_bad_weight_names_file_row_and_column(tmp_path, value):
    path = tmp_path / "b.csv"
    path.write_text(f"prompt,model_a,model_b,winner,weight\np,x,y,a,1\nq,x,y,b,{value}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.csv: row 1, column 'weight': "):
        Battles.read(path)


@pytest.mark.parametrize("router", ["knn", "sw_ranking", "mf"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_a_bad_weight_is_refused_by_every_router(router, value):
    battles, embedder = arena()
    weights = np.ones(len(battles))
    weights[7] = value
    with pytest.raises(DataError, match="row 7: weight"):
        train(router, replace(battles, weights=weights), embedder=embedder)
