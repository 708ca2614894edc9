"""Low-rank adaptation (Hu et al., arXiv 2106.09685), as hooks on the layers of a network.

Written out here and not taken from a library: it is a screenful, and after training the update is added to the weights,
so that what is saved and served is a plain checkpoint, complete in itself, with no adapter to load and nothing slower.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pointsman.errors import ConfigurationError
from pointsman.scorers.checkpoint import require

__all__ = ["Adapter", "LoRA", "attach", "merge"]


@dataclass(frozen=True)
class LoRA:
    """W x becomes W x + (alpha / rank) B A x, with A and B trained and W left as it is.

    Attributes:
        rank: rows of A.
        alpha: scale of the update.
        dropout: share of x that is dropped on its way to A while training.
        targets: endings of the names of the layers to adapt; every linear layer within the network's blocks if empty.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.05
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            msg = f"{self} cannot be; rank and alpha are positive, dropout lies in [0, 1)"
            raise ConfigurationError(msg)


@dataclass(frozen=True, eq=False)
class Adapter:
    """The update of one layer: `down` is A, [rank, in], and `up` is B, [out, rank]."""

    layer: Any
    down: Any
    up: Any
    scale: float
    remove: Callable[[], None]


def attach(network: Any, settings: LoRA) -> list[Adapter]:
    """Freeze a network and put an adapter on each target layer. B starts at 0, so nothing changes yet.

    Args:
        network: a transformers model.
        settings: see there.

    Raises:
        ConfigurationError: no layer has such a name.
    """
    layers = {name: layer for name, layer in network.named_modules() if _adaptable(network, name, layer, settings)}
    if not layers:
        msg = f"no linear layer ends in {', '.join(settings.targets) or 'anything'}; give names of this network"
        raise ConfigurationError(msg)
    network.requires_grad_(requires_grad=False)
    return [_adapt(layer, settings) for layer in layers.values()]


def merge(adapters: list[Adapter]) -> None:
    """Add each update to its layer's weights, and take the adapters off."""
    torch = require("torch")
    with torch.no_grad():
        for adapter in adapters:
            update = adapter.scale * (adapter.up @ adapter.down)
            weight = adapter.layer.weight
            weight += (update.T if _transposed(adapter.layer) else update).to(weight.dtype)
            adapter.remove()
            del adapter.layer.lora_down, adapter.layer.lora_up


def _adaptable(network: Any, name: str, layer: Any, settings: LoRA) -> bool:
    linear = isinstance(layer, require("torch").nn.Linear) or _transposed(layer)
    if settings.targets:
        return linear and name.endswith(settings.targets)
    return linear and layer is not network.get_output_embeddings()


def _transposed(layer: Any) -> bool:
    """GPT-2's Conv1D: a linear layer with its weights stored [in, out]."""
    return type(layer).__name__ == "Conv1D"


def _adapt(layer: Any, settings: LoRA) -> Adapter:
    torch = require("torch")
    rows, columns = layer.weight.shape
    outputs, inputs = (columns, rows) if _transposed(layer) else (rows, columns)
    # float32 whatever the network is in: small steps are lost in bfloat16
    new = {"device": layer.weight.device, "dtype": torch.float32}
    down = torch.nn.Parameter(torch.empty((settings.rank, inputs), **new))
    torch.nn.init.kaiming_uniform_(down, a=5**0.5)
    up = torch.nn.Parameter(torch.zeros((outputs, settings.rank), **new))
    layer.register_parameter("lora_down", down)
    layer.register_parameter("lora_up", up)
    scale = settings.alpha / settings.rank

    def add_update(module: Any, given: tuple[Any, ...], output: Any) -> Any:
        x = torch.nn.functional.dropout(given[0].float(), settings.dropout, module.training)
        return output + (scale * (x @ down.T @ up.T)).to(output.dtype)

    return Adapter(layer, down, up, scale, layer.register_forward_hook(add_update).remove)
