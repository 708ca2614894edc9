"""What each router makes of bad data: an error that names file, row and column, or a behaviour that is stated here."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from pointsman.data.merge import read_data
from pointsman.data.outcomes import Battles
from pointsman.errors import DataError
from pointsman.training import train
from tests.support.core import tiny_embedder
from tests.support.outcomes import synthetic

QUICK = {"mf": {"dim": 4, "epochs": 1}, "mlp": {"layers": (4,), "iterations": 5}, "ensemble": {"folds": 2}}
ROUTERS = ["random", "prompt_length", "knn", "mf", "svm", "mlp", "sw_ranking", "ensemble"]
BATTLES = ("prompt", "model_a", "model_b", "winner")


def outcomes_rows(n=60):
    data = synthetic(n)
    return [
        {"prompt_id": i, "prompt": prompt, "score|strong": s[0], "score|weak": s[1], "score|other": s[2]}
        for i, (prompt, s) in enumerate(zip(data.prompts, data.scores, strict=True))
    ]


def battle_rows(n=60):
    rng = np.random.default_rng(1)
    names = ("strong", "weak", "other")
    pairs = [rng.permutation(3)[:2] for _ in range(n)]
    prompts = synthetic(n).prompts
    return [
        dict(zip(BATTLES, (prompt, names[a], names[b], rng.choice(["a", "b", "tie"])), strict=True))
        for prompt, (a, b) in zip(prompts, pairs, strict=True)
    ]


def written(path, rows):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def changed(rows, row=None, **values):
    """The rows with these values in one of them, or in all."""
    return [each | values if row in (None, number) else each for number, each in enumerate(rows)]


def fit(router, path):
    if router in ("svm", "mlp", "ensemble"):
        pytest.importorskip("sklearn")
    return train(router, read_data([path]), embedder=tiny_embedder(), **QUICK.get(router, {}))


def check(scorer, data):
    """A scorer that works: numbers in [0, 1] for every prompt."""
    for found in (scorer.quality(data.prompts[:5]), scorer.win_rate(data.prompts[:5], "strong", "weak")):
        assert ((found >= 0) & (found <= 1)).all()


def without(rows, *names):
    return [{key: value for key, value in row.items() if key not in names} for row in rows]


OUTCOMES = {
    "no prompt column": (lambda rows: without(rows, "prompt"), r"d\.csv: no column 'prompt'; it has prompt_id, score"),
    "no column of either layout": (
        lambda rows: without(rows, "score|strong", "score|weak", "score|other"),
        r"d\.csv: neither columns score\|<model> \(outcomes\) nor model_a, model_b and winner",
    ),
    "a word for a score": (
        lambda rows: changed(rows, 7, **{"score|weak": "good"}),
        r"d\.csv: row 7, column 'score\|weak': 'good' is not a number",
    ),
    "a score out of range": (
        lambda rows: changed(rows, 7, **{"score|weak": 4}),
        r"d\.csv: row 7, column 'score\|weak': 4 is not in \[0, 1\]",
    ),
    "an infinite score": (
        lambda rows: changed(rows, 7, **{"score|weak": "inf"}),
        r"d\.csv: row 7, column 'score\|weak': 'inf' is not finite",
    ),
    "a row number twice": (
        lambda rows: changed(rows, 8, prompt_id=7),
        r"d\.csv: row 8, column 'prompt_id': '7' comes twice",
    ),
    "a model without any score": (lambda rows: changed(rows, **{"score|other": ""}), "no prompt has a score of other"),
    "no score at all": (
        lambda rows: changed(rows, **{f"score|{name}": "" for name in ("strong", "weak", "other")}),
        "no prompt has a score of strong, weak, other",
    ),
    "one model": (lambda rows: without(rows, "score|weak", "score|other"), "a router needs 2 models"),
    "one class": (
        lambda rows: changed(rows, **{f"score|{name}": 1 for name in ("strong", "weak", "other")}),
        "no model's score varies over the 60 prompts",
    ),
    "models that never differ": (
        lambda rows: [row | {"score|weak": row["score|strong"], "score|other": row["score|strong"]} for row in rows],
        "scored alike on each of the 60 prompts that two of them answered",
    ),
    "one prompt with two answers, and they are alike": (
        lambda rows: [
            row | ({"score|weak": ""} if i else {"score|strong": 1, "score|weak": 1})
            for i, row in enumerate(without(rows, "score|other"))
        ],
        "scored alike on each of the 1 prompts that two of them answered",
    ),
    "5 rows": (lambda rows: rows[:5], "5 .* are too few to learn from; give 20 or more"),
}


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("case", OUTCOMES)
def test_bad_outcomes_are_an_error(tmp_path, router, case):
    spoil, told = OUTCOMES[case]
    with pytest.raises(DataError, match=told):
        fit(router, written(tmp_path / "d.csv", spoil(outcomes_rows())))


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda rows: rows + [row | {"prompt_id": f"again {row['prompt_id']}"} for row in rows],
        lambda rows: [row | {"score|weak": "nan"} if i % 3 else row for i, row in enumerate(rows)],
        lambda rows: [row | {"score|weak": ""} if i % 3 else row for i, row in enumerate(rows)],
        lambda rows: changed(rows, 7, prompt=""),
        lambda rows: changed(rows, **{"score|strong": 1}),
    ],
    ids=["duplicate prompts", "NaN scores", "missing scores", "an empty prompt", "a model that is always right"],
)
def test_outcomes_with_gaps_and_repeats_are_learned_from(tmp_path, router, spoil):
    """A prompt that comes twice is two observations, NaN is a missing score, and a row without a prompt is dropped."""
    path = written(tmp_path / "d.csv", spoil(outcomes_rows()))
    check(fit(router, path), synthetic(60))


BAD_BATTLES = {
    "no winner column": (lambda rows: without(rows, "winner"), r"d\.csv: no column 'winner'; it has prompt, model_a"),
    "an unknown winner": (
        lambda rows: changed(rows, 3, winner="model_c"),
        r"d\.csv: row 3, column 'winner': 'model_c' is none of a, model_a",
    ),
    "a blank winner": (lambda rows: changed(rows, 3, winner=""), "row 3, column 'winner': '' is none of"),
    "a model without a name": (
        lambda rows: changed(rows, 3, model_b=""),
        r"d\.csv: row 3, column 'model_b': expected text, found ''",
    ),
    "a blank prompt": (lambda rows: changed(rows, 3, prompt=" "), r"d\.csv: row 3, column 'prompt': expected text"),
    "a weight below 0": (lambda rows: [row | {"weight": -1} for row in rows], r"d\.csv: row 0, column 'weight': '-1'"),
    "weights of 0": (lambda rows: [row | {"weight": 0} for row in rows], "no prompt has a score of|are too few"),
    "only ties": (
        lambda rows: changed(rows, winner="tie"),
        "no model's score varies over the 60 prompts|all 60 battles are ties",
    ),
    "a model against itself": (
        lambda rows: changed(rows, model_a="weak", model_b="weak"),
        "2 models|between two models",
    ),
    "5 rows": (lambda rows: rows[:5], "5 .* are too few to learn from; give 20 or more"),
}


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("case", BAD_BATTLES)
def test_bad_battles_are_an_error(tmp_path, router, case):
    spoil, told = BAD_BATTLES[case]
    with pytest.raises(DataError, match=told):
        fit(router, written(tmp_path / "d.csv", spoil(battle_rows())))


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize(
    "spoil",
    [lambda rows: rows * 2, lambda rows: [row | {"weight": 1 + i % 3} for i, row in enumerate(rows)]],
    ids=["duplicate prompts", "weights"],
)
def test_battles_that_repeat_or_weigh_are_learned_from(tmp_path, router, spoil):
    check(fit(router, written(tmp_path / "d.csv", spoil(battle_rows()))), synthetic(60))


IN_PYTHON = {
    "a prompt that is none": (lambda d: replace(d, prompts=(None, *d.prompts[1:])), "a prompt is None and no text"),
    "a name that is none": (lambda d: replace(d, models=("strong", "weak", 3)), "a model is 3 and no text"),
    "a name twice": (lambda d: replace(d, models=("strong", "weak", "weak")), "a model comes twice"),
    "scores of words": (lambda d: replace(d, scores=np.full(d.scores.shape, "good")), "no table of numbers"),
    "scores of rows of different lengths": (lambda d: replace(d, scores=[[1.0], [0, 1]]), "no table of numbers"),
}


@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("case", IN_PYTHON)
def test_tables_made_in_python_are_looked_at_as_well(router, case):
    spoil, told = IN_PYTHON[case]
    with pytest.raises(DataError, match=told):
        train(router, spoil(synthetic(60)), embedder=tiny_embedder(), **QUICK.get(router, {}))


@pytest.mark.parametrize("router", ["prompt_length", "sw_ranking", "mf"])
@pytest.mark.parametrize("change", [{"prompts": (None,) * 60}, {"model_a": (None,) * 60}, {"labels": ["won"] * 60}])
def test_battles_made_in_python_are_looked_at_as_well(router, change):
    data = Battles(synthetic(60).prompts, ("strong",) * 60, ("weak",) * 60, np.arange(60) % 2 * 1.0)
    with pytest.raises(DataError, match=r"None and no text|no table of numbers"):
        train(router, replace(data, **change), embedder=tiny_embedder(), **QUICK.get(router, {}))


@pytest.mark.parametrize("router", ["knn", "sw_ranking", "mf"])
@pytest.mark.parametrize("kind", [list, np.float32, np.int64, object])
def test_scores_of_any_kind_of_number_are_the_same_scores(router, kind):
    data = synthetic(60)
    scores = data.scores.tolist() if kind is list else data.scores.astype(kind)
    rates = [
        train(router, each, embedder=tiny_embedder(), **QUICK.get(router, {})).win_rate(data.prompts, "strong", "weak")
        for each in (data, replace(data, scores=scores))
    ]
    assert np.array_equal(*rates)


def test_answers_are_not_labels(tmp_path):
    path = written(tmp_path / "d.csv", [{"prompt": "q", "answer|m": "4"}])
    with pytest.raises(DataError, match="label its answers first, pointsman label"):
        read_data([path])
