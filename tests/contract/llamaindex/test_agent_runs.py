"""An agent's run keeps the model that began it, leaves it when it gets stuck, and every token of it is counted once."""

import asyncio

import pytest
from llama_index.core.agent.workflow import AgentWorkflow, CodeActAgent, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ThinkingBlock, ToolCallBlock
from llama_index.core.llms import ChatMessage, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, HumanResponseEvent, InputRequiredEvent
from llama_index_instrumentation.dispatcher import instrument_tags

from llamaindex_router import RoutingRecorder, routing_decision, routing_totals
from pointsman import Candidate
from tests.support.llamaindex import scripted_pair
from tests.support.llamaindex_books import kept

pytestmark = [
    # core's workflows look at every attribute of an agent, the deprecated ones of pydantic among them
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:is_running called from within a step"),
]

EASY, HARD = "an easy sum", "a hard sum"
SUM = {"tool_args": {"a": 2, "b": 3}}
ACT = 'Thought: I need to add.\nAction: add\nAction Input: {"a": 2, "b": 3}'
DONE = "Thought: I can answer without using any more tools.\nAnswer: it is 5"
CODE = "<execute>print(2 + 3)</execute>"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def fail(a: int, b: int) -> int:
    """Add two numbers."""
    raise ZeroDivisionError("no such number")


def tool(function=add):
    return FunctionTool.from_defaults(function, name="add")


def until(sign, before, after):
    """A model that says one thing until it reads the sign."""
    return {"answer": lambda prompt: after if sign in prompt else before}


def both(settings, **more):
    return scripted_pair(strong=settings, weak=settings, **more)


def function_agent(llm, function=add, **settings):
    return FunctionAgent(tools=[tool(function)], llm=llm, **settings)


def react_agent(llm, function=add, **settings):
    return ReActAgent(tools=[tool(function)], llm=llm, **settings)


def code_agent(llm, execute=lambda code: "5", **settings):
    return CodeActAgent(code_execute_fn=execute, llm=llm, **settings)


def workflow(llm, **settings):
    return AgentWorkflow(agents=[function_agent(llm, **settings)])


AGENTS = {
    "function agent": (function_agent, SUM),
    "ReAct agent": (react_agent, until("Observation: 5", ACT, DONE)),
    "code agent": (code_agent, until("Result of executing", CODE, "it is 5")),
    "workflow": (workflow, SUM),
}


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(("question", "who"), [(EASY, "weak"), (HARD, "strong")])
@pytest.mark.parametrize("name", AGENTS)
async def test_a_run(name, question, who, streaming):
    make, behaviour = AGENTS[name]
    with kept(both(behaviour)) as books:
        await make(books.pair.llm, streaming=streaming).run(question)
    books.check([(question, "message", "agent", who)] * 2)
    assert [decision.sticky for decision in books.recorder.decisions] == [False, False], "it would have stayed anyway"


@pytest.mark.parametrize("name", AGENTS)
async def test_a_run_stays_with_the_model_that_took_over(name):
    """The weak model is down for one call; the next step goes on with who took over, be the weak one well again."""
    make, behaviour = AGENTS[name]
    pair = both(behaviour)
    pair.weak.error = ConnectionError("down")
    agent = make(pair.llm)
    with kept(pair) as books:
        handler = agent.run(EASY)
        async for _ in handler.stream_events():
            if pair.strong.heard:
                pair.weak.error = None
        await handler
    first, second = books.recorder.decisions
    assert (first.candidate, first.fallback_from, first.sticky) == ("strong", "weak", False)
    assert (second.candidate, second.fallback_from) == ("strong", None)
    assert second.sticky or "weak" in second.gated, "kept, or the weak one is still left alone"


def call(llm, text, run):
    with instrument_tags({"llamaindex.run_id": run}):
        return routing_decision(llm.chat_with_tools([tool()], user_msg=text))


def test_a_run_is_known_by_its_id_whatever_framework_of_steps_it_has():
    llm = both(SUM).llm
    assert call(llm, HARD, "first").candidate == "strong"
    kept_on = call(llm, EASY, "first")
    assert (kept_on.candidate, kept_on.sticky) == ("strong", True)
    assert "strong goes on with what it began (weak by itself: win rate 0.100 < threshold 0.500)" in kept_on.reason
    assert call(llm, EASY, "second").candidate == "weak", "another run begins anew"
    assert routing_decision(llm.chat_with_tools([tool()], user_msg=EASY)).candidate == "weak"


def test_a_run_leaves_a_model_that_cannot_serve_the_next_call():
    pair = scripted_pair(strong=SUM | {"window": 100_000}, weak=SUM | {"window": 1_000})
    assert call(pair.llm, EASY, "run").candidate == "weak"
    assert call(pair.llm, "an easy sum " * 1000, "run").candidate == "strong"
    assert call(pair.llm, EASY, "run").candidate == "strong", "and stays where it went"


