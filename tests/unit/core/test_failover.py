"""A model fails, another is asked, and the one that failed is left alone for a while."""

from __future__ import annotations

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from pointsman import Candidate, Pool, Router, Threshold
from pointsman.errors import ConfigurationError, EmptyAnswerError, NoCandidateError
from pointsman.failover import Attempts, Breaker, Failover
from pointsman.policies import Always, Utility
from pointsman.query import Query
from pointsman.scorers.length import PromptLength
from pointsman.trouble import retry_after, trouble_of

POOL = Pool(
    [
        Candidate("strong", input_price=10, output_price=30, context_window=128_000),
        Candidate("middle", input_price=1, output_price=3, context_window=8_000),
        Candidate("weak", input_price=0.1, output_price=0.3, context_window=8_000),
    ],
    strong="strong",
    weak="weak",
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def router() -> Router:
    return Router(POOL, PromptLength(), Threshold(0.0))


class ThrottledError(Exception):
    """As an HTTP client of a provider raises it."""

    def __init__(self, status: int = 429, headers: dict[str, str] | None = None) -> None:
        super().__init__("slow down")
        self.status_code = status
        self.response = type("Response", (), {"status_code": status, "headers": headers or {}})()


# -- what kind of trouble


def an_error(name: str, *bases: type[BaseException], text: str = "", **facts: object) -> BaseException:
    kind = type(name, bases or (Exception,), facts)
    return kind(text)


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (ThrottledError(429), "rate_limit"),
        (ThrottledError(500), "server"),
        (ThrottledError(503), "overloaded"),
        (ThrottledError(529), "overloaded"),
        (ThrottledError(401), "access"),
        (ThrottledError(400), "caller"),
        (
            an_error("BadRequest", status_code=400, text="This model's maximum context length is 8192"),
            "context_overflow",
        ),
        (an_error("BadRequest", status_code=400, text="prompt is too long: 210000 tokens"), "context_overflow"),
        (an_error("ModelRateLimitError"), "rate_limit"),
        (an_error("OpenAIRateLimitError", type("ModelRateLimitError", (Exception,), {})), "rate_limit"),
        (an_error("ModelInvalidRequestError", text="messages: at least one is required"), "caller"),
        (an_error("ModelInvalidRequestError", text="input is too long for the context window"), "context_overflow"),
        (an_error("ModelRefusalError"), "refusal"),
        (an_error("OpenAIRefusalError"), "refusal"),
        (an_error("BadRequestError", status_code=400, code="content_filter"), "refusal"),
        (an_error("ResourceExhausted", code=429), "rate_limit"),
        (an_error("ClientError", response={"Error": {"Code": "ThrottlingException"}}), "rate_limit"),
        (TimeoutError(), "timeout"),
        (ConnectionResetError(), "connection"),
        (EmptyAnswerError(), "empty"),
        (ValueError("maximum context length"), "unknown"),
        (KeyError("x"), "unknown"),
    ],
)
def test_an_error_is_known_by_status_class_and_words(error: BaseException, trouble: str) -> None:
    assert trouble_of(error) == trouble


def test_an_error_that_wraps_another_is_what_the_other_is() -> None:
    outer = RuntimeError("the call failed")
    outer.__cause__ = ThrottledError(429)
    assert trouble_of(outer) == "rate_limit"


def test_the_errors_of_real_clients_are_known() -> None:
    httpx, openai = pytest.importorskip("httpx"), pytest.importorskip("openai")
    request = httpx.Request("POST", "http://127.0.0.1/v1")

    def answered(status: int) -> object:
        return httpx.Response(status, request=request, headers={"retry-after": "7"})

    limited = openai.RateLimitError("slow down", response=answered(429), body=None)
    assert (trouble_of(limited), retry_after(limited)) == ("rate_limit", 7.0)
    assert trouble_of(openai.APITimeoutError(request=request)) == "timeout"
    assert trouble_of(openai.APIConnectionError(request=request)) == "connection"
    assert trouble_of(openai.InternalServerError("oh", response=answered(500), body=None)) == "server"
    assert trouble_of(openai.AuthenticationError("no", response=answered(401), body=None)) == "access"
    assert trouble_of(openai.BadRequestError("no", response=answered(400), body=None)) == "caller"
    assert trouble_of(httpx.ReadTimeout("late")) == "timeout"
    assert trouble_of(httpx.RemoteProtocolError("cut")) == "connection"


