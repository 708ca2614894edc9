"""Conversations: whose words are whose, and whether the model at work gets on."""

import time

import pytest
from llama_index.core.base.llms.types import ToolCallBlock
from llama_index.core.llms import ChatMessage
from llama_index.core.prompts.chat_prompts import CHAT_REFINE_PROMPT, CHAT_TEXT_QA_PROMPT, CHAT_TREE_SUMMARIZE_PROMPT
from llama_index.core.prompts.default_prompts import (
    DEFAULT_REFINE_PROMPT,
    DEFAULT_TEXT_QA_PROMPT,
    DEFAULT_TREE_SUMMARIZE_PROMPT,
)

from llamaindex_router.messages import trouble_in, users_words
from llamaindex_router.question import from_messages, from_text
from llamaindex_router.restated import restated, stuffed

QUESTION = "Why is the sky blue?\nAnd the sea?"
CONTEXT = "A passage.\nQuery: not this one\nAnswer: nor this"


def user(text):
    return ChatMessage(role="user", content=text)


def assistant(text="", *calls):
    blocks = [ToolCallBlock(tool_call_id=str(row), tool_name="add", tool_kwargs=c) for row, c in enumerate(calls)]
    message = ChatMessage(role="assistant", content=text)
    message.blocks.extend(blocks)
    return message


def tool(text):
    return ChatMessage(role="tool", content=text)


def words(messages):
    return users_words(messages, [message.content or "" for message in messages])


def test_the_users_words():
    assert words([user("first"), assistant("yes"), user("second"), tool("5")]) == "second"
    assert words([user("first"), user(" ")]) == "first", "a picture was shown last, and words were said before"
    assert words([user(" ")]) == ""
    assert words([assistant("hello")]) is None
    assert words([]) is None


# -- core's own prompts, filled in by somebody else


@pytest.mark.parametrize("prompt", [DEFAULT_TEXT_QA_PROMPT, DEFAULT_TREE_SUMMARIZE_PROMPT, DEFAULT_REFINE_PROMPT])
def test_the_question_in_a_prompt_of_core(prompt):
    text = prompt.format(query_str=QUESTION, context_str=CONTEXT, context_msg=CONTEXT, existing_answer="because")
    assert stuffed(text) == QUESTION
    asked = from_text(text)
    assert (asked.query.text, asked.query.source) == (QUESTION, "message")


@pytest.mark.parametrize("prompt", [CHAT_TEXT_QA_PROMPT, CHAT_TREE_SUMMARIZE_PROMPT, CHAT_REFINE_PROMPT])
def test_the_question_in_a_chat_prompt_of_core(prompt):
    messages = prompt.format_messages(
        query_str=QUESTION, context_str=CONTEXT, context_msg=CONTEXT, existing_answer="because"
    )
    asked = from_messages(messages)
    assert (asked.query.text, asked.query.source) == (QUESTION, "message")


@pytest.mark.parametrize(
    "text",
    [
        "Context information is below.\n" + "\nQuery: x" * 5_000 + "\n" * 5_000,
        "Context information is below.\nd\nQuery: x" + " " * 50_000 + "y",
        "You are an expert Q&A system that strictly operates" + "\nQuery: a" * 5_000,
    ],
    ids=["queries", "blanks", "expert"],
)
def test_no_text_takes_long(text):
    started = time.process_time()
    assert stuffed(text) is None
    assert time.process_time() - started < 1.0, "it took minutes where the time grew with the cube of the text"


@pytest.mark.parametrize(
    "text",
    [
        "Why?",
        "Context information is below. What do you make of it?",
        "Query: why?\nAnswer: ",
        "The original query is as follows: none",
    ],
)
def test_other_texts_are_left_alone(text):
    assert stuffed(text) is None
    assert from_messages([user(text)]).query.text == text


