"""Which words decide: the user's question, and not the template, the context and the tools around it."""

from __future__ import annotations

import time
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ChatMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langchain_core.runnables import RunnablePassthrough

from langchain_router import Scored, routing_decision, with_question
from langchain_router.scored import question
from pointsman.errors import ConfigurationError
from tests.support.langchain import HARD, FakeChat, routed

CALL = {"name": "search", "args": {}, "id": "call_1"}
TURNS = [
    SystemMessage("be brief"),
    HumanMessage("first"),
    AIMessage("answer one"),
    HumanMessage("second"),
    AIMessage("", tool_calls=[CALL]),
    ToolMessage("found", tool_call_id="call_1"),
]
DOCUMENTS = "Paris is the capital of France.\nQuestion marks are not questions: they end them.\n" * 20


@pytest.mark.parametrize(
    ("scored", "words"),
    [
        ("last", "second"),
        ("user", "first\nsecond"),
        (1, "second"),
        (2, "first\nsecond"),
        (9, "first\nsecond"),
        ("conversation", "first\nanswer one\nsecond"),
        (Scored("last", include={"system"}), "be brief\nsecond"),
        (Scored("last", include={"tools"}), "second\nfound"),
        (Scored("conversation", include={"system", "tools"}), "be brief\nfirst\nanswer one\nsecond\nfound"),
    ],
)
def test_turns_are_a_choice(scored: Any, words: str) -> None:
    assert question(TURNS, Scored.of(scored)) == (words, "message")


def test_a_limit_keeps_the_newest_words() -> None:
    turns = [HumanMessage("old " * 400), AIMessage("answer " * 400), HumanMessage("what now?")]
    text, _ = question(turns, Scored("conversation", tokens=50))
    assert text.endswith("what now?")
    assert "answer" in text
    assert "old" not in text
    assert 100 < len(text) < 500
    (short, _) = question([HumanMessage("x" * 4000)], Scored(tokens=10))
    assert 0 < len(short) < 200


@pytest.mark.parametrize(
    ("scored", "wrong"),
    [
        ("first", "scored turns are 'first'"),
        (0, "scored turns are 0"),
        ({"turns": True}, "scored turns are True"),
        ({"tokens": 0}, "0 tokens"),
        ({"include": {"prompt"}}, "include has prompt; it takes system, tools, context"),
    ],
)
def test_what_cannot_be_is_refused(scored: Any, wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=wrong):
        Scored(**scored) if isinstance(scored, dict) else routed(scored=scored)


@pytest.mark.parametrize(
    "text",
    [
        # rlm/rag-prompt, the one that most tutorials pull from LangChain's hub
        f"Use these pieces of retrieved context.\nQuestion: Who rules France? \nContext: {DOCUMENTS} \nAnswer:",
        # of LangChain's tutorials, and of its RetrievalQA
        f"Answer the question based only on the following context:\n{DOCUMENTS}\n\nQuestion: Who rules France?",
        f"Use the following pieces of context.\n\n{DOCUMENTS}\n\nQuestion: Who rules France?\nHelpful Answer:",
        # of LlamaIndex
        f"Context information is below.\n---\n{DOCUMENTS}\n---\nAnswer the query.\nQuery: Who rules France?\nAnswer: ",
        f"Answer from the context only.\n\nContext:\n{DOCUMENTS}\n\nQuestion: Who rules France?",
        f"Answer from the context only.\n\nContext:\n{DOCUMENTS}\n\nQuestion: Who rules France?\nHelpful Answer:",
        f"## Retrieved documents:\n{DOCUMENTS}\n**User question**: Who rules France?",
        f"<context>\n{DOCUMENTS}\n</context>\n\nWho rules France?",
        f"<documents><document id='1'>{DOCUMENTS}</document></documents>\n<question>Who rules France?</question>",
        f"Who rules France?\n\n<search_results>{DOCUMENTS}</search_results>",
    ],
)
def test_retrieved_context_in_the_users_message_is_left_out(text: str) -> None:
    assert question([HumanMessage(text)]) == ("Who rules France?", "template")
    assert question([HumanMessage(text)], Scored(include={"context"})) == (text, "message")


@pytest.mark.parametrize(
    "text",
    [
        "Who rules France?",
        "Write a parser.\nQuestion: is this a template?",
        "My context: I am new here.\nWhat is a monad?",
        "Write a parser for the following format: a header, then rows.\nQuestion: is it hard?",
        "if a < b and c > d:\n    return a",
        "<b>bold</b>\nwhat does this tag do?",
        "Context:\nthere is none",
        "",
    ],
)
def test_other_messages_are_the_users_own_words(text: str) -> None:
    assert question([HumanMessage(text)]) == (text, "message")


