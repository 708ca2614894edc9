"""Gradient descent for the neural routers: seeded, watched on validation data, stopped when it no longer helps."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from pointsman.errors import ConfigurationError, DataError
from pointsman.scorers.checkpoint import require

__all__ = ["Descent", "History", "descend", "hold_out", "seeded"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Descent:
    """How to train. The defaults are those of RouteLLM's BERT (arXiv 2406.18665, section 5).

    Attributes:
        steps: batches at most.
        batch_size: rows to a batch.
        learning_rate: at the start; falls linearly to 0.
        weight_decay: of AdamW, on matrices only.
        validate_every: steps between two looks at the validation rows.
        patience: looks without a new best after which to stop.
        seed: of the order of rows, of new weights and of dropout.
        progress: whether to show a progress bar and the losses on stderr.

    Raises:
        ConfigurationError: a number is not positive.
    """

    steps: int = 2000
    batch_size: int = 16
    learning_rate: float = 1e-5
    weight_decay: float = 0.01
    validate_every: int = 100
    patience: int = 5
    seed: int = 0
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "learning_rate", "validate_every", "patience"):
            if not getattr(self, name) > 0:
                msg = f"{name} is {getattr(self, name)}; it must be positive"
                raise ConfigurationError(msg)


@dataclass
class History:
    """What happened.

    Attributes:
        loss: step -> mean training loss since the look before.
        validation: step -> loss on the validation rows; step 0 is before training.
        best_step: the step whose weights were kept.
        stopped_early: whether the patience ran out.
    """

    loss: dict[int, float] = field(default_factory=dict)
    validation: dict[int, float] = field(default_factory=dict)
    best_step: int = 0
    stopped_early: bool = False

    @property
    def best(self) -> float:
        """The least validation loss."""
        return self.validation[self.best_step]


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's random numbers from a seed; what they were before is put back."""
    torch = require("torch")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def hold_out(rows: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Rows to train on, and rows to validate on.

    Raises:
        ConfigurationError: the share is not in (0, 1).
        DataError: a side would be empty.
    """
    if not 0 < share < 1:
        msg = f"the validation share is {share}; give one in (0, 1), such as 0.1"
        raise ConfigurationError(msg)
    order = np.random.default_rng(seed).permutation(rows).tolist()
    cut = max(1, round(rows * share))
    if cut >= rows:
        msg = f"{rows} rows are too few to train on and to validate on; give more"
        raise DataError(msg)
    return order[cut:], order[:cut]


def descend(
    network: Any,
    loss: Callable[[Sequence[int]], Any],
    rows: Sequence[int],
    validation: Sequence[int],
    settings: Descent,
) -> History:
    """Train the parameters that want a gradient, and leave the network with the weights that validated best.

    Call it, and whatever draws new weights before, within `seeded`.

    Args:
        network: a torch module, on its device.
        loss: row numbers -> mean loss, a tensor that can be differentiated.
        rows: to train on.
        validation: never trained on.
        settings: how.

    Returns:
        Losses, and which step was kept.
    """
    torch = require("torch")
    wanted = {name: p for name, p in network.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(_groups(wanted, settings.weight_decay), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.0, 1 - step / settings.steps))
    history = History(validation={0: _validate(network, loss, validation, settings.batch_size)})
    best, recent = _copy(wanted), []
    with _bar(settings) as tell:
        for step, batch in enumerate(_batches(rows, settings), start=1):
            network.train()
            with _mixed(network):
                value = loss(batch)
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(list(wanted.values()), 1.0)
            optimizer.step()
            schedule.step()
            recent.append(float(value.detach()))
            if step % settings.validate_every == 0 or step == settings.steps:
                history.loss[step], recent = float(np.mean(recent)), []
                history.validation[step] = _validate(network, loss, validation, settings.batch_size)
                if history.validation[step] < history.best:
                    history.best_step, best = step, _copy(wanted)
                tell(step, f"step {step} loss {history.loss[step]:.4f} validation {history.validation[step]:.4f}")
                history.stopped_early = _stale(history, settings.patience)
            if history.stopped_early:
                break
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(best[name])
    network.eval()
    return history


def _groups(parameters: dict[str, Any], weight_decay: float) -> list[dict[str, Any]]:
    """Biases and norms are not decayed."""
    return [
        {"params": [p for p in parameters.values() if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters.values() if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _batches(rows: Sequence[int], settings: Descent) -> Iterator[list[int]]:
    """`steps` batches: the rows in a new order for every pass over them."""
    rng = np.random.default_rng(settings.seed)
    waiting: list[int] = []
    for _ in range(settings.steps):
        while len(waiting) < settings.batch_size:
            waiting += [rows[i] for i in rng.permutation(len(rows))]
        yield waiting[: settings.batch_size]
        del waiting[: settings.batch_size]


def _validate(network: Any, loss: Callable[[Sequence[int]], Any], rows: Sequence[int], size: int) -> float:
    torch = require("torch")
    network.eval()
    with torch.no_grad(), _mixed(network):
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        return sum(float(loss(part)) * len(part) for part in parts) / len(rows)


def _mixed(network: Any) -> contextlib.AbstractContextManager[Any]:
    """Products in bfloat16 where the device has it; weights and sums stay as they are."""
    torch = require("torch")
    if network.device.type == "cuda" and torch.cuda.is_bf16_supported():
        mixed: contextlib.AbstractContextManager[Any] = torch.autocast("cuda", dtype=torch.bfloat16)
        return mixed
    return contextlib.nullcontext()


def _stale(history: History, patience: int) -> bool:
    return sum(step > history.best_step for step in history.validation) >= patience


def _copy(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: parameter.detach().cpu().clone() for name, parameter in parameters.items()}


@contextlib.contextmanager
def _bar(settings: Descent) -> Iterator[Callable[[int, str], None]]:
    """Shows a step and its losses: on a bar where one is wanted, and in the log."""
    with Progress(console=Console(stderr=True), disable=not settings.progress) as progress:
        task = progress.add_task("training", total=settings.steps)

        def tell(step: int, line: str) -> None:
            _log.info(line)
            progress.update(task, completed=step, description=line)
            if settings.progress:
                progress.console.print(line)

        yield tell
