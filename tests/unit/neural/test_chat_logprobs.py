"""A chat model's log-probabilities as a router: the arithmetic, and the adapter for LangChain. Needs no torch."""

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import Pool, Router, Scorer, Threshold
from pointsman.errors import ConfigurationError, ScorerError
from pointsman.scorers.chat_logprobs import ChatLogprobScorer, langchain_logprobs
from pointsman.scorers.rating import score_log_probabilities, win_rates

PAIR = ("big", "small")


def scorer(answer, **settings):
    return ChatLogprobScorer(PAIR, lambda _: answer, **settings)


@given(st.lists(st.floats(0.001, 1), min_size=5, max_size=5), st.floats(0, 1))
def test_the_win_rate_is_what_the_good_scores_leave(weights, other):
    total = sum(weights) + other
    p = [w / total for w in weights]
    rate = scorer({str(s): math.log(x) for s, x in enumerate(p, start=1)}, minimum_mass=0).strong_wins(["a"])[0]
    assert rate == pytest.approx(1 - (p[3] + p[4]) / sum(p), abs=1e-9)


def test_spellings_of_one_score_are_added_up():
    tokens = {"4": math.log(0.2), " 4": math.log(0.1), "[[4]]": math.log(0.1), "2": math.log(0.4), "two": math.log(0.2)}
    assert np.exp(score_log_probabilities(tokens)) == pytest.approx([0, 0.4, 0, 0.4, 0])
    assert scorer(tokens).strong_wins(["a"])[0] == pytest.approx(0.5)


@pytest.mark.parametrize("tokens", [{}, {"Sure": -0.1}, {"Sure": -0.001, "4": math.log(1e-4)}])
def test_an_answer_that_is_no_score_takes_the_strong_model(tokens):
    assert scorer(tokens).strong_wins(["a"]).tolist() == [1.0]


def test_the_switch_for_that_is_minimum_mass():
    tokens = {"Sure": -0.001, "4": math.log(1e-4)}
    assert scorer(tokens, minimum_mass=0).strong_wins(["a"])[0] == pytest.approx(0, abs=1e-12)
    assert scorer({"Sure": -0.1}, minimum_mass=0).strong_wins(["a"])[0] == 1
    assert win_rates(np.array([[-800.0, -800, -800, -800, -800]]), 0.0)[0] == pytest.approx(0.6)


@pytest.mark.parametrize("value", [0.5, float("nan")])
def test_what_is_no_log_probability_is_refused(value):
    with pytest.raises(ScorerError, match="above 0 or NaN"):
        scorer({"4": value}).strong_wins(["a"])


def test_each_text_is_asked_once_and_keeps_its_place():
    asked, lock = [], threading.Lock()

    def ask(messages):
        with lock:
            asked.append(messages)
        good = messages[1]["content"].count("easy") / 10
        return {"5": math.log(max(good, 1e-9)), "1": math.log(max(1 - good, 1e-9))}

    texts = ["easy " * n for n in range(10)]
    found = ChatLogprobScorer(PAIR, ask, at_once=4)
    assert isinstance(found, Scorer)
    assert found.strong_wins(texts) == pytest.approx([1 - n / 10 for n in range(10)])
    assert sorted(m[1]["content"].count("easy") for m in asked) == list(range(10))
    assert [m["role"] for m in asked[0]] == ["system", "user"]
    assert asked[0][1]["content"].endswith("Prediction:")
    assert found.quality([]).shape == (0, 2)
    router = Router(Pool.pair("big", "small"), found.with_reference(texts), Threshold(0.5))
    assert [d.candidate for d in router.decide_batch([texts[2], texts[8]])] == ["big", "small"]
    assert router.threshold_for_share(0.5) == pytest.approx(0.55)


def test_a_question_is_cut_and_may_hold_braces():
    seen = []
    found = ChatLogprobScorer(
        PAIR, lambda m: seen.append(m[1]["content"]) or {"4": -0.1}, user="<{question}>", max_characters=7
    )
    found.strong_wins(["{a} {question} and more"])
    assert seen == ["<{a} {qu>"]


@pytest.mark.parametrize(
    "settings", [{"user": "no place"}, {"minimum_mass": -1}, {"max_characters": 0}, {"at_once": 0}]
)
def test_settings_that_cannot_work(settings):
    with pytest.raises(ConfigurationError):
        scorer({}, **settings)


def test_langchain_chat_models_are_asked_for_log_probabilities():
    chat_models = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    messages = pytest.importorskip("langchain_core.messages")
    outputs = pytest.importorskip("langchain_core.outputs")
    bound = []

    class Chat(chat_models.FakeChatModel):
        logprobs: dict | None = None

        def _generate(self, chat, stop=None, run_manager=None, **kwargs):
            bound.append((kwargs, [m.type for m in chat]))
            message = messages.AIMessage("4", response_metadata={"logprobs": self.logprobs})
            return outputs.ChatResult(generations=[outputs.ChatGeneration(message=message)])

    top = [{"token": "4", "logprob": math.log(0.7)}, {"token": "1", "logprob": math.log(0.2)}]
    model = Chat(logprobs={"content": [{"token": "4", "logprob": math.log(0.7), "top_logprobs": top}]})
    found = ChatLogprobScorer.from_langchain(model, PAIR, options={"max_tokens": 1}, minimum_mass=0.5)
    assert found.strong_wins(["a"])[0] == pytest.approx(2 / 9)
    assert bound == [({"logprobs": True, "top_logprobs": 20, "max_tokens": 1}, ["system", "human"])]
    assert langchain_logprobs(model)([{"role": "user", "content": "x"}])["1"] == pytest.approx(math.log(0.2))
    with pytest.raises(ScorerError, match="no log-probabilities"):
        ChatLogprobScorer.from_langchain(Chat(), PAIR).strong_wins(["a"])
