"""Every method of an LLM: the chosen model's own runs, its answer comes back untouched, and its cost is known."""

import asyncio

import pytest
from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llamaindex_router import RoutingRecorder, routing_decision, routing_outcome, routing_totals
from tests.support.llamaindex import scripted_pair

PROMPT = PromptTemplate("Use this: {context_str}. Question: {query_str}")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Song(BaseModel):
    """A song."""

    title: str


TOOL = FunctionTool.from_defaults(add)
SONG = {"title": "Rain"}


def spoken(text):
    return [ChatMessage(role="system", content="be brief"), ChatMessage(role="user", content=text)]


async def collect(stream):
    return [item async for item in stream]


CALLS = {
    # method -> the call for a question; async ones are awaited, streams are read to the end
    "chat": lambda llm, q: llm.chat(spoken(q)),
    "achat": lambda llm, q: llm.achat(spoken(q)),
    "stream_chat": lambda llm, q: llm.stream_chat(spoken(q)),
    "astream_chat": lambda llm, q: llm.astream_chat(spoken(q)),
    "complete": lambda llm, q: llm.complete(q),
    "acomplete": lambda llm, q: llm.acomplete(q),
    "stream_complete": lambda llm, q: llm.stream_complete(q),
    "astream_complete": lambda llm, q: llm.astream_complete(q),
    "predict": lambda llm, q: llm.predict(PROMPT, context_str="some hard context", query_str=q),
    "apredict": lambda llm, q: llm.apredict(PROMPT, context_str="some hard context", query_str=q),
    "stream": lambda llm, q: llm.stream(PROMPT, context_str="some hard context", query_str=q),
    "astream": lambda llm, q: llm.astream(PROMPT, context_str="some hard context", query_str=q),
    "structured_predict": lambda llm, q: llm.structured_predict(Song, PROMPT, context_str="hard", query_str=q),
    "astructured_predict": lambda llm, q: llm.astructured_predict(Song, PROMPT, context_str="hard", query_str=q),
    "stream_structured_predict": lambda llm, q: llm.stream_structured_predict(
        Song, PROMPT, context_str="hard", query_str=q
    ),
    "astream_structured_predict": lambda llm, q: llm.astream_structured_predict(
        Song, PROMPT, context_str="hard", query_str=q
    ),
    "chat_with_tools": lambda llm, q: llm.chat_with_tools([TOOL], user_msg=q),
    "achat_with_tools": lambda llm, q: llm.achat_with_tools([TOOL], chat_history=spoken(q)),
    "stream_chat_with_tools": lambda llm, q: llm.stream_chat_with_tools([TOOL], user_msg=q),
    "astream_chat_with_tools": lambda llm, q: llm.astream_chat_with_tools([TOOL], user_msg=ChatMessage(content=q)),
    "predict_and_call": lambda llm, q: llm.predict_and_call([TOOL], user_msg=q),
    "apredict_and_call": lambda llm, q: llm.apredict_and_call([TOOL], user_msg=q),
}


def run(llm, method, question):
    """The result of a method, and of a stream the list of its items."""

    async def awaited():
        result = await CALLS[method](llm, question)
        return await collect(result) if hasattr(result, "__aiter__") else result

    if method.startswith("a"):
        return asyncio.run(awaited())
    result = CALLS[method](llm, question)
    return list(result) if hasattr(result, "__next__") else result


def pair_for(method):
    args = SONG if "structured" in method else {"a": 1, "b": 2}
    return scripted_pair(strong={"tool_args": args}, weak={"tool_args": args})


def plain(result):
    """A result without the record, for comparison with the bare model's."""
    items = result if isinstance(result, list) else [result]
    return [
        item.model_dump(exclude={"additional_kwargs": {"routing"}}) if isinstance(item, BaseModel) else item
        for item in items
    ]


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize(("question", "chosen"), [("an easy one", "weak"), ("a hard one", "strong")])
def test_the_question_decides_and_the_answer_is_the_chosen_models_own(method, question, chosen):
    pair = pair_for(method)
    bare = getattr(pair_for(method), chosen)

    with RoutingRecorder() as recorder:
        result = run(pair.llm, method, question)

    assert plain(result) == plain(run(bare, method, question))
    assert pair.scored == [question]
    assert pair.entered == [f"{chosen}.{call}" for call in bare.entered], "the whole method is the chosen model's own"
    (decision,) = recorder.decisions
    assert (decision.candidate, decision.model) == (chosen, getattr(pair, chosen).name)


@pytest.mark.parametrize("method", CALLS)
def test_tokens_are_the_models_own_and_priced_once(method):
    pair = pair_for(method)
    with RoutingRecorder() as recorder:
        run(pair.llm, method, "an easy one")

    (outcome,) = recorder.outcomes
    (prompt,) = pair.weak.heard
    assert (outcome.input_tokens, outcome.estimated, outcome.error) == (len(prompt.split()), False, None)
    answered = 1 if "tools" in method or "structured" in method or "call" in method else len(["the", "weak", "answer"])
    assert outcome.output_tokens == answered
    assert outcome.cost_usd == pytest.approx((outcome.input_tokens * 1 + answered * 10) / 1e6)
    assert outcome.baseline_cost_usd == pytest.approx(10 * outcome.cost_usd)
    assert outcome.saved_usd == pytest.approx(9 * outcome.cost_usd)


@pytest.mark.parametrize("method", [m for m in CALLS if "chat" in m or "complete" in m])
def test_answers_carry_the_decision_and_the_outcome(method):
    pair = pair_for(method)
    result = run(pair.llm, method, "a hard one")
    for item in result if isinstance(result, list) else [result]:
        assert routing_decision(item).candidate == "strong"
        assert routing_decision(item).id == routing_outcome(item).decision_id
        assert routing_totals(item).calls == 1
        assert item.additional_kwargs["n"] >= 0, "what the model put there stays"


def test_a_stream_is_decided_when_it_is_asked_for_and_settled_when_it_ends():
    pair = scripted_pair()
    stream = pair.llm.stream_chat(spoken("a hard one"))
    assert pair.scored == ["a hard one"]

    first = next(stream)
    assert routing_decision(first).candidate == "strong"
    assert routing_outcome(first) is None
    rest = list(stream)
    assert routing_outcome(rest[-1]).output_tokens == 5


def test_it_is_an_llm_with_tools_in_every_way_that_core_asks():
    pair = scripted_pair()
    assert BaseLLM in type(pair.llm).__mro__
    assert isinstance(pair.llm, FunctionCallingLLM)
    assert pair.llm.class_name() == "RouterLLM"


def test_a_completion_needs_a_prompt():
    pair = scripted_pair()
    with pytest.raises(ValueError, match="No prompt provided"):
        pair.llm.complete()
    with pytest.raises(ValueError, match="No prompt provided"):
        asyncio.run(pair.llm.acomplete())
    assert pair.llm.complete(prompt="by name").text == "the weak answer"
