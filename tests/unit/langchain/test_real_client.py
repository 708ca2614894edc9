"""The real OpenAI client of LangChain, over HTTP, against a server on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from langchain_router import RoutedChatModel, RoutingRecorder, routing_decision, routing_outcome
from pointsman.cascade import Cascade, LogprobJudge
from tests.support.langchain import HARD, router
from tests.support.openai_server import Failure, OpenAIServer, openai_server

STRONG, WEAK = "gpt-4.1", "gpt-4.1-nano"


@pytest.fixture
def server() -> Iterator[OpenAIServer]:
    with openai_server() as running:
        yield running


@pytest.fixture
def model(server: OpenAIServer) -> RoutedChatModel:
    def chat(name: str) -> ChatOpenAI:
        return ChatOpenAI(model=name, base_url=server.url, api_key="none", max_retries=0, stream_usage=True)

    return RoutedChatModel(strong=chat(STRONG), weak=chat(WEAK), router=router())


@pytest.fixture
def hasty(server: OpenAIServer) -> RoutedChatModel:
    """One that waits a fifth of a second, and no longer."""

    def chat(name: str) -> ChatOpenAI:
        return ChatOpenAI(model=name, base_url=server.url, api_key="none", max_retries=0, timeout=0.2)

    return RoutedChatModel(strong=chat(STRONG), weak=chat(WEAK), router=router())


class Movie(BaseModel):
    """A movie."""

    title: str
    year: int


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_each_prompt_goes_to_its_model(server: OpenAIServer, model: RoutedChatModel) -> None:
    easy, hard = model.invoke("What is 2 + 2?"), model.invoke(HARD)
    assert [body["model"] for body in server.requests] == [WEAK, STRONG]
    assert str(easy.content).startswith(WEAK)
    assert str(hard.content).startswith(STRONG)


def test_the_bill_is_the_providers_count_at_list_price(model: RoutedChatModel) -> None:
    answer = model.invoke("What is 2 + 2?")
    usage, outcome, decision = answer.usage_metadata, routing_outcome(answer), routing_decision(answer)
    assert usage is not None
    assert outcome is not None
    assert decision is not None
    assert (decision.model, outcome.estimated) == (WEAK, False)
    assert (outcome.input_tokens, outcome.output_tokens) == (usage["input_tokens"], usage["output_tokens"])
    assert outcome.cached_tokens == usage["input_token_details"]["cache_read"] > 0
    assert outcome.reasoning_tokens == 1
    assert outcome.cost_usd is not None
    assert outcome.baseline_cost_usd is not None
    assert 0 < outcome.cost_usd < outcome.baseline_cost_usd


async def test_streams_carry_decision_and_usage(model: RoutedChatModel) -> None:
    for chunks in (list(model.stream(HARD)), [chunk async for chunk in model.astream(HARD)]):
        whole = sum(chunks[1:], chunks[0])
        assert isinstance(whole, AIMessageChunk)
        outcome = routing_outcome(whole)
        assert routing_decision(chunks[0]) is not None
        assert routing_decision(whole) == routing_decision(chunks[0])
        assert outcome is not None
        assert not outcome.estimated
        assert whole.usage_metadata is not None
        assert outcome.output_tokens == whole.usage_metadata["output_tokens"]
        assert [bool(chunk.chunk_position) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


def test_tools_reach_the_chosen_model_in_its_own_format(server: OpenAIServer, model: RoutedChatModel) -> None:
    answer = model.bind_tools([add], strict=True).invoke("What is 2 + 2?")
    assert [call["args"] for call in answer.tool_calls] == [{"a": 3, "b": 3}]
    (body,) = server.requests
    assert body["tools"][0]["function"]["strict"] is True


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
async def test_structured_output_keeps_its_method(server: OpenAIServer, model: RoutedChatModel, method: str) -> None:
    structured = model.with_structured_output(Movie, method=method)
    with RoutingRecorder() as seen:
        assert structured.invoke("A movie?") == Movie(title="word", year=3)
        assert await structured.ainvoke(HARD) == Movie(title="word", year=3)
    assert all(("response_format" in body) == (method == "json_schema") for body in server.requests)
    assert [decision.candidate for decision in seen.decisions] == ["weak", "strong"]
    assert [outcome.estimated for outcome in seen.outcomes] == [False, False]


def test_tokens_are_counted_once(model: RoutedChatModel) -> None:
    counter = UsageMetadataCallbackHandler()
    answer = model.invoke("What is 2 + 2?", {"callbacks": [counter]})
    assert counter.usage_metadata == {WEAK: answer.usage_metadata}


@pytest.mark.parametrize(
    ("failure", "trouble"),
    [
        (Failure(status=429), "rate limit"),
        (Failure(status=500), "server"),
        (Failure(status=503), ("overloaded", "server")),  # "server" where LangChain has types of its own
        (Failure(delay_s=0.6), "timeout"),
    ],
    ids=["429", "500", "503", "slow first byte"],
)
async def test_a_provider_in_trouble_is_made_good(
    server: OpenAIServer, hasty: RoutedChatModel, failure: Failure, trouble: Any
) -> None:
    server.failures.append(failure)
    answer = hasty.invoke("What is 2 + 2?")
    decision, outcome = routing_decision(answer), routing_outcome(answer)
    assert decision is not None
    assert outcome is not None
    assert [body["model"] for body in server.requests] == [WEAK, STRONG]
    assert (decision.candidate, decision.fallback_from, decision.model) == ("strong", "weak", STRONG)
    assert decision.gated["weak"].startswith(trouble)
    assert (outcome.attempts, outcome.error, outcome.cost_usd) == (2, None, outcome.baseline_cost_usd)
    again = [chunk async for chunk in hasty.astream("What is 2 + 2?")]
    assert server.requests[-1]["model"] == STRONG, "the one in trouble is left alone for a while"
    assert routing_decision(again[0]).gated.keys() == {"weak"}


def test_a_bad_request_and_a_wrong_key_are_the_callers(server: OpenAIServer, model: RoutedChatModel) -> None:
    for status, error in ((400, openai.BadRequestError), (401, openai.AuthenticationError)):
        server.failures.append(Failure(status=status))
        with RoutingRecorder() as seen, pytest.raises(error) as refused:
            model.invoke("What is 2 + 2?")
        assert [outcome.error for outcome in seen.outcomes] == [type(refused.value).__name__]
    assert [body["model"] for body in server.requests] == [WEAK, WEAK]


async def test_a_stream_cut_before_its_first_word_begins_again_elsewhere(
    server: OpenAIServer, model: RoutedChatModel
) -> None:
    server.failures.append(Failure(cut_after=1))  # the role has come, and no word
    chunks = [chunk async for chunk in model.astream("What is 2 + 2?")]
    assert "".join(str(chunk.content) for chunk in chunks).startswith(STRONG)
    assert routing_decision(chunks[0]).fallback_from == "weak"


async def test_an_answer_without_a_word_is_a_failure(server: OpenAIServer, model: RoutedChatModel) -> None:
    server.reply = lambda body: "" if body["model"] == WEAK else "yes"
    for answer in (model.invoke("hi"), await model.ainvoke("hi")):
        assert (answer.content, routing_decision(answer).fallback_from) == ("yes", "weak")


@pytest.mark.parametrize(("cut", "candidate"), [(0.4, "weak"), (0.9, "strong")])
async def test_a_cascade_judges_by_log_probabilities(server: OpenAIServer, cut: float, candidate: str) -> None:
    def chat(name: str) -> ChatOpenAI:
        return ChatOpenAI(model=name, base_url=server.url, api_key="none", max_retries=0, stream_usage=True)

    judged = Cascade(LogprobJudge("minimum"), cut=cut)  # the server's tokens have one of 1/2
    model = RoutedChatModel(strong=chat(STRONG), weak=chat(WEAK), router=router(), cascade=judged)
    chunks = [chunk async for chunk in model.astream("hi")]
    counter = UsageMetadataCallbackHandler()
    answers = [
        model.invoke("hi", {"callbacks": [counter]}),
        sum(chunks[1:], chunks[0]),
        model.stream_events("hi", version="v3").output,
    ]
    for answer in answers:
        decision, outcome = routing_decision(answer), routing_outcome(answer)
        assert decision.candidate == candidate
        assert answer.text.startswith(decision.model + " has read")
        assert decision.escalated_from == (None if candidate == "weak" else "weak")
        assert (outcome.attempts, outcome.estimated) == ({"weak": 1, "strong": 2}[candidate], False)
    billed = routing_outcome(answers[0])
    counted = [used["input_tokens"] + used["output_tokens"] for used in counter.usage_metadata.values()]
    assert billed.input_tokens + billed.output_tokens == sum(counted)


@pytest.mark.parametrize("heard", [False, True], ids=["no run", "a run"])
def test_what_a_model_has_shown_to_its_own_reader_cannot_be_taken_back(server: OpenAIServer, heard: bool) -> None:
    class Shown(BaseCallbackHandler):
        def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
            shown.append(token)

    def chat(name: str) -> ChatOpenAI:
        reader = {"streaming": True, "callbacks": [Shown()]}
        return ChatOpenAI(model=name, base_url=server.url, api_key="none", max_retries=0, **reader)

    shown: list[str] = []
    model = RoutedChatModel(strong=chat(STRONG), weak=chat(WEAK), router=router())
    server.failures.append(Failure(cut_after=4))
    with pytest.raises((httpx.RemoteProtocolError, openai.APIConnectionError)):
        model.invoke("hi", {"callbacks": [RoutingRecorder()] if heard else []})
    assert "".join(shown).startswith(WEAK)
    assert server.asked(STRONG) == []


def test_a_schema_goes_to_the_other_model_too(server: OpenAIServer, model: RoutedChatModel) -> None:
    server.failures.append(Failure(status=500))
    assert model.with_structured_output(Movie, method="json_schema").invoke("A movie?") == Movie(title="word", year=3)
    assert all(body["response_format"]["type"] == "json_schema" for body in server.requests)
    server.failures.append(Failure(status=500))
    assert model.bind_tools([add]).invoke(HARD).tool_calls[0]["args"] == {"a": 3, "b": 3}


def test_a_cut_stream_fails_after_the_pieces_that_came(server: OpenAIServer, model: RoutedChatModel) -> None:
    server.failures.append(Failure(cut_after=4))
    seen: list[str] = []
    with RoutingRecorder() as recorder, pytest.raises((httpx.RemoteProtocolError, openai.APIConnectionError)):
        seen.extend(str(chunk.content) for chunk in model.stream("What is 2 + 2?"))
    assert "".join(seen).startswith(WEAK)
    assert recorder.outcomes[0].error is not None
