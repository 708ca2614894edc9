"""`RoutedChatModel`: where a LangChain application has its chat model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from langchain_core.language_models.base import LangSmithParams, LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import ConfigurableFieldSpec, Runnable, RunnableConfig
from langchain_core.runnables.utils import get_unique_config_specs
from langchain_core.tools import BaseTool  # with_fallbacks reads the types of methods
from pydantic import BaseModel, ConfigDict, Field, InstanceOf
from typing_extensions import Self, override

from langchain_router.conduct import Conduct
from langchain_router.many import RoutedBatches
from langchain_router.messages import whole_text
from langchain_router.plan import CANDIDATE_KEY, POLICY_KEY, THRESHOLD_KEY, Plan, make_plan
from langchain_router.replay import REPLAY_KEY, Replay
from langchain_router.roster import common_profile, hand_down, named_models, pool_of
from langchain_router.scored import QUERY_KEY, Scored, Turns
from pointsman.configure import configure_router
from pointsman.costs import count_tokens
from pointsman.errors import ConfigurationError, MissingExtraError
from pointsman.failover import Failover
from pointsman.policies import Policy
from pointsman.pool import Candidate
from pointsman.query import clean_text
from pointsman.router import Router
from pointsman.staying import Stay

if TYPE_CHECKING:
    from pointsman.cascade import Cascade

__all__ = ["RoutedChatModel"]

_FAILOVER, _STAY = Failover(), Stay()


class _Desk(NamedTuple):
    """What calls are taken in with."""

    router: Router
    models: dict[str, BaseChatModel]
    scored: Scored
    conduct: Conduct


class RoutedChatModel(RoutedBatches):
    """A chat model that sends each call to the model it needs.

    Use it wherever a chat model goes: chains, agents, graphs. The answer is the chosen model's own, with
    `response_metadata["routing"]` added: see `routing_decision` and `routing_outcome`.

    Args:
        strong, weak: the two models to choose from; candidates "strong" and "weak".
        models: any number of models by candidate name, instead of the pair.
        router: a router, or the name or folder of a saved one.
        threshold: win rate in [0, 1] from which the strong model is chosen; higher is cheaper.
        strong_share: share of calls in [0, 1] for the strong model, instead of a threshold.
        policy: any other rule of choice.
        candidates: facts that replace what the models say of themselves, by candidate name: prices, context window,
            abilities.
        scored: which words decide: the user's "last" message, all that the "user" said, the whole "conversation", a
            number for the user's last messages, or a `Scored` with a limit.
        failover: when another candidate is asked because one fails before the first piece of its answer; None for
            never.
        stay: when a conversation keeps its model; None to choose anew for every call.
        cascade: lets the cheapest model answer first and has the answer judged; the next one is asked where it is not
            good enough.
        settings: LangChain's own fields. `callbacks`, `tags` and `metadata` reach the chosen model's run too; `cache`,
            `rate_limiter`, `disable_streaming` and `output_version` are handed to every model. Unknown ones are
            ignored, as LangChain's models do.

    One call can ask for another rule or for a candidate: `config={"configurable": {"router_threshold": 0.3}}`,
    `"router_policy": "Utility(0.01)"` (or a policy), `"router_candidate": "strong"`. `model=` with a candidate's name
    does the last too, and with any other name is handed to the chosen model.

    Raises:
        ConfigurationError: the models, the rule and the router do not go together.
        ArtifactError: the named router does not exist or is damaged.
    """

    model_config = ConfigDict(defer_build=False)

    strong: InstanceOf[BaseChatModel] | None = Field(default=None, frozen=True, exclude=True)
    weak: InstanceOf[BaseChatModel] | None = Field(default=None, frozen=True, exclude=True)
    models: dict[str, InstanceOf[BaseChatModel]] | None = Field(default=None, frozen=True, exclude=True)
    router: InstanceOf[Router] | str = Field(default="default", frozen=True, exclude=True)
    threshold: float | None = Field(default=None, frozen=True, exclude=True)
    strong_share: float | None = Field(default=None, frozen=True, exclude=True)
    policy: InstanceOf[Policy] | None = Field(default=None, frozen=True, exclude=True)
    candidates: dict[str, InstanceOf[Candidate]] | None = Field(default=None, frozen=True, exclude=True)

    scored: InstanceOf[Scored] | str | int = Field(default="last", frozen=True, exclude=True)
    failover: InstanceOf[Failover] | None = Field(default=None, frozen=True, exclude=True)
    stay: InstanceOf[Stay] | None = Field(default=None, frozen=True, exclude=True)
    cascade: Any = Field(default=None, frozen=True, exclude=True)  # a Cascade; pydantic cannot look into its judge

    def __init__(
        self,
        *,
        strong: BaseChatModel | None = None,
        weak: BaseChatModel | None = None,
        models: Mapping[str, BaseChatModel] | None = None,
        router: Router | str = "default",
        threshold: float | None = None,
        strong_share: float | None = None,
        policy: Policy | None = None,
        candidates: Mapping[str, Candidate] | None = None,
        scored: Scored | Turns | int = "last",
        failover: Failover | None = _FAILOVER,
        stay: Stay | None = _STAY,
        cascade: Cascade | None = None,
        **settings: Any,
    ) -> None:
        _check_models(named_models(strong, weak, models))
        fields: dict[str, Any] = {
            "strong": strong,
            "weak": weak,
            "models": None if models is None else dict(models),
            "router": router,
            "threshold": threshold,
            "strong_share": strong_share,
            "policy": policy,
            "candidates": None if candidates is None else dict(candidates),
            "scored": scored,
            "failover": failover,
            "stay": stay,
            "cascade": cascade,
        }
        super().__init__(**fields, **settings)
        _ = self._desk  # says now what it cannot work with

    @classmethod
    def from_pair(cls, strong: str, weak: str, **settings: Any) -> Self:
        """A router between two models named as `init_chat_model` names them.

        Args:
            strong: such as "openai:gpt-4.1".
            weak: such as "ollama:llama3.2".
            **settings: any other argument of the class.

        Raises:
            MissingExtraError: langchain is not installed.
            ImportError: the integration package of a provider is not installed.
        """
        try:
            from langchain.chat_models import init_chat_model
        except ImportError:
            raise MissingExtraError("langchain", "agents") from None
        return cls(strong=init_chat_model(strong), weak=init_chat_model(weak), **settings)

    @cached_property
    def _desk(self) -> _Desk:
        models = named_models(self.strong, self.weak, self.models)
        router = configure_router(
            pool_of(models, self.candidates, self.router),
            self.router,
            threshold=self.threshold,
            strong_share=self.strong_share,
            policy=self.policy,
        )
        if self.cascade is not None:
            self.cascade.ladder(router.pool)
        conduct = Conduct(self.failover, self.stay, self.cascade)
        return _Desk(router, hand_down(self, models), Scored.of(self.scored), conduct)

    @override
    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        copy = super().model_copy(update=update, deep=deep)
        del copy.__dict__["_desk"]
        _ = copy._desk  # noqa: SLF001  # another of this class
        return copy

    @property
    @override
    def conduct(self) -> Conduct:
        """What happens around a choice."""
        return self._desk.conduct

    @property
    def _router(self) -> Router:
        return self._desk.router

    @property
    def _models(self) -> dict[str, BaseChatModel]:
        return self._desk.models

    @override
    def _plan(self, model_input: LanguageModelInput, config: RunnableConfig | None, kwargs: dict[str, Any]) -> Plan:
        if isinstance(model_input, str):  # as below, with one object less on the way
            messages: list[BaseMessage] = [HumanMessage(model_input)]
        else:
            messages = self._convert_input(model_input).to_messages()
        desk = self._desk
        return make_plan(messages, config, kwargs, desk.router, desk.models, desk.scored)

    # -- tools and schemas

    @override
    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """A router whose chosen model has these tools; only models that can call tools are chosen.

        Args:
            tools: as the models take them; converted by the chosen one.
            tool_choice: handed to its `bind_tools`.
            **kwargs: handed to it too.
        """
        options = kwargs if tool_choice is None else {"tool_choice": tool_choice, **kwargs}
        return self.bind(**{REPLAY_KEY: Replay("bind_tools", list(tools), options)})

    @override
    def with_structured_output(
        self, schema: dict[str, Any] | type, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """A router whose chosen model answers in this schema, by its own method and parser.

        Args:
            schema: as the models take it.
            include_raw: whether the raw message comes too; it carries the routing record. Without it, the record is in
                the run's outputs and in `RoutingRecorder`.
            **kwargs: handed to the chosen model's `with_structured_output`.
        """
        replay = Replay("with_structured_output", schema, {"include_raw": include_raw, **kwargs})
        return self.bind(**{REPLAY_KEY: replay})

    # -- facts

    @property
    @override
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        own = [
            ConfigurableFieldSpec(
                id=THRESHOLD_KEY,
                annotation=float | None,
                name="Routing threshold",
                description="Win rate in [0, 1] from which the strong model is chosen, for this call.",
                default=None,
            ),
            ConfigurableFieldSpec(
                id=CANDIDATE_KEY,
                annotation=str | None,
                name="Candidate",
                description=f"The model for this call: {', '.join(self._models)}.",
                default=None,
            ),
            ConfigurableFieldSpec(
                id=QUERY_KEY,
                annotation=str | None,
                name="Question",
                description="The words to score for this call, where they are not the user's last message.",
                default=None,
            ),
            ConfigurableFieldSpec(
                id=POLICY_KEY,
                annotation=Policy | str | None,
                name="Routing policy",
                description="The rule for this call: a policy, or one written as in code, like 'Threshold(0.4)'.",
                default=None,
            ),
        ]
        theirs = (spec for model in self._models.values() for spec in model.config_specs)
        return get_unique_config_specs([*own, *theirs])

    @property
    @override
    def _identifying_params(self) -> dict[str, Any]:
        names = {c.name: c.model for c in self._router.pool}
        return {"models": names, "router": self._router.name, "policy": str(self._router.policy)}

    @override
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        """Names of the router. What a trace bills is the chosen model's run, which has its own."""
        asked = kwargs.get("model")
        name = asked if isinstance(asked, str) else " | ".join(c.model for c in self._router.pool)
        params = LangSmithParams(ls_provider="pointsman", ls_model_name=name, ls_model_type="chat")
        if isinstance(kwargs.get("temperature"), int | float):
            params["ls_temperature"] = kwargs["temperature"]
        if isinstance(kwargs.get("max_tokens"), int):
            params["ls_max_tokens"] = kwargs["max_tokens"]
        if stop:
            params["ls_stop"] = stop
        return params

    @override
    def _resolve_model_profile(self) -> ModelProfile | None:
        return common_profile(named_models(self.strong, self.weak, self.models))

    @override
    def get_num_tokens(self, text: str) -> int:
        """The most tokens that any of the models takes for the text."""
        if self.custom_get_token_ids is not None:
            return len(self.custom_get_token_ids(text))
        own = [model.get_num_tokens(text) for model in self._models.values() if _counts(model)]
        return max([*own, *self._counted(text)])

    @override
    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool] | None = None,
    ) -> int:
        """The most tokens that any of the models takes for the messages."""
        own = [m.get_num_tokens_from_messages(messages, tools) for m in self._models.values() if _counts(m)]
        return max([*own, *self._counted(whole_text(messages))])

    def _counted(self, text: str) -> list[int]:
        """Counts for the models that have none of their own: LangChain's default would fetch GPT-2's vocabulary."""
        pool = self._router.pool
        silent = [name for name, model in self._models.items() if not _counts(model)]
        return [count_tokens(clean_text(text), pool.named(name).model).tokens for name in silent]


def _counts(model: BaseChatModel) -> bool:
    kind = type(model)
    doors = ("get_token_ids", "get_num_tokens", "get_num_tokens_from_messages")
    return model.custom_get_token_ids is not None or any(
        getattr(kind, door) is not getattr(BaseChatModel, door) for door in doors
    )


def _check_models(models: Mapping[str, object]) -> None:
    for name, model in models.items():
        if isinstance(model, str):
            msg = f"{name} is the string {model!r}; give a chat model, or use RoutedChatModel.from_pair"
            raise ConfigurationError(msg)
        if not isinstance(model, BaseChatModel):
            msg = f"{name} is a {type(model).__name__}; give a chat model (a BaseChatModel)"
            raise ConfigurationError(msg)
