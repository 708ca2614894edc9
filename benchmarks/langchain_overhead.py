"""What a router adds to a call of a LangChain chat model: ours, beside `langchain-model-router` and the bare model.

    pip install langchain-model-router==0.1.0
    python benchmarks/langchain_overhead.py [--rounds 60] [--json]

All three call the same fake model in one process, in turns: each round times every subject once, in another order, and
is compared with itself, so that other work on the machine falls on all alike; of a round's calls the lower quartile
counts, for the slower ones tell of that other work. Added time is a subject's round less the bare model's. Two
settings: no callbacks, and a tracer that builds every run and throws it away.

The rival decides by its own HeuristicStrategy (words and lengths; nothing is learned, and it knows no prices, windows,
outcomes or failures). Ours decides by the router that ships: it embeds the prompt, scores it, gates by window and
abilities, prices the answer, and is ready to ask another model. For scale, the rival is also timed with no strategy,
when it sends all to one route and decides nothing.

One thread. Intervals are 95% bootstrap percentiles of the median over rounds. Exit code 1 where the ratio of added
times is over 1 beyond its interval.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from alone import machine, one_thread
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from numpy.typing import NDArray
from typing_extensions import override

from langchain_router import RoutedChatModel
from pointsman.cli.output import console, print_json, print_table

PROMPT = "A tank holds 240 litres, a tap fills it at 12 litres a minute and a leak loses two. When is it full?"
PIECES = [f"word{row} " for row in range(20)]
CALLS, BATCH, RESAMPLES = 16, 16, 2000
Subjects = dict[str, BaseChatModel]


class Instant(BaseChatModel):
    """Answers at once: whole, or in twenty pieces; in coroutines without a thread."""

    @property
    def _llm_type(self) -> str:
        return "instant"

    @override
    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        usage = {"input_tokens": 30, "output_tokens": 20, "total_tokens": 50}
        answer = AIMessage("".join(PIECES), usage_metadata=usage)  # type: ignore[arg-type]  # a dict is one
        return ChatResult(generations=[ChatGeneration(message=answer)])

    @override
    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return self._generate(messages)

    @override
    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        last = {"input_tokens": 30, "output_tokens": 20, "total_tokens": 50}
        for piece in PIECES[:-1]:
            yield ChatGenerationChunk(message=AIMessageChunk(piece))
        final = AIMessageChunk(PIECES[-1], usage_metadata=last, chunk_position="last")  # type: ignore[arg-type]
        yield ChatGenerationChunk(message=final)

    @override
    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages):
            yield chunk


class Discard(BaseTracer):
    """Builds runs as every tracer does, and keeps none."""

    def _persist_run(self, run: Run) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Added:
    """Microseconds that one subject adds to a call, over rounds.

    Attributes:
        call: the way of calling.
        traced: whether a tracer listens.
        bare_us: the bare model's own time.
        ours_us, rival_us, rival_blind_us: added by each; median, low and high.
        ratio: ours over the rival's (with its strategy); median, low and high.
    """

    call: str
    traced: bool
    bare_us: tuple[float, float, float]
    ours_us: tuple[float, float, float]
    rival_us: tuple[float, float, float]
    rival_blind_us: tuple[float, float, float]
    ratio: tuple[float, float, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=60, help="rounds per way of calling (default 60)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    one_thread()
    subjects = build()
    found = [row for traced in (False, True) for row in measure_all(subjects, args.rounds, traced)]
    here = machine()
    if args.json:
        print_json({"machine": here, "added": [asdict(row) for row in found]})
    else:
        show(found, here)
    slower = [f"{row.call}{', traced' if row.traced else ''}" for row in found if row.ratio[1] > 1]
    for name in slower:
        print(f"langchain_overhead: {name} adds more than the rival does", file=sys.stderr)
    return 1 if slower else 0


def build() -> Subjects:
    """The bare model, ours and the rival around it."""
    try:
        from langchain_model_router import ChatRouter
        from langchain_model_router.strategies import HeuristicStrategy
    except ImportError:
        sys.exit("langchain_overhead: the rival is not installed; run: pip install langchain-model-router==0.1.0")
    bare = Instant()
    routes = {"weak": bare, "strong": Instant()}
    strategy = HeuristicStrategy("weak", "strong")
    return {
        "bare": bare,
        "ours": RoutedChatModel(**routes),
        "rival": ChatRouter(routes=routes, default_route="weak", strategy=strategy),
        "blind": ChatRouter(routes=routes, default_route="weak"),
    }


def measure_all(subjects: Subjects, rounds: int, traced: bool) -> Iterator[Added]:
    config = {"callbacks": [Discard()]} if traced else {}
    prompts = [f"{PROMPT} ({row})" for row in range(BATCH)]
    narrow = {**config, "max_concurrency": 1}

    async def astream(model: BaseChatModel) -> None:
        async for _ in model.astream(PROMPT, config):
            pass

    sync: dict[str, tuple[Callable[[BaseChatModel], object], int]] = {
        "invoke": (lambda model: model.invoke(PROMPT, config), 1),
        "stream": (lambda model: list(model.stream(PROMPT, config)), 1),
        "batch of 16, each": (lambda model: model.batch(prompts, narrow), BATCH),
    }
    waiting: dict[str, tuple[Callable[[BaseChatModel], Awaitable[object]], int]] = {
        "ainvoke": (lambda model: model.ainvoke(PROMPT, config), 1),
        "astream": (astream, 1),
        "abatch of 16, each": (lambda model: model.abatch(prompts, config), BATCH),
    }
    for name, (call, size) in sync.items():
        yield summed_up(name, traced, in_turns(subjects, rounds, call, size))
    for name, (acall, size) in waiting.items():
        yield summed_up(name, traced, asyncio.run(in_turns_async(subjects, rounds, acall, size)))


def in_turns(
    subjects: Subjects, rounds: int, call: Callable[[BaseChatModel], object], size: int
) -> dict[str, NDArray[np.float64]]:
    """Microseconds per call and round; the first round, which warms up, is left out."""
    times = {name: np.empty(rounds + 1) for name in subjects}
    singles = np.empty(max(1, CALLS // size))
    for turn, name in turns(subjects, rounds):
        for row in range(len(singles)):
            started = time.perf_counter()
            call(subjects[name])
            singles[row] = time.perf_counter() - started
        times[name][turn] = 1e6 * float(np.quantile(singles, 0.25)) / size
    return {name: values[1:] for name, values in times.items()}


async def in_turns_async(
    subjects: Subjects, rounds: int, call: Callable[[BaseChatModel], Awaitable[object]], size: int
) -> dict[str, NDArray[np.float64]]:
    """The same for coroutines."""
    times = {name: np.empty(rounds + 1) for name in subjects}
    singles = np.empty(max(1, CALLS // size))
    for turn, name in turns(subjects, rounds):
        for row in range(len(singles)):
            started = time.perf_counter()
            await call(subjects[name])
            singles[row] = time.perf_counter() - started
        times[name][turn] = 1e6 * float(np.quantile(singles, 0.25)) / size
    return {name: values[1:] for name, values in times.items()}


def turns(subjects: Subjects, rounds: int) -> Iterator[tuple[int, str]]:
    """Every subject once per round, each round in another order."""
    names, order = list(subjects), np.random.default_rng(0)
    for turn in range(rounds + 1):
        yield from ((turn, names[column]) for column in order.permutation(len(names)))


def summed_up(call: str, traced: bool, times: dict[str, NDArray[np.float64]]) -> Added:
    added = {name: times[name] - times["bare"] for name in ("ours", "rival", "blind")}
    rows = np.random.default_rng(0).integers(0, len(times["bare"]), (RESAMPLES, len(times["bare"])))

    def with_interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
        drawn = np.median(values[rows], axis=1)
        return float(np.median(values)), *(float(edge) for edge in np.quantile(drawn, (0.025, 0.975)))

    ratios = np.median(added["ours"][rows], axis=1) / np.median(added["rival"][rows], axis=1)
    ratio = float(np.median(added["ours"]) / np.median(added["rival"]))
    return Added(
        call,
        traced,
        with_interval(times["bare"]),
        with_interval(added["ours"]),
        with_interval(added["rival"]),
        with_interval(added["blind"]),
        (ratio, *(float(edge) for edge in np.quantile(ratios, (0.025, 0.975)))),
    )


def show(found: list[Added], machine: dict[str, object]) -> None:
    def cell(values: tuple[float, float, float], digits: int = 0) -> str:
        middle, low, high = (f"{value:.{digits}f}" for value in values)
        return f"{middle} [{low}, {high}]"

    columns = ("added microseconds", "tracer", "bare", "ours", "rival", "rival, blind", "ours / rival")
    rows = [
        (
            row.call,
            "yes" if row.traced else "no",
            cell(row.bare_us),
            cell(row.ours_us),
            cell(row.rival_us),
            cell(row.rival_blind_us),
            cell(row.ratio, 2),
        )
        for row in found
    ]
    print_table(console(), columns, rows, numbers=columns[1:])
    print(f"\n{json.dumps(machine)}")


if __name__ == "__main__":
    raise SystemExit(main())
