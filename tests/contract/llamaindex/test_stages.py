"""What each step of a pipeline does with the router, how that is changed, and which question is scored."""

import asyncio
import copy
import pickle

import pytest
from llama_index.core import get_response_synthesizer
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.extractors import KeywordExtractor, QuestionsAnsweredExtractor, SummaryExtractor, TitleExtractor
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import PromptTemplate
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.schema import TextNode
from llama_index.core.tools import FunctionTool
from llama_index_instrumentation.dispatcher import instrument_tags

from llamaindex_router import RouterLLM, RoutingDecisionEvent, RoutingRecorder, route_query, routing_decision
from llamaindex_router.stages import STAGES
from llamaindex_router.testing import listening
from pointsman import Always, Candidate, QualityFloor, Threshold
from pointsman.errors import ConfigurationError
from pointsman.failover import Failover
from tests.contract.llamaindex.test_components import engine, sub_questions
from tests.contract.llamaindex.test_query_engines import CHUNK, Shelf
from tests.support.llamaindex import Keyword, ScriptedLLM, keyword_router, scripted_pair
from tests.support.llamaindex_books import kept

EASY, HARD = "What is the capital?", "A hard question: why?"


def asked(pair, prompt_type, question=EASY):
    prompt = PromptTemplate("{query_str}", prompt_type=prompt_type)
    with RoutingRecorder() as recorder:
        pair.llm.predict(prompt, query_str=question)
    return recorder.decisions[0]


# -- rules


def test_explain_says_what_every_stage_does():
    text = scripted_pair().llm.explain()
    assert "models      strong (big), weak (small)" in text
    assert "router      keyword, Threshold(0.5)" in text
    assert "question    innermost" in text
    assert "failover    after connection, context overflow, empty" in text
    _, table = text.split("\nstages\n")
    lines = dict(line.split(None, 1) for line in table.splitlines())
    assert tuple(lines) == STAGES
    assert lines["question_answering"] == "scored by the question"
    assert lines["selector"] == "weak"
    assert lines["retry"] == "strong"
    changed = scripted_pair(stages={"summary": Threshold(0.95), "hyde": "strong"}, failover=None).llm.explain()
    assert "  summary             Threshold(0.95)\n" in changed
    assert "  hyde                strong\n" in changed
    assert "failover    never" in changed


@pytest.mark.parametrize(
    ("rule", "question", "candidate", "reason"),
    [
        ("score", EASY, "weak", "win rate 0.100 < threshold 0.500"),
        ("score", HARD, "strong", "win rate 0.900 >= threshold 0.500"),
        ("strong", EASY, "strong", "selector calls go to strong"),
        ("weak", HARD, "weak", "selector calls go to weak"),
        ("escalate", EASY, "strong", "selector calls go to strong"),
        (Threshold(0.95), HARD, "weak", "win rate 0.900 < threshold 0.950"),
        (QualityFloor(0.5), HARD, "strong", "cheapest with predicted quality 0.900 >= 0.5"),
    ],
)
def test_a_stages_rule(rule, question, candidate, reason):
    decision = asked(scripted_pair(stages={"selector": rule}), "single_select", question)
    assert (decision.stage, decision.candidate, decision.reason) == ("selector", candidate, reason)
    assert decision.win_rate is not None, "what the question would have got is on the record all the same"
    assert not decision.forced, "the caller named nobody"


def test_the_decision_and_its_event_name_the_stage_and_its_rule():
    with listening() as heard:
        decision = asked(scripted_pair(), "sub_question", HARD)
    assert (decision.stage, decision.policy) == ("sub_question", "Assigned('sub_question', 'weak')")
    assert heard.of(RoutingDecisionEvent)[0].stage == "sub_question"
    assert heard.of(RoutingDecisionEvent)[0].decision() == decision


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ({"selecting": "weak"}, "unknown stage selecting; the stages are question_answering"),
        ({"selector": "cheap"}, r"stages\['selector'\] is 'cheap'; give score, keep, run, escalate, a policy, or one"),
        ({"selector": Threshold}, "give score, keep"),
    ],
)
def test_rules_that_cannot_work_are_refused(stages, says):
    with pytest.raises(ConfigurationError, match=says):
        scripted_pair(stages=stages)


