"""The question behind a call: where it is looked for, and what is not taken for it."""

import asyncio
import contextvars

import pytest
from llama_index.core.agent.utils import messages_to_xml_format
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate, RichPromptTemplate
from llama_index.core.prompts.default_prompt_selectors import DEFAULT_TEXT_QA_PROMPT_SEL
from llama_index.core.prompts.default_prompts import DEFAULT_HYDE_PROMPT
from llama_index.core.prompts.prompt_type import PromptType
from llama_index.core.schema import QueryBundle
from llama_index_instrumentation.dispatcher import instrument_tags

from llamaindex_router.hints import hinted, route_query
from llamaindex_router.question import filling_in, from_messages, from_template, from_text, with_user_message
from pointsman import Needs
from pointsman.errors import QueryError

QA = PromptTemplate("Context: {context_str}\nQuestion: {query_str}")


def user(text):
    return ChatMessage(role="user", content=text)


def assistant(text):
    return ChatMessage(role="assistant", content=text)


def found(asked):
    return asked.query.text, asked.query.source


TEMPLATES = {
    "an argument": (QA, {"context_str": "long", "query_str": "why?"}, "why?"),
    "a value filled in before": (QA.partial_format(query_str="why?"), {"context_str": "long"}, "why?"),
    "an argument over an earlier value": (QA.partial_format(query_str="old"), {"query_str": "new"}, "new"),
    "core's own selector": (
        DEFAULT_TEXT_QA_PROMPT_SEL.partial_format(query_str="why?"),
        {"context_str": "long"},
        "why?",
    ),
    "a chat template": (
        ChatPromptTemplate.from_messages([("system", "{context_str}"), ("user", "Answer: {query_str}")]),
        {"context_str": "long", "query_str": "why?"},
        "why?",
    ),
    "a Jinja template": (
        RichPromptTemplate("{{context_str}} {{query_str}}"),
        {"context_str": "c", "query_str": "why?"},
        "why?",
    ),
    "a renamed variable": (
        PromptTemplate("{context} {ask}", template_var_mappings={"query_str": "ask", "context_str": "context"}),
        {"context_str": "c", "query_str": "why?"},
        "why?",
    ),
    "one that a function makes": (
        PromptTemplate(
            "{context_str} {query_str}", function_mappings={"query_str": lambda **kw: f"why {kw['topic']}?"}
        ),
        {"context_str": "c", "topic": "rain"},
        "why rain?",
    ),
    "another that a function makes": (
        PromptTemplate(
            "{context_str} {query_str}", function_mappings={"context_str": lambda **kw: kw["query_str"] * 9}
        ),
        {"query_str": "why?"},
        "why?",
    ),
    "condense question": (
        PromptTemplate("{chat_history} {question}"),
        {"chat_history": "h", "question": "why?"},
        "why?",
    ),
    "query": (PromptTemplate("{query}"), {"query": "why?"}, "why?"),
    "input": (PromptTemplate("{input}"), {"input": "why?"}, "why?"),
    "a query bundle": (PromptTemplate("{query_bundle}"), {"query_bundle": QueryBundle("why?")}, "why?"),
    "the surest name first": (PromptTemplate("{input} {query_str}"), {"input": "no", "query_str": "why?"}, "why?"),
    "an empty one is passed over": (PromptTemplate("{query_str} {input}"), {"query_str": " ", "input": "why?"}, "why?"),
    "HyDE": (DEFAULT_HYDE_PROMPT, {"context_str": "why?"}, "why?"),
    "Accumulate's second template": (
        QA.partial_format(query_str="why?"),
        {"context_str": "c", "template": QA.partial_format(query_str="{query_str}")},
        "why?",
    ),
}


@pytest.mark.parametrize("case", TEMPLATES)
def test_template_variables(case):
    prompt, args, question = TEMPLATES[case]
    assert found(from_template(prompt, args)) == (question, "template")


@pytest.mark.parametrize(
    ("prompt", "args", "expected"),
    [
        (PromptTemplate("A poem about {topic}"), {"topic": "rain"}, ("A poem about rain", "prompt")),
        (PromptTemplate("A poem about {topic}"), {}, ("A poem about {topic}", "prompt")),
        (QA, {"context_str": "only context"}, ("Context: only context\nQuestion: {query_str}", "prompt")),
        (
            ChatPromptTemplate([ChatMessage(role="system", content="be brief"), user("why {x}?")]),
            {"x": "so"},
            ("why so?", "message"),
        ),
        (ChatPromptTemplate([user("filled in")]), {}, ("filled in", "message")),
    ],
)
def test_templates_without_a_question_are_read_as_they_will_be_sent(prompt, args, expected):
    assert found(from_template(prompt, args)) == expected


def test_context_is_a_question_only_to_hyde():
    prompt = PromptTemplate("{context_str}", prompt_type=PromptType.QUESTION_ANSWER)
    assert found(from_template(prompt, {"context_str": "c"})) == ("c", "prompt")


