"""What a call costs: prices, token counts and the outcome of a call."""

from pointsman.costs.outcomes import baseline_of, merge_outcomes, price_outcome
from pointsman.costs.prices import Price, find_price
from pointsman.costs.tokens import TokenCount, count_tokens, estimate_tokens, near_window
from pointsman.costs.usage import Usage

__all__ = [
    "Price",
    "TokenCount",
    "Usage",
    "baseline_of",
    "count_tokens",
    "estimate_tokens",
    "find_price",
    "merge_outcomes",
    "near_window",
    "price_outcome",
]