@pytest.mark.parametrize(
    ("text", "question", "by"),
    [
        ("Why?", "Why?", None),
        (
            "Here is a previous bad answer.\n5\nHere is some feedback.\nno\nNow answer the question.\nWhy?",
            "Why?",
            "retry",
        ),
        ("Why?\n----------------\nHere is a previous bad answer.\n5", "Why?", "retry"),
        ("Question: Why?\nResponse: because", "Why?", "evaluation"),
        ("What is meant by: Here is a previous bad answer.", "What is meant by: Here is a previous bad answer.", None),
        ("Question: Why?", "Question: Why?", None),
    ],
)
def test_questions_with_words_around_them(text, question, by):
    assert restated(text) == (question, by)


# -- trouble


@pytest.mark.parametrize(
    ("turn", "trouble"),
    [
        ([], None),
        ([assistant("", {"a": 1}), tool("5")], None),
        ([assistant("", {"a": 1}), tool("Error: no such number")], "a tool failed"),
        ([assistant("", {"a": 1}), tool("Encountered error: 'add'")], "a tool failed"),
        ([assistant("", {"a": 1}), tool("ZeroDivisionError: division by zero")], "a tool failed"),
        ([assistant("", {"a": 1}), tool("HTTPException (503)")], "a tool failed"),
        ([assistant("", {"a": 1}), tool("An error occurred while reading: no file")], "a tool failed"),
        (
            [assistant("", {"a": 1}), tool("Tool add not found. Please select a tool that is available.")],
            "a tool failed",
        ),
        ([assistant("", {"a": 1}, {"a": 2}), tool("5"), tool("Error: no")], "a tool failed"),
        ([assistant("", {"a": 1}), tool("The error rate is 5 percent")], None),
        ([assistant("", {"a": 1}), tool("Errors are costly: avoid them")], None),
        ([assistant("", {"a": 1}), tool("Error: no"), assistant("", {"a": 2}), tool("5")], None),
        ([assistant("Thought: add"), user("Observation: Error: no such number")], "a tool failed"),
        ([assistant("Thought: add"), user("Observation: 5")], None),
        (
            [assistant("<execute>x</execute>"), user("Result of executing the code given:\n\nNameError: x")],
            "a tool failed",
        ),
        (
            [
                assistant("<execute>x</execute>"),
                user("Result of executing the code given:\n\nout\nTraceback (most recent call last):\n  File"),
            ],
            "a tool failed",
        ),
        ([assistant("hm"), user("Error while parsing the output: no Action")], "its reply could not be read"),
        ([assistant(""), user("FAILURE: Your previous response was empty.")], "its reply could not be read"),
        ([assistant("", {"a": 1}), tool("5"), assistant("", {"a": 1}), tool("5")], "it repeats itself"),
        ([assistant("", {"a": 1}), tool("5"), assistant("", {"a": 2}), tool("6")], None),
        (
            [
                assistant('Thought: one\nAction: add\nAction Input: {"a": 1}'),
                user("Observation: 5"),
                assistant('Thought: two\nAction: add\nAction Input: {"a": 1}'),
                user("Observation: 5"),
            ],
            "it repeats itself",
        ),
    ],
)
def test_trouble(turn, trouble):
    assert trouble_in([user("Error: this is the user's own, not a tool's"), *turn]) == trouble


def test_the_same_call_in_an_earlier_turn_is_no_repetition():
    once = [assistant("", {"a": 1}), tool("5")]
    assert trouble_in([user("first"), *once, user("again please"), *once]) is None


def test_calls_in_a_providers_own_form_are_compared_without_their_ids():
    def calling(row, number):
        call = {"id": f"call_{row}", "function": {"name": "add", "arguments": number}}
        return ChatMessage(role="assistant", additional_kwargs={"tool_calls": [call]})

    assert trouble_in([user("why?"), calling(1, "5"), tool("5"), calling(2, "5"), tool("5")]) == "it repeats itself"
    assert trouble_in([user("why?"), calling(1, "5"), tool("5"), calling(2, "6"), tool("6")]) is None
