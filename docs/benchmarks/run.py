"""All benchmarks in one run; machine, versions and load in the head of the results.

python docs/benchmarks/run.py [--quick] [--out FOLDER] [NAME ...]

Every benchmark gets two processes of its own, one after another: one without any variable that
says how many threads linear algebra takes, and one with a single thread. The tables show both; in a
quick run only the first does, and the others the one without.

Adds to results.json, by date, and makes results.md, beside.png, scaling.png and over_time.png of
it, in FOLDER.
Without FOLDER a run at full size renews those that the documentation shows, and with --quick
nothing is written; with --render nothing is run, and all is made anew of results.json. With names
of benchmarks only their sections are renewed. jax, diffrax and torch take part where they are
installed. A full run needs 8 GB of memory, for pymanopt's class.
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
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from charts import draw_beside
from columns import side_by_side
from records import DEFAULT, FILE, ONE, PICTURE, TABLE, Record, draw, latest, load, save, section
from timing import THREADS, describe

HERE = Path(__file__).resolve().parent
# Above this load average before it began, other work disturbed a run.
BUSY = 0.7


class Benchmark(NamedTuple):
    """A module with a function run(quick) -> str, and what it says."""

    module: str
    title: str
    says: str
    in_quick: bool = True
    both: bool = True  # whether it runs in each setting; one that sets its own does not


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
        "geodesics",
        "Connection, curvature and geodesics",
        "At a large rank beside bare products; for small matrices beside integration in steps.",
    ),
    Benchmark(
        "gradients",
        "One gradient of the layers beside automatic differentiation",
        "Time over that of `network_gradient`.",
    ),
    Benchmark(
        "regression",
        "Set-up of a regression",
        "Time of `LinearRegression(X, Y)`, and how many times that the alternatives take.",
    ),
    Benchmark(
        "completion",
        "Completion of a matrix",
        "Conjugate gradients beside the same in plain NumPy, and whole recoveries.",
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
        "small",
        "Flows of small networks, and many output times",
        "The cheapest run of each way within an error, and its time over that of flow (9).",
    ),
    Benchmark(
        "stiff",
        "Integrators on stiff flows",
        "The cheapest run of each method within an error.",
        in_quick=False,  # it takes minutes with its smallest setting
    ),
    Benchmark(
        "threads",
        "Threads",
        "Public operations over the number of threads: time over that with one.",
        both=False,
    ),
    Benchmark(
        "ensembles",
        "Many networks at once",
        "Runs of `run_ensemble` beside the same by `factored_flow`.",
    ),
    Benchmark(
        "many",
        "Flows from many starts",
        "One call for all of them beside one call for each.",
    ),
    Benchmark(
        "langevin",
        "Langevin dynamics",
        "Steps of many copies at once beside one after another, and of a large matrix.",
    ),
    Benchmark(
        "companion",
        "The companion for JAX",
        "`fixedrank.jax` beside the library and plain diffrax, and what compilation takes.",
    ),
    Benchmark("imports", "Imports", "What a program pays before its first line."),
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


def in_a_process(setting: str, function: Callable[..., str], *arguments: Any) -> str:
    """Call a function in a process of its own, with no thread variable set or with one thread."""
    before = {name: os.environ.pop(name, None) for name in THREADS}
    if setting == ONE:
        os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            return pool.submit(function, *arguments).result()
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def recorded(
    benchmark: Benchmark, quick: bool, options: dict[str, str], machine: str
) -> tuple[Record, bool]:
    """Run a benchmark; return its record, and whether it ran to its end."""
    began = time.perf_counter()
    # A quick run tries both columns with the first benchmark only.
    both = benchmark.both and (not quick or benchmark is BENCHMARKS[0])
    settings = [DEFAULT, ONE] if both else [DEFAULT] if benchmark.both else []
    try:
        texts = []
        for setting in settings or [DEFAULT]:
            drawn = options if setting == DEFAULT else {}
            texts.append(
                in_a_process(setting, measured, benchmark.module, quick, drawn).strip("\n")
            )
        text = side_by_side(*texts, (DEFAULT, ONE)) if both else texts[0]
        complete = True
    except Exception:
        # The others still run; what failed is printed and not kept.
        text, complete = traceback.format_exc().strip(), False
    taken = round(time.perf_counter() - began)
    lines = text.splitlines()
    return Record(benchmark.module, str(date.today()), settings, taken, machine, lines), complete


def render(records: list[Record], table: Path, picture: Path) -> None:
    """Write the tables of the last record of each benchmark, and draw times over dates."""
    last = latest(records)
    sections = [
        section(last[benchmark.module], benchmark.title, benchmark.says)
        for benchmark in BENCHMARKS
        if benchmark.module in last
    ]
    table.write_text("\n".join([f"{records[-1].machine}\n", *sections]), encoding="utf-8")
    draw(records, picture)
    draw_beside(records, picture.with_name("beside.png"))


def head(quick: bool, load: float) -> str:
    """Return what was run, where, and how busy the machine was."""
    kind = "Quick run, small sizes and short times" if quick else "Run at full size"
    busy = ": other work ran on the machine, so expect single numbers to be off"
    return (
        f"{kind}: {in_a_process(DEFAULT, describe)} where no variable says otherwise; "
        f"{os.cpu_count()} cores; load average before it began "
        f"{load:.2f}{busy if load > BUSY else ''}. Where there are two columns, no such variable "
        "is set on the left, and there is one thread on the right. Times are the least of many, "
        "taken in turn, where a table says nothing else."
    )


def main() -> int:
    """Run what was asked for; return 1 if a benchmark failed."""
    names = [benchmark.module for benchmark in BENCHMARKS]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, about a minute")
    parser.add_argument("--render", action="store_true", help="only write what results.json says")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to write")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(names))
    if unknown:
        parser.error(f"no benchmark is named {', '.join(unknown)}; there are {', '.join(names)}")

    folder = options.out
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    files = (
        (FILE, TABLE, PICTURE)
        if folder is None
        else (folder / "results.json", folder / "results.md", folder / "over_time.png")
    )
    writes = folder is not None or not options.quick
    picture = files[2].with_name("scaling.png")
    records = load(files[0])
    if options.render:
        render(records, *files[1:])
        return 0

    chosen = [
        benchmark
        for benchmark in BENCHMARKS
        if (benchmark.module in options.names)
        or (not options.names and (benchmark.in_quick or not options.quick))
    ]
    machine, complete = head(options.quick, os.getloadavg()[0]), True
    print(machine, flush=True)
    for benchmark in chosen:
        drawn = {"picture": str(picture)} if benchmark.module == "scaling" and writes else {}
        record, succeeded = recorded(benchmark, options.quick, drawn, machine)
        complete &= succeeded
        print(section(record, benchmark.title, benchmark.says), flush=True)
        records.append(record)
        if writes and succeeded:
            save(records, files[0])
            render(load(files[0]), *files[1:])
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
