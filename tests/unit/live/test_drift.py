"""Traffic that is no longer what the router was calibrated on: noticed, said, and answered."""

import copy
import json
import pickle
import threading
import warnings

import numpy as np
import pytest

from pointsman import Candidate, Outcomes, Pool, Query, Router, Threshold, Utility, calibrate, load_router
from pointsman.configure import configure_router
from pointsman.errors import ConfigurationError
from pointsman.experiments import ShadowRouter, SplitRouter
from pointsman.live import Drift, DriftWarning, SlidingRouter, WatchedRouter
from pointsman.live.evidence import MOST, STAKES, Evidence
from pointsman.training.knn import fit_knn
from tests.support.core import WORDS, pair, tiny_embedder, tiny_mf
from tests.support.outcomes import synthetic

KNN = fit_knn(synthetic(600, seed=9), tiny_embedder(), k=40)
LABELLED = synthetic(1200, seed=3)
EASY = ["hello", "world", "two", "that", "is"]


def traffic(n, words=WORDS, seed=0):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(words, 5)) for _ in range(n)]


@pytest.fixture
def router():
    plain = Router(pair(), KNN, Threshold(0.5))
    return plain.with_calibration(calibrate(plain, LABELLED, eps=0.1))


def drifted(router, texts, **options):
    """The watched router after these texts, and the event, if there was one."""
    events = []
    watched = WatchedRouter(router, on_drift=events.append, **options)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        for text in texts:
            watched.decide(text)
    return watched, events, [w for w in said if w.category is DriftWarning]


def test_the_same_traffic_raises_no_alarm(router):
    watched, events, said = drifted(router, traffic(3000, seed=7))
    assert (watched.drift, events, said) == (None, [], [])
    assert watched.calls == 3000
    assert watched.certificate == router.certificate is not None


def test_other_traffic_voids_the_certificate_and_says_so_once(router):
    watched, events, said = drifted(router, traffic(500, seed=7) + traffic(1000, EASY, seed=8))
    assert len(events) == len(said) == 1
    (event,) = events
    assert 500 < event.calls < 900
    assert event.evidence >= 1_000_000
    assert event.certificate == router.certificate is not None
    assert watched.certificate is None
    assert watched.drift == event
    assert watched.calls == event.calls
    assert "calibrate anew" in str(said[0].message)
    assert json.loads(json.dumps(event.as_dict()))["signal"] == event.signal
    decision = watched.decide("why is that even")
    assert decision.notice is None
    assert decision.reason.endswith("traffic has drifted, so nothing is guaranteed")
    assert "drifted" not in router.decide("why").reason


def test_the_signal_is_named_and_its_means_are_those_of_the_traffic(router):
    _, (event,), _ = drifted(router, traffic(1500, EASY, seed=8), vectors=False)
    assert event.signal == "win rate"
    assert event.mean_before == pytest.approx(router.calibration.scores.mean())
    seen = [d.win_rate for d in router.decide_batch(traffic(1500, EASY, seed=8)[: event.calls])]
    assert event.mean_now == pytest.approx(np.mean(seen[-500:]))


def test_the_vectors_show_what_the_win_rate_does_not(router):
    def rates(texts):
        return np.array([decision.win_rate for decision in router.decide_batch(texts)])

    # prompts that all begin and end alike, each with the win rate of some usual prompt
    alike = [text for text in traffic(8_000, seed=4) if text.split()[0] == text.split()[-1] == "hello"]
    order, wanted = np.argsort(rates(alike)), rates(traffic(800, seed=5))
    found = np.clip(np.searchsorted(rates(alike)[order], wanted), 0, len(alike) - 1)
    odd = [alike[row] for row in order[found]]
    assert np.abs(np.sort(rates(odd)) - np.sort(wanted)).mean() < 0.02
    by_vectors, _, _ = drifted(router, odd)
    by_rate_alone, _, _ = drifted(router, odd, vectors=False)
    assert by_rate_alone.drift is None
    assert by_vectors.drift.signal != "win rate"


def test_fallback_keep_decides_on_as_before(router):
    watched, _, _ = drifted(router, traffic(1500, EASY), fallback="keep")
    texts = traffic(200, EASY, seed=5)
    assert [d.candidate for d in watched.decide_batch(texts)] == [d.candidate for d in router.decide_batch(texts)]