MESSAGES = {
    "the last one": ([user("first"), assistant("yes"), user("second")], ("second", "message")),
    "not a tool's answer": ([user("why?"), ChatMessage(role="tool", content="5")], ("why?", "message")),
    "not an observation": ([user("why?"), assistant("Thought: add"), user("Observation: 5")], ("why?", "message")),
    "not retry feedback": ([user("why?"), user("Error while parsing the output: no Action")], ("why?", "message")),
    "not a reminder": (
        [user("why?"), user("FAILURE: Your previous response was empty.\nYou must")],
        ("why?", "message"),
    ),
    "not a code result": ([user("why?"), user("Result of executing the code given:\n\n5")], ("why?", "message")),
    "not XML": (messages_to_xml_format([user("first"), assistant("hm"), user("why?\nso")]), ("why?\nso", "message")),
    "nor observations in it": (messages_to_xml_format([user("why?"), user("Observation: 5")]), ("why?", "message")),
    "nobody": ([ChatMessage(role="system", content="a"), assistant("b")], ("a\nb", "prompt")),
    "only agents": ([user("Observation: 5")], ("Observation: 5", "prompt")),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages(case):
    messages, expected = MESSAGES[case]
    assert found(from_messages(messages)) == expected


@pytest.mark.parametrize("last", ["why?", user("why?")])
def test_a_message_given_apart_is_the_last(last):
    assert found(from_messages(with_user_message([user("first")], last))) == ("why?", "message")
    assert with_user_message(None, None) == []


def test_text_is_the_whole_prompt():
    assert found(from_text("why?")) == ("why?", "prompt")


def test_the_whole_prompt_is_measured_and_not_only_the_question():
    context = "word " * 1000
    assert from_template(QA, {"context_str": context, "query_str": "why?"}).query.prompt_tokens > 1200
    assert from_messages([user(context), user("why?")]).query.prompt_tokens > 1200
    assert from_text(context).query.prompt_tokens == 1250
    multimodal = PromptTemplate("{context_messages} {query_str}")
    asked = from_template(multimodal, {"context_messages": [user(context)], "query_str": "why?"})
    assert asked.query.prompt_tokens > 1200


def test_needs_are_added_up():
    assert from_messages([user("why?")], Needs(tools=True)).query.needs == Needs(tools=True)
    assert from_template(QA, {"query_str": "why?"}, Needs(structured_output=True)).query.needs.structured_output


def test_an_explicit_question_goes_before_everything():
    with route_query("the real one"):
        assert found(from_text("a prompt")) == ("the real one", "explicit")
        assert found(from_messages([user("why?")])) == ("the real one", "explicit")
        assert found(from_template(QA, {"query_str": "why?"})) == ("the real one", "explicit")
        assert found(from_template(PromptTemplate("{topic}"), {"topic": "t"})) == ("the real one", "explicit")
        with route_query("the inner one"):
            assert found(from_text("a prompt")) == ("the inner one", "explicit")
        assert found(from_text("a prompt")) == ("the real one", "explicit")
    assert found(from_text("a prompt")) == ("a prompt", "prompt")


def test_a_template_s_question_does_not_go_before_an_explicit_one():
    with route_query("the real one"), hinted("from a template", "template"):
        assert found(from_text("a prompt")) == ("the real one", "explicit")
    with hinted("from a template", "template"), hinted(None, "template"):
        assert found(from_text("a prompt")) == ("from a template", "template")


def test_it_ends_with_an_error_too():
    with pytest.raises(RuntimeError), route_query("the real one"):
        raise RuntimeError
    assert found(from_text("a prompt")) == ("a prompt", "prompt")


async def test_it_holds_in_tasks_started_inside_and_in_no_other():
    async def ask():
        await asyncio.sleep(0)
        return found(from_text("a prompt"))[0]

    outside = asyncio.create_task(ask())
    with route_query("the real one"):
        inside = asyncio.create_task(ask())
        in_thread = asyncio.to_thread(lambda: found(from_text("a prompt"))[0])
        assert await in_thread == "the real one"
    assert (await outside, await inside) == ("a prompt", "the real one")
    assert contextvars.copy_context().run(lambda: found(from_text("a prompt"))[0]) == "a prompt"


@pytest.mark.parametrize("text", ["", " ", None, 7])
def test_an_explicit_question_needs_words(text):
    with pytest.raises(QueryError), route_query(text):
        pass


def test_a_workflows_run_is_the_conversation():
    """Splits deal calls out by conversation, so that a whole run meets the same arm."""
    assert from_text("a prompt").query.conversation is None
    with instrument_tags({"llamaindex.run_id": "run"}):
        assert from_text("a prompt").query.conversation == "run"
        assert from_messages([user("why?")]).query.conversation == "run"
        assert from_template(QA, {"query_str": "why?"}).query.conversation == "run"


def test_a_template_that_is_filled_in_early_leaves_its_question_and_its_stage():
    messages = ChatPromptTemplate([user("a long prompt")])
    with filling_in(QA, {"context_str": "c", "query_str": "why?"}):
        asked = from_template(messages, {})
    assert (found(asked), asked.stage) == (("why?", "template"), "question_answering")
    with filling_in(PromptTemplate("{topic}"), {"topic": "rain"}):
        asked = from_template(messages, {})
    assert (found(asked), asked.stage) == (("a long prompt", "message"), "custom")
    with route_query("the real one"), filling_in(QA, {"context_str": "c", "query_str": "why?"}):
        asked = from_template(messages, {})
    assert (found(asked), asked.stage) == (("the real one", "explicit"), "question_answering")
