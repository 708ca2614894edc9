"""Which step of a pipeline asks: by the prompt's type, its variables, or the component around the call."""

import pytest
from llama_index.core.prompts.prompt_type import PromptType
from llama_index_instrumentation.dispatcher import instrument_tags

from llamaindex_router.rules import _DEFAULTS
from llamaindex_router.spans import Span
from llamaindex_router.stages import STAGES, run_id, stage_of_chat, stage_of_template, stage_of_text


def named(name):
    return Span(name, None)


@pytest.mark.parametrize("kind", PromptType)
def test_every_prompt_type_has_a_stage(kind):
    assert stage_of_template(kind, {}, None) in STAGES


def test_every_stage_has_a_rule():
    assert set(_DEFAULTS) == set(STAGES)


@pytest.mark.parametrize(
    ("kind", "values", "caller", "stage"),
    [
        (PromptType.QUESTION_ANSWER, {}, None, "question_answering"),
        ("text_qa", {}, None, "question_answering"),
        (PromptType.REFINE, {}, None, "refine"),
        (PromptType.SUMMARY, {"query_str": "why?"}, None, "summary"),
        (PromptType.SUMMARY, {"context_str": "why?"}, "HyDEQueryTransform._run", "hyde"),
        (PromptType.CHOICE_SELECT, {}, None, "rerank"),
        (PromptType.CUSTOM, {"chat_history": "", "question": ""}, None, "condense"),
        (PromptType.CUSTOM, {"existing_answer": "", "query_str": "why?", "context_str": ""}, None, "refine"),
        (PromptType.CUSTOM, {"query_str": "why?", "context_str": ""}, None, "question_answering"),
        (PromptType.CUSTOM, {"query_str": "Question: why?\nResponse: so", "context_str": ""}, None, "evaluation"),
        (PromptType.CUSTOM, {"query": "why?", "response": "so", "guidelines": ""}, None, "evaluation"),
        (PromptType.CUSTOM, {"query": "why?", "answer_1": "so", "answer_2": "no"}, None, "evaluation"),
        (
            PromptType.CUSTOM,
            {"query_str": "Here is a previous bad answer.\n5\nNow answer the question.\nwhy?"},
            None,
            "custom",
        ),
        (
            PromptType.QUESTION_ANSWER,
            {"query_str": "why?\n----------------\nHere is a previous bad answer.\n5"},
            None,
            "retry",
        ),
        (PromptType.CUSTOM, {"topic": "rain"}, None, "custom"),
        (PromptType.CUSTOM, {"context_str": "text"}, "SummaryExtractor.aextract", "extraction"),
        (PromptType.CUSTOM, {}, "FunctionAgent.run_agent_step", "agent"),
        (None, {}, None, "custom"),
        (7, {}, None, "custom"),
    ],
)
def test_templates(kind, values, caller, stage):
    assert stage_of_template(kind, values, caller and named(caller)) == stage


@pytest.mark.parametrize(
    ("tools", "caller", "stage"),
    [
        (False, None, "chat"),
        (True, None, "chat"),
        (True, "PydanticSingleSelector.select", "selector"),
        (True, "MyOwnSelector._aselect", "selector"),
        (True, "StructuredRefine.get_response", "refine"),
        (False, "RankGPTRerank.postprocess_nodes", "rerank"),
        (False, "AgentWorkflow.run_agent_step", "agent"),
        (False, "SimpleChatEngine.chat", "chat"),
    ],
)
def test_messages(tools, caller, stage):
    assert stage_of_chat(tools, caller and named(caller)) == stage


def test_tools_in_a_run_are_an_agents_whatever_the_steps_are_called():
    with instrument_tags({"llamaindex.run_id": "1"}):
        assert run_id() == "1"
        assert stage_of_chat(True, named("MyWorkflow.think")) == "agent"
        assert stage_of_chat(False, named("MyWorkflow.think")) == "chat"
    assert run_id() is None
    with instrument_tags({"llamaindex.run_id": 1}):
        assert run_id() is None, "a tag of somebody else"


@pytest.mark.parametrize(
    ("caller", "stage"),
    [
        (None, "chat"),
        ("CondensePlusContextChatEngine.chat", "condense"),
        ("QueryFusionRetriever._retrieve", "sub_question"),
        ("RetrieverQueryEngine.query", "chat"),
    ],
)
def test_texts(caller, stage):
    assert stage_of_text(caller and named(caller)) == stage
