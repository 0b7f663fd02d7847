"""Shared by the benchmarks: interleaved timing, and what machine it was."""

import platform
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import threadpoolctl


def interleaved(
    *functions: Callable[[], object], seconds: float = 2.0, least: int = 3
) -> list[float]:
    """Return the median time of each function, taken in turn for `seconds` in all."""
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or len(times[0]) < least:
        for function, kept in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            kept.append(time.perf_counter() - start)
    return [float(np.median(kept)) for kept in times]


def describe() -> str:
    """Return the date, the processor, the versions and the number of threads in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    threads = max((pool["num_threads"] for pool in threadpoolctl.threadpool_info()), default=1)
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pymanopt"))
    python = f"Python {platform.python_version()}"
    return f"{date.today()}, {model}, {python}, {packages}, {threads} thread(s)"


def milliseconds(value: float) -> str:
    """Return a time with three digits."""
    return f"{1e3 * value:.3g} ms"