@pytest.mark.parametrize("value", ["Wed, 21 Oct 2026 07:28:00 GMT", "-3", "soon"])
def test_a_wait_that_is_no_number_of_seconds_is_none(value: str) -> None:
    assert retry_after(ThrottledError(headers={"retry-after": value})) is None


# -- whom to ask instead


def test_the_others_are_asked_in_the_policys_order_until_none_is_left(router: Router) -> None:
    attempts = Attempts(router, Failover(), None)
    first = router.decide("Prove it.", excluded=attempts.excluded)
    attempts.start(first)
    second = attempts.fail(first, ThrottledError())
    assert second is not None
    assert (first.candidate, second.fallback_from) == ("strong", "strong")
    assert second.candidate != "strong"
    assert (second.id, second.quality, second.win_rate) == (first.id, first.quality, first.win_rate)
    assert second.reason == "strong failed: rate limit (ThrottledError)"
    attempts.start(second)
    third = attempts.fail(second, TimeoutError())
    assert third is not None
    assert {first.candidate, second.candidate, third.candidate} == set(POOL.names)
    attempts.start(third)
    assert attempts.fail(third, TimeoutError()) is None
    assert attempts.made == 3


def test_the_cheapest_of_the_others_is_asked_where_cost_counts() -> None:
    router = Router(POOL, PromptLength(), Utility(0.0))
    first = router.decide("Prove it.")
    second = router.instead(first, {"weak": "down"})
    assert second is not None
    assert (first.candidate, second.candidate) == ("weak", "middle")


@pytest.mark.parametrize("error", [ValueError("yours"), ThrottledError(400), ThrottledError(401), KeyboardInterrupt()])
def test_the_callers_own_mistakes_are_the_callers_to_see(router: Router, error: BaseException) -> None:
    breaker = Breaker(Failover())
    attempts = Attempts(router, Failover(), breaker)
    decision = router.decide("Hi")
    attempts.start(decision)
    assert attempts.fail(decision, error) is None
    assert breaker.closed() == {}


def test_a_candidate_asked_for_by_name_is_not_replaced(router: Router) -> None:
    breaker = Breaker(Failover())
    breaker.failed("weak", "timeout")
    named = router.with_policy(Always("weak"))
    attempts = Attempts(named, Failover(), breaker)
    decision = named.decide("Hi", excluded=attempts.excluded)
    assert decision.candidate == "weak"
    assert attempts.fail(decision, ThrottledError()) is None


def test_a_prompt_too_long_goes_to_a_larger_window_only() -> None:
    router = Router(POOL, PromptLength(), Utility(0.0))
    attempts = Attempts(router, Failover(), None)
    first = router.decide("Hi")
    second = attempts.fail(first, an_error("ContextOverflowError"))
    assert (first.candidate, second and second.candidate) == ("weak", "strong")


def test_the_number_of_attempts_is_capped(router: Router) -> None:
    attempts = Attempts(router, Failover(attempts=1), None)
    decision = router.decide("Hi")
    attempts.start(decision)
    assert attempts.fail(decision, ThrottledError()) is None


@pytest.mark.parametrize("settings", [{"attempts": 0}, {"cool_down_s": -1.0}, {"cool_down_s": 301.0}])
def test_settings_out_of_range_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="give"):
        Failover(**settings)  # type: ignore[arg-type]


# -- leaving alone


def test_a_candidate_that_failed_is_passed_by_then_probed_then_trusted(router: Router, clock: Clock) -> None:
    breaker = Breaker(Failover(cool_down_s=10), clock)
    breaker.failed("strong", "overloaded")
    assert breaker.closed() == {"strong": "left alone for 10 s more after overloaded"}
    decision = router.decide("Prove it.", excluded=breaker.closed())
    assert decision.candidate != "strong"
    assert "left alone" in decision.gated["strong"]
    clock.now = 10.0
    assert breaker.closed() == {}
    breaker.asked("strong")
    assert breaker.closed() == {"strong": "being tried again after overloaded"}
    breaker.answered("strong")
    assert breaker.closed() == {}


def test_each_failure_in_a_row_doubles_the_pause_up_to_the_longest(clock: Clock) -> None:
    breaker = Breaker(Failover(cool_down_s=10, longest_cool_down_s=35), clock)
    pauses = []
    for _ in range(4):
        breaker.failed("weak", "timeout")
        start = clock.now
        while breaker.closed():
            clock.now += 1
        pauses.append(clock.now - start)
        breaker.asked("weak")
    assert pauses == [10, 20, 35, 35]


