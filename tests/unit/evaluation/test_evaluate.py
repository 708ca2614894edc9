"""Comparing routers: the yardsticks, the intervals, and tables that cannot be compared."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from pointsman import Outcomes, Pool, PromptLength, RandomScorer, Router, Threshold, evaluate
from pointsman.data.convert import outcomes_to_battles
from pointsman.errors import ConfigurationError, DataError
from pointsman.evaluation.compare import price_calls
from pointsman.evaluation.hull import aiq, zero_router
from pointsman.evaluation.metrics import apgr, cpt
from pointsman.evaluation.predictions import Predictions
from pointsman.evaluation.report import verdicts_of
from tests.support.outcomes import synthetic

USD_OF_PAIR = {"strong": 0.03, "weak": 0.001}
USD = {"strong": 0.03, "weak": 0.001, "other": 0.01}


def pair(n=300, tasks=None) -> Outcomes:
    data = synthetic(n)
    return Outcomes(data.prompts, data.models[:2], data.scores[:, :2], data.prompt_ids, tasks or ("",) * n)


def knows(data: Outcomes, noise=0.5, seed=0) -> Predictions:
    """A router that knows who is better, but for noise."""
    rng = np.random.default_rng(seed)
    quality = np.clip(data.scores * 0.5 + 0.25 + rng.normal(0, noise, data.scores.shape), 0, 1)
    return Predictions(data.models, quality[None], np.clip(0.5 + (quality[:, 0] - quality[:, 1]) / 2, 0, 1)[None])


def test_a_pair_has_its_yardsticks_unasked():
    data = pair()
    report = evaluate(PromptLength(), data, resamples=50)
    table = report.table("pair")
    assert [row.name for row in table.rows] == [
        "always strong", "always weak", "zero", "random", "length", "oracle", "prompt_length",
    ]  # fmt: skip
    assert (report.strong, report.weak, report.prompts, report.left_out) == ("strong", "weak", 300, 0)
    length = table.row("length").figures
    assert table.row("prompt_length").figures["apgr"] == length["apgr"]
    sizes = [len(prompt) for prompt in data.prompts]
    assert length["apgr"].value == pytest.approx(apgr(sizes, *data.scores.T))
    assert length["apgr_exact"].value == pytest.approx(apgr(sizes, *data.scores.T, bins=None))
    assert length["cpt80"].value == pytest.approx(cpt(sizes, *data.scores.T, 0.8))
    assert length["apgr"].low < length["apgr"].value < length["apgr"].high
    assert {name: table.row("random").figures[name].value for name in ("apgr", "cpt50", "cpt80")} == {
        "apgr": 0.5, "cpt50": 0.5, "cpt80": 0.8,
    }  # fmt: skip
    assert table.row("oracle").figures["apgr"].value >= max(row.figures["apgr"].value for row in table.rows[2:])


def test_all_is_said_as_text_and_as_json():
    report = evaluate({"one": knows(pair()), "two": PromptLength()}, pair(), resamples=30, data="made up")
    said = str(report)
    assert said.startswith("made up: 300 prompts\n")
    assert [line.split()[0] for line in said.splitlines() if line.startswith(("one", "oracle"))] == [
        "oracle", "one", "oracle", "one", "one", "one",
    ]  # fmt: skip
    told = json.loads(json.dumps(report.as_dict()))
    assert (
        told["tables"][0]["rows"][-1]["figures"]["apgr"]["value"]
        == report.table("pair").row("two").figures["apgr"].value
    )
    assert "prompt" not in told["too_cheap"][0]
    assert json.loads(json.dumps(report.as_dict(prompts=True)))["too_cheap"][0]["prompt"] in pair().prompts


def test_differences_are_paired():
    """Two routers that differ on few prompts: their difference is far better known than either."""
    data = pair(600)
    one = knows(data, noise=0.05)
    rate = one.win_rate.copy()
    rate[0, :10] = 0.5
    table = evaluate({"one": one, "two": replace(one, win_rate=rate)}, data, resamples=200).table("pair")
    own, lift = table.row("two").figures["apgr"], table.row("two").over["one"]["apgr"]
    assert lift.value == pytest.approx(own.value - table.row("one").figures["apgr"].value)
    assert lift.high - lift.low < (own.high - own.low) / 3
    assert set(table.row("one").over) == {"random", "length"}


def test_a_sentence_says_whether_a_router_beats_what_needs_none():
    data = pair(600)
    report = evaluate({"good": knows(data, noise=0.1), "length again": PromptLength()}, data, resamples=60)
    good, again = verdicts_of(report)
    assert good.startswith("good against length: APGR .")
    assert good.endswith("], beats it")
    assert again.endswith("0.000, is not shown to differ")
    assert good in str(report)
    data = price_calls(synthetic(), USD)
    (verdict,) = verdicts_of(evaluate({"bad": RandomScorer(data.models)}, data, resamples=60))
    assert verdict.startswith("bad against zero: held-out AIQ -.")
    assert verdict.endswith("is below it")


def test_intervals_cover():
    """Of 60 samples the 95% interval misses the truth a few times, and not ten."""
    rng, missed = np.random.default_rng(0), 0
    hard = rng.random(20_000)
    strong, weak = (rng.random(20_000) < 0.9).astype(float), (rng.random(20_000) < 0.9 - 0.6 * hard).astype(float)
    truth = apgr(hard, strong, weak)
    for _ in range(60):
        rows = rng.integers(0, 20_000, 400)
        prompts = tuple(f"p{row}" for row in range(400))
        data = Outcomes(prompts, ("s", "w"), np.column_stack([strong, weak])[rows], prompts, ("",) * 400)
        said = Predictions(("s", "w"), np.column_stack([hard, 1 - hard])[None, rows], hard[None, rows])
        found = evaluate(said, data, strong="s", weak="w", resamples=100).table("pair").rows[-1].figures["apgr"]
        missed += not found.low <= truth <= found.high
    assert missed <= 9


def test_a_router_that_only_tells_tasks_apart_is_found_out():
    """Pooled it looks like a router; within tasks it is a coin."""
    rng = np.random.default_rng(0)
    hard = np.repeat([0, 1], 300)
    weak = (rng.random(600) < np.where(hard, 0.2, 0.9)).astype(float)
    prompts = tuple(f"p{row}" for row in range(600))
    tasks = tuple(np.where(hard, "maths", "chat"))
    data = Outcomes(prompts, ("s", "w"), np.column_stack([np.ones(600), weak]), prompts, tasks)
    rate = np.clip(hard * 0.5 + rng.random(600) * 0.4, 0, 1)
    said = Predictions(("s", "w"), np.column_stack([rate, 1 - rate])[None], rate[None])
    row = evaluate(said, data, resamples=100).table("pair").rows[-1]
    assert row.figures["apgr"].low > 0.6
    assert row.within["apgr"].low < 0.5 < row.within["apgr"].high
    assert evaluate(said, data, resamples=20).table("pair").row("random").within["apgr"].value == 0.5


def test_n_models_are_compared_by_cost():
    data = price_calls(synthetic(), USD)
    report = evaluate({"good": knows_all(data), "bad": RandomScorer(data.models)}, data, resamples=60)
    table = report.table("cost")
    assert [row.name for row in table.rows][1:] == ["zero", "random", "length", "oracle", "good", "bad"]
    zero = aiq(zero_router(data.scores, data.costs), 0.001, 0.03)
    assert table.row("zero").figures["aiq"].value == pytest.approx(zero)
    good = table.row("good").figures
    assert good["aiq"].value > zero
    assert good["aiq_guarded"].value >= max(good["aiq"].value, zero)
    assert good["saved"].value > 0
    assert good["gained"].value > 0
    assert 0 < good["closed"].value <= 1
    assert table.row("oracle").figures["closed"].value == pytest.approx(1)
    assert table.row("good").over["zero"]["aiq_held"].low > 0
    assert table.row("bad").figures["aiq_guarded"].value >= zero - 1e-12


def knows_all(data: Outcomes) -> Predictions:
    """A router that knows who is better, but for noise."""
    noise = np.random.default_rng(1).normal(0, 0.2, data.scores.shape)
    return Predictions(data.models, np.clip(data.scores * 0.5 + 0.25 + noise, 0, 1)[None])


def test_a_coins_hull_is_lucky_and_its_held_out_settings_are_not():
    """Over 20 data sets: the hull of a coin's 51 settings lies above zero each time, on other prompts half the time."""
    hulls, held = [], []
    for seed in range(20):
        data = price_calls(replace(pair(400), prompts=tuple(f"{seed} {row}" for row in range(400))), USD_OF_PAIR)
        table = evaluate(RandomScorer(), data, resamples=10).table("cost")
        over = table.row("random router").over["zero"]
        hulls.append(over["aiq"].value)
        held.append(over["aiq_held"].value)
    assert min(hulls) > 0
    assert abs(np.mean(held)) < np.mean(hulls) / 2
    assert min(held) < 0 < max(held)


