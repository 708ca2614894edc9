"""Labels by a chat model: both orders, ties, retries, resumed runs, the cap and Ctrl-C."""

import json
import re
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from pointsman.chat import Answer
from pointsman.costs import Price, Usage
from pointsman.errors import ConfigurationError, DataError, JudgeUnreachableError
from pointsman.labels import AnswerTable, LabelJudge
from tests.support.openai_server import Failure, openai_server

PRICE = Price(1.0, 1.0)


def table(tmp_path, *rows, models=("x", "y")):
    path = tmp_path / "answers.jsonl"
    lines = [
        {"prompt": f"q{i}"} | {f"answer|{m}": text for m, text in zip(models, row, strict=True)}
        for i, row in enumerate(rows)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return AnswerTable.read(path)


def shown(prompt):
    """The two answers in the order in which the judge sees them."""
    return re.search(r"<<<answer A\n(.*)\nanswer A>>>.*<<<answer B\n(.*)\nanswer B>>>", prompt, re.DOTALL).groups()


def longer(prompt):
    """A judge who prefers the longer answer, whatever the order."""
    first, second = shown(prompt)
    return f"Verdict: {'A' if len(first) > len(second) else 'B' if len(first) < len(second) else 'tie'}"


def quick(model, **settings):
    return LabelJudge(model, **({"wait_s": 0.0, "at_once": 3} | settings))


def test_battles_are_judged_in_both_orders(tmp_path):
    asked = []

    def judge(prompt):
        asked.append(shown(prompt))
        return longer(prompt)

    found = quick(judge).battles(table(tmp_path, ("long answer", "short"), ("a", "bbb"), ("four", "five")))
    assert found.data.labels.tolist() == [1.0, 0.0, 0.5]
    assert (found.data.model_a, found.data.model_b) == (("x",) * 3, ("y",) * 3)
    assert found.data.prompts == ("q0", "q1", "q2")
    assert sorted(asked) == sorted([("long answer", "short"), ("short", "long answer"), ("a", "bbb"), ("bbb", "a"),
                                    ("four", "five"), ("five", "four")])  # fmt: skip
    assert (found.calls, found.agreed, found.missing, found.cost_usd) == (6, 1.0, 0, None)


def test_a_judge_who_looks_at_the_place_gives_ties(tmp_path):
    found = quick(lambda prompt: "Verdict: A").battles(table(tmp_path, ("a", "b"), ("c", "d")))
    assert found.data.labels.tolist() == [0.5, 0.5]
    assert found.agreed == 0.0


def test_equal_answers_are_a_tie_for_nothing(tmp_path):
    found = quick(longer).battles(table(tmp_path, ("same", "same"), ("aa", "b")))
    assert found.data.labels.tolist() == [0.5, 1.0]
    assert found.calls == 2


def test_every_pair_of_many_models_or_those_named(tmp_path):
    three = table(tmp_path, ("a", "bb", None), ("a", "bb", "ccc"), models=("x", "y", "z"))
    pairs = [(a, b) for a, b in zip(*[quick(longer).battles(three).data.__dict__[k] for k in ("model_a", "model_b")],
                                    strict=True)]  # fmt: skip
    assert pairs == [("x", "y"), ("x", "y"), ("x", "z"), ("y", "z")]
    named = quick(longer).battles(three, pairs=[("z", "x")]).data
    assert (named.model_a, named.model_b, named.labels.tolist()) == (("z",), ("x",), [1.0])
    with pytest.raises(DataError, match="no answers of w; there are of x, y, z"):
        quick(longer).battles(three, pairs=[("x", "w")])


@pytest.mark.parametrize(
    ("reply", "label"),
    [("Verdict: A", 1.0), ("thinking...\n**Verdict:** [[B]]", 0.0), ("verdict = tie", 0.5),
     ("Verdict: A at first, but in the end\nVerdict: B", 0.0)],
)  # fmt: skip
def test_verdicts_are_read_in_many_forms(tmp_path, reply, label):
    def judge(prompt):
        if shown(prompt)[0] == "one":
            return reply
        return {1.0: "Verdict: B", 0.0: "Verdict: A", 0.5: "Verdict: tie"}[label]

    assert quick(judge).battles(table(tmp_path, ("one", "two"))).data.labels.tolist() == [label]


def test_an_unreadable_reply_is_asked_for_again_and_then_left_without_a_label(tmp_path):
    asked = []

    def judge(prompt):
        asked.append(prompt)
        return longer(prompt) if "no line of that form" in prompt and "q1" not in prompt else "I like both."

    found = quick(judge).battles(table(tmp_path, ("aa", "b"), ("cc", "d")))
    assert found.data.prompts == ("q0",)
    assert found.data.labels.tolist() == [1.0]
    assert (found.missing, found.calls) == (1, 8)
    with pytest.raises(DataError, match="none of 1 battles got a label"):
        quick(lambda prompt: "hm").battles(table(tmp_path, ("aa", "b")))


def test_what_an_answer_says_is_no_place_in_the_prompt(tmp_path):
    seen = []
    quick(lambda prompt: seen.append(prompt) or "Verdict: A").battles(table(tmp_path, ("{second} {question}", "b")))
    assert any("{second} {question}" in prompt for prompt in seen)


def test_grades_are_outcomes(tmp_path):
    def judge(prompt):
        answer = re.search(r"<<<answer\n(.*)\nanswer>>>", prompt, re.DOTALL)[1]
        return f"Score: {len(answer)}"

    found = quick(judge).outcomes(table(tmp_path, ("1234567", "12"), ("1", None)))
    np.testing.assert_array_equal(found.data.scores, [[0.7, 0.2], [0.1, np.nan]])
    assert (found.missing, found.agreed, found.calls) == (0, None, 3)


def test_a_journal_is_not_paid_for_twice_and_holds_no_text(tmp_path):
    rows = [(f"answer {i}", f"{i}") for i in range(10)]
    asked = []

    def judge(prompt):
        asked.append(prompt)
        return Answer(longer(prompt), usage=Usage(1000, 0))

    settings = {"journal": tmp_path / "j.jsonl", "price": PRICE, "name": "j"}
    first = quick(judge, **settings).battles(table(tmp_path, *rows[:6]))
    assert (len(asked), first.cost_usd) == (12, pytest.approx(12 * 0.001))
    told = []
    again = quick(judge, **settings).battles(table(tmp_path, *rows), tell=lambda done, line: told.append((done, line)))
    assert sorted(told)[-1] == (8, "$0.0200"), "progress is of what was left to do"
    assert len(asked) == 20
    assert len(again.data) == 10
    assert again.cost_usd == pytest.approx(20 * 0.001)
    text = (tmp_path / "j.jsonl").read_text(encoding="utf-8")
    assert "answer" not in text
    assert len(text.splitlines()) == 20
    other = quick(judge, **(settings | {"name": "another"}))
    assert other.estimate(table(tmp_path, *rows)).calls == 20


def test_a_line_that_was_cut_short_is_asked_for_again(tmp_path):
    journal = tmp_path / "j.jsonl"
    rows = table(tmp_path, ("aa", "b"), ("cc", "d"))
    quick(longer, journal=journal).battles(rows)
    text = journal.read_text(encoding="utf-8")
    journal.write_text(text[:-20], encoding="utf-8")
    assert quick(longer, journal=journal).estimate(rows).calls == 1
    assert quick(longer, journal=journal).battles(rows).data.labels.tolist() == [1.0, 1.0]
    assert len(journal.read_text(encoding="utf-8").splitlines()) == 4
    journal.write_text("nonsense\n" + text, encoding="utf-8")
    with pytest.raises(DataError, match=r"j\.jsonl: line 1 is no entry"):
        quick(longer, journal=journal).battles(rows)


def test_the_estimate_is_what_the_calls_come_to(tmp_path):
    rows = table(tmp_path, ("first answer", "second"), ("same", "same"))
    prompts = []
    judge = quick(lambda prompt: prompts.append(prompt) or "Verdict: A", price=Price(2.0, 10.0), reply_tokens=50)
    estimate = judge.estimate(rows)
    judge.battles(rows)
    tokens = sum(-(-len(prompt.encode()) // 4) for prompt in prompts)
    assert (estimate.calls, estimate.input_tokens, estimate.output_tokens) == (2, tokens, 100)
    assert estimate.cost_usd == pytest.approx((2 * tokens + 10 * 100) / 1e6)


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_cap_is_never_passed_and_a_higher_one_goes_on(tmp_path, at_once):
    rows = table(tmp_path, *((f"answer {i}", f"{i}") for i in range(40)))

    def judge(prompt):
        time.sleep(0.001)
        return Answer(longer(prompt), usage=Usage(600, 100))

    settings = {"journal": tmp_path / "j.jsonl", "price": PRICE, "at_once": at_once, "reply_tokens": 100}
    # a call costs 0.0007, and is held to cost up to twice its estimate before it is made
    found = quick(judge, cap_usd=0.02, **settings).battles(rows)
    assert found.capped
    assert 0.015 < found.cost_usd <= 0.02
    assert found.missing == 40 - len(found.data)
    assert 0 < len(found.data) < 20
    rest = quick(judge, cap_usd=1.0, **settings).battles(rows)
    assert (len(rest.data), rest.missing, rest.capped) == (40, 0, False)
    assert rest.cost_usd == pytest.approx(80 * 0.0007)


def test_a_cap_needs_a_price():
    with pytest.raises(ConfigurationError, match="needs the judge's price"):
        quick(longer, cap_usd=1.0)
    with pytest.raises(ConfigurationError, match="needs the judge's price"):
        quick(longer, cap_usd=1.0, price=Price(None, None))
    quick(longer, cap_usd=0.0, price=Price(0.0, 0.0))


def test_a_provider_that_fails_for_a_while_is_asked_again(tmp_path):
    failures = iter([TimeoutError("slow"), ConnectionError("gone")])

    def judge(prompt):
        for error in failures:
            raise error
        return longer(prompt)

    found = quick(judge, at_once=1).battles(table(tmp_path, ("aa", "b")))
    assert found.data.labels.tolist() == [1.0]


def test_a_provider_that_fails_for_good_ends_the_run_and_keeps_what_it_said(tmp_path):
    said = []

    def judge(prompt):
        if len(said) == 4:
            raise TimeoutError("slow")
        said.append(prompt)
        return longer(prompt)

    rows = table(tmp_path, *((f"answer {i}", f"{i}") for i in range(10)))
    with pytest.raises(JudgeUnreachableError, match=r"no answer in 3 tries \(TimeoutError: slow\); try again later"):
        quick(judge, attempts=3, at_once=1, journal=tmp_path / "j.jsonl").battles(rows)
    assert quick(longer, journal=tmp_path / "j.jsonl").estimate(rows).calls == 16


def test_a_wrong_key_is_not_tried_again(tmp_path):
    class AuthenticationError(Exception):
        status_code = 401

    asked = []

    def judge(prompt):
        asked.append(prompt)
        raise AuthenticationError("bad key")

    with pytest.raises(JudgeUnreachableError, match=r"bad key.*mend the key"):
        quick(judge, at_once=1).battles(table(tmp_path, ("aa", "b"), ("cc", "d")))
    assert len(asked) == 1


def test_a_prompt_that_the_judge_declines_stays_without_a_label(tmp_path):
    class BadRequestError(Exception):
        status_code = 400

    def judge(prompt):
        if "q0" in prompt:
            raise BadRequestError("maximum context length is 10 tokens")
        return longer(prompt)

    found = quick(judge).battles(table(tmp_path, ("aa", "b"), ("cc", "d")))
    assert (found.data.prompts, found.missing) == (("q1",), 1)


def test_an_interrupt_keeps_what_is_under_way(tmp_path):
    """What Ctrl-C does: KeyboardInterrupt in the main thread, here from the progress function."""
    journal = tmp_path / "j.jsonl"
    rows = table(tmp_path, *((f"answer {i}", f"{i}") for i in range(20)))
    started, finished = [], []
    lock = threading.Lock()

    def judge(prompt):
        with lock:
            started.append(prompt)
        time.sleep(0.01)
        with lock:
            finished.append(prompt)
        return longer(prompt)

    def tell(done, line):
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(judge, at_once=4, journal=journal).battles(rows, tell=tell)
    assert 4 <= len(started) == len(finished) < 40
    assert len(journal.read_text(encoding="utf-8").splitlines()) == len(finished)
    assert quick(longer, journal=journal).estimate(rows).calls == 40 - len(finished)


def test_calls_run_at_once(tmp_path):
    meeting = threading.Barrier(4, timeout=5)

    def judge(prompt):
        meeting.wait()
        return longer(prompt)

    found = quick(judge, at_once=4).battles(table(tmp_path, ("aa", "b"), ("cc", "d")))
    assert found.data.labels.tolist() == [1.0, 1.0]


def test_any_framework_may_judge(tmp_path, thread_loop):
    fakes = pytest.importorskip("langchain_core.language_models.fake_chat_models")
    mock = pytest.importorskip("llama_index.core.llms").MockLLM
    rows = table(tmp_path, ("aa", "b"))
    chat = fakes.FakeListChatModel(responses=["Verdict: A", "Verdict: B"])
    assert quick(chat, at_once=1).battles(rows).data.labels.tolist() == [1.0]
    with pytest.raises(DataError, match="a judge whose replies can be read"):
        quick(mock(max_tokens=3), at_once=1).battles(rows)


def test_the_real_openai_client_judges(tmp_path):
    openai = pytest.importorskip("langchain_openai")
    rows = table(tmp_path, ("a long answer", "short"), ("b", "a longer one"))
    with openai_server() as server:
        server.reply = lambda body: longer(body["messages"][0]["content"])
        server.failures = [Failure(status=500), Failure(status=429)]
        model = openai.ChatOpenAI(model="gpt-4o-mini", base_url=server.url, api_key="none", max_retries=0)
        judge = quick(model, price=Price(0.15, 0.6), cap_usd=1.0, options={"temperature": 0})
        found = judge.battles(rows)
        model.root_client.close()
    assert found.data.labels.tolist() == [1.0, 0.0]
    assert len(server.requests) == 6, "two of which met an error"
    assert {body["temperature"] for body in server.requests} == {0}
    assert found.calls == 4
    assert 0 < found.cost_usd < 0.01


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"model": 7}, "cannot be asked"),
        ({"compare": "{question}"}, "the prompt needs"),
        ({"tries": 0}, "tries"),
        ({"attempts": 0}, "1 or more"),
        ({"at_once": 0}, "1 or more"),
        ({"cap_usd": -1.0}, "0 or more"),
    ],
)
def test_bad_settings_are_refused(settings, told):
    with pytest.raises(ConfigurationError, match=told):
        LabelJudge(**({"model": longer} | settings))


def test_without_two_answers_there_is_no_battle(tmp_path):
    with pytest.raises(DataError, match="the answers of two models"):
        quick(longer).battles(table(tmp_path, ("a", None)))
    one = table(tmp_path, ("a", "b")).select([0])
    assert quick(longer).battles(replace(one)).missing == 0
