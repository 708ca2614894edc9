"""Inside real query engines: the question is scored and not the prompt around it, and the whole cost is known."""

import pytest
from llama_index.core import PromptTemplate, Settings, get_response_synthesizer
from llama_index.core.indices.prompt_helper import PromptHelper
from llama_index.core.query_engine import RetrieverQueryEngine, SubQuestionQueryEngine
from llama_index.core.response_synthesizers import Refine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import BaseModel

from llamaindex_router import RouterLLM, RoutingRecorder, route_query, routing_decision, routing_totals
from tests.support.llamaindex import Keyword, PlainLLM, ScriptedLLM, keyword_router, scripted_pair

CHUNK = "The hard part of this long passage does not matter to the question. " * 12
EASY, HARD = "What is the capital?", "A hard question: why?"
MODES = ["compact", "refine", "tree_summarize", "simple_summarize", "generation", "accumulate", "compact_accumulate"]
STREAMING = ["compact", "refine", "tree_summarize", "simple_summarize", "generation"]
CALLS = {"refine": 3, "accumulate": 3}
"""Calls for three chunks; the other modes pack them into one prompt."""


class Shelf(BaseRetriever):
    """Always the same passages."""

    def __init__(self, chunks):
        self.nodes = [NodeWithScore(node=TextNode(text=f"{i}. {chunk}"), score=1.0) for i, chunk in enumerate(chunks)]
        super().__init__()

    def _retrieve(self, query_bundle):
        return self.nodes


def engine(llm, mode="compact", chunks=3, **settings):
    synthesizer = get_response_synthesizer(llm=llm, response_mode=mode, **settings)
    return RetrieverQueryEngine(Shelf([CHUNK] * chunks), synthesizer)


@pytest.fixture
def pair():
    return scripted_pair()


def check(pair, response, question, calls):
    """The question was scored for every call, the right model made them, and each token was counted once."""
    chosen, other = (pair.strong, pair.weak) if question == HARD else (pair.weak, pair.strong)
    assert pair.scored == [question] * calls
    assert (len(chosen.heard), len(other.heard)) == (calls, 0)
    totals = routing_totals(response)
    asked = sum(len(prompt.split()) for prompt in chosen.heard)
    answered = calls * len(chosen.answer.split())
    assert (totals.calls, totals.tokens) == (calls, {chosen.name: (asked, answered)})
    prices = (10, 100) if question == HARD else (1, 10)
    assert totals.cost_usd == pytest.approx((asked * prices[0] + answered * prices[1]) / 1e6)
    assert totals.baseline_cost_usd == pytest.approx((asked * 10 + answered * 100) / 1e6)
    assert not totals.estimated
    assert routing_decision(response).source == "template"


@pytest.mark.parametrize("question", [EASY, HARD])
@pytest.mark.parametrize("mode", MODES)
def test_sync(pair, mode, question):
    response = engine(pair.llm, mode).query(question)
    assert "answer" in str(response)
    check(pair, response, question, CALLS.get(mode, 1))


@pytest.mark.parametrize("question", [EASY, HARD])
@pytest.mark.parametrize("mode", MODES)
async def test_async(pair, mode, question):
    response = await engine(pair.llm, mode).aquery(question)
    assert "answer" in str(response)
    check(pair, response, question, CALLS.get(mode, 1))


@pytest.mark.parametrize("question", [EASY, HARD])
@pytest.mark.parametrize("mode", STREAMING)
def test_streaming_read_after_the_query_has_returned(pair, mode, question):
    response = engine(pair.llm, mode, streaming=True).query(question)
    text = "".join(response.response_gen)
    assert text == (pair.strong if question == HARD else pair.weak).answer
    check(pair, response, question, CALLS.get(mode, 1))


@pytest.mark.parametrize("question", [EASY, HARD])
@pytest.mark.parametrize("mode", STREAMING)
async def test_async_streaming_read_after_the_query_has_returned(pair, mode, question):
    response = await engine(pair.llm, mode, streaming=True).aquery(question)
    text = "".join([token async for token in response.response_gen])
    assert text == (pair.strong if question == HARD else pair.weak).answer
    check(pair, response, question, CALLS.get(mode, 1))


class Fact(BaseModel):
    """A fact."""

    fact: str


@pytest.mark.parametrize("mode", ["compact", "tree_summarize"])
@pytest.mark.parametrize("kind", ["output_cls", "structured llm"])
def test_structured_output(mode, kind):
    args = {"tool_args": {"fact": "it is Paris"}}
    pair = scripted_pair(strong=args, weak=args)
    llm, settings = (pair.llm, {"output_cls": Fact}) if kind == "output_cls" else (pair.llm.as_structured_llm(Fact), {})
    response = engine(llm, mode, **settings).query(HARD)
    assert "it is Paris" in str(response)
    assert pair.scored == [HARD]
    assert len(pair.strong.heard) == 1
    assert routing_totals(response).by_candidate == {"strong": 1}


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_structured_llm_streaming(asynchronous):
    args = {"tool_args": {"fact": "it is Paris"}}
    pair = scripted_pair(strong=args, weak=args)
    structured = pair.llm.as_structured_llm(Fact)
    prompt = PromptTemplate("hard context. {query_str}")
    if asynchronous:
        assert await structured.apredict(prompt, query_str=EASY) == '{"fact":"it is Paris"}'
        assert [token async for token in await structured.astream(prompt, query_str=EASY)]
    else:
        assert structured.predict(prompt, query_str=EASY) == '{"fact":"it is Paris"}'
        assert list(structured.stream(prompt, query_str=EASY))
    assert pair.scored == [EASY, EASY]
    assert not pair.strong.heard


