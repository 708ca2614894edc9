"""Every component of LlamaIndex that calls a model: the text that is scored, the model that is chosen, and the bill.

Each runs sync and async, and streaming where it can: read after the query has returned, when all spans have ended.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from llama_index.core import PromptTemplate, Settings, get_response_synthesizer
from llama_index.core.embeddings import MockEmbedding
from llama_index.core.evaluation import RelevancyEvaluator
from llama_index.core.indices.query.query_transform import HyDEQueryTransform, StepDecomposeQueryTransform
from llama_index.core.postprocessor import LLMRerank
from llama_index.core.query_engine import (
    CitationQueryEngine,
    FLAREInstructQueryEngine,
    MultiStepQueryEngine,
    RetrieverQueryEngine,
    RetryQueryEngine,
    RetrySourceQueryEngine,
    RouterQueryEngine,
    SubQuestionQueryEngine,
    TransformQueryEngine,
)
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.question_gen.types import SubQuestion, SubQuestionList
from llama_index.core.retrievers import QueryFusionRetriever
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool
from pydantic import BaseModel

from llamaindex_router import routing_totals
from tests.contract.llamaindex.test_query_engines import CHUNK, Shelf
from tests.support.llamaindex import Pair, scripted_pair
from tests.support.llamaindex_books import Expected, kept

EASY, HARD = "What is the capital?", "A hard question: why?"


class Fact(BaseModel):
    """A fact."""

    fact: str


def engine(llm, mode="compact", chunks=3, **settings):
    synthesizer = get_response_synthesizer(llm=llm, response_mode=mode, **settings)
    return RetrieverQueryEngine(Shelf([CHUNK] * chunks), synthesizer)


def tool(llm, name="shelf"):
    return QueryEngineTool.from_defaults(engine(llm), name=name, description="passages")


@dataclass
class Component:
    """A component and the calls that it is expected to make for the question.

    `make` takes the router and, for components that stream, `streaming`.
    """

    make: Any
    calls: list[Expected]
    question: str = HARD
    streams: bool = False
    strong: dict[str, Any] = field(default_factory=dict)
    weak: dict[str, Any] = field(default_factory=dict)


def answered(stage, times=1, question=HARD, who="strong", source="template"):
    return [(question, source, stage, who)] * times


SUB = [SubQuestion(sub_question=f"What is {x}?", tool_name="shelf") for x in ("hard", "soft")]
SUBS = f"```json\n{SubQuestionList(items=SUB).model_dump_json()}\n```"
CHOICE = {"tool_args": {"index": 1, "reason": "it fits"}}
SATISFIED = {"tool_args": {"query_satisfied": True, "answer": "an answer"}}
REFINED = [*answered("question_answering"), *answered("refine", 2)]


def routing_engine(llm, **settings):
    return RouterQueryEngine.from_defaults([tool(llm, "a"), tool(llm, "b")], llm=llm, **settings)


def multi_step(llm):
    return MultiStepQueryEngine(
        engine(llm),
        StepDecomposeQueryTransform(llm=llm),
        get_response_synthesizer(llm=llm),
        index_summary="passages",
        num_steps=1,
    )


def sub_questions(llm):
    return SubQuestionQueryEngine.from_defaults(
        [tool(llm)],
        llm=llm,
        question_gen=LLMQuestionGenerator.from_defaults(llm=llm),
        response_synthesizer=get_response_synthesizer(llm=llm),
        use_async=False,
        verbose=False,
    )


def hyde(llm):
    return TransformQueryEngine(engine(llm), HyDEQueryTransform(llm=llm))


def fused(llm):
    retriever = QueryFusionRetriever([Shelf([CHUNK])], llm=llm, num_queries=2, use_async=False)
    return RetrieverQueryEngine(retriever, get_response_synthesizer(llm=llm))


def reranked(llm):
    rerank = LLMRerank(llm=llm, top_n=1)
    return RetrieverQueryEngine(Shelf([CHUNK] * 2), get_response_synthesizer(llm=llm), [rerank])


FACT = {"tool_args": {"fact": "it is Paris"}}
COMPONENTS = {
    "compact": Component(lambda llm, **s: engine(llm, "compact", **s), answered("question_answering"), streams=True),
    "refine": Component(lambda llm, **s: engine(llm, "refine", **s), REFINED, streams=True),
    "tree_summarize": Component(lambda llm, **s: engine(llm, "tree_summarize", **s), answered("summary"), streams=True),
    "simple_summarize": Component(
        lambda llm, **s: engine(llm, "simple_summarize", **s), answered("question_answering"), streams=True
    ),
    "generation": Component(
        lambda llm, **s: engine(llm, "generation", **s), answered("question_answering"), streams=True
    ),
    "accumulate": Component(lambda llm: engine(llm, "accumulate"), answered("question_answering", 3)),
    "compact_accumulate": Component(lambda llm: engine(llm, "compact_accumulate"), answered("question_answering")),
    "an easy question": Component(
        lambda llm, **s: engine(llm, **s),
        answered("question_answering", question=EASY, who="weak"),
        question=EASY,
        streams=True,
    ),
    "output_cls": Component(
        lambda llm: engine(llm, "compact", output_cls=Fact), answered("question_answering"), strong=FACT
    ),
    "output_cls of a tree": Component(
        lambda llm: engine(llm, "tree_summarize", output_cls=Fact), answered("summary"), strong=FACT
    ),
    "a structured LLM": Component(
        lambda llm: engine(llm.as_structured_llm(Fact)),
        answered("question_answering"),
        strong=FACT,
    ),
    # the program fills in its prompts itself: no template and no variable reaches the model
    "structured answer filtering": Component(
        lambda llm: engine(llm, "refine", structured_answer_filtering=True),
        answered("refine", 3, source="span"),
        strong=SATISFIED,
    ),
    "citations": Component(
        lambda llm: CitationQueryEngine.from_args(None, llm=llm, retriever=Shelf([CHUNK])),
        answered("question_answering"),
    ),
    "router with a Pydantic selector": Component(
        routing_engine,
        [*answered("selector", who="weak", source="span"), *answered("question_answering")],
        weak=CHOICE,
    ),
    "router with an LLM selector": Component(
        lambda llm: routing_engine(llm, selector=LLMSingleSelector.from_defaults(llm=llm)),
        [*answered("selector", who="weak"), *answered("question_answering")],
        weak={"answer": '[{"choice": 1, "reason": "it fits"}]'},
    ),
    "sub-questions": Component(
        sub_questions,
        [
            *answered("sub_question", who="weak"),
            *answered("question_answering", question="What is hard?"),
            *answered("question_answering", question="What is soft?", who="weak"),
            *answered("question_answering"),
        ],
        weak={"answer": lambda prompt: SUBS if "tools" in prompt.lower() else "an answer"},
    ),
    "many steps": Component(
        multi_step,
        [
            *answered("sub_question", who="weak"),
            *answered("question_answering", question="What is soft?", who="weak"),
            *answered("question_answering"),
        ],
        weak={"answer": lambda p: "What is soft?" if "reasoning" in p else "soft"},
    ),
    "HyDE": Component(hyde, [*answered("hyde", who="weak"), *answered("question_answering")]),
    "query fusion": Component(
        fused,
        [*answered("sub_question", who="weak", source="span"), *answered("question_answering")],
        weak={"answer": "What is soft?"},
    ),
    "reranking": Component(
        reranked,
        [*answered("rerank", who="weak"), *answered("question_answering")],
        weak={"answer": "Doc: 1, Relevance: 9"},
    ),
    "FLARE": Component(
        lambda llm: FLAREInstructQueryEngine(engine(llm), llm=llm),
        answered("refine"),
        strong={"answer": "done: it is so"},
    ),
}


def pair_for(component: Component) -> Pair:
    return scripted_pair(strong=component.strong, weak=component.weak)


@pytest.mark.parametrize("name", COMPONENTS)
def test_sync(name):
    component = COMPONENTS[name]
    with kept(pair_for(component)) as books:
        component.make(books.pair.llm).query(component.question)
    books.check(component.calls)


@pytest.mark.parametrize("name", COMPONENTS)
async def test_async(name):
    component = COMPONENTS[name]
    with kept(pair_for(component)) as books:
        await component.make(books.pair.llm).aquery(component.question)
    books.check(component.calls, in_order=False)


@pytest.mark.parametrize("name", [name for name, component in COMPONENTS.items() if component.streams])
def test_streaming(name):
    component = COMPONENTS[name]
    with kept(pair_for(component)) as books:
        response = component.make(books.pair.llm, streaming=True).query(component.question)
        assert "answer" in "".join(response.response_gen)
    books.check(component.calls)


@pytest.mark.parametrize("name", [name for name, component in COMPONENTS.items() if component.streams])
async def test_async_streaming(name):
    component = COMPONENTS[name]
    with kept(pair_for(component)) as books:
        response = await component.make(books.pair.llm, streaming=True).aquery(component.question)
        assert "answer" in "".join([token async for token in response.response_gen])
    books.check(component.calls)


# -- retries: the question inside the feedback is scored, and the second try goes to the strong model

JUDGE = PromptTemplate("Is the answer in the context? {context_str} {query_str}")


@pytest.fixture
def doubted(monkeypatch):
    """A pair whose weak model answers badly, and says so when it judges."""
    pair = scripted_pair(weak={"answer": lambda prompt: "NO" if "in the context" in prompt else "a bad answer"})
    monkeypatch.setattr(Settings, "_llm", pair.llm)  # the engines make their own transforms and indices
    return pair


def retrying(llm, kind=RetryQueryEngine, mode="compact", chunks=1):
    judge = RelevancyEvaluator(llm=llm, eval_template=JUDGE)
    settings = {"max_retries": 1} | ({"llm": llm} if kind is RetrySourceQueryEngine else {})
    return kind(engine(llm, mode, chunks), judge, **settings)


FIRST_TRY = [
    *answered("question_answering", question=EASY, who="weak"),
    *answered("evaluation", question=EASY, who="weak"),
]


def test_a_second_try_goes_to_the_strong_model_and_is_scored_by_the_users_words(doubted):
    with kept(doubted) as books:
        response = retrying(doubted.llm).query(EASY)
    assert str(response) == doubted.strong.answer
    books.check([*FIRST_TRY, *answered("retry", question=EASY)])
    first, _, second = books.recorder.decisions
    assert (first.escalated_from, second.escalated_from) == (None, "weak")
    assert "weak did not answer well enough" in second.reason
    assert "Here is a previous bad answer" in doubted.strong.heard[0], "the model gets the feedback all the same"
    assert routing_totals(response) == books.recorder.totals


async def test_a_second_try_from_a_coroutine():
    """`aquery` of these engines calls its evaluator from sync code, so it runs in a thread of its own."""
    pair = scripted_pair(weak={"answer": lambda prompt: "NO" if "in the context" in prompt else "a bad answer"})
    Settings.llm = pair.llm
    try:
        with kept(pair) as books:
            await asyncio.to_thread(retrying(pair.llm).query, EASY)
    finally:
        Settings._llm = None
    books.check([*FIRST_TRY, *answered("retry", question=EASY)])


def test_a_first_try_that_passes_is_the_only_one():
    pair = scripted_pair(weak={"answer": "YES"})
    with kept(pair) as books:
        retrying(pair.llm).query(EASY)
    books.check(FIRST_TRY)


def test_a_retry_with_other_sources_has_no_words_of_feedback_and_is_known_all_the_same(doubted, monkeypatch):
    monkeypatch.setattr(Settings, "_embed_model", MockEmbedding(embed_dim=4))
    with kept(doubted) as books:
        retrying(doubted.llm, RetrySourceQueryEngine).query(EASY)
    books.check([*FIRST_TRY, FIRST_TRY[1], *answered("retry", question=EASY)])


def test_a_refining_retry_goes_on_with_the_strong_model(doubted):
    with kept(doubted) as books:
        retrying(doubted.llm, mode="refine", chunks=2).query(EASY)
    tries = [(stage, who) for _, _, stage, who in books.calls if stage != "evaluation"]
    assert tries == [("question_answering", "weak"), ("refine", "weak"), ("retry", "strong"), ("refine", "strong")]
    assert books.recorder.decisions[-1].sticky
    books.check_money()
