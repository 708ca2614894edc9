"""LangChain's own standard tests, unchanged, in every way of routing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_router import RoutedChatModel, routing_decision
from langchain_router.plan import Plan
from pointsman import Always, Candidate, Pool, PromptLength, QualityFloor, Router, Utility
from pointsman.cascade import Cascade
from pointsman.failover import Failover
from pointsman.staying import Stay
from tests.support.langchain import FakeChat, router

PRICES = {
    name: Candidate(name, input_price=price, output_price=3 * price)
    for name, price in {"small": 0.1, "middle": 1.0, "big": 10.0}.items()
}

PAIR = {
    name: Candidate(name, input_price=price, output_price=price) for name, price in {"strong": 9, "weak": 1}.items()
}


@pytest.fixture(autouse=True)
def _pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suites fetch pictures, sounds and papers from the network; no model here looks into them."""
    monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "none")
    monkeypatch.setattr("httpx.get", lambda *args, **kwargs: SimpleNamespace(content=b"a picture"))


class Standard:
    """What is said of every mode."""

    settings: ClassVar[dict[str, Any]] = {}

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return RoutedChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        pair = {"strong": FakeChat(model="big"), "weak": FakeChat(model="small"), "router": router()}
        return pair | self.settings

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    supports_image_inputs = supports_image_urls = supports_image_tool_message = True
    supports_pdf_inputs = supports_pdf_tool_message = supports_audio_inputs = True

    @property
    def model_override_value(self) -> str:
        return "another-model"


class ForcedStrong(Standard):
    settings: ClassVar[dict[str, Any]] = {"policy": Always("strong")}


class ForcedWeak(Standard):
    settings: ClassVar[dict[str, Any]] = {"policy": Always("weak")}


class ByThreshold(Standard):
    """The suite's prompts fall on both sides."""

    settings: ClassVar[dict[str, Any]] = {"threshold": 0.05}


class ThreeModels(Standard):
    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "models": {name: FakeChat(model=name) for name in PRICES},
            "candidates": PRICES,
            "router": Router(Pool(list(PRICES.values())), PromptLength(), Utility(0.001)),
        }


class Conversing(RoutedChatModel):
    """All calls of a test are turns of one conversation."""

    def _plan(self, *args: Any, **kwargs: Any) -> Plan:
        plan = super()._plan(*args, **kwargs)
        return replace(plan, thread="the suite")


@dataclass
class Alternating:
    """The strong model, then the weak one, and so on."""

    turn: int = 0

    def choose(self, quality: Any, cost: Any, win_rate: Any) -> Any:
        self.turn += 1
        return np.full(len(quality), (self.turn - 1) % 2)


class Sticky(Standard):
    """The conversation begins with the strong model, and every other call would rather have the weak one."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return Conversing

    @property
    def chat_model_params(self) -> dict[str, Any]:
        # nobody knows the prices here, so a switch takes a margin of quality that no two candidates have
        return super().chat_model_params | {"policy": Alternating(), "stay": Stay(margin=1.0)}


class Unreachable(FakeChat):
    """Fails on the way in, before it has a run.

    One that fails later has a run, which traces must show. `test_structured_output` counts the models' runs, and would
    count two; `tests/unit/langchain/test_failover.py` has all ways of calling for those.
    """

    def _convert_input(self, model_input: Any) -> Any:
        raise ConnectionError(model_input)


class FirstCandidateFails(Standard):
    """Every call is the weak model's, which fails, and at once another's; nothing is left alone for long."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        settings = {"weak": Unreachable(model="small"), "policy": QualityFloor(0.0), "candidates": PAIR}
        return super().chat_model_params | settings | {"failover": Failover(cool_down_s=0)}


class JudgedAndAccepted(Standard):
    """A cascade whose judge lets every answer of the weak model pass."""

    settings: ClassVar[dict[str, Any]] = {"cascade": Cascade(lambda question, answer: 1.0, cut=0.5)}


def test_the_modes_are_what_they_say() -> None:
    sticky = Conversing(**Sticky().chat_model_params)
    decisions = [routing_decision(sticky.invoke("hi")) for _ in range(4)]
    assert [(d.candidate, d.sticky) for d in decisions if d] == [("strong", False), ("strong", True)] * 2
    fails = routing_decision(RoutedChatModel(**FirstCandidateFails().chat_model_params).invoke("hi"))
    assert fails is not None
    assert (fails.candidate, fails.fallback_from) == ("strong", "weak")


MODES = (ForcedStrong, ForcedWeak, ByThreshold, Sticky, FirstCandidateFails, ThreeModels, JudgedAndAccepted)
for _mode in MODES:
    for _suite in (ChatModelUnitTests, ChatModelIntegrationTests):
        _name = f"Test{_mode.__name__}{_suite.__name__.removeprefix('ChatModel').removesuffix('Tests')}"
        globals()[_name] = type(_name, (_mode, _suite), {"__module__": __name__})
del _suite  # the suites are no tests of this file by themselves
