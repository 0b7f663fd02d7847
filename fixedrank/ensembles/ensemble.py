"""Running an ensemble on an executor: batches out, records in, nothing lost."""

from __future__ import annotations

import contextlib
import os
import pickle
from collections.abc import Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np

from fixedrank._aliases import FileLike
from fixedrank._checks import positive_integer
from fixedrank._jobs import Lost, run_jobs
from fixedrank._progress import Shown
from fixedrank.ensembles.experiment import Experiment
from fixedrank.ensembles.records import RunRecord, failed_run
from fixedrank.ensembles.result import Ensemble
from fixedrank.ensembles.runs import run_batch
from fixedrank.ensembles.store import RecordStore


def run_ensemble(
    experiment: Experiment,
    seeds: Sequence[int],
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    store: FileLike | None = None,
    batch: int = 500,
    progress: Shown = False,
) -> Ensemble:
    """Run an experiment from many starts.

    Runs of a regression are computed in batches of small networks at once, those of any other loss
    one by one; the records say what each limit is told by. What a run does depends on its seed
    only, not on the other runs, the number of workers, or their order. With the extra `compiled`
    the steps of small networks are compiled: the same results to round-off, in less time.

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
    with contextlib.ExitStack() as stack:
        disk = None
        if store is not None:
            disk = stack.enter_context(contextlib.closing(RecordStore(store, experiment)))
        records = run_jobs(
            partial(run_batch, experiment),
            chosen,
            disk,
            _lost,
            batch=size,
            executor=executor,
            workers=count,
            progress=progress,
            unit="run",
        )
    return Ensemble(experiment, tuple(records[seed] for seed in sorted(chosen)))


def _lost(seed: int, lost: Lost) -> RunRecord:
    return failed_run(seed, f"lost: {lost.reason}")


def _require_picklable(experiment: Experiment) -> None:
    """Refuse what cannot go to another process, or be recognised by its name in a store."""
    try:
        pickle.dumps(experiment)
    except Exception as error:
        raise TypeError(
            f"the experiment cannot be pickled ({error}): its initialisation must be a function "
            "that can be imported, not a lambda or one defined in another function, and its loss "
            "of a class that can be; or run it with workers=1 and without a store"
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
