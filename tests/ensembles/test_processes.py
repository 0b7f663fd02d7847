"""Pools of processes, Dask clusters, and processes that are killed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from fixedrank import run_ensemble
from tests.ensembles import experiments


def test_a_pool_of_processes_with_one_thread_each_gives_the_same_table(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    experiment = experiments.small(initialisation=experiments.in_one_thread)
    alone = run_ensemble(experiment, range(30), workers=1)
    pool = run_ensemble(experiment, range(30), workers=2, batch=7)
    assert pool.limits == {"global minimum": 30}
    assert pool.records == alone.records
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_a_start_that_kills_its_process_is_recorded_and_no_other():
    experiment = experiments.small(initialisation=experiments.kills_its_process)
    deadly = [
        seed
        for seed in range(8)
        if experiments.gaussian_factors([3, 3, 3], rng=seed)[0][0, 0] > 0.8
    ]
    assert len(deadly) == 1
    ensemble = run_ensemble(experiment, range(8), workers=2, batch=1)
    assert len(ensemble) == 8
    failed = [record for record in ensemble.records if record.limit == "failed"]
    assert [record.seed for record in failed] == deadly
    assert "the process that ran it died" in failed[0].status


SCRIPT = """
import sys
from fixedrank import run_ensemble
from tests.ensembles import experiments

experiment = experiments.small(initialisation=experiments.slow_start)
run_ensemble(experiment, range(60), workers=1, batch=5, store=sys.argv[1])
"""


def test_killed_and_started_again_it_gives_the_same_table(tmp_path):
    store = tmp_path / "runs.sqlite"
    experiment = experiments.small(initialisation=experiments.slow_start)
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(store)])
    try:
        while count(store) < 10:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    kept = count(store)
    assert 10 <= kept < 60
    began = time.perf_counter()
    resumed = run_ensemble(experiment, range(60), workers=1, batch=5, store=store)
    assert time.perf_counter() - began < 60
    assert resumed.records == run_ensemble(experiment, range(60), workers=1).records


def count(store):
    if not store.exists():
        return 0
    connection = sqlite3.connect(store)
    try:
        return connection.execute("SELECT COUNT(*) FROM runs").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_that_loses_a_worker():
    distributed = pytest.importorskip("distributed")
    experiment = experiments.small(initialisation=experiments.slow_start)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        seen = []

        class Watched:
            """The executor of the client, which kills a worker once work is under way."""

            def __init__(self, executor):
                self.executor = executor

            def submit(self, *args):
                future = self.executor.submit(*args)
                seen.append(future)
                if len(seen) == 12:
                    os.kill(pids[0], signal.SIGKILL)
                return future

        ensemble = run_ensemble(
            experiment, range(60), executor=Watched(client.get_executor()), batch=5
        )
        survivors = list(client.run(os.getpid).values())
    assert pids[0] not in survivors
    assert ensemble.records == run_ensemble(experiment, range(60), workers=1).records


def test_progress_counts_runs(capsys, tmp_path):
    pytest.importorskip("tqdm")
    store, experiment = tmp_path / "runs.sqlite", experiments.small()
    run_ensemble(experiment, range(4), workers=1, store=store)
    run_ensemble(experiment, range(10), workers=1, batch=3, store=store, progress=True)
    shown = capsys.readouterr().err
    assert "10/10" in shown
    assert "4/10" in shown