@pytest.mark.parametrize("question", ["outermost", None])
def test_a_question_that_is_no_choice_is_refused(question):
    with pytest.raises(ConfigurationError, match="give 'innermost' or 'root'"):
        scripted_pair(question=question)


def many(stages=None, **prices):
    models = {name: ScriptedLLM(name=name) for name in ("sonnet", "haiku", "opus")}
    known = {name: Candidate(name, input_price=price, output_price=price) for name, price in prices.items()}
    return RouterLLM(
        llms=models,
        router=keyword_router(Keyword()),
        policy=QualityFloor(0.0) if prices else _First(),
        candidates=known,
        stages=stages,
    )


class _First:
    """A policy that needs no prices."""

    def choose(self, quality, cost, win_rate):
        import numpy as np

        return np.zeros(len(quality), dtype=np.intp)


def test_without_a_pair_the_weak_one_is_the_cheapest_and_the_strong_one_the_best_predicted():
    llm = many(haiku=1, sonnet=3, opus=15)
    assert "  selector            haiku\n" in llm.explain()
    assert "  retry               the best predicted\n" in llm.explain()
    retry = PromptTemplate("{query_str}", prompt_type="text_qa")
    with RoutingRecorder() as recorder:
        llm.predict(retry, query_str="A hard one\n----------------\nHere is a previous bad answer.\nno")
    assert recorder.decisions[0].reason == "retry calls go to the best predicted"
    assert recorder.decisions[0].candidate == max(recorder.decisions[0].quality.items(), key=lambda pair: pair[1])[0]
    assert "  selector            sonnet\n" in many({"selector": "sonnet"}, haiku=1, sonnet=3, opus=15).explain()


def test_where_nothing_tells_who_is_weak_housekeeping_is_scored():
    assert "  selector            scored by the question\n" in many().explain()
    with pytest.raises(ConfigurationError, match="neither a pair nor the prices tell who that is; give a name"):
        many({"selector": "weak"})


def test_no_stage_departs_from_a_model_that_is_asked_for_by_name():
    """`Always` is how one compares with the strong model alone: housekeeping, too, is its then."""
    pair = scripted_pair(policy=Always("strong"))
    assert "weak" not in pair.llm.explain().split("stages")[1]
    assert asked(pair, "single_select").candidate == "strong"
    told = scripted_pair(policy=Always("strong"), stages={"selector": "weak"})
    assert asked(told, "single_select").candidate == "weak"


def test_copies_keep_their_stages_and_their_question():
    llm = scripted_pair(stages={"hyde": "strong", "summary": Threshold(0.9)}, question="root").llm
    for other in (copy.deepcopy(llm), pickle.loads(pickle.dumps(llm))):  # noqa: S301  # our own bytes
        assert other.explain() == llm.explain()


# -- a refine chain


@pytest.mark.parametrize("streaming", [False, True])
def test_a_refine_chain_goes_on_with_the_model_of_its_first_chunk(streaming):
    """The weak model is down for the first chunk; the second would be its again, and stays where the answer began."""
    pair = scripted_pair(failover=Failover(cool_down_s=0))
    pair.weak.error = ConnectionError("down")

    def answer(prompt):
        pair.weak.error = None
        return "an answer"

    pair.strong.answer = answer
    with kept(pair) as books:
        response = engine(pair.llm, "refine", chunks=3, streaming=streaming).query(EASY)
        assert "".join(response.response_gen) if streaming else str(response)
    assert [decision.candidate for decision in books.recorder.decisions] == ["strong"] * 3
    assert [decision.fallback_from for decision in books.recorder.decisions] == ["weak", None, None]
    assert [decision.sticky for decision in books.recorder.decisions] == [False, True, True]
    assert "strong goes on with what it began (weak by itself" in books.recorder.decisions[1].reason
    engine(pair.llm, "refine", chunks=1).query(EASY)
    assert len(pair.weak.billed) == 1, "the next query begins anew"