def test_calls_that_fail_together_are_one_failure(clock: Clock) -> None:
    breaker = Breaker(Failover(cool_down_s=10), clock)
    for _ in range(50):
        breaker.failed("weak", "timeout")
    assert "left alone for 10 s" in breaker.closed()["weak"]
    breaker.failed("weak", "rate_limit", wait_s=60)
    assert "left alone for 60 s" in breaker.closed()["weak"], "but each may name a longer time"


def test_a_provider_that_names_its_time_is_given_it(clock: Clock) -> None:
    breaker = Breaker(Failover(), clock)
    breaker.failed("weak", "rate_limit", wait_s=60)
    clock.now = 59
    assert "weak" in breaker.closed()


def test_a_probe_that_is_given_up_frees_the_candidate(clock: Clock) -> None:
    breaker = Breaker(Failover(cool_down_s=10), clock)
    breaker.failed("weak", "timeout")
    clock.now = 10
    breaker.asked("weak")
    clock.now = 20
    assert breaker.closed() == {}


def test_where_all_are_left_alone_the_call_is_made_all_the_same(router: Router, clock: Clock) -> None:
    breaker = Breaker(Failover(), clock)
    for name in POOL.names:
        breaker.failed(name, "timeout")
    assert router.decide("Prove it.", excluded=breaker.closed()).candidate == "strong"


def test_one_that_is_left_alone_is_the_last_resort(router: Router) -> None:
    breaker = Breaker(Failover())
    for name in ("middle", "weak"):
        breaker.failed(name, "timeout")
    attempts = Attempts(router, Failover(), breaker)
    first = router.decide("Prove it.", excluded=attempts.excluded)
    second = attempts.fail(first, ThrottledError())
    assert first.candidate == "strong"
    assert second is not None
    assert second.candidate in ("middle", "weak")


def test_what_failed_since_a_decision_was_made_is_passed_by(router: Router, clock: Clock) -> None:
    breaker = Breaker(Failover(), clock)
    attempts = Attempts(router, Failover(), breaker)
    first = router.decide("Prove it.")
    assert attempts.admit(first) is first
    breaker.failed("strong", "timeout")
    other = attempts.admit(first)
    assert (first.candidate, other.candidate, other.fallback_from) == ("strong", "weak", None)
    assert other.gated["strong"] == "left alone for 10 s more after timeout"
    assert attempts.fail(other, ThrottledError()).candidate == "middle"
    for name in ("middle", "weak"):
        breaker.failed(name, "timeout")
    assert attempts.admit(first) is first, "where all are left alone the call is made all the same"
    forced = router.with_policy(Always("strong")).decide("Prove it.")
    assert attempts.admit(forced) is forced


def test_one_call_is_admitted_to_try_again(clock: Clock) -> None:
    breaker = Breaker(Failover(cool_down_s=10), clock)
    breaker.failed("weak", "timeout")
    clock.now = 10
    with ThreadPoolExecutor(16) as pool:
        admitted = list(pool.map(lambda _: breaker.admit("weak"), range(64)))
    assert admitted.count(None) == 1


def test_troubles_of_one_call_leave_the_candidate_in_service(router: Router) -> None:
    breaker = Breaker(Failover())
    attempts = Attempts(router, Failover(), breaker)
    assert attempts.fail(router.decide("Hi"), EmptyAnswerError()) is not None
    assert breaker.closed() == {}


def test_copies_and_pickles_start_with_a_clean_record() -> None:
    breaker = Breaker(Failover(cool_down_s=5))
    breaker.failed("weak", "timeout")
    for other in (copy.deepcopy(breaker), pickle.loads(pickle.dumps(breaker))):  # noqa: S301  # our own
        assert other.closed() == {}
        other.failed("weak", "timeout")
        assert "left alone for 5 s" in other.closed()["weak"]


def test_threads_share_a_breaker() -> None:
    breaker = Breaker(Failover(cool_down_s=0.0))

    def work() -> None:
        for _ in range(500):
            breaker.failed("weak", "timeout")
            breaker.closed()
            breaker.asked("weak")
            breaker.answered("weak")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert breaker.closed() == {}


# -- gates go before


def test_an_excluded_candidate_is_no_reason_to_break_a_gate(router: Router) -> None:
    long = Query("Hi", prompt_tokens=50_000)
    assert router.decide(long, excluded={"strong": "down"}).candidate == "strong"
    with pytest.raises(NoCandidateError):
        router.decide(replace(long, prompt_tokens=500_000), excluded={"strong": "down"})
