"""What `RouterLLM` adds to a call of a LlamaIndex LLM: the same model, called itself and through the router.

    python benchmarks/llamaindex_overhead.py [--rounds 1000] [--json]

Both are called in one process, in turns: each round times the bare model, the routed one and a decision alone, in
another order, and is compared with itself, so that other work on the machine falls on all alike. Added time is the
routed round less the bare one. Beside it stand the processor time added, and the calm figure: the tenth percentile of
the routed rounds less that of the bare ones, which is what is left where the machine has other work in between.

The model answers at once, in chat, with usage, decorated with LlamaIndex's callbacks as its integrations are. The
router is the one that ships: it embeds the prompt, scores it, gates by window and abilities, prices the answer, and is
ready to ask another model. A stream has 20 pieces; it is timed to its first piece, and to its end. With --traced,
handlers of events and spans listen, as those of a tracer do.

One thread. Intervals are 95% bootstrap percentiles over rounds. Exit code 1 where a calm figure is over 0.3 ms beyond
its interval; a whole stream, which takes some microseconds more for each piece, is not held to it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from alone import machine, one_thread
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, LLMMetadata
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.custom import CustomLLM
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import PromptTemplate
from llama_index_instrumentation import root_dispatcher
from llama_index_instrumentation.event_handlers import BaseEventHandler
from llama_index_instrumentation.span_handlers import SimpleSpanHandler
from numpy.typing import NDArray
from typing_extensions import override

from llamaindex_router import RouterLLM
from pointsman import load_router
from pointsman.cli.output import console, print_json, print_table

LIMIT_US = 300.0
QUESTION = "What is the capital of Australia, and since when has it been so?"
CONTEXT = "A tank holds 240 litres and a tap fills it at 12 litres a minute while a leak loses two. " * 40
PROMPT = PromptTemplate("Context: {context_str}\nQuestion: {query_str}", prompt_type="text_qa")
PIECES = [f"word{row} " for row in range(20)]
USAGE = {"usage": {"prompt_tokens": 30, "completion_tokens": 20}}
RAW = [None] * (len(PIECES) - 1) + [USAGE]
FIRST, WHOLE = "stream_chat, to the first", "stream_chat, 20 pieces"
Timer = Callable[[Callable[[Any], Any], Any], tuple[float, float]]
CALLS, RESAMPLES, CALM = 2, 2000, 0.1


class Instant(CustomLLM):
    """Answers at once: whole, or in twenty pieces."""

    @property
    @override
    def metadata(self) -> LLMMetadata:
        """A chat model of a large window."""
        return LLMMetadata(model_name="instant", context_window=128_000, is_chat_model=True)

    @override
    @llm_chat_callback()
    def chat(self, messages: Any, **kwargs: Any) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role="assistant", content="".join(PIECES)), raw=USAGE)

    @override
    @llm_chat_callback()
    async def achat(self, messages: Any, **kwargs: Any) -> ChatResponse:
        return ChatResponse(message=ChatMessage(role="assistant", content="".join(PIECES)), raw=USAGE)

    @override
    @llm_chat_callback()
    def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
        message = ChatMessage(role="assistant", content="")
        return (ChatResponse(message=message, delta=piece, raw=raw) for piece, raw in zip(PIECES, RAW, strict=True))

    @override
    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text="".join(PIECES), raw=USAGE)

    @override
    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        return (CompletionResponse(text="", delta=piece, raw=raw) for piece, raw in zip(PIECES, RAW, strict=True))


class Hearing(BaseEventHandler):
    """Hears events, as tracers do, and keeps none."""

    @classmethod
    def class_name(cls) -> str:
        """Name of the handler."""
        return "hearing"

    def handle(self, event: Any, **kwargs: Any) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Added:
    """Microseconds per call, over rounds; each a figure, low and high.

    Attributes:
        call: the way of calling.
        bare_us: of the model itself; median.
        added_us: by the router; median.
        added_cpu_us: processor time added; median.
        calm_us: added, between the tenth percentiles.
        decide_us: of deciding alone, which is part of what is added; tenth percentile.
    """

    call: str
    bare_us: tuple[float, float, float]
    added_us: tuple[float, float, float]
    added_cpu_us: tuple[float, float, float]
    calm_us: tuple[float, float, float]
    decide_us: tuple[float, float, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=1000, help="rounds per way of calling (default 1000)")
    parser.add_argument("--traced", action="store_true", help="with handlers of events and spans that listen")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    one_thread()
    bare = Instant()
    routed = RouterLLM(strong=Instant(), weak=bare, router=load_router())
    if args.traced:
        root_dispatcher.add_event_handler(Hearing())
        root_dispatcher.add_span_handler(SimpleSpanHandler())
    found = [measure(name, call, bare, routed, args.rounds) for name, call in ways().items()]
    here = {**machine(), "traced": args.traced}
    if args.json:
        print_json({"machine": here, "limit_us": LIMIT_US, "added": [asdict(row) for row in found]})
    else:
        show(found, here)
    over = [row.call for row in found if row.calm_us[1] > LIMIT_US and row.call != WHOLE]
    for name in over:
        print(f"llamaindex_overhead: {name} adds more than {LIMIT_US:g} microseconds", file=sys.stderr)
    return 1 if over else 0


def ways() -> dict[str, Callable[[LLM], object]]:
    """The ways of calling."""
    messages = [ChatMessage(content=QUESTION)]
    return {
        "chat": lambda llm: llm.chat(messages),
        "complete": lambda llm: llm.complete(QUESTION),
        "predict, 900 tokens": lambda llm: llm.predict(PROMPT, context_str=CONTEXT, query_str=QUESTION),
        FIRST: lambda llm: llm.stream_chat(messages),
        WHOLE: lambda llm: list(llm.stream_chat(messages)),
        "achat": lambda llm: llm.achat(messages),
    }


def measure(name: str, call: Callable[[LLM], Any], bare: LLM, routed: RouterLLM, rounds: int) -> Added:
    """Times the subjects in turns; the first round, which warms up, is left out."""
    timed: Timer = {"achat": timed_async, FIRST: timed_first}.get(name, timed_sync)
    subjects: dict[str, Callable[[], tuple[float, float]]] = {
        "bare": lambda: timed(call, bare),
        "routed": lambda: timed(call, routed),
        "decide": lambda: timed_sync(lambda llm: llm.router.decide(QUESTION), routed),
    }
    wall, cpu = ({subject: np.empty(rounds + 1) for subject in subjects} for _ in range(2))
    names, order = list(subjects), np.random.default_rng(0)
    for turn in range(rounds + 1):
        for column in order.permutation(len(names)):
            wall[names[column]][turn], cpu[names[column]][turn] = subjects[names[column]]()
    rows = np.random.default_rng(0).integers(0, rounds, (RESAMPLES, rounds))
    return Added(
        name,
        median(wall["bare"][1:], rows),
        median((wall["routed"] - wall["bare"])[1:], rows),
        median((cpu["routed"] - cpu["bare"])[1:], rows),
        calm(wall["routed"][1:], wall["bare"][1:], rows),
        calm(wall["decide"][1:], np.zeros(rounds), rows),
    )


def timed_sync(call: Callable[[Any], Any], llm: Any) -> tuple[float, float]:
    """Wall and processor microseconds per call."""
    started, worked = time.perf_counter(), time.thread_time()
    for _ in range(CALLS):
        call(llm)
    return 1e6 * (time.perf_counter() - started) / CALLS, 1e6 * (time.thread_time() - worked) / CALLS


def timed_first(call: Callable[[Any], Any], llm: Any) -> tuple[float, float]:
    """`timed_sync` up to the first piece of a stream; the others are read all the same."""
    wall = cpu = 0.0
    for _ in range(CALLS):
        started, worked = time.perf_counter(), time.thread_time()
        pieces = call(llm)
        next(pieces)
        wall, cpu = wall + time.perf_counter() - started, cpu + time.thread_time() - worked
        list(pieces)
    return 1e6 * wall / CALLS, 1e6 * cpu / CALLS


def timed_async(call: Callable[[Any], Any], llm: Any) -> tuple[float, float]:
    """`timed_sync` inside an event loop, whose start is not counted."""

    async def calls() -> tuple[float, float]:
        started, worked = time.perf_counter(), time.thread_time()
        for _ in range(CALLS):
            await call(llm)
        return 1e6 * (time.perf_counter() - started) / CALLS, 1e6 * (time.thread_time() - worked) / CALLS

    return asyncio.run(calls())


def median(values: NDArray[np.float64], rows: NDArray[np.int64]) -> tuple[float, float, float]:
    """The median and its bootstrap interval."""
    low, high = np.quantile(np.median(values[rows], axis=1), (0.025, 0.975))
    return float(np.median(values)), float(low), float(high)


def calm(values: NDArray[np.float64], less: NDArray[np.float64], rows: NDArray[np.int64]) -> tuple[float, float, float]:
    """The difference of the tenth percentiles and its bootstrap interval."""
    drawn = np.quantile(values[rows], CALM, axis=1) - np.quantile(less[rows], CALM, axis=1)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(np.quantile(values, CALM) - np.quantile(less, CALM)), float(low), float(high)


def show(found: list[Added], machine: dict[str, object]) -> None:
    def cell(values: tuple[float, float, float]) -> str:
        middle, low, high = (f"{value:.0f}" for value in values)
        return f"{middle} [{low}, {high}]"

    columns = ("microseconds per call", "bare", "added", "added, processor", "added, calm", "of it deciding, calm")
    rows = [
        (
            row.call,
            cell(row.bare_us),
            cell(row.added_us),
            cell(row.added_cpu_us),
            cell(row.calm_us),
            cell(row.decide_us),
        )
        for row in found
    ]
    print_table(console(), columns, rows, numbers=columns[1:])
    print(f"\n{json.dumps(machine)}")


if __name__ == "__main__":
    raise SystemExit(main())