def test_a_pair_with_costs_has_both_tables():
    data = price_calls(pair(), {"strong": 0.03, "weak": 0.001})
    report = evaluate(knows(data), data, resamples=30)
    cut = report.table("pair").rows[-1].cut
    assert cut["share"].value == pytest.approx(0.5)
    assert cut["saved"].value == pytest.approx(1 - (0.5 * 0.031) / 0.03)
    assert report.table("cost").rows[-1].figures["saved"].value > 0


def test_a_pair_of_one_price_has_no_cost_table():
    data = price_calls(pair(), {"strong": 0.01, "weak": 0.01})
    assert [table.kind for table in evaluate(PromptLength(), data, resamples=20).tables] == ["pair"]


def test_few_prompts_give_wide_intervals_and_no_error():
    data = price_calls(pair(6), {"strong": 0.03, "weak": 0.001})
    scores = np.array([[1, 0], [1, 1], [1, 0], [0, 1], [1, 1], [1, 0]], dtype=float)
    figures = evaluate(PromptLength(), replace(data, scores=scores), resamples=200).table("pair").rows[-1].figures
    assert figures["apgr"].high - figures["apgr"].low > 0.3


def test_the_setting_is_the_routers_own_or_what_is_asked_for():
    data = pair()
    router = Router(Pool.pair("strong", "weak"), RandomScorer(), Threshold(0.8))
    assert evaluate(router, data, resamples=20).table("pair").rows[-1].cut["share"].value == pytest.approx(
        0.2, abs=0.08
    )
    asked = evaluate(router, data, resamples=20, strong_share=0.25).table("pair").rows[-1].cut["share"]
    assert asked.value == pytest.approx(0.25, abs=0.01)
    assert evaluate(router, data, resamples=20, threshold=0.0).table("pair").rows[-1].cut["share"].value == 1
    other = Router(Pool.pair("x", "y"), RandomScorer(), Threshold(0.8))
    cut = evaluate(other, data, resamples=20, strong="strong", weak="weak").table("pair").rows[-1].cut
    assert cut["share"].value == pytest.approx(0.5, abs=0.01)


