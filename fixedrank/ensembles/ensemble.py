"""Running an ensemble on an executor: batches out, records in, nothing lost."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Generator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    wait,
)
from typing import Any

import numpy as np

from fixedrank._checks import positive_integer
from fixedrank._progress import Progress, Shown
from fixedrank.ensembles.experiment import Experiment
from fixedrank.ensembles.processes import process_pool
from fixedrank.ensembles.result import Ensemble, ordered
from fixedrank.ensembles.runs import RunRecord, failed_run, run_batch
from fixedrank.ensembles.store import RecordStore

# How often a batch is tried that an executor fails at.
_ATTEMPTS = 3
# So begins the status of what an executor failed at.
_LOST = "lost"


def run_ensemble(
    experiment: Experiment,
    seeds: Sequence[int],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    store: Any = None,
    batch: int = 500,
    progress: Shown = False,
) -> Ensemble:
    """Run an experiment from many starts.

    Runs are computed in batches of small networks at once. What a run does depends on its seed
    only, not on the other runs, the number of workers, or their order.

    Parameters
    ----------
    experiment : Experiment
        What is run.
    seeds : sequence of int
        A seed for each run, all different and >= 0.
    executor : concurrent.futures.Executor, optional
        Where the batches run, for example ``dask.distributed.Client(...).get_executor()``; a pool
        of processes with one BLAS thread each if left out. Pools start new interpreters: call
        from under ``if __name__ == "__main__":`` in scripts.
    workers : int, optional
        The number of processes of the pool; 1 runs all in this process. All cores if left out.
    store : path-like, optional
        A file to which records are written as batches end. Started again with the same arguments,
        an ensemble that was killed goes on from there, and loses at most the batches in flight.
    batch : int
        Runs in a batch.
    progress : bool or "lines"
        Whether to show a bar over runs (needs tqdm); "lines" writes a line to standard error every
        ten seconds.

    Returns
    -------
    Ensemble
        A record for each seed. What failed (a start, an integration, a worker that died again)
        has ``limit == "failed"`` and the reason in its status. What an executor failed at is not
        written to the store: it is tried again the next time.

    Raises
    ------
    TypeError, ValueError
        If seeds are not different integers >= 0, both `executor` and `workers` are given, the
        experiment cannot be pickled, or the store holds another one.
    OSError
        If the store cannot be written.
    RuntimeError
        If the processes of the pool do not start, or an executor of your own is broken.

    References
    ----------
    Theorems 1 and 5 of the paper.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> problem = fixedrank.LinearRegression(np.eye(3), np.diag([3.0, 2.0, 1.0]))
    >>> experiment = fixedrank.Experiment(problem, [3, 2, 3], scale=0.1)
    >>> fixedrank.run_ensemble(experiment, range(100), workers=1).limits
    {'global minimum': 100}
    """
    chosen = _checked_seeds(seeds)
    size = positive_integer("batch", batch)
    if executor is not None and workers is not None:
        raise ValueError("executor and workers exclude each other: an executor has its own workers")
    count = (os.cpu_count() or 1) if workers is None else positive_integer("workers", workers)
    if store is not None or executor is not None or count > 1:
        _require_picklable(experiment)
    disk = None if store is None else RecordStore(store, experiment)
    try:
        records = {} if disk is None else disk.records()
        records = {seed: records[seed] for seed in chosen if seed in records}
        left = [seed for seed in chosen if seed not in records]
        batches = [left[i : i + size] for i in range(0, len(left), size)]
        shown = Progress(len(chosen), progress, "progress=True", done=len(records), unit="run")
        if executor is not None:
            done = _on_executor(executor, experiment, batches)
        elif count == 1 or not batches:
            done = (run_batch(experiment, seeds) for seeds in batches)
        else:
            done = _on_processes(min(count, len(batches)), experiment, batches)
        with shown, contextlib.closing(done):
            for found in done:
                if disk is not None:
                    # What the executor failed at is tried again when started again.
                    disk.add(record for record in found if not record.status.startswith(_LOST))
                records.update((record.seed, record) for record in found)
                shown.add(len(found))
    finally:
        if disk is not None:
            disk.close()
    return ordered(experiment, list(records.values()))


def _require_picklable(experiment: Experiment) -> None:
    """Refuse what cannot go to another process, or be recognised by its name in a store."""
    try:
        pickle.dumps(experiment)
    except Exception as error:
        raise TypeError(
            f"the experiment cannot be pickled ({error}): its initialisation must be a function "
            "that can be imported, not a lambda or one defined in another function; or run it "
            "with workers=1 and without a store"
        ) from error


def _checked_seeds(seeds: Sequence[int]) -> list[int]:
    chosen = []
    for i, seed in enumerate(seeds):
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"seeds[{i}] must be an integer, got {seed!r}")
        if not 0 <= seed < 2**63:
            raise ValueError(f"seeds[{i}] must be >= 0 and below 2**63, got {seed}")
        chosen.append(int(seed))
    if not chosen:
        raise ValueError("seeds is empty: give at least one")
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds must differ: {len(chosen) - len(set(chosen))} are given again")
    return chosen


def _on_executor(
    executor: Executor, experiment: Experiment, batches: list[list[int]]
) -> Generator[list[RunRecord]]:
    """Yield the records of batches as they end; those that the executor fails at are tried again.

    Raises
    ------
    BrokenExecutor
        If the executor is broken, after all that it finished has been yielded.
    """
    attempts = dict.fromkeys(range(len(batches)), 0)
    pending: dict[Future[list[RunRecord]], int] = {}
    try:
        for index, seeds in enumerate(batches):
            pending[executor.submit(run_batch, experiment, seeds)] = index
        while pending:
            broken: BrokenExecutor | None = None
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                index = pending.pop(future)
                try:
                    found = future.result()
                except BrokenExecutor as error:
                    broken = error
                    continue
                except Exception as error:
                    attempts[index] += 1
                    if attempts[index] < _ATTEMPTS:
                        pending[executor.submit(run_batch, experiment, batches[index])] = index
                        continue
                    reason = f"{_LOST}: {type(error).__name__}: {error}"
                    found = [failed_run(seed, reason) for seed in batches[index]]
                yield found
            if broken is not None:
                raise broken
    finally:
        for future in pending:
            future.cancel()


def _on_processes(
    workers: int, experiment: Experiment, batches: list[list[int]]
) -> Generator[list[RunRecord]]:
    """Yield the records of batches from a pool, which is replaced when a worker dies."""
    left = {tuple(seeds) for seeds in batches}
    died = False
    while left:
        order = [list(seeds) for seeds in batches if tuple(seeds) in left]
        # After a death those that may have caused it go one by one, in one process.
        alone, died = died, False
        if alone:
            order = order[: 2 * workers + 1]
        with process_pool(1 if alone else workers) as pool:
            try:
                done = _on_executor(pool, experiment, order)
                with contextlib.closing(done):
                    for found in done:
                        left.discard(tuple(record.seed for record in found))
                        yield found
            except BrokenExecutor as error:
                died = not alone
                if alone:
                    guilty = next(seeds for seeds in order if tuple(seeds) in left)
                    left.discard(tuple(guilty))
                    reason = f"{_LOST}: the process that ran it died: {error}"
                    yield [failed_run(seed, reason) for seed in guilty]
