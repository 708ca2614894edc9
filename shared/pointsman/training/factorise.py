"""Gradient descent for matrix factorisation, in numpy: every step is a handful of small matrix products.

RouteLLM's loss (arXiv 2406.18665, section 4.2): cross-entropy of sigmoid(delta(a, q) - delta(b, q)) against who won,
with delta(M, q) = w2 . (v_M * (W1^T v_q + b)) and v_M of unit length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pointsman.errors import ConfigurationError
from pointsman.scorers.numeric import sigmoid

__all__ = ["Descent", "Duels", "Factors", "History", "factorise"]

Floats = NDArray[np.float64]
Single = NDArray[np.float32]
Indices = NDArray[np.intp]
Parameters = dict[str, Single]

LEAST_STEPS = 50
"""Batches to an epoch at least: of 200 rows, RouteLLM's learning rate would see too little in a hundred passes."""


@dataclass(frozen=True)
class Descent:
    """How to train; the defaults are RouteLLM's where it has any.

    Attributes:
        dim: length of a model's vector.
        learning_rate: of Adam.
        weight_decay: Adam's L2 term.
        noise: standard deviation of the normal noise on a prompt vector's components, in training only.
        epochs: passes over the data at most; each is of 50 batches or more.
        batch_size: duels to a step.
        patience: epochs without a better validation loss after which to stop.
        seed: of first weights, order and noise.

    Raises:
        ConfigurationError: a number is out of range.
    """

    dim: int = 128
    learning_rate: float = 3e-4
    weight_decay: float = 1e-5
    noise: float = 0.1
    epochs: int = 100
    batch_size: int = 64
    patience: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        positive = {name: getattr(self, name) for name in ("dim", "learning_rate", "epochs", "batch_size", "patience")}
        wrong = [f"{name} is {value}" for name, value in positive.items() if not value > 0]
        wrong += [f"{n} is {getattr(self, n)}" for n in ("weight_decay", "noise") if not getattr(self, n) >= 0]
        if wrong:
            msg = f"{', '.join(wrong)}; give positive numbers, and 0 or more for weight_decay and noise"
            raise ConfigurationError(msg)


@dataclass
class History:
    """What happened.

    Attributes:
        loss: mean training loss of each epoch.
        validation: loss on the validation prompts, before training and after each epoch.
        best: the epoch whose weights were kept; 0 is before training.
    """

    loss: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    best: int = 0


@dataclass(frozen=True)
class Duels:
    """Pairs of models on prompts.

    Attributes:
        prompt: row of the prompt's vector, intp[n].
        a: intp[n].
        b: intp[n].
        label: share of a, float32[n]: 1 for a win, 1/2 for a tie.
        weight: how much each counts, of mean 1, float32[n].
    """

    prompt: Indices
    a: Indices
    b: Indices
    label: Single
    weight: Single

    def rows(self, rows: Indices) -> Duels:
        """Some of them."""
        return Duels(self.prompt[rows], self.a[rows], self.b[rows], self.label[rows], self.weight[rows])

    def __len__(self) -> int:
        """How many."""
        return len(self.prompt)


@dataclass(frozen=True)
class Factors:
    """A fitted factorisation.

    Attributes:
        models: v_M, of unit length, float32[m, k].
        projection: W1, float32[d, k].
        bias: float32[k].
        head: w2, float32[k].
    """

    models: Single
    projection: Single
    bias: Single
    head: Single

    def hidden(self, vectors: NDArray[np.floating]) -> Floats:
        """W1^T v_q + b, float64[n, k]."""
        return vectors.astype(np.float64) @ self.projection + self.bias


def factorise(
    vectors: Single,
    models: int,
    draw: Callable[[np.random.Generator], Duels],
    validation: Duels,
    settings: Descent,
    tell: Callable[[int, str], None],
) -> tuple[Factors, History]:
    """Train until the validation loss no longer falls; the weights of its least value are kept.

    Args:
        vectors: float32[prompts, d].
        models: m.
        draw: the duels of an epoch; outcomes give other ones each time.
        validation: duels on prompts that `draw` never gives.
        settings: how.
        tell: takes an epoch and a line about it.
    """
    rng = np.random.default_rng(settings.seed)
    now = _first(vectors.shape[1], models, settings.dim, rng)
    adam = _Adam(now, settings)
    history = History(validation=[_loss(now, vectors, validation)])
    kept = {name: array.copy() for name, array in now.items()}
    for epoch in range(1, settings.epochs + 1):
        losses = [_step(now, adam, vectors, batch, settings, rng) for batch in _batches(draw, settings, rng)]
        history.loss.append(float(np.mean(losses)))
        history.validation.append(_loss(now, vectors, validation))
        tell(epoch, f"loss {history.loss[-1]:.4f} validation {history.validation[-1]:.4f}")
        if history.validation[-1] < history.validation[history.best]:
            history.best, kept = epoch, {name: array.copy() for name, array in now.items()}
        if epoch - history.best >= settings.patience:
            break
    return Factors(_unit(kept["models"])[0], kept["projection"], kept["bias"], kept["head"]), history


