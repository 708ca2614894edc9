"""`RouterLLM`: several LLMs behind the interface of one."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Mapping
from typing import Any, cast, get_args

from llama_index.core.base.llms.generic_utils import messages_to_prompt
from llama_index.core.base.llms.types import ChatResponse, LLMMetadata, ToolCallBlock
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import LLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection, default_completion_to_prompt
from llama_index.core.rate_limiter import BaseRateLimiter
from llama_index.core.types import PydanticProgramMode

from llamaindex_router.children import Window, build_pool, name_models, read_metadata
from llamaindex_router.desk import Desk, Scored
from llamaindex_router.journal import keep_journal
from llamaindex_router.rules import Rule
from llamaindex_router.tools import RoutedToolMethods, selection_of
from llamaindex_router.watch import watch_events
from pointsman.configure import configure_router
from pointsman.errors import ConfigurationError, NoCandidateError
from pointsman.failover import Failover
from pointsman.policies import Policy
from pointsman.pool import Candidate
from pointsman.records import ROUTING_KEY
from pointsman.router import Router

__all__ = ["RouterLLM"]

_log = logging.getLogger(__name__)

_OF_THE_MODELS = (
    "system_prompt",
    "messages_to_prompt",
    "completion_to_prompt",
    "output_parser",
    "pydantic_program_mode",
    "query_wrapper_prompt",
)
"""Settings of an LLM that act inside the methods that are handed to the chosen model."""
_FAILOVER = Failover()
_WITHOUT_EFFECT = (default_completion_to_prompt, messages_to_prompt, PydanticProgramMode.DEFAULT)


class RouterLLM(RoutedToolMethods):
    """A LlamaIndex LLM that sends each call to the model it needs.

    It goes wherever an LLM goes: `Settings.llm`, query and chat engines, agents. Each call is decided once, by the
    user's question where there is one, and then made by the chosen model as if it had been called itself.

    Args:
        strong, weak: a pair of models.
        llms: or any number of models by name; "strong" and "weak" among them are the pair.
        router: the router, or the name or folder of a saved one.
        threshold: win rate in [0, 1] from which the strong model is chosen.
        strong_share: or the share of calls in [0, 1] for the strong model.
        policy: or any other rule. None of the three keeps the router's own.
        candidates: facts about the models by name (prices, context window, abilities) that go before what the models
            and the price tables say.
        callback_manager: for the router and its models.
        rate_limiter: asked once per routed call; the models' own limiters hold as well.
        question: which question is scored where one is made of another, as sub-questions are: "innermost", the one that
            the call is about, or "root", the one that the user asked.
        window: which context window LlamaIndex packs prompts for: the "smallest", so that each fits any model, or the
            "largest", so that a long one rules out the models that it does not fit.
        stages: what steps of a pipeline do, by stage, where it is not the default; `explain()` shows both.
        failover: when another model is asked, for one that fails before the first word of its answer; None for never.
        kwargs: none. Settings of an LLM, such as `system_prompt`, belong to the models.

    Raises:
        ConfigurationError: the models, the rule or the settings cannot work.
        ArtifactError: the named router does not exist or is damaged.
    """

    def __init__(
        self,
        *,
        strong: LLM | None = None,
        weak: LLM | None = None,
        llms: Mapping[str, LLM] | None = None,
        router: str | Router = "default",
        threshold: float | None = None,
        strong_share: float | None = None,
        policy: Policy | None = None,
        candidates: Mapping[str, Candidate] | None = None,
        callback_manager: CallbackManager | None = None,
        rate_limiter: BaseRateLimiter | None = None,
        question: Scored = "innermost",
        window: Window = "smallest",
        stages: Mapping[str, Rule] | None = None,
        failover: Failover | None = _FAILOVER,
        **kwargs: Any,
    ) -> None:
        _refuse(kwargs)
        for name, given, known in (("question", question, get_args(Scored)), ("window", window, get_args(Window))):
            if given not in known:
                msg = f"{name} is {given!r}; give {' or '.join(map(repr, known))}"
                raise ConfigurationError(msg)
        named = name_models(strong, weak, llms)
        nested = [name for name, llm in named.items() if isinstance(llm, RouterLLM)]
        if nested:
            msg = f"{', '.join(nested)} is a RouterLLM, whose calls would count twice; put its models into llms={{...}}"
            raise ConfigurationError(msg)
        children = {name: read_metadata(name, llm) for name, llm in named.items()}
        over = configure_router(
            build_pool(named, children, candidates, router),
            router,
            threshold=threshold,
            strong_share=strong_share,
            policy=policy,
        )
        self._assemble(named, over, children, rate_limiter, question, window, dict(stages or {}), failover)
        if callback_manager is not None:
            self.callback_manager = callback_manager

    def _assemble(
        self,
        llms: dict[str, LLM],
        router: Router,
        children: dict[str, LLMMetadata],
        rate_limiter: BaseRateLimiter | None,
        question: Scored,
        window: Window,
        stages: dict[str, Rule],
        failover: Failover | None,
    ) -> None:
        super().__init__(llms=llms, rate_limiter=rate_limiter)
        self._desk = Desk(self.llms, children, router, question, window, stages, failover)
        watch_events()
        keep_journal()

    # -- what it is

    @classmethod
    def class_name(cls) -> str:
        """Name of the class in events and serialised forms."""
        return "RouterLLM"

    @property
    def metadata(self) -> LLMMetadata:
        """What the models have in common: the smallest window, the longest output, tools if any calls them."""
        return self._desk.metadata

    @property
    def router(self) -> Router:
        """The router; its pool holds the models' prices, windows and abilities."""
        return self._desk.router

    def explain(self) -> str:
        """How calls are decided, for people: the models, the router's rule, and what each stage of a pipeline does."""
        rules, failover = self._desk.chooser.rules, self._desk.chooser.failover
        models = ", ".join(f"{candidate.name} ({candidate.model})" for candidate in self._desk.router.pool)
        after = "never" if failover is None else f"after {', '.join(sorted(failover.on))}".replace("_", " ")
        return "\n".join(
            [
                f"models      {models}",
                f"router      {self._desk.router.name}, {self._desk.router.policy}",
                f"question    {self._desk.question}",
                f"features    {', '.join(self._desk.router.features) or 'none: the words of the question alone'}",
                f"failover    {after}",
                "stages",
                rules.explain(),
            ]
        )

    def to_payload(self) -> dict[str, Any]:
        """What traces may show: metadata, models' names and the policy; no settings of the models."""
        models = {candidate.name: candidate.model for candidate in self._desk.router.pool}
        rule = {"candidates": models, "policy": str(self._desk.router.policy)}
        return {"class_name": self.class_name(), **self._desk.metadata.model_dump(), **rule}

    # -- tool calls

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The tool calls in a response, read by the model that wrote it; by their blocks where nobody knows which.

        Raises:
            ValueError: there are none, and `error_on_no_tool_call` is set.
            NoCandidateError: no model of the pool calls tools.
        """
        writer = self.llms.get(response.additional_kwargs.get(ROUTING_KEY, {}).get("candidate"))
        calls = [block for block in response.message.blocks if isinstance(block, ToolCallBlock)]
        if writer is None and calls:
            return [selection_of(call) for call in calls]
        # a model without tools wrote none, and has no method to say so
        can_say = hasattr(writer, "get_tool_calls_from_response")
        llm = cast(FunctionCallingLLM, writer) if can_say else self._tool_caller
        return llm.get_tool_calls_from_response(response, error_on_no_tool_call=error_on_no_tool_call, **kwargs)

    def _prepare_chat_with_tools(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Required by the base class; the methods that would use it hand the whole call on."""
        return self._tool_caller._prepare_chat_with_tools_compat(*args, **kwargs)  # noqa: SLF001  # its own base class's

    @property
    def _tool_caller(self) -> FunctionCallingLLM:
        """The first model that calls tools."""
        for candidate in self._desk.router.pool:
            if candidate.abilities.tools:
                return cast(FunctionCallingLLM, self.llms[candidate.name])
        raise NoCandidateError({candidate.name: "no tools" for candidate in self._desk.router.pool})

    # -- attributes, copies

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; a callback manager holds for the models, too, for they are the ones that call back."""
        if name in _OF_THE_MODELS:
            _refuse({name: value})
        super().__setattr__(name, value)
        if name == "callback_manager":
            for llm in self.llms.values():
                llm.callback_manager = value

    def __getstate__(self) -> dict[str, Any]:
        return {
            "llms": self.llms,
            "router": self._desk.router,
            "children": self._desk.children,
            "rate_limiter": _portable("rate_limiter", self.rate_limiter),
            "callback_manager": _portable("callback_manager", self.callback_manager),
            "question": self._desk.question,
            "window": self._desk.window,
            "stages": self._desk.chooser.rules.given,
            "failover": self._desk.chooser.failover,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        manager = state.pop("callback_manager")
        self._assemble(**state)
        if manager is not None:  # the models have brought theirs
            super().__setattr__("callback_manager", manager)

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> RouterLLM:
        memo = {} if memo is None else memo
        memo[id(self._desk.router)] = self._desk.router  # immutable, and too large to copy for nothing
        memo[id(self.rate_limiter)] = self.rate_limiter  # a copy is held to the same limit
        return super().__deepcopy__(memo)

    def __repr__(self) -> str:
        return f"RouterLLM({', '.join(self.llms)}, router={self._desk.router!r})"

    __str__ = __repr__


def _portable(name: str, value: object) -> object:
    """The value for a pickle; None, with a warning, where it cannot be pickled: so core does with those of any LLM."""
    try:
        pickle.dumps(value)
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        _log.warning("the pickle of a RouterLLM is without its %s: %s", name, error)
        return None
    return value


def _refuse(settings: Mapping[str, Any]) -> None:
    """Raise on settings that could have no effect here; their defaults, which core's validators set, have none."""
    for name, value in settings.items():
        if name not in _OF_THE_MODELS:
            msg = f"RouterLLM takes no {name}; give it to the models that it chooses from"
            raise ConfigurationError(msg)
        if value is not None and value not in _WITHOUT_EFFECT:
            msg = f"{name} would have no effect on RouterLLM, for the chosen model makes the call; set it on the models"
            raise ConfigurationError(msg)