def test_mistakes_are_the_dearest_first_and_of_their_kind():
    report = evaluate(knows(pair(), noise=0.1), pair(), resamples=20, strong_share=0.3)
    data = pair()
    rows = {prompt: row for row, prompt in enumerate(data.prompts)}
    for mistake in report.too_cheap:
        assert (mistake.chosen, mistake.better, mistake.lost) == ("weak", "strong", 1.0)
        assert data.scores[rows[mistake.prompt]].tolist() == [1, 0]
    for mistake in report.too_dear:
        assert (mistake.chosen, mistake.better) == ("strong", "weak")
        assert mistake.lost >= 0
    rates = [mistake.win_rate for mistake in report.too_cheap]
    assert rates == sorted(rates)


def test_seeds_are_averaged_and_their_agreement_told():
    data = pair()
    seeds = [knows(data, seed=seed) for seed in range(3)]
    quality, rates = (np.concatenate([getattr(s, part) for s in seeds]) for part in ("quality", "win_rate"))
    all_three = Predictions(data.models, quality, rates)
    figures = evaluate(all_three, data, resamples=30).table("pair").rows[-1].figures
    each = [evaluate(one, data, resamples=30).table("pair").rows[-1].figures["apgr"].value for one in seeds]
    assert figures["apgr"].value == pytest.approx(np.mean(each))
    assert 0.5 < figures["agreement"].value < 1
    assert figures["agreement"].low < figures["agreement"].value


