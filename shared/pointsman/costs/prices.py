"""List prices, from the genai-prices tables that are installed; nothing is fetched.

A model that the tables do not hold has no price. That is not the same as a price of zero: an unknown price stays None
through every sum it would enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from pointsman.costs.usage import Usage

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice

__all__ = ["Price", "find_price"]

_PROVIDERS = {
    # names that LangChain (`ls_provider`) and LlamaIndex use -> genai-prices' own
    "amazon_bedrock": "aws",
    "anthropic_bedrock": "aws",
    "azure_openai": "azure",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "gemini": "google",
    "google_anthropic_vertex": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "mistralai": "mistral",
    "vertexai": "google",
    "xai": "x-ai",
}


@dataclass(frozen=True, slots=True)
class Price:
    """Rates of one model, in USD per million tokens.

    Attributes:
        input: per input token that was not cached; None if not known.
        output: per output token; None if not known.
        cached_input: per input token read from the prompt cache; None means the full input rate.
        context_window: the model's window in tokens, where the tables know it.
    """

    input: float | None
    output: float | None
    cached_input: float | None = None
    context_window: int | None = None
    _tariff: ModelPrice | None = None

    def cost(self, usage: Usage) -> float | None:
        """Price of a call in USD, or None where a rate that it needs is not known."""
        if self._tariff is not None:
            return _tiered_cost(self._tariff, usage)
        if self.input is None or self.output is None:
            return None
        cached_rate = self.input if self.cached_input is None else self.cached_input
        fresh = usage.input_tokens - usage.cached_tokens
        return (fresh * self.input + usage.cached_tokens * cached_rate + usage.output_tokens * self.output) / 1e6

    @property
    def blended(self) -> float | None:
        """USD per million tokens at three input tokens to one of output, the field's usual mix."""
        if self.input is None or self.output is None:
            return None
        return (3 * self.input + self.output) / 4


@lru_cache(maxsize=1024)
def find_price(model: str, provider: str | None = None) -> Price | None:
    """The list price of a model.

    Args:
        model: a model name, with or without an organisation in front ("mistralai/mixtral-8x7b-instruct").
        provider: who serves it, by genai-prices', LangChain's or LlamaIndex's name. A provider that the tables do not
            have (a local server, say) has no list price, whatever others ask for the same model. None searches all.

    Returns:
        The price, or None where the tables do not hold the model.
    """
    from genai_prices.data_snapshot import get_snapshot  # 0.1 s, and only priced pools need it

    snapshot = get_snapshot()
    provider_id = None if provider is None else _PROVIDERS.get(provider.lower(), provider.lower())
    names = dict.fromkeys((model, model.rsplit("/", 1)[-1].lower()))
    for name in names:
        try:
            _, info = snapshot.find_provider_model(name, None, provider_id, None)
        except LookupError:
            continue
        return _price(info.get_prices(datetime.now(timezone.utc)), info.context_window)
    return None


def _price(tariff: ModelPrice, context_window: int | None) -> Price:
    rates = (tariff.input_mtok, tariff.output_mtok, tariff.cache_read_mtok)
    flat = all(rate is None or isinstance(rate, Decimal) for rate in rates)
    given, answered, cached = (_base_rate(rate) for rate in rates)
    return Price(given, answered, cached, context_window, None if flat else tariff)


def _base_rate(rate: object) -> float | None:
    """The rate of a short call: tiered tariffs start at their base."""
    if rate is None:
        return None
    return float(getattr(rate, "base", rate))  # type: ignore[arg-type]  # TieredPrices.base or a Decimal


def _tiered_cost(tariff: ModelPrice, usage: Usage) -> float:
    from genai_prices import Usage as Billed

    billed = Billed(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
    )
    return float(tariff.calc_price(billed)["total_price"])
