"""Print the operations of test_threads.py during which threads of an OpenBLAS ran, as JSON.

The first argument names the library whose threads are watched, "numpy" or "scipy". Null where it
has none, with one core or another library, or where /proc does not tell their times. With the
option "bad" only one operation, which then does what wakes that library's threads.
"""

import functools
import importlib
import json
import sys
import time
from pathlib import Path

TASKS = Path("/proc/self/task")


def tasks():
    """Return the threads of this process."""
    return {task.name for task in TASKS.iterdir()} if TASKS.exists() else set()


def processor_time(threads):
    """Return how long some threads have run, in nanoseconds."""
    return sum(int((TASKS / thread / "schedstat").read_text().split()[0]) for thread in threads)


def quiet(threads):
    """Wait until threads have gone to sleep, and return how long they have run."""
    before, now = -1, processor_time(threads)
    while now != before:
        time.sleep(0.03)
        before, now = now, processor_time(threads)
    return now


def started():
    """Import both libraries, NumPy first, and return the threads that each has started."""
    found, known = {}, tasks()
    for library in ("numpy", "scipy"):
        importlib.import_module(f"{library}.linalg")
        found[library] = tasks() - known
        known |= found[library]
    return found


def spoil(guard, library):
    """Let one operation wake the threads of a library, and return it."""
    parts = importlib.import_module("fixedrank._linear_algebra")
    if library == "numpy":
        parts.dot = importlib.import_module("numpy").dot
        return {"transport": guard.OPERATIONS["transport"]}
    lapack = importlib.import_module("scipy.linalg").lapack
    parts.triangular_solve = lambda *matrices: lapack.dtrtrs(*matrices)[0]
    return {"retraction": guard.OPERATIONS["retraction"]}


def names(library, *options):
    """Return the names, or None."""
    threads = started()[library]
    if not threads or not (TASKS / next(iter(threads)) / "schedstat").exists():
        return None
    guard = importlib.import_module("tests.guard.test_threads")
    chosen = spoil(guard, library) if options else guard.OPERATIONS
    # For some processors products of up to a million multiplications have kernels without threads.
    size = guard.SIZES[-1 if options else -2]
    operations = {
        name: functools.partial(operation, **guard.place(*size))
        for name, operation in chosen.items()
    }
    before = quiet(threads)
    for operation in operations.values():
        operation()
    if quiet(threads) == before:
        return []
    found = []
    for name, operation in operations.items():
        before = quiet(threads)
        operation()
        if quiet(threads) != before:
            found.append(name)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(names(*sys.argv[1:])))
