"""Reading token counts in the providers' layouts, and listening for them where no response is handed back."""

from types import SimpleNamespace

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ThinkingBlock,
    ToolCallBlock,
)
from pydantic import BaseModel

from llamaindex_router.usage import count_usage, is_blank, is_empty, read_usage, words_of
from llamaindex_router.watch import Watch
from pointsman import Usage


def response(raw=None, **extra):
    return ChatResponse(message=ChatMessage(content="hi"), raw=raw, additional_kwargs=extra)


LAYOUTS = {
    "OpenAI": (
        {
            "usage": {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            }
        },
        Usage(10, 5, 4, 2),
    ),
    "OpenAI, as objects": (
        SimpleNamespace(usage=SimpleNamespace(prompt_tokens=10, completion_tokens=5, prompt_tokens_details=None)),
        Usage(10, 5),
    ),
    "OpenAI responses": (
        {"usage": {"input_tokens": 10, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 2}}},
        Usage(10, 5, 0, 2),
    ),
    "Anthropic, whose cached tokens come on top": (
        {
            "usage": {
                "input_tokens": 10,
                "output_tokens": 5,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 7,
            }
        },
        Usage(117, 5, 100),
    ),
    "Gemini, whose thoughts come on top": (
        {
            "usage_metadata": {
                "prompt_token_count": 10,
                "candidates_token_count": 5,
                "cached_content_token_count": 4,
                "thoughts_token_count": 20,
            }
        },
        Usage(10, 25, 4, 20),
    ),
    "none in raw": ({"id": "x", "usage": None}, None),
    "only half": ({"usage": {"prompt_tokens": 10}}, None),
    "not numbers": ({"usage": {"prompt_tokens": "10", "completion_tokens": True}}, None),
    "not a dict": ("a raw text", None),
    "nothing": (None, None),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    raw, usage = LAYOUTS[layout]
    assert read_usage(response(raw)) == usage
    assert read_usage(CompletionResponse(text="hi", raw=raw)) == usage


def test_additional_kwargs_come_last():
    counts = {"prompt_tokens": 1, "completion_tokens": 2}
    assert read_usage(response(None, **counts)) == Usage(1, 2)
    assert read_usage(response({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}, **counts)) == Usage(3, 4)
    assert read_usage(None) is None


def test_counts_of_our_own_are_flagged():
    usage = count_usage(["a b c", "d"], "e f", "gpt-4o")
    assert usage == Usage(usage.input_tokens, 2, estimated=True)
    assert 4 <= usage.input_tokens <= 5
    assert count_usage(["x" * 400_000], "", "gpt-4o") == Usage(100_000, 0, estimated=True)


class Song(BaseModel):
    """A song."""

    title: str


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("text", "text"),
        (CompletionResponse(text="text"), "text"),
        (response(), "hi"),
        (
            ChatResponse(message=ChatMessage(blocks=[ToolCallBlock(tool_name="add", tool_kwargs={"a": 1})])),
            "\nadd {'a': 1}",
        ),
        (Song(title="Rain"), '{"title":"Rain"}'),
    ],
)
def test_what_a_model_has_written(result, words):
    assert words_of(result) == words


def reported(asked, answered):
    return response({"usage": {"prompt_tokens": asked, "completion_tokens": answered}})


def heard(*events):
    """A watch that has heard events: (span, model) starts a call, (span, response) ends one."""
    watch = Watch("gpt")
    for span, what in events:
        if isinstance(what, ChatResponse):
            watch.ended(span, what)
        else:
            watch.started(span, what)
    return watch


def test_one_call():
    assert heard(("a", "gpt"), ("a", reported(1, 2))).usage() == Usage(1, 2)
    assert heard(("a", None), ("a", reported(1, 2))).usage() == Usage(1, 2)


def test_several_calls_are_added():
    assert heard(("a", "gpt"), ("a", reported(1, 2)), ("b", "gpt"), ("b", reported(3, 4))).usage() == Usage(4, 6)


def test_a_call_inside_a_call_is_part_of_it():
    chat, completion = ("chat", "gpt"), ("complete", "gpt")
    assert heard(chat, completion, ("complete", reported(1, 2)), ("chat", reported(1, 2))).usage() == Usage(1, 2)
    assert heard(chat, completion, ("complete", reported(1, 2)), ("chat", response())).usage() == Usage(1, 2)


def test_a_call_that_failed_and_was_made_again():
    assert heard(("a", "gpt"), ("b", "gpt"), ("b", reported(1, 2))).usage() == Usage(1, 2)
    assert heard(("a", "gpt"), ("b", "gpt"), ("a", reported(1, 2))).usage() == Usage(1, 2)


def test_calls_of_other_models_are_not_counted():
    """A tool may ask a model of its own."""
    assert heard(("a", "other"), ("a", reported(9, 9)), ("b", "gpt"), ("b", reported(1, 2))).usage() == Usage(1, 2)


def test_what_is_not_known_is_not_made_up():
    assert heard().usage() is None
    assert heard(("a", "gpt")).usage() is None
    assert heard(("a", "gpt"), ("a", response())).usage() is None
    assert heard(("a", "gpt"), ("a", reported(1, 2)), ("b", "gpt"), ("b", response())).usage() is None
    assert heard(("b", reported(1, 2))).usage() is None


def test_late_events_are_not_heard():
    watch = heard(("a", "gpt"), ("a", reported(1, 2)))
    watch.close()
    watch.started("b", "gpt")
    watch.ended("b", reported(3, 4))
    assert watch.usage() == Usage(1, 2)


@pytest.mark.parametrize(
    ("piece", "empty"),
    [
        (ChatResponse(message=ChatMessage(role="assistant", content="")), True),
        (ChatResponse(message=ChatMessage(role="assistant", content=""), delta="a"), False),
        (
            ChatResponse(
                message=ChatMessage(role="assistant", content=None), additional_kwargs={"thinking_delta": "hm"}
            ),
            False,
        ),
        (ChatResponse(message=ChatMessage(role="assistant", blocks=[ThinkingBlock(content="hm")])), False),
        (
            ChatResponse(
                message=ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_name="add", tool_kwargs={})])
            ),
            False,
        ),
        (CompletionResponse(text=""), True),
        (CompletionResponse(text="", delta="a"), False),
        ("", True),
        ("a", False),
    ],
)
def test_a_piece_says_something_by_its_delta_too(piece, empty):
    assert is_empty(piece) is empty


class Form(BaseModel):
    """Something to fill in."""

    name: str | None = None


def test_an_object_is_blank_until_something_is_filled_in_and_is_an_answer_all_the_same():
    assert is_blank(Form())
    assert not is_empty(Form())
    assert not is_blank(Form(name="a"))
    assert not is_blank(CompletionResponse(text=""))
    assert not is_blank("")
