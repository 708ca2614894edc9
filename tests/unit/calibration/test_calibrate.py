"""From the user's prompts to a rule, a certificate, and a router that carries both."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from pointsman import Candidate, Pool, PromptLength, Router, Threshold, Utility, calibrate, load_router
from pointsman.calibrated import CalibrationWarning, Certificate
from pointsman.configure import configure_router
from pointsman.errors import ConfigurationError, DataError, PolicyError, UnknownPriceError
from pointsman.policies import Always, QualityFloor, QualityMargin
from pointsman.training.knn import fit_knn
from tests.support.core import pair, tiny_embedder, tiny_mf
from tests.support.outcomes import synthetic, table

DATA = synthetic(1200, seed=3)
KNN = fit_knn(synthetic(600, seed=9), tiny_embedder(), k=40)


@pytest.fixture
def router():
    return Router(pair(), KNN, Threshold(0.5))


def three():
    prices = {"strong": (2.5, 10.0), "weak": (0.15, 0.6), "other": (0.5, 2.0)}
    return Router(
        Pool([Candidate(n, input_price=a, output_price=b) for n, (a, b) in prices.items()]), KNN, Utility(0.01)
    )


def strong_share(router, prompts):
    return float(np.mean([decision.candidate == "strong" for decision in router.decide_batch(prompts)]))


@pytest.mark.parametrize("share", [0.1, 0.3, 0.8])
def test_a_share_of_the_users_prompts(share):
    router = Router(pair(), tiny_mf(), Threshold(0.5))
    prompts = [
        " ".join(["why", "prove", "hello", "world", "two"][i % 5 : i % 5 + 3]) + f" {i}" * (i % 7) for i in range(500)
    ]
    found = calibrate(router, prompts, share=share)
    ready = router.with_calibration(found)
    assert ready.policy == found.policy == Threshold(found.policy.alpha)
    assert strong_share(ready, prompts) == found.strong_share.value
    assert found.strong_share.low < found.strong_share.value < found.strong_share.high
    assert found.rows_to_halve > 1500
    assert found.certificate is None


class Says:
    """Win rates by prompt."""

    models = ("strong", "weak")

    def __init__(self, rates):
        self.rates = dict(rates)

    def quality(self, texts):
        return np.full((len(texts), 2), 0.5)

    def win_rate(self, texts, strong, weak):
        return np.array([self.rates[text] for text in texts])


@pytest.mark.parametrize(
    ("rates", "share", "found"),
    [
        ([0.5] * 100, 0.0, 0.0),
        ([0.5] * 100, 0.3, 0.0),
        ([0.5] * 100, 0.7, 1.0),
        ([0.2] * 50 + [0.8] * 50, 0.1, 0.0),
        ([0.2] * 50 + [0.8] * 50, 0.3, 0.5),
        (np.linspace(0.1, 0.9, 100), 0.0, 0.0),
        (np.linspace(0.1, 0.9, 100), 0.37, 0.37),
    ],
)
def test_where_many_prompts_are_alike_the_nearest_share_is_found(rates, share, found):
    prompts = [f"question {row}" for row in range(100)]
    router = Router(pair(), Says(zip(prompts, rates, strict=True)), Threshold(0.5))
    assert calibrate(router, prompts, share=share).strong_share.value == pytest.approx(found)


def test_a_budget_where_the_strong_model_is_the_cheaper_one(router):
    swapped = Router(
        Pool.pair(
            Candidate("strong", input_price=0.15, output_price=0.6), Candidate("weak", input_price=2.5, output_price=10)
        ),
        KNN,
        Threshold(0.5),
    )
    every = calibrate(swapped, DATA, share=1.0).usd_per_1000.value
    found = calibrate(swapped, DATA, budget=1.01 * every)
    assert found.strong_share.value == 1.0
    with pytest.raises(PolicyError, match=f"cost \\${every:.4f} at the least"):
        calibrate(swapped, DATA, budget=0.99 * every)


def test_a_budget_is_kept_and_the_next_threshold_would_break_it(router):
    cheap, dear = (calibrate(router, DATA, share=share).usd_per_1000.value for share in (0.0, 1.0))
    budget = (cheap + dear) / 2
    found = calibrate(router, DATA, budget=budget)
    assert found.usd_per_1000.low < found.usd_per_1000.value <= budget
    rates = np.unique(found.scores)
    below = Threshold(float(rates[rates < found.policy.alpha].max()))
    queries = router.decide_batch(DATA.prompts)
    spent = [d.estimated_cost_usd["strong" if d.win_rate >= below.alpha else "weak"] for d in queries]
    assert 1000 * np.mean(spent) > budget


def test_a_budget_for_many_models_buys_the_highest_willingness_to_pay():
    found = calibrate(three(), DATA, budget=1.0)
    assert isinstance(found.policy, Utility)
    assert found.usd_per_1000.value <= 1.0
    dearer = calibrate(three(), DATA, budget=1.5)
    assert dearer.policy.willingness_to_pay > found.policy.willingness_to_pay


def test_longer_replies_cost_more(router):
    short, long = (calibrate(router, DATA, share=0.5, reply_tokens=n).usd_per_1000.value for n in (10, 1000))
    assert long > 20 * short


def test_the_cheapest_threshold_with_a_bounded_loss_and_its_certificate(router):
    found = calibrate(router, DATA, eps=0.1)
    proof = found.certificate
    assert isinstance(found.policy, Threshold)
    assert (proof.eps, proof.delta, proof.rows, proof.loss) == (0.1, 0.1, 1200, "net")
    assert proof.threshold == found.policy.alpha
    assert Threshold(float(proof.policy.removeprefix("Threshold(").removesuffix(")"))) == found.policy
    assert proof.p_value <= 0.1
    assert len(proof.data) == 64
    # the loss it names is the loss of its decisions, and the next cheaper rule is not certified
    chosen = [d.candidate for d in router.with_calibration(found).decide_batch(DATA.prompts)]
    lost = DATA.scores[:, 0] - np.where(np.array(chosen) == "strong", DATA.scores[:, 0], DATA.scores[:, 1])
    assert proof.loss_seen == pytest.approx(lost.mean())
    assert proof.loss_seen < 0.1
    assert proof.strong_share == np.mean(np.array(chosen) == "strong")


def test_a_looser_bound_is_cheaper_and_a_stricter_loss_dearer(router):
    shares = [calibrate(router, DATA, eps=eps).strong_share.value for eps in (0.05, 0.1, 0.2)]
    assert shares[0] > shares[1] > shares[2]
    assert calibrate(router, DATA, eps=0.2, loss="worse").strong_share.value > shares[2]


def test_many_models_by_a_margin_below_the_strong_one():
    found = calibrate(three(), DATA, eps=0.1)
    assert isinstance(found.policy, QualityMargin)
    assert found.certificate.threshold is None
    assert found.models == ("strong", "other", "weak")
    assert found.usd_per_1000.value < calibrate(three(), DATA, eps=0.03).usd_per_1000.value
    assert three().with_calibration(found).certificate == found.certificate


def test_a_row_of_policies_of_ones_own():
    for row in ([QualityFloor(q) for q in (0.9, 0.8, 0.7, 0.5)], [Utility(w) for w in (0.1, 0.01, 0.001)]):
        assert calibrate(three(), DATA, eps=0.2, policies=row).policy in row


@pytest.mark.parametrize("pool", [pair(), Pool(["strong", "weak", "other"])])
def test_where_nothing_qualifies_it_says_so_and_routes_strong(pool):
    prices = {"strong": (2.5, 10.0), "weak": (0.15, 0.6), "other": (0.5, 2.0)}
    candidates = [Candidate(c.name, input_price=prices[c.name][0], output_price=prices[c.name][1]) for c in pool]
    router = Router(Pool(candidates, strong=pool.strong, weak=pool.weak), KNN, Always("weak"))
    few = DATA.select(np.arange(40))
    found = calibrate(router, few, eps=0.01)
    assert found.certificate is None
    assert "nothing qualifies, so every call goes to the strong model" in found.reason
    assert "give 318 or more" in found.reason
    assert (found.strong_share, found.rows_to_halve) == ((1.0, 1.0, 1.0), None)
    assert strong_share(router.with_calibration(found), few.prompts) == 1.0


def test_a_lossy_safest_step_is_named():
    worse = table(DATA.prompts, ["strong", "weak"], np.column_stack([np.ones(1200), np.zeros(1200)]))
    found = calibrate(Router(pair(), PromptLength(midpoint=5.0), Threshold(0.5)), worse, eps=0.001, delta=0.001)
    assert found.certificate is None
    assert "nothing qualifies" in found.reason


def test_the_certificate_travels(router, tmp_path):
    found = calibrate(router, DATA, eps=0.1)
    router.with_calibration(found).save(tmp_path / "mine")
    loaded = Router.load(tmp_path / "mine")
    assert loaded.certificate == found.certificate
    assert loaded.policy == router.with_calibration(found).policy
    assert loaded.calibration.as_dict() == found.as_dict()
    for name, array in found.arrays().items():
        np.testing.assert_array_equal(loaded.calibration.arrays()[name], array)
    manifest = json.loads((tmp_path / "mine" / "manifest.json").read_text())
    assert Certificate(**manifest["settings"]["calibration"]["certificate"]) == found.certificate


def test_the_certificate_is_void_for_another_rule_or_other_models(router):
    ready = router.with_calibration(calibrate(router, DATA, eps=0.1))
    assert ready.certificate is not None
    assert ready.with_policy(Threshold(0.1)).certificate is None
    assert ready.with_pool(pair()).certificate is not None
    swapped = Pool.pair(pair().named("weak"), pair().named("strong"))
    assert ready.with_pool(swapped).certificate is None
    assert ready.with_policy(ready.policy).certificate is not None


def test_for_a_rule_that_weighs_cost_other_prices_void_it_too():
    ready = three().with_calibration(calibrate(three(), DATA, eps=0.15))
    dearer = [Candidate(c.name, input_price=9.0, output_price=9.0) for c in ready.pool]
    assert ready.certificate is not None
    assert ready.with_pool(Pool(dearer)).certificate is None


def test_a_share_asked_for_later_is_of_the_calibration_prompts(router, tmp_path):
    found = calibrate(router, DATA, share=0.5)
    router.with_calibration(found).save(tmp_path / "mine")
    again = configure_router(pair(), str(tmp_path / "mine"), strong_share=0.2)
    assert again.policy.alpha == pytest.approx(np.quantile(found.scores, 0.8))
    assert again.policy.alpha != router.threshold_for_share(0.2)
    # with no rule asked for, the calibrated one stays; over other models it does not
    assert load_router(str(tmp_path / "mine"), pair()).policy == router.with_calibration(found).policy
    other = Pool.pair(Candidate("strong", model="other"), "weak")
    with pytest.warns(CalibrationWarning, match="calibrated for strong, weak, and these are other, weak"):
        assert load_router(str(tmp_path / "mine"), other).policy != router.with_calibration(found).policy
    with pytest.raises(ConfigurationError, match="calibrate this router"):
        router.with_pool(other).with_calibration(found)


@pytest.mark.parametrize(
    ("wishes", "error", "said"),
    [
        ({}, ConfigurationError, "give one of share, budget and eps"),
        ({"share": 0.3, "eps": 0.1}, ConfigurationError, "share and eps"),
        ({"share": 1.2}, PolicyError, "share of calls in"),
        ({"share": math.nan}, PolicyError, "share of calls in"),
        ({"budget": 0.0001}, PolicyError, "raise the budget"),
        ({"share": 0.3, "reply_tokens": -1}, ConfigurationError, "length of an answer"),
        ({"eps": 0.0}, ConfigurationError, "between 0 and 1"),
        ({"eps": 0.1, "delta": 1.0}, ConfigurationError, "between 0 and 1"),
        ({"eps": 0.1, "loss": "regret"}, ConfigurationError, "net and worse"),
    ],
)
def test_a_wish_that_makes_no_sense_is_one_error(router, wishes, error, said):
    with pytest.raises(error, match=said):
        calibrate(router, DATA, **wishes)


def test_data_that_cannot_be_calibrated_on_is_one_error(router):
    one = table(DATA.prompts, ["strong"], DATA.scores[:, :1])
    missing = table(DATA.prompts, ["strong", "weak"], np.where([True, False], np.nan, DATA.scores[:, :2]))
    for data, wish, said in (
        ([], {"share": 0.3}, "0 prompts are too few"),
        (["a"] * 19, {"share": 0.3}, "give 20 or more"),
        (["a"] * 30 + [" "], {"share": 0.3}, "prompt 30 has no words"),
        ("why is that even a prompt", {"share": 0.3}, "give a list"),
        (list(DATA.prompts), {"eps": 0.1}, "needs labels"),
        (replace(DATA, scores=DATA.scores[:-1]), {"eps": 0.1}, r"scores \(1199, 3\) for 1200 prompts"),
        (one, {"eps": 0.1}, "no column of weak"),
        (missing, {"eps": 0.1}, "0 prompts have scores of all of strong, weak"),
        (table(DATA.prompts, ["strong", "weak"], 3 * DATA.scores[:, :2]), {"eps": 0.1}, "scale them"),
    ):
        with pytest.raises(DataError, match=said):
            calibrate(router, data, **wish)


def test_prices_and_roles_that_are_needed_are_asked_for():
    unpriced = Router(
        Pool.pair(Candidate("strong", model="mine-1"), Candidate("weak", model="mine-2")),
        PromptLength(),
        Threshold(0.5),
    )
    with pytest.raises(UnknownPriceError, match="none is known for strong, weak"):
        calibrate(unpriced, DATA, budget=1.0)
    assert calibrate(unpriced, DATA, share=0.3).usd_per_1000 is None
    with pytest.raises(PolicyError, match="needs a pair"):
        calibrate(three(), DATA, share=0.3)
    nameless = Router(Pool(["strong", "weak", "other"]), KNN, Always("weak"))
    with pytest.raises(UnknownPriceError, match="names no strong model"):
        calibrate(nameless, DATA, eps=0.1)


def test_both_plugins_serve_by_the_calibrated_rule(tmp_path):
    pytest.importorskip("langchain_core")
    pytest.importorskip("llama_index.core")
    from langchain_router import RoutedChatModel, routing_decision
    from llamaindex_router import RouterLLM
    from llamaindex_router import routing_decision as decision_of
    from tests.support.langchain import FakeChat
    from tests.support.llamaindex import ScriptedLLM

    pool = Pool.pair(Candidate("strong", model="big"), Candidate("weak", model="small"))
    plain = Router(pool, PromptLength(midpoint=30.0), Threshold(0.5))
    found = calibrate(plain, table(DATA.prompts, ["big", "small"], DATA.scores[:, :2]), eps=0.2)
    plain.with_calibration(found).save(tmp_path / "mine")
    chat = RoutedChatModel(strong=FakeChat(model="big"), weak=FakeChat(model="small"), router=str(tmp_path / "mine"))
    llm = RouterLLM(strong=ScriptedLLM(name="big"), weak=ScriptedLLM(name="small"), router=str(tmp_path / "mine"))
    for decision in (routing_decision(chat.invoke("why")), decision_of(llm.complete("why"))):
        assert decision.threshold == found.policy.alpha
