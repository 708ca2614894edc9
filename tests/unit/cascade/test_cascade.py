"""A cascade asks from cheap to dear until a judge accepts, and every call is paid for."""

import asyncio

import pytest

from pointsman import Candidate, Cascade, Decision, Pool, Usage
from pointsman.cascade import AgreementJudge, ChatJudge, LogprobJudge, adrive, drive
from pointsman.chat import Answer, TokenLogprob
from pointsman.costs import Price
from pointsman.errors import ConfigurationError, JudgeError, MissingLogprobsError, ScorerError, UnknownPriceError
from pointsman.records import Call
from tests.support.core import pair

USAGE = Usage(1_000_000, 1_000_000)
"""A million each way: the costs in these tests are the prices."""
POOL = pair()
DECISION = Decision(id="d", candidate="strong", model="strong", win_rate=0.7)
THREE = Pool([Candidate(name, input_price=price, output_price=price) for name, price in (("b", 2), ("c", 9), ("a", 1))])


class Models:
    """Answers from a table, and remembers who was asked for what."""

    def __init__(self, **texts):
        self.texts = {name: iter(said if isinstance(said, list) else [said]) for name, said in texts.items()}
        self.asked = []

    def call(self, ask):
        self.asked.append(ask)
        said = next(self.texts[ask.candidate or "judge"])
        if isinstance(said, BaseException):
            raise said
        return said if isinstance(said, Answer) else Answer(said, usage=USAGE)

    async def acall(self, ask):
        await asyncio.sleep(0)
        return self.call(ask)

    @property
    def names(self):
        return [ask.candidate or "judge" for ask in self.asked]


def run(cascade, models, decision=DECISION, pool=POOL):
    return drive(cascade.steps(decision, pool, "question"), models.call)


def outcome_of(verdict, pool=POOL):
    """What a plugin does after the cascade: make the last call if none was accepted, and close."""
    usage = USAGE if verdict.answer is None else verdict.answer.usage
    return Call(verdict.decision, pool, earlier=verdict.earlier).close(usage)


def by_text(question, answer):
    return float(answer.text)


def test_an_accepted_answer_is_the_only_call():
    models = Models(weak="0.8", judge="0.8")
    verdict = run(Cascade(by_text, cut=0.8), models)
    assert verdict.answer.text == "0.8"
    assert (verdict.decision.candidate, verdict.decision.model, verdict.decision.escalated_from) == (
        "weak",
        "weak",
        None,
    )
    assert verdict.decision.reason == "weak was judged 0.800 >= 0.8"
    assert verdict.decision.win_rate == DECISION.win_rate
    outcome = outcome_of(verdict)
    assert outcome.cost_usd == pytest.approx(0.15 + 0.6)
    assert outcome.saved_usd == pytest.approx(2.5 + 10 - 0.75)
    assert outcome.attempts == 1
    assert models.names == ["weak", "judge"]


def test_an_escalated_call_pays_for_both():
    models = Models(weak="0.79", judge="0.79")
    verdict = run(Cascade(by_text, cut=0.8), models)
    assert verdict.answer is None
    assert models.names == ["weak", "judge"]
    assert (verdict.decision.candidate, verdict.decision.escalated_from) == ("strong", "weak")
    assert verdict.decision.reason == "weak was judged 0.790 < 0.8; so strong"
    assert verdict.scores == {"weak": 0.79}
    outcome = outcome_of(verdict)
    assert outcome.cost_usd == pytest.approx(12.5 + 0.75)
    assert outcome.baseline_cost_usd == pytest.approx(12.5)
    assert outcome.saved_usd == pytest.approx(-0.75)
    assert (outcome.input_tokens, outcome.output_tokens, outcome.attempts) == (2_000_000, 2_000_000, 2)


def test_more_candidates_are_asked_from_cheap_to_dear():
    models = Models(a="0.1", b="0.2", judge=["0.1", "0.2"])
    verdict = run(Cascade(by_text, cut=0.5), models, pool=THREE)
    assert models.names == ["a", "judge", "b", "judge"]
    assert (verdict.decision.candidate, verdict.decision.escalated_from) == ("c", "b")
    assert outcome_of(verdict, THREE).cost_usd == pytest.approx(2 * (1 + 2 + 9))
    assert outcome_of(verdict, THREE).attempts == 3


def test_an_order_of_ones_own_and_gates_are_obeyed():
    cascade = Cascade(by_text, cut=0.5, order=("b", "a"))
    assert run(cascade, Models(b="0.9", judge="0.9"), pool=THREE).decision.candidate == "b"
    gated = Decision(id="d", candidate="a", model="a", gated={"b": "too long"})
    models = Models()
    assert run(cascade, models, gated, THREE).decision.candidate == "a"
    assert models.names == []


