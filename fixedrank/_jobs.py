"""Long work in many parts: on any executor, resumed after it was killed, with one bar over it.

A part is known by a key, and what comes out of it hangs on the key alone. Parts go in batches to
an executor; what comes back is kept at once, so that a call that is repeated loses what was in
flight and nothing else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from functools import partial
from typing import NamedTuple, Protocol, TypeVar

from fixedrank._processes import process_pool
from fixedrank._progress import Progress, Shown

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")
Work = Callable[[list[Key]], Sequence[Result]]

# How often a batch is tried that an executor of the user's fails at. In processes of our own it
# would fail again in the same way.
_ATTEMPTS = 3


class Store(Protocol[Key, Result]):
    """Where results are kept."""

    def load(self, keys: Sequence[Key]) -> dict[Key, Result]:
        """Return what is kept for some keys."""
        ...

    def save(self, results: Mapping[Key, Result]) -> None:
        """Keep results: each of them whole, whenever the process dies, or not at all."""
        ...


class Lost(NamedTuple):
    """What an executor failed at: why in words, and the error."""

    reason: str
    error: Exception


def run_jobs(
    work: Work[Key, Result],
    keys: Sequence[Key],
    store: Store[Key, Result] | None,
    lost: Callable[[Key, Lost], Result],
    *,
    batch: int = 1,
    executor: Executor | None = None,
    workers: int = 1,
    progress: Shown = False,
    unit: str = "job",
) -> dict[Key, Result]:
    """Return the results of all keys, those that the store has from there.

    Parameters
    ----------
    work : callable
        Returns the results of a list of keys, in its order. To leave this process it must be
        picklable.
    keys : sequence
        What is asked for, in the order in which it is begun.
    store : Store, optional
        Where results are kept.
    lost : callable
        Returns the result of a key that an executor failed at, or raises. It is not kept.
    batch : int
        How many keys go to the executor at once.
    executor : concurrent.futures.Executor, optional
        Where the batches run.
    workers : int
        Without an executor: the number of processes; 1 runs all in this one.
    progress : bool or "lines"
        Whether and how to show progress.
    unit : str
        What is counted.

    Raises
    ------
    BrokenExecutor
        If the executor is broken, after all that it finished has been kept.
    RuntimeError
        If processes do not start.
    """
    found = store.load(keys) if store is not None else {}
    left = [key for key in keys if key not in found]
    batches = [left[i : i + batch] for i in range(0, len(left), batch)]
    if executor is not None:
        done = _on_executor(executor, work, batches, _ATTEMPTS)
    elif workers == 1 or not batches:
        done = ((part, work(part)) for part in batches)
    else:
        done = _on_processes(min(workers, len(batches)), work, batches)
    shown = Progress(len(keys), progress, done=len(found), unit=unit)
    with shown, contextlib.closing(done):
        for part, results in done:
            if isinstance(results, Lost):
                found.update((key, lost(key, results)) for key in part)
            else:
                new = dict(zip(part, results, strict=True))
                if store is not None:
                    store.save(new)
                found.update(new)
            shown.reach(len(found), partial(str, part[0] if batch == 1 else ""))
    return {key: found[key] for key in keys}


Done = Generator[tuple[list[Key], Sequence[Result] | Lost]]


def _on_executor(
    executor: Executor, work: Work[Key, Result], batches: list[list[Key]], attempts: int
) -> Done[Key, Result]:
    """Yield batches and their results as they end; what an executor fails at is tried again."""
    left = dict.fromkeys(range(len(batches)), attempts)
    pending: dict[Future[Sequence[Result]], int] = {}
    try:
        for index, keys in enumerate(batches):
            pending[executor.submit(work, keys)] = index
        while pending:
            broken: BrokenExecutor | None = None
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                index = pending.pop(future)
                results: Sequence[Result] | Lost
                try:
                    results = future.result()
                except BrokenExecutor as error:
                    broken = error
                    continue
                except Exception as error:
                    left[index] -= 1
                    if left[index]:
                        pending[executor.submit(work, batches[index])] = index
                        continue
                    results = Lost(f"{type(error).__name__}: {error}", error)
                yield batches[index], results
            if broken is not None:
                raise broken
    finally:
        for future in pending:
            future.cancel()


def _on_processes(
    workers: int, work: Work[Key, Result], batches: list[list[Key]]
) -> Done[Key, Result]:
    """Yield batches and their results from a pool, which is replaced when a process dies."""
    left = {tuple(keys) for keys in batches}
    died = False
    while left:
        order = [keys for keys in batches if tuple(keys) in left]
        # After a death those that may have caused it go one by one, in one process.
        alone, died = died, False
        if alone:
            order = order[: 2 * workers + 1]
        with process_pool(1 if alone else workers) as pool:
            try:
                with contextlib.closing(_on_executor(pool, work, order, 1)) as done:
                    for keys, results in done:
                        left.discard(tuple(keys))
                        yield keys, results
            except BrokenExecutor as error:
                died = not alone
                if alone:
                    guilty = next(keys for keys in order if tuple(keys) in left)
                    left.discard(tuple(guilty))
                    reason = f"the process that ran it died: {error}"
                    yield guilty, Lost(reason, RuntimeError(reason))
