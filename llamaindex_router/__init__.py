"""pointsman for LlamaIndex: `RouterLLM`, an LLM that sends each call to the model it needs."""

from pointsman.errors import MissingExtraError

try:
    import llama_index.core  # noqa: F401  # asked for first, so that its absence has one clear message
except ModuleNotFoundError as error:
    raise MissingExtraError("llama-index-core", "llamaindex") from error

from llamaindex_router.embedding import PointsmanEmbedding
from llamaindex_router.events import RoutingDecisionEvent, RoutingOutcomeEvent
from llamaindex_router.hints import route_query
from llamaindex_router.model import RouterLLM
from llamaindex_router.records import RoutingRecorder, routing_decision, routing_outcome, routing_totals

__all__ = [
    "PointsmanEmbedding",
    "RouterLLM",
    "RoutingDecisionEvent",
    "RoutingOutcomeEvent",
    "RoutingRecorder",
    "route_query",
    "routing_decision",
    "routing_outcome",
    "routing_totals",
]