def test_what_a_stage_does_can_be_changed():
    llm = both(SUM, stages={"agent": "score"}).llm
    assert [call(llm, text, "run").candidate for text in (HARD, EASY)] == ["strong", "weak"]


# -- stuck


@pytest.mark.parametrize("streaming", [True, False])
async def test_a_tools_error_takes_the_run_to_the_strong_model(streaming):
    """The agent hands the model the words of the exception alone; the tool's span tells that it is one."""
    pair = both(SUM)
    with kept(pair) as books:
        await function_agent(pair.llm, fail, streaming=streaming).run(EASY)
    assert pair.strong.heard[0].endswith("no such number")
    books.check([(EASY, "message", "agent", who) for who in ("weak", "strong")])
    second = books.recorder.decisions[1]
    assert second.escalated_from == "weak"
    assert second.reason == "escalated calls go to strong: weak is stuck, for a tool failed"


async def test_a_tools_error_in_a_react_run():
    pair = both(until("Observation: no such number", ACT, DONE))
    with kept(pair) as books:
        await react_agent(pair.llm, fail).run(EASY)
    books.check([(EASY, "message", "agent", who) for who in ("weak", "strong")])


async def test_a_tool_that_waits_for_a_person_has_not_failed():
    """Workflows pause a tool with an exception, and run it again when the answer is there."""

    async def ask(ctx: Context, a: int, b: int) -> str:
        """Add two numbers, if a person agrees."""
        event = await ctx.wait_for_event(HumanResponseEvent, waiter_event=InputRequiredEvent(prefix="may I?"))
        return f"the person said {event.response}"

    pair = both(SUM)
    with kept(pair) as books:
        handler = FunctionAgent(tools=[FunctionTool.from_defaults(ask, name="add")], llm=pair.llm).run(EASY)
        async for event in handler.stream_events():
            if isinstance(event, InputRequiredEvent):
                handler.ctx.send_event(HumanResponseEvent(response="yes"))
        await handler
    assert pair.weak.heard[-1].endswith("the person said yes")
    books.check([(EASY, "message", "agent", "weak")] * 2)


async def test_code_that_fails():
    pair = both(until("Result of executing", CODE, "it is 5"))
    with kept(pair) as books:
        await code_agent(pair.llm, lambda code: "Traceback (most recent call last): no such name").run(EASY)
    books.check([(EASY, "message", "agent", who) for who in ("weak", "strong")])


async def test_a_model_that_repeats_itself_is_relieved():
    pair = scripted_pair(strong={"answer": DONE}, weak={"answer": ACT})
    with kept(pair) as books:
        await react_agent(pair.llm).run(EASY)
    books.check([(EASY, "message", "agent", who) for who in ("weak", "weak", "strong")])
    assert "it repeats itself" in books.recorder.decisions[-1].reason


@pytest.mark.parametrize("reply", ["Thought: hm\nAction:", ""])
async def test_a_model_whose_reply_cannot_be_read_is_relieved(reply):
    # with failover, an empty reply is left for the strong model's before the agent sees it
    pair = scripted_pair(strong={"answer": DONE}, weak={"answer": reply}, failover=None)
    with kept(pair) as books:
        answer = await react_agent(pair.llm).run(EASY)
    assert str(answer) == "it is 5"
    # LlamaIndex's counter takes a count of 0 for none, and counts an empty reply by its role
    books.check([(EASY, "message", "agent", who) for who in ("weak", "strong")], legacy=bool(reply))


async def test_the_strong_model_has_nobody_to_escalate_to():
    pair = both(SUM)
    with kept(pair) as books:
        await function_agent(pair.llm, fail).run(HARD)
    assert [decision.escalated_from for decision in books.recorder.decisions] == [None, None]
    books.check([(HARD, "message", "agent", "strong")] * 2)


async def test_two_runs_at_once_know_nothing_of_each_other():
    pair = both(SUM)
    with kept(pair) as books:
        broken = function_agent(pair.llm, fail).run(EASY)
        sound = function_agent(pair.llm).run("another easy sum")
        await broken
        await sound
    books.check(
        [
            (EASY, "message", "agent", "weak"),
            (EASY, "message", "agent", "strong"),
            *[("another easy sum", "message", "agent", "weak")] * 2,
        ],
        in_order=False,
    )


async def test_fifty_runs_at_once_mix_nothing():
    """Easy and hard, with sound tools and broken ones, over one router."""
    pair = both(SUM)

    async def run(number):
        question, function = (EASY, HARD)[number % 2], (add, add, fail)[number % 3]
        with RoutingRecorder() as recorder:
            output = await function_agent(pair.llm, function).run(f"{question} {number}")
        steps = [(decision.candidate, decision.escalated_from) for decision in recorder.decisions]
        expected = [("weak", None)] * 2 if question == EASY else [("strong", None)] * 2
        if question == EASY and function is fail:
            expected = [("weak", None), ("strong", "weak")]
        assert steps == expected, number
        assert routing_totals(output) == recorder.totals

    await asyncio.gather(*(run(number) for number in range(50)))
    assert sorted(set(pair.scored)) == sorted(f"{(EASY, HARD)[n % 2]} {n}" for n in range(50))


