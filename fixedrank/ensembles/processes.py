"""A pool of processes for long computations: one BLAS thread each, quiet when interrupted."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Open a pool, and make sure that its processes start.

    Raises
    ------
    RuntimeError
        If they do not start, as in a script without ``if __name__ == "__main__":``.
    """
    # Not forked: threads of BLAS and of the caller do not survive that.
    # Interrupted from a terminal, they end without a word.
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_DFL),
    )
    with _one_thread_each(), pool:
        _require_alive(pool)
        yield pool


def _require_alive(pool: Executor) -> None:
    try:
        pool.submit(os.getpid).result()
    except BrokenExecutor as error:
        raise RuntimeError(
            "the processes of the pool do not start: a script must call run_ensemble from under "
            'if __name__ == "__main__":, and must be a file; or run with workers=1'
        ) from error


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let processes that start now keep to one BLAS thread."""
    before = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
