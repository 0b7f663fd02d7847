"""A pool of processes for long computations: one BLAS thread each, gone with their parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@contextlib.contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Open a pool, and make sure that its processes start.

    The processes end when the parent does, however that happens, and at once when the body raises,
    as it does after Ctrl-C: each of them waits at a pipe that only the parent holds open.

    Raises
    ------
    RuntimeError
        If they do not start, as in a script without ``if __name__ == "__main__":``.
    """
    ends, held = multiprocessing.Pipe(duplex=False)
    # Not forked: threads of BLAS and of the caller do not survive that.
    pool = _Pool(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(ends,),
    )
    with ends, held, _one_thread_each(), pool:
        try:
            _require_alive(pool)
            yield pool
        except BaseException:
            held.close()
            raise


class _Pool(ProcessPoolExecutor):
    """A pool whose processes, which start when work is submitted, do not hear Ctrl-C yet then."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Submit work, as every executor does."""
        with _interrupts_later():
            return super().submit(fn, *args, **kwargs)


@contextlib.contextmanager
def _interrupts_later() -> Iterator[None]:
    """Hold Ctrl-C back; processes that start now hold it back until they have begun."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(ends: Connection) -> None:
    """Prepare a process of the pool: interrupted it ends without a word, and with its parent."""
    threading.Thread(target=_end_with, args=(ends,), daemon=True).start()
    # Where the parent ignores interrupts, as in the background of a shell script, so does this.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _end_with(ends: Connection) -> None:
    # Nothing is ever sent: what comes is the end of the pipe.
    with contextlib.suppress(EOFError, OSError):
        ends.recv_bytes()
    os._exit(1)


def _require_alive(pool: ProcessPoolExecutor) -> None:
    try:
        pool.submit(os.getpid).result()
    except BrokenExecutor as error:
        raise RuntimeError(
            "the processes of the pool do not start: a script must call what starts them from "
            'under if __name__ == "__main__":, and must be a file; or run with workers=1'
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
