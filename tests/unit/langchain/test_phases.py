"""Which phase a call of an agent is in, told by its messages alone."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from langchain_router.phases import phase_of

USER, SYSTEM = HumanMessage("do it"), SystemMessage("be brief")
CALL = AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}, {"name": "f", "args": {}, "id": "2"}])


def given(text: str = "42", status: str = "success") -> ToolMessage:
    return ToolMessage(text, tool_call_id="1", status=status)


FAILED = given("no such row", "error")


@pytest.mark.parametrize(
    ("messages", "errors", "phase"),
    [
        ([USER], 1, "plan"),
        ([SYSTEM, USER], 1, "plan"),
        ([], 1, "plan"),
        ([AIMessage("hello")], 1, "plan"),
        ([USER, CALL, given()], 1, "tool_loop"),
        ([USER, CALL, given("an error occurred: failed")], 1, "tool_loop"),
        ([USER, CALL, FAILED], 1, "recovery"),
        ([USER, CALL, FAILED, given()], 1, "recovery"),
        ([USER, CALL, FAILED], 2, "tool_loop"),
        ([USER, CALL, FAILED, FAILED], 2, "recovery"),
        ([USER, CALL, FAILED, CALL, FAILED], 2, "recovery"),
        ([USER, CALL, FAILED, CALL, given()], 1, "tool_loop"),
        ([USER, CALL, FAILED, AIMessage("sorry"), USER], 1, "plan"),
        ([USER, CALL, FAILED, AIMessage("sorry"), USER, CALL, given()], 1, "tool_loop"),
    ],
    ids=[
        "the user has spoken", "a system prompt", "nothing", "nobody has spoken", "a tool has answered",
        "words are no failure", "a tool has failed", "one of two has failed", "one failure of two", "two at once",
        "two in a row", "the tool has come round", "the next turn", "an old failure",
    ],
)  # fmt: skip
def test_phases(messages: list[BaseMessage], errors: int, phase: str) -> None:
    assert phase_of(messages, errors) == phase
