"""Calls with many prompts: all are scored in one pass, then each goes its own way."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from typing import Any, cast

from langchain_core.callbacks import Callbacks
from langchain_core.language_models.base import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config, get_config_list
from langchain_core.runnables.utils import coro_with_context
from typing_extensions import override

from langchain_router.calls import RoutedCalls
from langchain_router.cascading import aside
from langchain_router.context import in_config
from langchain_router.doors import GENERATE
from langchain_router.plan import DECISION_KEY, OVERRIDES, Plan
from pointsman.decision import Decision
from pointsman.errors import PointsmanError
from pointsman.query import Query
from pointsman.router import Router

__all__ = ["RoutedBatches"]

Configs = RunnableConfig | Sequence[RunnableConfig] | None


class RoutedBatches(RoutedCalls):
    """`batch`, `abatch`, their `_as_completed` forms, `generate` and `agenerate`."""

    @override
    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        configs = self._decided(inputs, config, kwargs)
        return super().batch(inputs, configs, return_exceptions=return_exceptions, **kwargs)

    @override
    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: Configs = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        configs = await self._adecided(inputs, config, kwargs)
        return await super().abatch(inputs, configs, return_exceptions=return_exceptions, **kwargs)

    @override
    def batch_as_completed(
        self, inputs: Sequence[LanguageModelInput], config: Configs = None, **kwargs: Any
    ) -> Iterator[tuple[int, Any]]:
        yield from super().batch_as_completed(inputs, self._decided(inputs, config, kwargs), **kwargs)

    @override
    async def abatch_as_completed(
        self, inputs: Sequence[LanguageModelInput], config: Configs = None, **kwargs: Any
    ) -> AsyncIterator[tuple[int, Any]]:
        configs = await self._adecided(inputs, config, kwargs)
        async for item in super().abatch_as_completed(inputs, configs, **kwargs):
            yield item

    @override
    def generate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        **kwargs: Any,
    ) -> LLMResult:
        configs = _configs(len(messages), callbacks, kwargs)
        kwargs["stop"] = stop
        configs = self._decided(messages, configs, kwargs)
        return _joined([self._generated(*call, kwargs) for call in zip(messages, configs, strict=True)])

    @override
    async def agenerate(
        self,
        messages: list[list[BaseMessage]],
        stop: list[str] | None = None,
        callbacks: Callbacks = None,
        **kwargs: Any,
    ) -> LLMResult:
        configs = _configs(len(messages), callbacks, kwargs)
        kwargs["stop"] = stop
        configs = await self._adecided(messages, configs, kwargs)
        calls = [self._agenerated(*call, kwargs) for call in zip(messages, configs, strict=True)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return _joined(results)  # type: ignore[arg-type]  # exceptions are out

    def _generated(self, prompt: list[BaseMessage], config: RunnableConfig, kwargs: dict[str, Any]) -> LLMResult:
        (result,) = self._through(GENERATE, prompt, config, kwargs)
        return cast("LLMResult", result)

    async def _agenerated(self, prompt: list[BaseMessage], config: RunnableConfig, kwargs: dict[str, Any]) -> LLMResult:
        (result,) = [result async for result in self._athrough(GENERATE, prompt, config, kwargs)]
        return cast("LLMResult", result)

    # -- one pass for all

    def _decided(self, inputs: Sequence[Any], config: Configs, kwargs: dict[str, Any]) -> list[RunnableConfig]:
        configs = get_config_list(config, len(inputs))
        for rows, router, queries in self._waiting(inputs, configs, kwargs):
            # one cannot be served: then each decides for itself, and that one says so
            with suppress(PointsmanError), _beside(router, configs[rows[0]]) as context:
                made = context.run(router.decide_batch, queries, excluded=self.conduct.left_alone)
                _hand_out(made, configs, rows)
        return configs

    async def _adecided(self, inputs: Sequence[Any], config: Configs, kwargs: dict[str, Any]) -> list[RunnableConfig]:
        configs = get_config_list(config, len(inputs))
        for rows, router, queries in self._waiting(inputs, configs, kwargs):
            with suppress(PointsmanError), _beside(router, configs[rows[0]]) as context:  # as above
                made = await coro_with_context(router.adecide_batch(queries, excluded=self.conduct.left_alone), context)
                _hand_out(made, configs, rows)
        return configs

    def _waiting(
        self, inputs: Sequence[Any], configs: list[RunnableConfig], kwargs: dict[str, Any]
    ) -> list[tuple[list[int], Router, list[Query]]]:
        """The prompts that can be planned, by router: overrides may differ between configs."""
        groups: dict[tuple[str, ...], tuple[list[int], Router, list[Query]]] = {}
        for row, (model_input, config) in enumerate(zip(inputs, configs, strict=True)):
            try:
                plan: Plan = self._plan(model_input, config, kwargs)
            except (ValueError, TypeError, NotImplementedError):  # its own call says what is wrong with it
                continue
            rows, _, queries = groups.setdefault(_rule(config), ([], plan.router, []))
            rows.append(row)
            queries.append(plan.query)
        return list(groups.values())


def _rule(config: RunnableConfig) -> tuple[str, ...]:
    """What the config asks of the router; calls that ask the same are decided by the same rule."""
    asked = config.get("configurable") or {}
    return tuple(repr(asked[key]) if key in asked else "" for key in OVERRIDES)


@contextmanager
def _beside(router: Router, config: RunnableConfig) -> Generator[Context]:
    """A context for scoring. A scorer that asks a model does so before there are runs of the router: beside them."""
    if router.instant:
        yield copy_context()
        return
    own = {key: value for key, value in ensure_config(config).items() if key not in ("run_id", "run_name")}
    with in_config(aside(cast("RunnableConfig", own))) as context:
        yield context


def _hand_out(decisions: list[Decision], configs: list[RunnableConfig], rows: list[int]) -> None:
    for row, decision in zip(rows, decisions, strict=True):
        configurable = {**configs[row].get("configurable", {}), DECISION_KEY: decision}
        configs[row] = {**configs[row], "configurable": configurable}


def _configs(count: int, callbacks: Callbacks, kwargs: dict[str, Any]) -> list[RunnableConfig]:
    """One config per prompt, from arguments of `generate` that are taken out of `kwargs`; the run id is the first's."""
    run_id: uuid.UUID | None = kwargs.pop("run_id", None)
    given = {key: kwargs.pop(key, None) for key in ("tags", "metadata", "run_name")} | {"callbacks": callbacks}
    shared = {key: value for key, value in given.items() if value is not None}
    configs = [RunnableConfig(**shared) for _ in range(count)]  # type: ignore[typeddict-item]  # keys as listed
    if configs and run_id is not None:
        configs[0]["run_id"] = run_id
    return configs


def _joined(results: list[LLMResult]) -> LLMResult:
    if len(results) == 1:
        return results[0]
    runs = [run for result in results for run in result.run or []]
    return LLMResult(
        generations=[row for result in results for row in result.generations], llm_output={}, run=runs or None
    )
