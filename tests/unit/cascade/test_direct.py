"""A cascade over models in hand, and that it costs and gives what the simulation says."""

import asyncio

import numpy as np
import pytest

from pointsman import Candidate, Cascade, Pool, RandomScorer, Router, Usage, Utility
from pointsman.cascade import AgreementJudge, LogprobJudge, aask_cascade, ask_cascade
from pointsman.chat import Answer
from pointsman.errors import PoolError
from pointsman.evaluation.cascade import simulate_cascade
from tests.support.core import pair
from tests.support.openai_server import openai_server

PRICES = {"a": 1.0, "b": 3.0, "c": 10.0}


def router():
    pool = Pool([Candidate(name, input_price=price, output_price=price) for name, price in PRICES.items()])
    return Router(pool, RandomScorer(tuple(PRICES)), Utility(1.0))


@pytest.mark.parametrize("error_rate", [0.0, 0.3])
def test_live_and_simulated_cascades_agree(error_rate):
    """Models that are right as a table says, a judge who errs as a table says: the same bill and the same answers."""
    rng = np.random.default_rng(3)
    right = rng.random((80, 3)) < [0.4, 0.6, 0.9]
    tokens = rng.integers(100, 900, (80, 3))
    cost = tokens * np.array(list(PRICES.values())) / 1e6
    simulated = simulate_cascade(right, cost, error_rate=error_rate, budgets=[1e9], seed=5, order=[0, 1, 2], good=1.0)
    accepted = np.random.default_rng(5).random(right.shape) < np.where(right, 1 - error_rate, error_rate)

    def model(column):
        return lambda question: Answer(f"{int(question)} {column}", usage=Usage(int(tokens[int(question), column]), 0))

    def judge(question, answer):
        return float(accepted[tuple(map(int, answer.text.split()))])

    cascade, models = Cascade(judge, cut=0.5), {name: model(column) for column, name in enumerate(PRICES)}
    found = [ask_cascade(cascade, router(), models, str(row)) for row in range(80)]
    given = [right[tuple(map(int, each.answer.text.split()))] for each in found]
    assert [each.outcome.cost_usd for each in found] == pytest.approx(simulated.cost[0].tolist())
    assert given == (simulated.quality[0] > 0.5).tolist()
    assert [each.outcome.attempts for each in found] == simulated.calls[0].tolist()
    assert len({each.decision.candidate for each in found}) == 3


def test_from_a_coroutine_too():
    async def weak(question):
        return "42"

    models = {"weak": weak, "strong": lambda question: "43"}
    over = Router(pair(), RandomScorer(("strong", "weak")), Utility(1.0))
    found = asyncio.run(aask_cascade(Cascade(AgreementJudge(3), cut=1.0), over, models, "why"))
    assert (found.answer.text, found.decision.candidate, found.scores) == ("42", "weak", {"weak": 1.0})
    assert found.outcome.attempts == 1
    again = asyncio.run(aask_cascade(Cascade(lambda q, a: 0.0, cut=0.5), over, models, "why"))
    assert (again.answer.text, again.decision.escalated_from) == ("43", "weak")
    assert again.outcome.latency_ms > 0


def test_a_candidate_without_a_model_is_named():
    with pytest.raises(PoolError, match="no model is given for b, c"):
        ask_cascade(Cascade(lambda q, a: 1.0, cut=0.5), router(), {"a": str}, "why")


def test_real_clients_of_both_frameworks_with_log_probabilities(thread_loop):
    openai = pytest.importorskip("langchain_openai")
    llama = pytest.importorskip("llama_index.llms.openai")
    over = Router(pair(), RandomScorer(("strong", "weak")), Utility(1.0))
    with openai_server() as server:
        weak = openai.ChatOpenAI(model="gpt-4o-mini", base_url=server.url, api_key="none", max_retries=0)
        strong = llama.OpenAI(model="gpt-4o", api_base=server.url, api_key="none", max_retries=0)
        models = {"weak": weak, "strong": strong}
        accepted = ask_cascade(Cascade(LogprobJudge("minimum"), cut=0.4), over, models, "why")
        escalated = ask_cascade(Cascade(LogprobJudge("minimum"), cut=0.6), over, models, "why")
        weak.root_client.close()
    assert [body["model"] for body in server.requests] == ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o"]
    assert accepted.scores == {"weak": pytest.approx(0.5, abs=1e-3)}, "the server's tokens have probability 1/2"
    assert accepted.answer.text.startswith("gpt-4o-mini has read")
    assert escalated.answer.text.startswith("gpt-4o has read")
    assert escalated.outcome.cost_usd > accepted.outcome.cost_usd > 0
    assert escalated.outcome.saved_usd < 0 < accepted.outcome.saved_usd