@pytest.mark.parametrize(
    "text",
    [
        "\n" + " " * 200_000 + "x",
        "<context>" * 20_000 + "\n" + "x" * 50_000,
        "<context " * 20_000 + "\n",
        "<question>" * 20_000 + "\n",
        "<context>" * 20_000 + "</sources>" * 2,
        "\n" + "#" * 100_000 + " " * 100_000,
        "Context: a\n" * 20_000,
        "\n" + "helpful " * 50_000,
    ],
    ids=lambda text: f"{text.strip()[:12]}...",
)
def test_no_text_takes_long(text: str) -> None:
    started = time.process_time()
    question([HumanMessage(text)])
    assert time.process_time() - started < 1.0, "it took hours where the time grew with the square of the text"


def test_a_summary_in_the_users_name_is_none_of_the_users_words() -> None:
    summary = HumanMessage("Here is a summary of all so far", additional_kwargs={"lc_source": "summarization"})
    assert question([HumanMessage("hello"), summary]) == ("hello", "message")
    assert question([ChatMessage("I am the user", role="user")]) == ("I am the user", "message")


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([HumanMessage("frame", additional_kwargs={"router_query": "the words"})], ("the words", "explicit")),
        (
            [HumanMessage("it is me", additional_kwargs={"router_query": True}), HumanMessage("documents")],
            ("it is me", "explicit"),
        ),
        (
            [
                HumanMessage("frame", additional_kwargs={"router_query": "the words"}),
                AIMessage("", tool_calls=[CALL]),
                ToolMessage("found", tool_call_id="call_1"),
            ],
            ("the words", "explicit"),
        ),
        (
            [
                HumanMessage("frame", additional_kwargs={"router_query": "an earlier question"}),
                AIMessage("answer"),
                HumanMessage("and now?"),
            ],
            ("and now?", "message"),
        ),
    ],
    ids=["words", "the message itself", "in a tool loop", "of an earlier turn"],
)
def test_a_message_can_name_the_question(messages: list[BaseMessage], expected: Any) -> None:
    assert question(messages) == expected


def test_the_config_can_name_it() -> None:
    frame = [HumanMessage(HARD)]
    decision = routing_decision(routed().invoke(frame, {"configurable": {"router_query": "hi"}}))
    assert decision is not None
    assert (decision.candidate, decision.source) == ("weak", "explicit")
    for wrong in ("", " ", 7):
        with pytest.raises(ConfigurationError, match="router_query is"):
            routed().invoke(frame, {"configurable": {"router_query": wrong}})


async def test_a_rag_chain_names_its_variable() -> None:
    template = "Read this first, then help: {documents}\nThe customer writes {text}"
    prompt = ChatPromptTemplate.from_messages([("system", "Help."), ("user", template)])
    weak = FakeChat(model="small")
    chain = RunnablePassthrough.assign(documents=lambda _: HARD) | with_question(prompt, "text") | routed(weak=weak)
    for answer in (chain.invoke({"text": "hi"}), await chain.ainvoke({"text": "hi"}), chain.batch([{"text": "hi"}])[0]):
        decision = routing_decision(answer)
        assert decision is not None
        assert (decision.candidate, decision.source) == ("weak", "template")
    assert weak.calls[0][1].content == template.format(documents=HARD, text="hi"), "the model reads the whole prompt"
    chunks = list(chain.stream({"text": HARD}))
    assert routing_decision(chunks[0]).candidate == "strong"


def test_any_template_and_any_variable() -> None:
    plain = with_question(PromptTemplate.from_template("Context {c}: {q}"), "q") | routed()
    assert routing_decision(plain.invoke({"c": HARD, "q": "hi"})).candidate == "weak"
    partial = with_question(PromptTemplate.from_template("{c} {q}").partial(q="hi"), "q") | routed()
    assert routing_decision(partial.invoke({"c": HARD})).source == "template"
    turns = ChatPromptTemplate.from_messages([MessagesPlaceholder("turns")])
    placed = with_question(turns, "turns") | routed()
    assert routing_decision(placed.invoke({"turns": [HumanMessage("hi")]})).source == "message", "no words, no tag"
    with pytest.raises(ConfigurationError, match="no variable 'question'; it has turns"):
        with_question(turns, "question")


def test_what_is_scored_is_a_setting_of_the_model() -> None:
    turns = [HumanMessage(HARD), AIMessage("done"), HumanMessage("thanks")]
    assert routing_decision(routed(stay=None).invoke(turns)).candidate == "weak"
    assert routing_decision(routed(stay=None, scored="user").invoke(turns)).candidate == "strong"
