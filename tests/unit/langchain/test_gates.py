"""Who can serve a call: by what the models say of themselves, or by what the pool says of them, which goes first."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI

from langchain_router import RoutedChatModel, routing_decision
from pointsman import Candidate, Needs
from pointsman.decision import Decision
from pointsman.errors import NoCandidateError
from tests.support.langchain import FakeChat, add, routed, router

ABLE = {
    "max_input_tokens": 100_000,
    "image_inputs": True,
    "audio_inputs": True,
    "pdf_inputs": True,
    "tool_calling": True,
    "tool_choice": True,
    "structured_output": True,
}
IMAGE = {"type": "image", "base64": "AAAA", "mime_type": "image/png"}
AUDIO = {"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}
PDF = {"type": "file", "base64": "AAAA", "mime_type": "application/pdf"}
WORDS = {"type": "text", "text": "hi"}


class Limited(FakeChat):
    """With a field for the length of its answers, as the models of providers have."""

    max_tokens: int | None = None


def weak_with(**denied: Any) -> RoutedChatModel:
    """The short prompts of these tests go to the weak model, unless it cannot serve them."""
    return routed(weak=FakeChat(model="small", profile=ABLE | denied), strong=FakeChat(model="big", profile=ABLE))


def decided(answer: Any) -> Decision:
    decision = routing_decision(answer)
    assert decision is not None
    return decision


@pytest.mark.parametrize(
    ("denied", "block", "why"),
    [
        ("image_inputs", IMAGE, "no images"),
        ("image_inputs", {"type": "image_url", "image_url": {"url": "http://example.invalid/a.png"}}, "no images"),
        ("audio_inputs", AUDIO, "no audio"),
        ("audio_inputs", {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "no audio"),
        ("pdf_inputs", PDF, "no documents"),
        ("image_inputs", {"type": "tool_result", "tool_use_id": "1", "content": [WORDS, IMAGE]}, "no images"),
    ],
)
def test_what_a_profile_denies_is_not_asked_for(denied: str, block: dict[str, Any], why: str) -> None:
    prompt = [HumanMessage([WORDS, block])]
    assert decided(weak_with().invoke(prompt)).candidate == "weak"
    decision = decided(weak_with(**{denied: False}).invoke(prompt))
    assert (decision.candidate, decision.gated) == ("strong", {"weak": why})
    assert f"weak cannot serve this call: {why}" in decision.reason


def test_tools_schemas_and_a_choice_of_tool() -> None:
    assert decided(weak_with(tool_calling=False).bind_tools([add]).invoke("hi")).gated == {"weak": "no tools"}
    model = weak_with(tool_choice=False)
    for free in (None, "auto", "none"):
        assert decided(model.bind_tools([add], tool_choice=free).invoke("hi")).candidate == "weak"
    for forced in ("any", "add", "required"):
        assert decided(model.bind_tools([add], tool_choice=forced).invoke("hi")).gated == {"weak": "no tool choice"}
    toolless = weak_with(tool_calling=False, structured_output=False)
    raw = toolless.with_structured_output({"title": "A", "type": "object", "properties": {}}, include_raw=True)
    assert decided(raw.invoke("hi")["raw"]).gated == {"weak": "no structured output"}


def test_the_pools_facts_go_before_the_profile() -> None:
    prompt = [HumanMessage([WORDS, IMAGE])]
    blind = FakeChat(model="small", profile=ABLE | {"image_inputs": False})
    sees = {"weak": Candidate("weak", abilities=Needs(images=True))}
    assert decided(routed(weak=blind, candidates=sees).invoke(prompt)).candidate == "weak"
    sighted = FakeChat(model="small", profile=ABLE)
    blinded = {"weak": Candidate("weak", abilities=Needs(tools=True))}
    assert decided(routed(weak=sighted, candidates=blinded).invoke(prompt)).gated == {"weak": "no images"}
    forced = routed(weak=sighted, candidates=blinded).bind_tools([add], tool_choice="any")
    assert decided(forced.invoke("hi")).candidate == "weak", "who has tools can choose them, unless somebody says no"


def test_the_prompt_and_the_answer_must_fit_the_window() -> None:
    prompt = "word " * 300
    tight = weak_with(max_input_tokens=600)
    assert decided(tight.invoke(prompt, {"configurable": {"router_threshold": 1.0}})).candidate == "weak"
    longer = tight.invoke(prompt, {"configurable": {"router_threshold": 1.0}}, max_tokens=400)
    assert "400 for the reply exceed its window of 600" in decided(longer).gated["weak"]
    bound = tight.bind_tools([add], max_tokens=400).invoke(prompt, {"configurable": {"router_threshold": 1.0}})
    assert "400 for the reply" in decided(bound).gated["weak"]


def test_a_model_set_up_for_long_answers_needs_their_room() -> None:
    weak = Limited(model="small", max_tokens=900, profile=ABLE | {"max_input_tokens": 1000})
    decision = decided(routed(weak=weak, threshold=1.0).invoke("word " * 200))
    assert "900 for the reply exceed its window of 1000" in decision.gated["weak"]
    real = ChatOpenAI(model="gpt-4.1", api_key="none", max_tokens=123)
    model = RoutedChatModel(strong=real, weak=FakeChat(), router=router())
    assert model._router.pool.named("strong").reply_tokens == 123


def test_where_nobody_can_serve_the_error_names_all_and_why() -> None:
    model = routed(
        weak=FakeChat(model="small", profile=ABLE | {"image_inputs": False}),
        strong=FakeChat(model="big", profile=ABLE | {"max_input_tokens": 300}),
    )
    with pytest.raises(NoCandidateError) as refused:
        model.invoke([HumanMessage(["word " * 2000, IMAGE])])
    assert refused.value.gated.keys() == {"weak", "strong"}
    assert "weak: no images" in str(refused.value)
    assert "exceed its window of 300" in str(refused.value)
