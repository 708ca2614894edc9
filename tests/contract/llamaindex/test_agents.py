"""Agents over a mixed pool: tools only where they can be called, calls read by their writer, the user scored."""

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatResponse, ToolCallBlock
from llama_index.core.llms import ChatMessage
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from llamaindex_router import RouterLLM, RoutingRecorder, route_query, routing_decision
from pointsman.errors import NoCandidateError
from tests.support.llamaindex import Keyword, PlainLLM, keyword_router, scripted_pair

pytestmark = [
    # core's workflows look at every attribute of an agent, the deprecated ones of pydantic among them
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step"),
]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


TOOL = FunctionTool.from_defaults(add)
SUM = {"tool_args": {"a": 2, "b": 3}}


def no_tools(weak=None):
    """A pair whose weak model calls no tools."""
    return scripted_pair(strong=SUM, weak={"calls_tools": False} | (weak or {}))


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_function_agent_runs_its_tools(streaming):
    pair = scripted_pair(strong=SUM, weak=SUM)
    agent = FunctionAgent(tools=[TOOL], llm=pair.llm, streaming=streaming)
    with RoutingRecorder() as recorder:
        answer = await agent.run("an easy sum")
    assert str(answer) == "the weak answer"
    assert answer.tool_calls[0].tool_output.raw_output == 5
    assert pair.scored == ["an easy sum"] * 2, "the tool's result is not the user's question"
    assert [decision.source for decision in recorder.decisions] == ["message", "message"]
    assert recorder.totals.by_candidate == {"weak": 2}
    assert not recorder.totals.estimated


async def test_a_model_without_tools_is_ruled_out_and_the_record_says_why():
    pair = no_tools()
    assert pair.llm.metadata.is_function_calling_model
    with RoutingRecorder() as recorder:
        answer = await FunctionAgent(tools=[TOOL], llm=pair.llm).run("an easy sum")
    assert str(answer) == "the strong answer is long"
    assert {decision.candidate for decision in recorder.decisions} == {"strong"}
    assert recorder.decisions[0].gated == {"weak": "no tools"}
    assert "weak cannot serve this call: no tools" in recorder.decisions[0].reason
    assert pair.llm.complete("an easy one").text == "the weak answer", "without tools it is as good as ever"


async def test_a_pool_in_which_no_model_calls_tools():
    llm = RouterLLM(strong=PlainLLM(name="big"), weak=PlainLLM(name="small"), router=keyword_router(Keyword()))
    assert not llm.metadata.is_function_calling_model
    with pytest.raises(NoCandidateError, match=r"strong: no tools; weak: no tools"):
        llm.chat_with_tools([TOOL], user_msg="a sum")
    with pytest.raises(ValueError, match="LLM must be a FunctionCallingLLM"):
        await FunctionAgent(tools=[TOOL], llm=llm).run("an easy sum")
    workflow = AgentWorkflow.from_tools_or_functions([add], llm=llm)
    assert isinstance(next(iter(workflow.agents.values())), ReActAgent)


async def test_a_react_agent_is_scored_by_the_users_words_and_not_by_observations():
    def steps(prompt):
        if "Observation: 5" in prompt:
            return "Thought: I can answer without using any more tools.\nAnswer: it is 5"
        return 'Thought: I need to add.\nAction: add\nAction Input: {"a": 2, "b": 3}'

    pair = scripted_pair(strong={"answer": steps}, weak={"answer": steps})
    with RoutingRecorder() as recorder:
        answer = await ReActAgent(tools=[TOOL], llm=pair.llm).run("a hard sum")
    assert str(answer) == "it is 5"
    assert pair.scored == ["a hard sum"] * 2
    assert recorder.totals.by_candidate == {"strong": 2}


async def test_a_react_agents_retry_is_scored_by_the_users_words():
    answers = iter(["Thought: hard\nAction:", "", "Thought: I know.\nAnswer: it is 5"])

    def steps(prompt):
        return next(answers)

    pair = scripted_pair(weak={"answer": steps}, stages={"agent": "score"}, failover=None)
    await ReActAgent(tools=[TOOL], llm=pair.llm).run("an easy sum")
    assert pair.scored == ["an easy sum"] * 3


class Total(BaseModel):
    """A total."""

    a: int
    b: int


async def test_an_agents_structured_output_is_scored_by_the_users_words():
    """The agent wraps the whole conversation into one user message of XML."""
    pair = scripted_pair(strong=SUM, weak=SUM)
    answer = await FunctionAgent(tools=[TOOL], llm=pair.llm, output_cls=Total).run("a hard sum")
    assert answer.structured_response == {"a": 2, "b": 3}
    assert pair.scored == ["a hard sum"] * 3


@pytest.mark.parametrize("kind", [FunctionAgent, ReActAgent, AgentWorkflow])
@pytest.mark.parametrize("form", [{}, {"state_prompt": "Known: {state}. Said: {msg}"}])
async def test_an_agents_state_is_not_what_the_user_said(kind, form):
    """The agent writes it around the user's words."""
    pair = scripted_pair(weak={"answer": "Thought: I know.\nAnswer: it is 5"} | SUM)
    state = {"initial_state": {"notes": "a hard thing"}} | form
    if kind is AgentWorkflow:
        agent = AgentWorkflow.from_tools_or_functions([TOOL], llm=pair.llm, **state)
    else:
        agent = kind(tools=[TOOL], llm=pair.llm, **state)
    await agent.run("an easy sum")
    assert set(pair.scored) == {"an easy sum"}
    assert "a hard thing" in pair.weak.heard[0], "the model sees it all the same"


