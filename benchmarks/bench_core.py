"""Times what the project promises: deciding, loading, importing, and what both wrappers add to a bare model.

    python benchmarks/bench_core.py [--json]

One thread. Wall and processor time are both shown: where they differ, other work on the machine was in the way, and the
load average says how much there was. Exit code 1 where a median is over its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from alone import one_thread
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from llama_index.core.llms.mock import MockLLM

from langchain_router import RoutedChatModel
from llamaindex_router import RouterLLM
from pointsman import count_tokens, load_router
from pointsman.cli.output import console, print_json, print_table

SENTENCE = "A tank holds 240 litres and a tap fills it at 12 litres a minute while a leak loses two. "
SHORT = "What is the capital of Australia, and since when has it been so?"
LIMITS_MS = {"decide, 14 tokens": 1.0, "load_router": 300.0, "import pointsman": 150.0, "import langchain_router": 60.0}
FRESH = """
import time
{before}
wall, cpu = time.perf_counter(), time.thread_time()
{code}
print(1e3 * (time.perf_counter() - wall), 1e3 * (time.thread_time() - cpu))
"""


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one thing, over many runs."""

    name: str
    runs: int
    wall_p50: float
    wall_p99: float
    cpu_mean: float
    limit: float | None

    @property
    def over(self) -> bool:
        """Whether the median is over its limit."""
        return self.limit is not None and self.wall_p50 > self.limit


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    one_thread()
    before = os.getloadavg()
    timings = [*decisions(), *fresh_processes(), *wrappers()]
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": threading.active_count(),
        "blas_threads": int(os.environ["OMP_NUM_THREADS"]),
        "load_before": [round(load, 2) for load in before],
        "load_after": [round(load, 2) for load in os.getloadavg()],
    }
    over = [timing.name for timing in timings if timing.over]
    if args.json:
        print_json({"machine": machine, "timings": [asdict(timing) for timing in timings], "over_limit": over})
    else:
        show(timings, machine)
    for name in over:
        print(f"bench_core: {name} is over its limit of {LIMITS_MS[name]:g} ms", file=sys.stderr)
    return 1 if over else 0


def measure(name: str, call: Callable[[], object], runs: int) -> Timing:
    for _ in range(max(3, runs // 20)):
        call()
    walls = np.empty(runs)
    cpu = time.process_time()
    for run in range(runs):
        started = time.perf_counter()
        call()
        walls[run] = time.perf_counter() - started
    return timing(name, 1e3 * walls, 1e3 * (time.process_time() - cpu) / runs)


def timing(name: str, walls: np.ndarray, cpu_mean: float) -> Timing:
    p50, p99 = (float(np.quantile(walls, q)) for q in (0.5, 0.99))
    return Timing(name, len(walls), p50, p99, cpu_mean, LIMITS_MS.get(name))


def prompt_of(tokens: int) -> str:
    """A prompt of about that many tokens of cl100k."""
    return SENTENCE * max(1, round(tokens / count_tokens(SENTENCE, "gpt-4").tokens))


def decisions() -> list[Timing]:
    router = load_router()
    prompts = {"14": SHORT, "200": prompt_of(200), "2,000": prompt_of(2000)}
    found = [measure(f"decide, {size} tokens", lambda p=p: router.decide(p), 400) for size, p in prompts.items()]
    many = [f"{SHORT} ({row})" for row in range(256)]
    batch = measure("decide_batch of 256, each", lambda: router.decide_batch(many), 20)
    each = [value / len(many) for value in (batch.wall_p50, batch.wall_p99, batch.cpu_mean)]
    return [*found, Timing(batch.name, batch.runs, *each, limit=None)]


def fresh_processes() -> list[Timing]:
    """What happens once to a process, each time in a new one."""
    core = "import numpy, pydantic; pydantic.BaseModel"
    load = "from pointsman import load_router"
    chat = "import langchain_core.language_models.chat_models"
    return [
        in_fresh("import pointsman", core, "import pointsman"),
        in_fresh("import langchain_router", chat, "import langchain_router"),
        in_fresh("import RoutedChatModel", f"{chat}; import pointsman", "from langchain_router import RoutedChatModel"),
        in_fresh("load_router", load, "load_router()"),
        in_fresh(
            "load_router and first decision", "from pointsman import load_router", "load_router().decide('hello')"
        ),
    ]


def in_fresh(name: str, before: str, code: str, runs: int = 9) -> Timing:
    program = FRESH.format(before=before, code=code)
    times = []
    for _ in range(runs + 1):
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # our own code
        times.append([float(value) for value in done.stdout.split()])
    wall, cpu = np.array(times[1:]).T  # the first one may read from disk
    return timing(name, wall, float(cpu.mean()))


def wrappers() -> list[Timing]:
    """The same call of a bare model and through the router, in turns."""
    router = load_router()
    chat = GenericFakeChatModel(messages=iter(lambda: AIMessage("done"), None))
    llm = MockLLM(max_tokens=1)
    pairs = [
        ("LangChain", lambda m: m.invoke(SHORT), chat, RoutedChatModel(strong=chat, weak=chat, router=router)),
        ("LlamaIndex", lambda m: m.complete(SHORT), llm, RouterLLM(strong=llm, weak=llm, router=router)),
    ]
    found = []
    for framework, call, bare, routed in pairs:
        alone = measure(f"{framework}: bare fake model", lambda c=call, m=bare: c(m), 300)
        through = measure(f"{framework}: the same, routed", lambda c=call, m=routed: c(m), 300)
        found += [alone, through]
    return found


def show(timings: list[Timing], machine: dict[str, object]) -> None:
    rows = [
        (
            each.name,
            str(each.runs),
            f"{each.wall_p50:.3f}",
            f"{each.wall_p99:.3f}",
            f"{each.cpu_mean:.3f}",
            "" if each.limit is None else f"{each.limit:g}{' OVER' if each.over else ''}",
        )
        for each in timings
    ]
    columns = ("milliseconds", "runs", "wall p50", "wall p99", "cpu mean", "limit p50")
    out = console()
    print_table(out, columns, rows, numbers=columns[1:])
    print(f"\n{json.dumps(machine)}")


if __name__ == "__main__":
    raise SystemExit(main())