def _first(d: int, m: int, k: int, rng: np.random.Generator) -> Parameters:
    """First weights as torch draws those of Linear and Embedding layers."""

    def uniform(size: tuple[int, ...], fan_in: int) -> Single:
        return np.asarray(rng.uniform(-1, 1, size) / np.sqrt(fan_in), dtype=np.float32)

    first = {"models": rng.normal(size=(m, k)).astype(np.float32), "projection": uniform((d, k), d)}
    return first | {"bias": uniform((k,), d), "head": uniform((k,), k)}


def _batches(draw: Callable[[np.random.Generator], Duels], settings: Descent, rng: np.random.Generator) -> list[Duels]:
    """One epoch: all duels in a new order, several times over where they are few."""
    batches: list[Duels] = []
    while len(batches) < LEAST_STEPS:
        duels = draw(rng)
        order = rng.permutation(len(duels))
        size = settings.batch_size
        batches += [duels.rows(order[start : start + size]) for start in range(0, len(order), size)]
    return batches


def _unit(models: Single) -> tuple[Single, Single]:
    """Rows of unit length, and the lengths they had."""
    length: Single = np.maximum(np.linalg.norm(models, axis=1, keepdims=True), np.float32(1e-12))
    return models / length, length


def _loss(now: Parameters, vectors: Single, duels: Duels) -> float:
    """Mean cross-entropy by weight, without noise."""
    unit, _ = _unit(now["models"])
    hidden = vectors[duels.prompt] @ now["projection"] + now["bias"]
    lead = (hidden * (unit[duels.a] - unit[duels.b])) @ now["head"]
    return _cross_entropy(lead, duels)


def _cross_entropy(lead: Single, duels: Duels) -> float:
    return float(np.mean(duels.weight * (np.logaddexp(0, lead) - duels.label * lead)))


def _step(
    now: Parameters, adam: _Adam, vectors: Single, duels: Duels, settings: Descent, rng: np.random.Generator
) -> float:
    """One step of Adam; its loss."""
    x = vectors[duels.prompt]
    x = x + np.float32(settings.noise) * rng.standard_normal(x.shape, dtype=np.float32)
    unit, length = _unit(now["models"])
    gap = unit[duels.a] - unit[duels.b]
    hidden = x @ now["projection"] + now["bias"]
    lead = (hidden * gap) @ now["head"]
    error = (duels.weight * (sigmoid(lead.astype(np.float64)) - duels.label) / len(duels)).astype(np.float32)
    back = error[:, None] * (now["head"] * gap)
    towards = error[:, None] * (now["head"] * hidden)
    pull = np.zeros_like(unit)
    np.add.at(pull, duels.a, towards)
    np.add.at(pull, duels.b, -towards)
    gradient = {
        "models": (pull - unit * (unit * pull).sum(axis=1, keepdims=True)) / length,
        "projection": x.T @ back,
        "bias": back.sum(axis=0),
        "head": error @ (hidden * gap),
    }
    adam.step(now, gradient)
    return _cross_entropy(lead, duels)


class _Adam:
    """Adam (arXiv 1412.6980) with torch's defaults and its L2 form of weight decay."""

    def __init__(self, parameters: Parameters, settings: Descent) -> None:
        self.settings = settings
        self.mean = {name: np.zeros_like(array) for name, array in parameters.items()}
        self.square = {name: np.zeros_like(array) for name, array in parameters.items()}
        self.steps = 0

    def step(self, parameters: Parameters, gradient: Parameters) -> None:
        """Move the parameters, in place."""
        self.steps += 1
        rate = np.float32(self.settings.learning_rate / (1 - 0.9**self.steps))
        spread = np.float32(1 / np.sqrt(1 - 0.999**self.steps))
        for name, array in parameters.items():
            slope = gradient[name] + np.float32(self.settings.weight_decay) * array
            mean, square = self.mean[name], self.square[name]
            mean += np.float32(0.1) * (slope - mean)
            square += np.float32(0.001) * (slope * slope - square)
            array -= rate * mean / (np.sqrt(square) * spread + np.float32(1e-8))