def silent():
    table = pair()
    return replace(table, scores=np.column_stack([table.scores[:, 0], np.full(len(table), np.nan)]))


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: evaluate(PromptLength(), pair().select(np.zeros(300, dtype=bool))), "0 prompts"),
        (lambda: evaluate(PromptLength(), one_model()), "one model"),
        (lambda: evaluate(PromptLength(), synthetic()), "no cost is known for .* cost|<model>"),
        (lambda: evaluate(PromptLength(), pair(), strong="gpt-9", weak="weak"), "no model 'gpt-9'"),
        (lambda: evaluate(PromptLength(), pair(), strong="strong"), "a pair is two models"),
        (lambda: evaluate(PromptLength(), pair(), strong="weak", weak="strong"), "swap them"),
        (lambda: evaluate(knows(pair(100)), pair()), "predictions of 100 prompts"),
        (lambda: evaluate(replace(knows(pair()), models=("strong", "else")), pair()), "no predictions of weak"),
        (
            lambda: evaluate(Predictions(("strong", "weak"), knows(pair()).quality), pair()),
            "win rates where there is a pair",
        ),
        (lambda: evaluate(PromptLength(), pair(), resamples=3), "10 resamples or more"),
        (lambda: evaluate(PromptLength(), pair(), threshold=0.5, strong_share=0.5), "give one"),
        (lambda: evaluate(PromptLength(), pair(), strong_share=1.5), r"in \[0, 1\]"),
        (lambda: evaluate(PromptLength(), pair(), threshold=float("nan")), r"threshold is nan; .* in \[0, 1\]"),
        (lambda: evaluate(PromptLength(), unanswered()), "has a score of all"),
        (lambda: evaluate(PromptLength(), replace(pair(), scores=pair().scores[:-1])), "scores of shape"),
        (lambda: evaluate(PromptLength(), replace(pair(), tasks=("a",))), "tasks of shape"),
        (lambda: evaluate(PromptLength(), replace(pair(), costs=np.zeros((300, 3)))), "costs of shape"),
        (lambda: evaluate(PromptLength(), replace(pair(), scores=pair().scores * 10)), r"not in \[0, 1\]"),
        (lambda: evaluate(PromptLength(), replace(pair(), costs=-np.ones((300, 2)))), "a cost is negative"),
        (lambda: evaluate(PromptLength(), replace(synthetic(), costs=np.ones((200, 3)))), "all models cost the same"),
        (lambda: evaluate(PromptLength(), silent()), "no prompt has a score of weak"),
        (lambda: price_calls(pair(), {"weak": float("inf")}), "a price of inf"),
        (lambda: price_calls(pair(), {"gpt-9": 0.1}), "give 0 or more for one of strong, weak"),
        (lambda: price_calls(pair(), {"weak": float("nan")}), "a price of nan"),
    ],
)
def test_wrong_input_is_one_clear_error(wrong, text):
    with pytest.raises(DataError, match=text):
        wrong()


def test_a_router_by_its_name_and_battles_for_outcomes():
    battles = outcomes_to_battles(pair())
    report = evaluate("default", battles, strong="strong", weak="weak", resamples=20)
    assert report.table("pair").rows[-1].name == "default"
    assert report.prompts == len(set(pair().prompts))


@pytest.mark.parametrize("wrong", [None, 3, object()])
def test_what_is_no_router_is_refused(wrong):
    with pytest.raises(ConfigurationError, match="cannot be evaluated; give a Router"):
        evaluate(wrong, pair())
    with pytest.raises(DataError, match="give Outcomes or Battles"):
        evaluate(PromptLength(), wrong)


def test_a_router_of_other_models_is_refused():
    with pytest.raises(ConfigurationError, match="does not know"):
        evaluate(RandomScorer(("gpt-8", "gpt-9")), pair())


def one_model() -> Outcomes:
    data = pair()
    return Outcomes(data.prompts, ("strong",), data.scores[:, :1], data.prompt_ids, data.tasks)


def unanswered() -> Outcomes:
    data = pair()
    scores = np.where(np.arange(300)[:, None] % 2 == np.arange(2), np.nan, data.scores)
    return Outcomes(data.prompts, data.models, scores, data.prompt_ids, data.tasks)
