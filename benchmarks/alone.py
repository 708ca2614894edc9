"""What a timing needs around it: one thread, and a word on the machine."""

from __future__ import annotations

import os
import platform
import sys
import time

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


def one_thread() -> None:
    """Start again with one thread per library, unless that is so: they read the variables when they are imported."""
    wanted = dict.fromkeys(THREADS, "1") | {"TOKENIZERS_PARALLELISM": "false", "LANGSMITH_TRACING": "false"}
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})  # noqa: S606  # ourselves


def machine() -> dict[str, object]:
    """Python, cores, load of the last minute, and the date."""
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d"),
    }
