"""Which step of a pipeline asks: told by the component that makes the call, the prompt's type, or its variables.

    question_answering   an answer to the user (compact, simple_summarize, accumulate, citations, context chat engines)
    summary              an answer made of many chunks (tree_summarize), or a summary of a text
    refine               an answer improved by one more chunk
    retry                an answer tried again after an evaluator turned the first one down
    evaluation           an evaluator's judgement of an answer
    agent                a step of an agent
    chat                 messages or text with no component around
    custom               any other prompt
    selector             which of several engines or tools to ask
    sub_question         questions made of a question: sub-questions, steps, rewordings for a search
    condense             a conversation made into one question
    hyde                 an imagined passage to search with
    rerank               which of the chunks found to keep
    extraction           keywords, triplets, schemas and titles from texts

From `selector` on it is housekeeping, of which the user reads nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal, get_args

from llama_index.core.prompts.prompt_type import PromptType
from llama_index_instrumentation.dispatcher import active_instrument_tags

from llamaindex_router.restated import restated
from llamaindex_router.spans import Span, enclosing

__all__ = [
    "ANSWERING",
    "STAGES",
    "Stage",
    "run_id",
    "stage_of_chat",
    "stage_of_template",
    "stage_of_text",
    "takes_a_step",
]

Stage = Literal[
    "question_answering",
    "summary",
    "refine",
    "retry",
    "evaluation",
    "agent",
    "chat",
    "custom",
    "selector",
    "sub_question",
    "condense",
    "hyde",
    "rerank",
    "extraction",
]
STAGES: tuple[Stage, ...] = get_args(Stage)
ANSWERING: frozenset[Stage] = frozenset({"question_answering", "summary", "refine", "retry"})
"""The stages that write what the user reads."""

_RUN_ID = "llamaindex.run_id"
_BY_TYPE: dict[str, Stage] = {
    PromptType.QUESTION_ANSWER: "question_answering",
    PromptType.SIMPLE_INPUT: "question_answering",
    PromptType.CONVERSATION: "question_answering",
    PromptType.SQL_RESPONSE_SYNTHESIS: "question_answering",
    PromptType.SQL_RESPONSE_SYNTHESIS_V2: "question_answering",
    PromptType.REFINE: "refine",
    PromptType.SUMMARY: "summary",
    PromptType.SINGLE_SELECT: "selector",
    PromptType.MULTI_SELECT: "selector",
    PromptType.TREE_SELECT: "selector",
    PromptType.TREE_SELECT_MULTIPLE: "selector",
    PromptType.SUB_QUESTION: "sub_question",
    PromptType.DECOMPOSE: "sub_question",
    PromptType.VECTOR_STORE_QUERY: "sub_question",
    PromptType.CHOICE_SELECT: "rerank",
    PromptType.RANKGPT_RERANK: "rerank",
    PromptType.KEYWORD_EXTRACT: "extraction",
    PromptType.QUERY_KEYWORD_EXTRACT: "extraction",
    PromptType.KNOWLEDGE_TRIPLET_EXTRACT: "extraction",
    PromptType.SCHEMA_EXTRACT: "extraction",
    PromptType.TABLE_CONTEXT: "extraction",
    PromptType.TREE_INSERT: "selector",
}
_BY_COMPONENT: tuple[tuple[str, Stage], ...] = (
    (r"Selector$", "selector"),
    (r"HyDE", "hyde"),
    (r"DecomposeQueryTransform$|QuestionGenerator$|FusionRetriever$|FeedbackQueryTransformation$", "sub_question"),
    (r"Rerank", "rerank"),
    (r"Extractor$", "extraction"),
)
"""Patterns of class names, core's own and what is named alike."""
_BY_VARIABLES: tuple[tuple[frozenset[str], Stage], ...] = (
    (frozenset({"chat_history", "question"}), "condense"),
    (frozenset({"prev_reasoning"}), "sub_question"),
    (frozenset({"existing_answer"}), "refine"),
    (frozenset({"query", "response"}), "evaluation"),
    (frozenset({"query", "generated_answer"}), "evaluation"),
    (frozenset({"query", "answer_1", "answer_2"}), "evaluation"),
    (frozenset({"query_str", "context_str"}), "question_answering"),
    (frozenset({"query_str", "context_messages"}), "question_answering"),
)
"""Templates without a type, as chat engines, citations and evaluators bring them."""
_AGENT_STEPS = (".run_agent_step", ".parse_agent_output")
_RETRYING = re.compile(r"Retry\w*QueryEngine\.a?query")


def stage_of_template(prompt_type: object, values: Mapping[str, Any], caller: Span | None) -> Stage:
    """The stage of a call, made by this component, that fills in a prompt template with `values`."""
    stage = _of_component(caller) or (_BY_TYPE.get(prompt_type) if isinstance(prompt_type, str) else None)
    if stage is None:
        names = values.keys()
        stage = next((stage for variables, stage in _BY_VARIABLES if variables <= names), None)
    if stage is None:
        return "agent" if takes_a_step(caller) else "custom"
    return _second_try(values.get("query_str"), stage)


def stage_of_chat(tools: bool, caller: Span | None) -> Stage:
    """The stage of a call that hands over messages, with `tools` or without."""
    stage = _of_component(caller)
    if stage is not None:
        return stage
    if takes_a_step(caller) or (tools and run_id() is not None and not _inside_a_tool()):
        return "agent"
    # a synthesizer that fills in its prompts itself: nobody can tell the first chunk from the next
    return "refine" if caller is not None and _class_of(caller).endswith("Refine") else "chat"


def stage_of_text(caller: Span | None) -> Stage:
    """The stage of a call that completes a text."""
    if caller is not None and _class_of(caller) == "CondensePlusContextChatEngine":
        return "condense"
    return _of_component(caller) or "chat"


def run_id() -> str | None:
    """The workflow run that the call belongs to: LlamaIndex tags all that happens in it."""
    found = active_instrument_tags.get().get(_RUN_ID)
    return found if isinstance(found, str) else None


def _second_try(question: object, stage: Stage) -> Stage:
    kind = restated(question).by if isinstance(question, str) else None
    if kind == "evaluation":
        return "evaluation"
    if stage not in ("question_answering", "summary"):
        return stage
    tries = sum(_RETRYING.fullmatch(span.name) is not None for span in enclosing())
    return "retry" if kind == "retry" or tries > 1 else stage


def takes_a_step(caller: Span | None) -> bool:
    """Whether this component is an agent at its work."""
    return caller is not None and caller.name.endswith(_AGENT_STEPS)


def _inside_a_tool() -> bool:
    """Whether a tool of the run makes the call."""
    for span in enclosing():
        if span.is_run:
            return False
        if span.is_tool:
            return True
    return False


def _class_of(span: Span) -> str:
    return span.name.partition(".")[0]


def _of_component(span: Span | None) -> Stage | None:
    return None if span is None else _of_class(_class_of(span))


@lru_cache(maxsize=256)
def _of_class(name: str) -> Stage | None:
    return next((stage for pattern, stage in _BY_COMPONENT if re.search(pattern, name)), None)