def test_a_window_of_the_smallest_model_packs_the_prompts():
    """Prompts are packed before a model is chosen, so each must fit into any of them."""
    pair = scripted_pair(strong={"window": 100_000}, weak={"window": 700})
    synthesizer = get_response_synthesizer(llm=pair.llm, response_mode="compact")
    assert isinstance(synthesizer, Refine)
    assert synthesizer._prompt_helper.context_window == 700
    response = RetrieverQueryEngine(Shelf([CHUNK] * 5), synthesizer).query(EASY)
    assert len(pair.weak.heard) > 1
    check(pair, response, EASY, len(pair.weak.heard))


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("mode", ["compact", "tree_summarize", "simple_summarize"])
async def test_prompts_that_the_framework_packs_to_the_brim_are_not_refused(mode, asynchronous):
    """An estimate of four bytes to a token counts far too many in words like these."""
    brim = {"window": 2000}
    pair = scripted_pair(strong=brim, weak=brim)
    words = "Considerations notwithstanding, the aforementioned organisations acknowledged responsibility. " * 25
    full = RetrieverQueryEngine(Shelf([words] * 12), get_response_synthesizer(llm=pair.llm, response_mode=mode))
    response = await full.aquery(EASY) if asynchronous else full.query(EASY)
    longest = max(len(prompt) for prompt in pair.weak.heard)
    assert longest / 4 > 2000 - 256, "or the test shows nothing"
    check(pair, response, EASY, len(pair.weak.heard))


def test_tree_summarize_in_many_steps(pair):
    helper = PromptHelper(context_window=500, num_output=64)
    response = engine(pair.llm, "tree_summarize", chunks=4, prompt_helper=helper).query(EASY)
    assert len(pair.weak.heard) > 3
    check(pair, response, EASY, len(pair.weak.heard))


def test_settings_llm(pair):
    Settings.llm = pair.llm
    try:
        response = RetrieverQueryEngine.from_args(Shelf([CHUNK])).query(HARD)
    finally:
        Settings._llm = None
    check(pair, response, HARD, 1)


def test_an_engine_inside_an_engine_keeps_its_own_bill(pair):
    """A sub-question is scored by its own words; the whole query's bill has them all."""
    from llama_index.core.question_gen import LLMQuestionGenerator
    from llama_index.core.question_gen.types import SubQuestion, SubQuestionList
    from llama_index.core.tools import QueryEngineTool

    questions = [SubQuestion(sub_question=f"What is {x}?", tool_name="shelf") for x in ("hard", "soft")]
    listed = SubQuestionList(items=questions).model_dump_json()
    pair.weak.answer = lambda prompt: f"```json\n{listed}\n```" if "tools" in prompt.lower() else "an answer"
    inner = engine(pair.llm)
    outer = SubQuestionQueryEngine.from_defaults(
        query_engine_tools=[QueryEngineTool.from_defaults(inner, name="shelf", description="passages")],
        question_gen=LLMQuestionGenerator.from_defaults(llm=pair.llm),
        llm=pair.llm,
        response_synthesizer=get_response_synthesizer(llm=pair.llm),
        use_async=False,
        verbose=False,
    )
    with RoutingRecorder() as recorder:
        response = outer.query(HARD)
    assert pair.scored == [HARD, "What is hard?", "What is soft?", HARD]
    assert routing_totals(response).by_candidate == {"weak": 2, "strong": 2}, "making the questions is housekeeping"
    assert routing_totals(response) == recorder.totals
    inner_response = inner.query("What is soft?")
    assert routing_totals(inner_response).calls == 1


def test_an_explicit_question_goes_before_the_template(pair):
    with route_query(HARD):
        response = engine(pair.llm).query(EASY)
    assert pair.scored == [HARD]
    assert routing_decision(response).source == "explicit"


def test_two_queries_share_nothing(pair):
    first, second = engine(pair.llm).query(EASY), engine(pair.llm).query(HARD)
    assert routing_totals(first).by_candidate == {"weak": 1}
    assert routing_totals(second).by_candidate == {"strong": 1}


def test_a_failed_query_leaves_nothing_behind(pair):
    pair.weak.error = RuntimeError("no connection")
    with pytest.raises(RuntimeError, match="no connection"):
        engine(pair.llm).query(EASY)
    response = engine(pair.llm).query(HARD)
    assert routing_totals(response).by_candidate == {"strong": 1}


def test_each_model_of_a_mixed_pool_gets_its_own_kind_of_prompt():
    """Core has a prompt for chat models and one for those that complete; which it is depends on who is chosen."""
    strong, weak = ScriptedLLM(name="big"), PlainLLM(name="small")
    llm = RouterLLM(strong=strong, weak=weak, router=keyword_router(Keyword()))
    assert not llm.metadata.is_chat_model
    for question, model in ((EASY, weak), (HARD, strong)):
        response = engine(llm).query(question)
        assert routing_totals(response).calls == 1
        assert len(model.heard) == 1
        assert question in model.heard[0]
    assert strong.heard[0].startswith("You are an expert Q&A system"), "the system message of core's chat prompt"
    assert weak.heard[0].lstrip().startswith("Context information is below.")


def test_a_mixed_pool_streams_and_answers_in_objects():
    strong = ScriptedLLM(name="big", tool_args={"fact": "it is Paris"})
    llm = RouterLLM(strong=strong, weak=PlainLLM(name="small"), router=keyword_router(Keyword()))
    assert "".join(engine(llm, streaming=True).query(EASY).response_gen) == "a plain answer"
    assert "it is Paris" in str(engine(llm, output_cls=Fact).query(HARD))