def test_fallback_share_keeps_the_calibrated_share(router):
    share = router.calibration.strong_share.value
    watched, _, _ = drifted(router, traffic(1500, EASY), fallback="share")
    texts = traffic(1000, EASY, seed=5)
    kept = np.mean([d.candidate == "strong" for d in watched.decide_batch(texts)])
    assert kept == pytest.approx(share, abs=0.02)
    assert abs(np.mean([d.candidate == "strong" for d in router.decide_batch(texts)]) - share) > 0.2


@pytest.mark.parametrize("pool", ["pair", "three"])
def test_fallback_strong_sends_everything_there(router, pool):
    if pool == "three":
        prices = {"strong": (2.5, 10.0), "weak": (0.15, 0.6), "other": (0.5, 2.0)}
        candidates = [Candidate(n, input_price=a, output_price=b) for n, (a, b) in prices.items()]
        plain = Router(Pool(candidates), KNN, Utility(0.01))
        router = plain.with_calibration(calibrate(plain, LABELLED, eps=0.15))
    watched, (event,), _ = drifted(router, traffic(1500, EASY), fallback="strong")
    assert event.signal in ("win rate", "quality", "distance", "axis 1", "axis 2", "axis 3", "axis 4")
    assert {d.candidate for d in watched.decide_batch(traffic(100, EASY))} == {"strong"}


def test_the_calibration_that_was_saved_is_watched_after_loading(router, tmp_path):
    router.save(tmp_path / "mine")
    loaded = Router.load(tmp_path / "mine")
    first, (event,), _ = drifted(router, traffic(1500, EASY))
    second, (again,), _ = drifted(loaded, traffic(1500, EASY))
    assert again == event
    assert first.calls == second.calls


def test_prompts_without_words_are_not_watched(router):
    watched = WatchedRouter(router)
    watched.decide_batch(["", "why", Query(" ")])
    assert watched.calls == 1


def test_it_goes_where_a_router_goes(router, tmp_path):
    watched, _, _ = drifted(router, traffic(1500, EASY), fallback="strong")
    plugged = configure_router(pair(), watched)
    assert plugged.certificate is None
    assert plugged.decide("hello").candidate == "strong"
    assert not isinstance(configure_router(pair(), watched, threshold=0.4), WatchedRouter)
    fresh = WatchedRouter(router)
    configure_router(pair(), fresh).decide_batch(traffic(10))
    assert fresh.calls == 10  # one state for both
    decision = watched.decide("hello")
    assert watched.instead(decision, {"strong": "down"}).candidate == "weak"
    assert watched.instant
    assert "fallback='strong'" in repr(watched)
    with pytest.raises(ConfigurationError, match="is not saved"):
        watched.save(tmp_path / "r")
    with pytest.raises(ConfigurationError, match="there are none"):
        fresh.with_pool(Pool.pair(Candidate("strong", model="other"), "weak"))


def test_a_copy_watches_on_by_itself(router):
    watched = WatchedRouter(router)
    watched.decide_batch(traffic(50))
    for other in (copy.deepcopy(watched), pickle.loads(pickle.dumps(watched))):  # noqa: S301  # our own bytes
        other.decide("why")
        assert (watched.calls, other.calls) == (50, 51)


async def test_a_coroutine_is_watched_too(router):
    watched = WatchedRouter(router)
    await watched.adecide_batch(traffic(30))
    assert watched.calls == 30