def test_a_forced_decision_stands():
    forced = Decision(id="d", candidate="strong", model="strong", forced=True, reason="asked for by name")
    verdict = run(Cascade(by_text, cut=0.5), Models(), forced)
    assert (verdict.decision, verdict.answer, verdict.earlier) == (forced, None, ())


def test_sync_and_async_are_one():
    texts = {"weak": ["7", "7", "8"]}
    cascade = Cascade(AgreementJudge(3), cut=0.9)
    verdict = run(cascade, Models(**texts))
    later = asyncio.run(adrive(cascade.steps(DECISION, POOL, "question"), Models(**texts).acall))
    assert verdict == later
    assert verdict.scores == {"weak": pytest.approx(2 / 3)}


def test_agreement_asks_the_same_candidate_again_and_pays_for_it():
    models = Models(weak=["The answer is B.", "B", "b)", "I say C: the answer is C"])
    verdict = run(Cascade(AgreementJudge(4), cut=0.75), models)
    assert verdict.scores == {"weak": 0.75}
    assert verdict.answer.text == "The answer is B."
    assert [dict(ask.options) for ask in models.asked] == [{}, *[{"temperature": 0.7}] * 3]
    assert [ask.again for ask in models.asked] == [False, True, True, True]
    outcome = outcome_of(verdict)
    assert outcome.cost_usd == pytest.approx(4 * 0.75)
    assert outcome.attempts == 1


def test_a_chat_model_grades_and_is_asked_again_when_it_rambles():
    judge = ChatJudge(lambda prompt: "", price=Price(1.0, 1.0))
    models = Models(weak="42", judge=["I like it.", "It adds up.\n**Score:** 9/10"])
    verdict = run(Cascade(judge, cut=0.9), models)
    assert verdict.scores == {"weak": 0.9}
    first, second = (ask.prompt for ask in models.asked[1:])
    assert "question" in first
    assert "42" in first
    assert second.startswith(first)
    assert "Score: N" in second[len(first) :]
    assert outcome_of(verdict).cost_usd == pytest.approx(0.75 + 2 * 2.0)


@pytest.mark.parametrize(
    ("reply", "grade"),
    [("7", 0.7), ("Score: 0", 0.0), ("Score: 3\nno, Score: 10", 1.0), (" 8.5/10 ", 0.85), ("score = 4", 0.4)],
)
def test_grades_are_read_in_many_forms(reply, grade):
    verdict = run(Cascade(ChatJudge(str), cut=0.0), Models(weak="x", judge=reply))
    assert verdict.scores["weak"] == pytest.approx(grade)


@pytest.mark.parametrize("reply", ["", "ten", "Score: 11", "Score: -1", "7 of the 9 steps are fine"])
def test_what_is_no_grade_is_not_taken_for_one(reply):
    with pytest.raises(JudgeError, match=r"no line 'Score: N' .* stronger judge"):
        run(Cascade(ChatJudge(str), cut=0.5, undecided="raise"), Models(weak="x", judge=[reply, reply]))


def test_braces_in_a_question_are_text():
    models = Models(weak="{question} and {0}", judge="Score: 5")
    drive(Cascade(ChatJudge(str), cut=0.5).steps(DECISION, POOL, "what is {answer}?"), models.call)
    assert "what is {answer}?" in models.asked[1].prompt
    assert "{question} and {0}" in models.asked[1].prompt


def test_undecided_escalates_or_accepts_as_told_and_says_so(caplog):
    said = {"weak": "x", "judge": ["?", "?"]}
    escalated = run(Cascade(ChatJudge(str), cut=0.5), Models(**said))
    assert (escalated.decision.candidate, escalated.answer) == ("strong", None)
    assert "weak was not judged" in escalated.decision.reason
    assert "its answer is not accepted" in caplog.text
    accepted = run(Cascade(ChatJudge(str), cut=0.5, undecided="accept"), Models(**said))
    assert accepted.answer.text == "x"
    assert accepted.scores == {}
    assert len(escalated.earlier) == 3, "both tries of the judge and the weak answer are paid for"
    assert len(accepted.earlier) == 2


def test_logprobs_that_did_not_come_are_a_named_error_with_the_mend():
    cascade = Cascade(LogprobJudge(), cut=0.5, undecided="raise")
    with pytest.raises(MissingLogprobsError, match=r"weak .* asked with logprobs=True; give LogprobJudge\(options="):
        run(cascade, Models(weak="x"))


def test_a_candidate_that_fails_is_passed_over_where_the_plugin_says_so():
    models = Models(weak=JudgeError("rate limit"))
    verdict = run(Cascade(by_text, cut=0.5), models)
    assert (verdict.decision.candidate, verdict.decision.escalated_from) == ("strong", "weak")
    assert verdict.decision.reason == "weak gave no answer (rate limit); so strong"
    assert verdict.earlier == ()


def test_other_errors_end_the_run():
    with pytest.raises(TimeoutError):
        run(Cascade(by_text, cut=0.5), Models(weak=TimeoutError()))