async def test_agents_that_hand_over_share_the_runs_model():
    def second_step(prompt):
        return "it is 5"

    pair = scripted_pair(strong={"answer": second_step} | SUM, weak={"answer": second_step} | SUM)
    first = FunctionAgent(name="first", description="adds", tools=[tool()], llm=pair.llm)
    other = FunctionAgent(name="other", description="adds more", tools=[tool()], llm=pair.llm)
    with kept(pair) as books:
        await AgentWorkflow(agents=[first, other], root_agent="first").run(HARD)
    assert {decision.candidate for decision in books.recorder.decisions} == {"strong"}
    books.check_money()


def test_a_call_inside_a_tool_is_not_a_step_of_the_run():
    """A tool that asks a model asks its own question, and changes nothing for the run around it."""
    pair = both(SUM)

    def look_up(a: int, b: int) -> str:
        """Look it up."""
        return pair.llm.complete(HARD).text

    with kept(pair) as books, instrument_tags({"llamaindex.run_id": "run"}):
        pair.llm.predict_and_call([FunctionTool.from_defaults(look_up, name="add")], user_msg=EASY)
        decision = routing_decision(pair.llm.chat_with_tools([tool()], user_msg=EASY))
    assert [(text, who) for text, _, _, who in books.calls] == [(EASY, "weak"), (HARD, "strong"), (EASY, "weak")]
    assert not decision.sticky


# -- thoughts


def thoughtful(text):
    """A message of a model that thinks before it calls a tool."""
    return ChatMessage(
        role="assistant",
        blocks=[
            ThinkingBlock(content=f"thoughts about {text}", additional_information={"signature": "s"}),
            TextBlock(text=text),
            ToolCallBlock(tool_call_id="1", tool_name="add", tool_kwargs={"a": 1}),
        ],
    )


def thinking_pair(monkeypatch, **providers):
    pair = scripted_pair(candidates={name: Candidate(name, provider=who) for name, who in providers.items()})
    shown = {"big": [], "small": []}
    original = type(pair.strong)._chat

    def chat(self, method, messages, kwargs):
        shown[self.name] += [[block.block_type for message in messages for block in message.blocks]]
        chunks = original(self, method, messages, kwargs)
        return [chunk.model_copy(update={"message": thoughtful("well")}) for chunk in chunks]

    monkeypatch.setattr(type(pair.strong), "_chat", chat)
    return pair, shown


def conversation(answer, last):
    return [ChatMessage(content="an easy one"), answer, ChatMessage(content=last)]


@pytest.mark.parametrize("way", ["chat", "stream_chat"])
def test_thoughts_are_not_shown_to_another_providers_model(monkeypatch, way):
    pair, shown = thinking_pair(monkeypatch, strong="anthropic", weak="google")
    answers = getattr(pair.llm, way)([ChatMessage(content="an easy one")])
    answer = (answers if way == "chat" else list(answers)[-1]).message
    assert answer.blocks[0].additional_information == {"signature": "s", "router_candidate": "weak"}

    pair.llm.chat(conversation(answer, "an easy one"))
    pair.llm.chat(conversation(answer, "a hard one"))
    assert shown["small"][-1] == ["text", "thinking", "text", "tool_call", "text"]
    assert shown["big"][-1] == ["text", "text", "tool_call", "text"]
    assert len(answer.blocks) == 3, "what the user holds stays as it is"

    restored = ChatMessage.model_validate_json(answer.model_dump_json())
    pair.llm.chat(conversation(restored, "a hard one"))
    assert "thinking" not in shown["big"][-1], "known from a store, too"


def test_thoughts_of_the_same_provider_and_of_nobody_known_are_left_alone(monkeypatch):
    pair, shown = thinking_pair(monkeypatch, strong="anthropic", weak="anthropic")
    answer = pair.llm.chat([ChatMessage(content="an easy one")]).message
    pair.llm.chat(conversation(answer, "a hard one"))
    assert "thinking" in shown["big"][-1]
    pair, shown = thinking_pair(monkeypatch, strong="anthropic", weak="google")
    pair.llm.chat(conversation(thoughtful("from elsewhere"), "a hard one"))
    assert "thinking" in shown["big"][-1]


def test_answers_without_thoughts_are_not_copied():
    pair = scripted_pair()
    response = pair.llm.chat([ChatMessage(content="an easy one")])
    assert "router_candidate" not in response.message.model_dump_json()