@pytest.mark.parametrize("streaming", [False, True])
def test_refining_can_be_scored_too(streaming):
    with RoutingRecorder() as recorder:
        response = engine(
            scripted_pair(stages={"refine": "strong"}).llm, "refine", chunks=3, streaming=streaming
        ).query(EASY)
        str(response) if not streaming else "".join(response.response_gen)
    assert [decision.candidate for decision in recorder.decisions] == ["weak", "strong", "strong"]


# -- which question


def test_sub_questions_are_scored_by_themselves_or_by_the_question_behind_them():
    from tests.contract.llamaindex.test_components import SUBS

    weak = {"answer": lambda prompt: SUBS if "tools" in prompt.lower() else "an answer"}
    innermost, root = scripted_pair(weak=weak), scripted_pair(weak=weak, question="root")
    for pair in (innermost, root):
        sub_questions(pair.llm).query(HARD)
    assert innermost.scored == [HARD, "What is hard?", "What is soft?", HARD]
    assert root.scored == [HARD] * 4


@pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning")
@pytest.mark.parametrize(("question", "scored"), [("innermost", "an easy look-up"), ("root", HARD)])
async def test_a_query_engine_that_an_agent_asks(question, scored):
    pair = scripted_pair(strong={"tool_args": {"topic": "x"}}, weak={"tool_args": {"topic": "x"}}, question=question)
    shelf = RetrieverQueryEngine(Shelf([CHUNK]), get_response_synthesizer(llm=pair.llm))

    async def look_up(topic: str) -> str:
        """Look it up."""
        return str(await shelf.aquery("an easy look-up"))

    with kept(pair) as books:
        await FunctionAgent(tools=[FunctionTool.from_defaults(async_fn=look_up)], llm=pair.llm).run(HARD)
    step, looked_up, last = books.calls
    assert (step[0], looked_up[0], last[0]) == (HARD, scored, HARD)
    assert looked_up[2] == "question_answering", "a call inside a tool is no step of the run"


def test_the_root_of_a_call_without_components_is_the_call_itself():
    pair = scripted_pair(question="root")
    decision = routing_decision(pair.llm.chat([ChatMessage(content=EASY)]))
    assert (pair.scored, decision.source) == ([EASY], "message")


def test_an_explicit_question_goes_before_the_root():
    pair = scripted_pair(question="root")
    with route_query("the hard one"):
        engine(pair.llm).query(EASY)
    assert pair.scored == ["the hard one"]


def test_an_instrument_tag_names_the_question_too():
    pair = scripted_pair()
    with instrument_tags({"router.query": HARD, "tenant": "a"}), RoutingRecorder() as recorder:
        engine(pair.llm).query(EASY)
        with route_query("another"):
            pair.llm.complete("a prompt")
    with instrument_tags({"router.query": " "}):
        pair.llm.complete(EASY)
    assert pair.scored == [HARD, "another", EASY]
    assert [decision.source for decision in recorder.decisions] == ["explicit", "explicit"]


@pytest.mark.parametrize("kind", [TitleExtractor, KeywordExtractor, SummaryExtractor, QuestionsAnsweredExtractor])
@pytest.mark.parametrize("way", ["call", "acall", "pipeline"])
def test_what_an_index_is_enriched_with_is_housekeeping(kind, way):
    """Core runs these calls side by side, by a helper that has a span of its own."""
    pair = scripted_pair()
    extractor = kind(llm=pair.llm, num_workers=1, show_progress=False)
    nodes = [TextNode(text="a hard text")]
    with kept(pair) as books:
        if way == "call":
            extractor(nodes)
        elif way == "acall":
            asyncio.run(extractor.acall(nodes))
        else:
            IngestionPipeline(transformations=[extractor]).run(nodes=nodes)
    assert {(stage, who) for _, _, stage, who in books.calls} == {("extraction", "weak")}
    books.check_money()
