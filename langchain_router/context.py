"""Code of others, run where LangChain finds a config of ours."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import Context

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context, var_child_runnable_config

__all__ = ["in_config"]


@contextmanager
def in_config(config: RunnableConfig) -> Generator[Context]:
    """A context in which models that are called without a config have this one: `context.run`, or `coro_with_context`.

    The caller's own context has it as well for as long: Python 3.10 runs no task in a context of ours.
    """
    with set_config_context(config) as context:
        token = var_child_runnable_config.set(config)
        try:
            yield context
        finally:
            var_child_runnable_config.reset(token)