async def test_an_explicit_question_reaches_every_step_of_a_workflow():
    pair = scripted_pair(strong=SUM, weak=SUM)
    with route_query("the hard question behind it"), RoutingRecorder() as recorder:
        await FunctionAgent(tools=[TOOL], llm=pair.llm).run("an easy sum")
    assert pair.scored == ["the hard question behind it"] * 2
    assert [decision.source for decision in recorder.decisions] == ["explicit"] * 2


@pytest.mark.parametrize("question", ["an easy sum", "a hard sum"])
def test_tool_calls_are_read_by_the_model_that_wrote_them(question):
    pair = scripted_pair(strong=SUM, weak=SUM)
    response = pair.llm.chat_with_tools([TOOL], user_msg=question)
    (call,) = pair.llm.get_tool_calls_from_response(response)
    writer = getattr(pair, routing_decision(response).candidate)
    assert (call.tool_id, call.tool_name, call.tool_kwargs) == (f"{writer.name}-0", "add", {"a": 2, "b": 3})
    for chunk in pair.llm.stream_chat_with_tools([TOOL], user_msg=question):
        assert pair.llm.get_tool_calls_from_response(chunk) == [call]


def test_tool_calls_of_an_unknown_writer_are_read_by_their_blocks():
    blocks = [
        ToolCallBlock(tool_call_id="1", tool_name="add", tool_kwargs={"a": 1}),
        ToolCallBlock(tool_name="add", tool_kwargs='{"a": 2, "b":'),
    ]
    response = ChatResponse(message=ChatMessage(role="assistant", blocks=blocks))
    calls = scripted_pair().llm.get_tool_calls_from_response(response)
    assert [(call.tool_id, call.tool_kwargs["a"]) for call in calls] == [("1", 1), ("", 2)]


def test_no_tool_call_is_an_error_only_where_one_was_asked_for():
    llm = scripted_pair().llm
    response = ChatResponse(message=ChatMessage(role="assistant", content="no tool needed"))
    assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
    with pytest.raises(ValueError, match="no tool call"):
        llm.get_tool_calls_from_response(response)


def test_predict_and_call_where_tools_fail():
    def fail(a: int, b: int) -> int:
        """Fails."""
        raise RuntimeError("no such number")

    pair = scripted_pair(strong=SUM, weak=SUM)
    tool = FunctionTool.from_defaults(fail)
    assert "no such number" in pair.llm.predict_and_call([tool], user_msg="easy").response
    with pytest.raises(ValueError, match="no such number"):
        pair.llm.predict_and_call([tool], user_msg="easy", error_on_tool_error=True)


class Claiming(PlainLLM):
    """Says that it calls tools."""

    @property
    def metadata(self):
        return super().metadata.model_copy(update={"is_function_calling_model": True})


class Duck(Claiming):
    """Calls tools by methods of its own, without being a FunctionCallingLLM, like models in core's own tests."""

    def chat_with_tools(self, tools, user_msg=None, chat_history=None):
        return ChatResponse(message=ChatMessage(role="assistant", content=f"{len(tools)} tools for {user_msg}"))


def test_a_model_is_judged_by_what_it_can_do():
    llm = RouterLLM(strong=Duck(name="big"), weak=PlainLLM(name="small"), router=keyword_router(Keyword()))
    assert llm.chat_with_tools([TOOL], user_msg="easy").message.content == "1 tools for easy"


class AgentsDuck(Claiming):
    """Brings the one method that an agent calls, as core's own tests of agents have it."""

    replies: list[ChatMessage]

    async def astream_chat_with_tools(self, tools, chat_history=None, **kwargs):
        reply = self.replies.pop(0)

        async def pieces():
            yield ChatResponse(message=reply, delta=reply.content)

        return pieces()

    def get_tool_calls_from_response(self, response, **kwargs):
        return response.message.additional_kwargs.get("tool_calls", [])


async def test_a_model_with_the_one_method_that_an_agent_calls_serves_it():
    call = ToolSelection(tool_id="1", tool_name="add", tool_kwargs={"a": 2, "b": 3})
    replies = [
        ChatMessage(role="assistant", content="let me see", additional_kwargs={"tool_calls": [call]}),
        ChatMessage(role="assistant", content="it is 5"),
    ]
    models = {name: AgentsDuck(name=name, replies=list(replies)) for name in ("strong", "weak")}
    llm = RouterLLM(**models, router=keyword_router(Keyword()))
    output = await AgentWorkflow.from_tools_or_functions([TOOL], llm=llm).run("an easy sum")
    assert str(output) == "it is 5"
    assert [result.tool_output.raw_output for result in output.tool_calls] == [5]
    assert len(models["strong"].replies) == 2, "the weak one was asked"


def test_a_model_that_claims_tools_without_methods_for_them_is_not_offered_any():
    llm = RouterLLM(strong=Claiming(name="big"), weak=PlainLLM(name="small"), router=keyword_router(Keyword()))
    with pytest.raises(NoCandidateError, match="strong: no tools"):
        llm.chat_with_tools([TOOL], user_msg="a hard sum")


def test_predict_and_call_without_any_model_for_tools_is_core_s_own_way():
    """Core leads such a model through ReAct prompts; the router hands the call over and lets core's answer be."""
    llm = RouterLLM(strong=PlainLLM(name="big"), weak=PlainLLM(name="small"), router=keyword_router(Keyword()))
    from llama_index.core.agent.react import ReActChatFormatter, ReActOutputParser

    settings = {"react_chat_formatter": ReActChatFormatter(), "output_parser": ReActOutputParser()}
    routed = llm.predict_and_call([TOOL], user_msg="easy", **settings)
    bare = PlainLLM(name="small").predict_and_call([TOOL], user_msg="easy", **settings)
    assert routed.response == bare.response