def test_threads_trip_it_once(router):
    events = []
    watched = WatchedRouter(router, on_drift=events.append)
    texts = traffic(4000, EASY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DriftWarning)
        threads = [
            threading.Thread(target=lambda part=part: [watched.decide(text) for text in texts[part::8]])
            for part in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(events) == 1
    assert isinstance(events[0], Drift)


@pytest.mark.parametrize(
    "options", [{"fallback": "retrain"}, {"calls_per_false_alarm": 1.0}, {"calls_per_false_alarm": float("nan")}]
)
def test_odd_settings_are_refused(router, options):
    with pytest.raises(ConfigurationError, match="give one of keep, share, strong"):
        WatchedRouter(router, **options)


def test_what_stands_over_a_router_promises_no_more_than_it_holds(router):
    watched, _, _ = drifted(router, traffic(1500, EASY, seed=8))
    assert ShadowRouter(router, router).certificate == router.certificate is not None
    assert ShadowRouter(watched, router).certificate is None
    assert ShadowRouter(SlidingRouter(router, 0.3), router).certificate is None
    assert SplitRouter({"tested": router, "not": router.with_policy(Threshold(1.0))}).certificate is None


def test_what_falls_back_on_a_share_keeps_one_account_for_all_that_share_the_watch(router):
    watched, _, _ = drifted(router, traffic(1500, EASY, seed=8), fallback="share")
    one, two = watched.with_pool(pair()), watched.with_pool(pair())
    start, strong = watched._deciding()._pace._debt, 0
    for row, text in enumerate(traffic(60, EASY, seed=9)):
        strong += (watched, one, two)[row % 3].decide(text).candidate == "strong"
    owed = {each._deciding()._pace._debt for each in (watched, one, two)}
    assert len(owed) == 1
    assert owed.pop() == pytest.approx(start + 60 * router.calibration.strong_share.value - strong)


def test_a_router_that_was_never_calibrated_is_refused():
    with pytest.raises(ConfigurationError, match=r"use router\.with_calibration"):
        WatchedRouter(Router(pair(), tiny_mf(), Threshold(0.5)))


def test_false_alarms_come_no_more_often_than_promised():
    # 150 streams of 400 prompts; an alarm is promised no sooner than after 2,000 on average, and P(alarm) <= 400/2000
    rng, limit, alarms = np.random.default_rng(0), 2000.0, 0
    for seed in range(150):
        evidence = Evidence([rng.normal(size=60), rng.normal(size=30)], seed=seed)
        alarms += any(evidence.add(row) >= limit for row in rng.normal(size=(400, 2)).tolist())
    assert alarms / 150 <= 0.2 + 2 * np.sqrt(0.2 * 0.8 / 150)


@pytest.mark.parametrize("seed", range(3))
def test_a_full_memory_does_not_take_its_own_chance_for_a_change(seed):
    """Mean growth of every bet over all that may come, with a reference that no longer grows: at most 1."""
    evidence = Evidence([np.random.default_rng(seed).random(MOST)])
    growth = []
    for number in (np.arange(3000) + 0.5) / 3000:
        evidence._sums = np.zeros_like(evidence._sums)
        evidence.add([number])
        growth.append(evidence._sums)
    means = np.mean(growth, axis=0)
    assert means.shape == (1, 2, len(STAKES))
    assert 0.97 < means.min() < means.max() <= 1.0


@pytest.mark.parametrize("change", [lambda x: x + 0.7, lambda x: 2.5 * x, lambda x: 0.3 * x])
def test_a_shift_and_a_spread_are_found(change):
    rng = np.random.default_rng(1)
    evidence = Evidence([rng.normal(size=500)])
    assert max(evidence.add([x]) for x in rng.normal(size=500).tolist()) < 1e5
    assert any(evidence.add([x]) >= 1e6 for x in change(rng.normal(size=600)).tolist())


def test_ties_do_not_pass_for_a_change():
    rng = np.random.default_rng(2)
    evidence = Evidence([rng.integers(0, 3, 200).astype(float)])
    assert max(evidence.add([x]) for x in rng.integers(0, 3, 2000).astype(float).tolist()) < 1e6


@pytest.mark.data
def test_gsm8k_after_mmlu_is_noticed_and_mmlu_after_mmlu_is_not(data_dir):
    pytest.importorskip("pyarrow")
    table = Outcomes.read(data_dir / "routellm/routellm_mmlu_gsm8k.parquet", task_column="task")
    tasks, rng = np.array(table.tasks), np.random.default_rng(0)
    mmlu = table.select(rng.permutation(np.flatnonzero(tasks == "mmlu")))
    gsm = table.select(np.flatnonzero(tasks == "gsm8k"))
    router = load_router("default", Pool.pair(*table.models))
    ready = router.with_calibration(calibrate(router, mmlu.select(np.arange(1000)), share=0.3))
    watched, events, _ = drifted(ready, mmlu.prompts[1000:3000] + gsm.prompts[:500], fallback="share")
    (event,) = events
    assert 2000 < event.calls < 2150
    assert isinstance(watched._deciding(), SlidingRouter)
