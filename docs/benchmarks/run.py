"""All benchmarks in one run; machine, versions and load in the head of the results.

OMP_NUM_THREADS=1 python docs/benchmarks/run.py [--quick] [--out FOLDER] [NAME ...]

Writes results.md and scaling.png into FOLDER. Without FOLDER a full run renews those that the
documentation shows, and one with --quick, or of some benchmarks only, writes nothing. Every
benchmark gets a process of its own, one after another. jax, diffrax and torch take part where they
are installed. A full run needs 8 GB of memory, for pymanopt's class.
"""

import argparse
import importlib
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

from timing import describe

HERE = Path(__file__).resolve().parent
# Above this load average before it began, other work disturbed a run.
BUSY = 0.7


class Benchmark(NamedTuple):
    """A module with a function run(quick) -> str, and what it says."""

    module: str
    title: str
    says: str
    in_quick: bool = True


BENCHMARKS = (
    Benchmark(
        "limits",
        "Manifold operations beside bare BLAS and LAPACK",
        "Time of fixedrank, time of the products and factorisations that nothing can do without, "
        "and the ratio.",
    ),
    Benchmark(
        "manifold",
        "Manifold operations",
        "`FixedRank` of depth 3 beside pymanopt's `FixedRankEmbedded`, and the ratio.",
    ),
    Benchmark(
        "optimisers",
        "Optimisers on small matrices beside pymanopt's class",
        "Here calls from Python cost more than arithmetic.",
    ),
    Benchmark(
        "hessian",
        "Hessian-vector products",
        "The Riemannian part beside the Euclidean part and the retraction.",
    ),
    Benchmark(
        "gradients",
        "One gradient of the layers beside automatic differentiation",
        "Time over that of `network_gradient`.",
    ),
    Benchmark(
        "evaluations",
        "One evaluation of the flows",
        "Flow (9) beside its products with C and B, and over depth and samples.",
    ),
    Benchmark(
        "flows",
        "The same curve by flow (9) and flow (5)",
        "Time over that of `riemannian_flow` with its default method.",
    ),
    Benchmark(
        "stiff",
        "Integrators on stiff flows",
        "The cheapest run of each method within an error.",
        in_quick=False,  # it takes minutes with its smallest setting
    ),
    Benchmark(
        "ensembles",
        "Many networks at once",
        "Runs of `run_ensemble` beside the same by `factored_flow`.",
    ),
    Benchmark(
        "scaling",
        "Time over size, rank, depth and samples",
        "Slopes in logarithms, over the upper half of the values.",
    ),
)


def measured(module: str, quick: bool, options: dict[str, str]) -> str:
    """Run one benchmark; called in a process of its own."""
    run: Callable[..., str] = importlib.import_module(module).run
    return run(quick, **options)


def section(benchmark: Benchmark, quick: bool, options: dict[str, str]) -> tuple[str, bool]:
    """Return the section of the results, and whether the benchmark ran to its end."""
    began = time.perf_counter()
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            text, complete = pool.submit(measured, benchmark.module, quick, options).result(), True
        except Exception:
            # The others still run; what failed is said in its place.
            text, complete = traceback.format_exc(), False
    taken = time.perf_counter() - began
    return (
        f"### {benchmark.title}\n\n{benchmark.says} "
        f"`docs/benchmarks/{benchmark.module}.py`, {taken:.0f} s.\n\n"
        f"```text\n{text.strip()}\n```\n"
    ), complete


def head(quick: bool, load: float) -> str:
    """Return what was run, where, and how busy the machine was."""
    kind = "Quick run, small sizes and short times" if quick else "Run at full size"
    busy = ": other work ran on the machine, so expect single numbers to be off"
    return (
        f"{kind}: {describe()}; {os.cpu_count()} cores; load average before it began "
        f"{load:.2f}{busy if load > BUSY else ''}. Times are the least of many, taken in turn, "
        "where a table says nothing else.\n"
    )


def main() -> int:
    """Run what was asked for; return 1 if a benchmark failed."""
    names = [benchmark.module for benchmark in BENCHMARKS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, about a minute")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(names)}")
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("OMP_NUM_THREADS is not 1: small products may be slow", file=sys.stderr)

    table, picture = None, None
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        table, picture = options.out / "results.md", options.out / "scaling.png"
    elif not options.quick and not options.names:
        table, picture = HERE / "results.md", HERE.parent / "_static" / "scaling.png"

    chosen = [
        benchmark
        for benchmark in BENCHMARKS
        if (benchmark.module in options.names)
        or (not options.names and (benchmark.in_quick or not options.quick))
    ]
    sections, complete = [head(options.quick, os.getloadavg()[0])], True
    print(sections[0])
    for benchmark in chosen:
        drawn = {"picture": str(picture)} if benchmark.module == "scaling" and picture else {}
        text, succeeded = section(benchmark, options.quick, drawn)
        complete &= succeeded
        sections.append(text)
        print(text, flush=True)
        if table is not None:
            table.write_text("\n".join(sections), encoding="utf-8")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