def test_one_failed_sample_cancels_the_others():
    done = []

    async def call(ask):
        if not ask.again:
            return Answer("x", usage=USAGE)
        if not done:
            done.append("failed")
            raise JudgeError("no sampling here")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            done.append("cancelled")
            raise

    verdict = asyncio.run(adrive(Cascade(AgreementJudge(3), cut=0.5).steps(DECISION, POOL, "q"), call))
    assert verdict.answer is None
    assert "no sampling here" in verdict.decision.reason


@pytest.mark.parametrize("score", ["1.5", "nan", "-0.1", "None"])
def test_what_is_no_score_is_refused(score):
    with pytest.raises(ScorerError, match=r"\[0, 1\]"):
        run(Cascade(by_text, cut=0.5), Models(weak="x", judge=score))


def test_an_unknown_price_stays_unknown():
    verdict = run(Cascade(ChatJudge(str), cut=0.5), Models(weak="x", judge="Score: 1"))
    assert outcome_of(verdict).cost_usd is None
    known = Models(weak="x", judge=Answer("Score: 1", usage=USAGE, cost_usd=0.25))
    assert outcome_of(run(Cascade(ChatJudge(str), cut=0.5), known)).cost_usd == pytest.approx(12.5 + 0.75 + 0.25)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Cascade(by_text, cut=1.2), "cut is 1.2"),
        (lambda: Cascade(by_text, cut=0.5, undecided="panic"), "escalate, accept, raise"),
        (lambda: Cascade(by_text, cut=0.5, order=("a", "a")), "twice"),
        (lambda: AgreementJudge(1), "2 answers or more"),
        (lambda: ChatJudge(7), "cannot be asked"),
        (lambda: ChatJudge(str, template="{question}"), "needs {question} and {answer}"),
        (lambda: LogprobJudge("middle"), "mean, minimum, first, answer"),
        (lambda: LogprobJudge("answer", answer="("), "regular expression"),
    ],
)
def test_bad_settings_are_refused(make, told):
    with pytest.raises(ConfigurationError, match=told.replace("{", r"\{").replace("(", r"\(")):
        make()


def test_without_prices_the_order_must_be_given():
    unpriced = Pool([Candidate("x-unlisted"), Candidate("y-unlisted")])
    with pytest.raises(UnknownPriceError, match=r"x-unlisted, y-unlisted; give Cascade\(order"):
        Cascade(by_text, cut=0.5).ladder(unpriced)
    assert Cascade(by_text, cut=0.5, order=("y-unlisted", "x-unlisted")).ladder(unpriced)[0] == "y-unlisted"


TOKENS = (("The", -0.1), (" answer", -0.2), (" is", -0.01), (" 4", -0.5), ("2", -0.7), (".", -0.02))


@pytest.mark.parametrize(
    ("reading", "score"),
    # by hand: the mean of the six is -0.255; the answer's tokens are " 4" and "2"
    [("mean", 0.7749), ("minimum", 0.4966), ("first", 0.9048), ("answer", 0.3012)],
)
def test_logprobs_are_read_four_ways(reading, score):
    answer = Answer("The answer is 42.", logprobs=tuple(TokenLogprob(*each) for each in TOKENS), usage=USAGE)
    verdict = run(Cascade(LogprobJudge(reading), cut=0.0), Models(weak=answer))
    assert verdict.scores["weak"] == pytest.approx(score, abs=1e-4)


def test_the_first_call_asks_for_logprobs_in_the_words_of_the_provider():
    models = Models(weak=Answer("A", logprobs=(TokenLogprob("A", -0.1),), usage=USAGE))
    run(Cascade(LogprobJudge(options={"logprobs": True, "top_logprobs": 2}), cut=0.5), models)
    assert models.asked[0].options == {"logprobs": True, "top_logprobs": 2}


def test_an_answer_of_another_kind_can_be_named():
    tokens = tuple(TokenLogprob(*each) for each in (("verdict", -1.0), (":", -1.0), ("yes", -0.25), ("!", -1.0)))
    judge = LogprobJudge("answer", answer=r"verdict:\s*(?P<answer>yes|no)")
    verdict = run(Cascade(judge, cut=0.5), Models(weak=Answer("", logprobs=tokens, usage=USAGE)))
    assert verdict.scores["weak"] == pytest.approx(0.7788, abs=1e-4)
    with pytest.raises(JudgeError, match="nothing that looks like"):
        run(
            Cascade(judge, cut=0.5, undecided="raise"),
            Models(weak=Answer("", logprobs=(TokenLogprob("no idea", -1.0),))),
        )


def test_a_logprob_above_zero_is_refused():
    with pytest.raises(ScorerError, match="0 or less"):
        run(Cascade(LogprobJudge(), cut=0.5), Models(weak=Answer("x", logprobs=(TokenLogprob("x", 0.4),))))
