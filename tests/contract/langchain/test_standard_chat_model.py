"""LangChain's own standard tests, unchanged, in every way of routing."""

from __future__ import annotations

from typing import Any, ClassVar

from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from langchain_router import RoutedChatModel
from pointsman import Always, Candidate, Pool, PromptLength, Router, Utility
from tests.support.langchain import FakeChat, router

PRICES = {
    name: Candidate(name, input_price=price, output_price=3 * price)
    for name, price in {"small": 0.1, "middle": 1.0, "big": 10.0}.items()
}


class Standard:
    """What is said of every mode."""

    settings: dict[str, Any]

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


class TestForcedStrongUnit(ForcedStrong, ChatModelUnitTests):
    pass


class TestForcedStrongIntegration(ForcedStrong, ChatModelIntegrationTests):
    pass


class TestForcedWeakUnit(ForcedWeak, ChatModelUnitTests):
    pass


class TestForcedWeakIntegration(ForcedWeak, ChatModelIntegrationTests):
    pass


class TestByThresholdUnit(ByThreshold, ChatModelUnitTests):
    pass


class TestByThresholdIntegration(ByThreshold, ChatModelIntegrationTests):
    pass


class TestThreeModelsUnit(ThreeModels, ChatModelUnitTests):
    pass


class TestThreeModelsIntegration(ThreeModels, ChatModelIntegrationTests):
    pass
