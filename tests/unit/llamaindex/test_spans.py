"""The spans around a call: questions from the inside out, kept apart between threads, tasks and failures."""

import asyncio
import threading

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.schema import QueryBundle

from llamaindex_router.journal import keep_journal
from llamaindex_router.spans import OPEN, as_reading, caller, enclosing, question_scope, root_question

dispatcher = get_dispatcher(__name__)


@pytest.fixture(autouse=True)
def followed():
    keep_journal()
    before = dict(OPEN)
    yield
    assert before == OPEN, "every span that was opened is let go"


class Component:
    """Takes a question under one of core's names, and does something."""

    @dispatcher.span
    def query(self, str_or_query_bundle, act):
        return act()

    @dispatcher.span
    def synthesize(self, query, act):
        return act()

    @dispatcher.span
    def chat(self, message, act):
        return act()

    @dispatcher.span
    def step(self, start_event, act):
        return act()

    @dispatcher.span
    def helps(self, act):
        return act()

    @dispatcher.span
    async def aquery(self, query_str, act):
        return await act()


class Start:
    user_msg = "the user's own words"


it = Component()


def test_the_innermost_question_and_the_root():
    def look():
        return caller().question, root_question(), caller().component.name

    assert it.query("outer", lambda: it.synthesize(QueryBundle("inner"), look)) == (
        "inner",
        "outer",
        "Component.synthesize",
    )
    assert it.chat("outer", lambda: it.helps(look)) == ("outer", "outer", "Component.helps")
    assert caller() == (None, None)
    assert root_question() is None


@pytest.mark.parametrize("nothing", ["", "  ", 7, None])
def test_what_is_no_question(nothing):
    assert it.query(nothing, lambda: caller().question) is None


def test_a_runs_question_is_the_root_and_never_the_innermost():
    """The agent's own steps hold messages; a call inside its tools is about something else."""
    assert it.step(Start(), lambda: (caller().question, root_question())) == (None, "the user's own words")
    assert it.step(Start(), lambda: it.query("inner", lambda: (caller().question, root_question()))) == (
        "inner",
        "the user's own words",
    )


def test_the_scope_of_a_question_ends_where_another_begins():
    def scope():
        return question_scope().question, [span.name for span in question_scope().upwards()]

    question, names = it.query("outer", lambda: it.query("inner", lambda: it.synthesize("inner", scope)))
    assert question == "inner"
    assert names == ["Component.query", "Component.query"]
    assert question_scope() is None


def test_a_question_with_words_around_it_is_the_same_question():
    retry = "Here is a previous bad answer.\nno\nNow answer the question.\nouter"
    assert it.query("outer", lambda: it.query(retry, lambda: caller().question)) == "outer"


def test_errors_let_spans_go():
    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        it.query("outer", fail)


def test_what_is_read_later_happens_inside():
    span = it.query("outer", lambda: next(enclosing()))
    with as_reading(span):
        assert caller().question == "outer"
        assert it.chat("a reader's own", lambda: caller().question) == "outer"
    assert caller().question is None


async def test_tasks_know_their_own():
    async def look():
        await asyncio.sleep(0)
        return caller().question

    assert await asyncio.gather(*(it.aquery(f"question {row}", look) for row in range(20))) == [
        f"question {row}" for row in range(20)
    ]


def test_threads_know_their_own():
    found = {}

    def run(row):
        for _ in range(50):
            found[row] = it.query(f"question {row}", lambda: it.helps(lambda: caller().question))

    threads = [threading.Thread(target=run, args=(row,)) for row in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {row: f"question {row}" for row in range(8)}
