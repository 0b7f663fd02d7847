"""Shared by the benchmarks: interleaved timing, what machine it was, and the command line."""

import argparse
import platform
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import scipy.linalg  # noqa: F401  (so that its BLAS and that of NumPy are there to be described)
import threadpoolctl

# What says how many threads NumPy's and SciPy's linear algebra takes.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PACKAGES = ("numpy", "scipy", "pymanopt", "autograd", "jax", "diffrax", "optax", "torch")


def interleaved(
    *functions: Callable[[], object], seconds: float = 2.0, least: int = 3
) -> list[float]:
    """Return the least time of each function, taken in turn for `seconds` in all."""
    for function in functions:
        function()
    best = [float("inf")] * len(functions)
    rounds, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds or rounds < least:
        rounds += 1
        for place, function in enumerate(functions):
            start = time.perf_counter()
            function()
            best[place] = min(best[place], time.perf_counter() - start)
    return best


def describe() -> str:
    """Return the date, the processor, the versions and the number of threads in one line."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    pools = threadpoolctl.threadpool_info()
    threads = max((pool["num_threads"] for pool in pools), default=1)
    libraries = {
        f"{pool['internal_api']} {pool['version']}" for pool in pools if pool["user_api"] == "blas"
    }
    python = f"Python {platform.python_version()}"
    found = ", ".join([model, python, *installed(), *sorted(libraries)])
    return f"{date.today()}, {found}, {threads} thread(s)"


def installed() -> list[str]:
    """Return the names and versions of the packages that take part, as far as installed."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return found


def milliseconds(value: float) -> str:
    """Return a time with three digits."""
    return f"{1e3 * value:.3g} ms"


def main(run: Callable[[bool], str], description: str | None) -> None:
    """Run one benchmark from the command line."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small sizes and short times")
    quick = parser.parse_args().quick
    print(describe())
    print(run(quick))
