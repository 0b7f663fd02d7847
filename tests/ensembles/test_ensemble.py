"""Ensembles: certificates, failures, seeds, stores."""

import csv
import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from fixedrank import (
    Experiment,
    LinearRegression,
    balancedness,
    classify_factors,
    critical_points,
    factored_flow,
    global_minimizer,
    product,
    run_ensemble,
)
from fixedrank.plotting import plot_ensemble
from tests.ensembles import experiments
from tests.landscape.data import problem_with

VALUES = np.array([2.0, 1.5, 1.5, 0.7])


@pytest.mark.parametrize("widths", [[5, 1, 4], [5, 2, 3, 4], [5, 4, 4], [5, 5, 4]])
def test_the_next_critical_value_is_that_of_the_enumeration(widths):
    problem, *_ = problem_with(VALUES, 4, 5)
    experiment = Experiment(problem, widths)
    values = {problem.loss(np.zeros((4, 5)))}
    for k in range(1, min(widths) + 1):
        values |= {critical.loss for critical in critical_points(problem, k)}
    values = sorted(values)
    assert experiment.minimum == pytest.approx(values[0], rel=1e-12)
    following = next(v for v in values if v > values[0] * (1 + 1e-10))
    assert experiment.next_critical_gap == pytest.approx(following - values[0], rel=1e-9)


def test_limits_are_those_of_long_single_runs():
    experiment = experiments.small()
    ensemble = run_ensemble(experiment, range(6), workers=1)
    assert ensemble.limits == {"global minimum": 6}
    best = global_minimizer(experiment.problem, 3)
    for record in ensemble.records:
        end = factored_flow(experiment.problem, experiment.start(record.seed), [0, 200])
        found = classify_factors(experiment.problem, end.factors[-1], rtol=1e-5)
        assert found.kind == "global minimum"
        assert (record.rank, record.indices) == (3, "0 1 2")
        assert end.loss[-1] == pytest.approx(best.loss, rel=1e-8)
        assert record.loss_gap <= 1e-6 * experiment.next_critical_gap
        assert record.t == record.time_to_tolerance < 200


def test_a_start_at_a_saddle_is_not_decided():
    """Zero layers stay where they are for all times; the record says what they are near."""
    experiment = experiments.small(initialisation=zero, end=10.0)
    (record,) = run_ensemble(experiment, [0], workers=1).records
    assert (record.limit, record.rank, record.indices) == ("not decided", 0, "")
    assert "W = 0" in record.status
    assert math.isnan(record.time_to_tolerance)
    assert record.t == 10


def zero(widths, rng):
    return [np.zeros((b, a)) for a, b in pairwise(widths)]


def test_balanced_starts_follow_theorem_6():
    """On M_3 with q = 2 the flow ends at rank 2."""
    problem, *_ = problem_with(np.array([2.0, 1.0]), 4, 4, noise=0)
    experiment = Experiment(problem, [4, 4, 4], "balanced", rank=3, end=50.0)
    for seed in range(3):
        start = experiment.start(seed)
        assert balancedness(start) < 1e-12
        assert np.linalg.matrix_rank(start[1] @ start[0], tol=1e-10) == 3
    ensemble = run_ensemble(experiment, range(20), workers=1)
    assert ensemble.ranks == {2: 20}
    assert ensemble.limits == {"global minimum": 20}


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("rank", [1, 2])
def test_balanced_starts_of_low_rank_end_at_their_rank(rank, depth):
    """Errors must not raise it, nor let a run pass below the minimum of its rank."""
    problem = LinearRegression(np.eye(4), np.diag([2.0, 1.9, 1.5, 1.0]))
    experiment = Experiment(problem, [4] * (depth + 1), "balanced", rank=rank, end=100.0)
    ensemble = run_ensemble(experiment, range(20), workers=1)
    # One layer is free to change its rank.
    assert ensemble.ranks == {4 if depth == 1 else rank: 20}
    close = experiment.tolerance * experiment.next_critical_gap
    assert (np.abs(ensemble.column("loss_gap")) <= close * (1 + 1e-9)).all()
    assert (ensemble.column("distance") < 0.05).all()
    start, reduced = experiment.start(3), experiment.start(3, reduced=True)
    np.testing.assert_allclose(product(start), product(reduced), rtol=0, atol=1e-14)


def test_weak_singular_values_large_residuals_and_units():
    weak = Experiment(LinearRegression(np.eye(2), np.diag([2.0, 0.05])), [2, 2, 2])
    record = run_ensemble(weak, [0], workers=1).records[0]
    assert (record.indices, record.limit) == ("0 1", "global minimum")
    assert record.distance < 1e-3
    X, Y = np.eye(2, 3), np.array([[1, 0, 1e8], [0, 0.5, 0]])
    noisy = Experiment(LinearRegression(X, Y), [2, 1, 2], end=100.0)
    record = run_ensemble(noisy, [0], workers=1).records[0]
    assert np.isfinite(record.time_to_tolerance)
    units = Experiment(LinearRegression(1e5 * np.eye(3), 1e5 * np.diag([3.0, 2, 1])), [3, 3, 3])
    assert run_ensemble(units, range(3), workers=1).limits == {"global minimum": 3}


def test_the_same_whatever_the_batches_and_the_order():
    experiment = experiments.small()
    seeds = [7, 3, 11, 0, 5]
    expected = run_ensemble(experiment, sorted(seeds), workers=1, batch=5).records
    with ThreadPoolExecutor(3) as threads:
        for options in ({"workers": 1}, {"executor": threads}):
            for batch in (1, 2):
                found = run_ensemble(experiment, seeds, batch=batch, **options)
                assert found.records == expected


def test_failures_are_recorded_with_their_reasons():
    failing = run_ensemble(
        experiments.small(initialisation=experiments.fails_sometimes), range(20), workers=1
    )
    assert len(failing) == 20
    assert set(failing.limits) == {"global minimum", "failed"}
    reasons = {record.status for record in failing.records if record.limit == "failed"}
    assert reasons == {"no start: ArithmeticError: no luck today"}
    overflow = run_ensemble(
        experiments.small(initialisation=experiments.not_finite), [0], workers=1
    )
    assert "step size collapsed at t = 0" in overflow.records[0].status
    wrong = run_ensemble(experiments.small(initialisation=experiments.wrong_widths), [0], workers=1)
    assert "returned widths [3, 3], not [3, 3, 3]" in wrong.records[0].status


def test_a_start_that_overflows_is_told():
    """Of 18 entries of deviation 1.7e308 one or more exceed it in nearly all starts."""
    huge = run_ensemble(experiments.small(scale=1.7e308), range(10), workers=1)
    assert set(huge.limits) == {"failed"}
    told = [record.status.startswith("no start: ValueError: W_") for record in huge.records]
    assert sum(told) >= 8


def test_a_store_is_resumed(tmp_path):
    experiment, store = experiments.small(), tmp_path / "runs.sqlite"
    whole = run_ensemble(experiment, range(8), workers=1)
    run_ensemble(experiment, [1, 4], workers=1, store=store)
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE runs SET status = 'kept' WHERE seed = 4")
    connection.close()
    resumed = run_ensemble(experiment, range(8), workers=1, store=store)
    assert resumed.records[4].status == "kept"
    assert [r for r in resumed.records if r.seed != 4] == [r for r in whole.records if r.seed != 4]


def test_nan_survives_the_store(tmp_path):
    experiment = experiments.small(initialisation=zero, end=1.0)
    for _ in range(2):
        ensemble = run_ensemble(experiment, [0], workers=1, store=tmp_path / "runs.sqlite")
        assert math.isnan(ensemble.records[0].time_to_tolerance)


def test_stores_that_do_not_fit(tmp_path):
    store = tmp_path / "runs.sqlite"
    run_ensemble(experiments.small(), [0], workers=1, store=store)
    with pytest.raises(ValueError, match="runs of another experiment"):
        run_ensemble(experiments.small(scale=0.5), [0], workers=1, store=store)
    text = tmp_path / "text"
    text.write_text("nothing of the kind" * 100)
    with pytest.raises(ValueError, match="is not a store of an ensemble"):
        run_ensemble(experiments.small(), [0], workers=1, store=text)
    with pytest.raises(OSError, match="cannot be used as a store"):
        run_ensemble(experiments.small(), [0], workers=1, store=tmp_path / "none" / "runs")


def test_the_table(tmp_path):
    ensemble = run_ensemble(experiments.small(), range(4), workers=1)
    ensemble.to_csv(tmp_path / "runs.csv")
    with (tmp_path / "runs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["seed"]) for row in rows] == [0, 1, 2, 3]
    np.testing.assert_array_equal(
        [float(row["loss_gap"]) for row in rows], ensemble.column("loss_gap")
    )
    assert "4 runs, N = 2: global minimum 4" in ensemble.summary()
    with pytest.raises(ValueError, match="no column 'losses'"):
        ensemble.column("losses")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"widths": [3, 2]}, r"from d_x = 3 to d_y = 3, got \[3, 2\]"),
        ({"widths": [3]}, "from d_x = 3"),
        ({"initialisation": "uniform"}, "unknown initialisation 'uniform'"),
        ({"scale": -1.0}, "scale must be positive and finite, got -1"),
        ({"end": math.inf}, "end must be positive and finite"),
        ({"tolerance": 2.0}, "tolerance must be below 1"),
        ({"rank": 2}, "rank is for balanced starts"),
        ({"initialisation": "balanced", "rank": 4}, "above the smallest width 3"),
    ],
)
def test_bad_experiments(options, message):
    with pytest.raises(ValueError, match=message):
        Experiment(**{"problem": experiments.problem(), "widths": [3, 3, 3], **options})


def test_text_is_no_time():
    with pytest.raises(TypeError, match="continue_to must be a number, got '2000'"):
        experiments.small(continue_to="2000")


def test_a_start_that_only_this_process_knows(tmp_path):
    def local(widths, rng):
        return zero(widths, rng)

    experiment = experiments.small(initialisation=local, end=1.0)
    assert run_ensemble(experiment, [0], workers=1).limits == {"not decided": 1}
    for options in ({"workers": 2}, {"workers": 1, "store": tmp_path / "runs.sqlite"}):
        with pytest.raises(TypeError, match="must be a function that can be imported"):
            run_ensemble(experiment, [0], **options)


def test_a_store_that_another_process_has_locked(tmp_path):
    store = tmp_path / "runs.sqlite"
    run_ensemble(experiments.small(), [0], workers=1, store=store)
    other = sqlite3.connect(store)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(OSError, match="locked"):
            run_ensemble(experiments.small(), [1], workers=1, store=store)
    finally:
        other.close()


def test_labels_without_a_signal():
    """Q = 0: the zero matrix is the minimum, the only critical value."""
    experiment = Experiment(LinearRegression(np.eye(2), np.zeros((2, 2))), [2, 2, 2], end=10.0)
    ensemble = run_ensemble(experiment, [0, 1], workers=1)
    assert ensemble.limits == {"global minimum": 2}
    assert ensemble.ranks == {0: 2}
    known = pytest.importorskip("matplotlib.pyplot").get_fignums()
    assert len(plot_ensemble(ensemble).axes) == 3
    assert pytest.importorskip("matplotlib.pyplot").get_fignums() == known


def test_bad_arguments():
    experiment = experiments.small()
    with pytest.raises(TypeError, match="must be a LinearRegression"):
        Experiment(LinearRegression, [3, 3])
    with pytest.raises(ValueError, match="seeds is empty"):
        run_ensemble(experiment, [])
    with pytest.raises(ValueError, match="seeds must differ: 1 are given again"):
        run_ensemble(experiment, [1, 2, 1])
    with pytest.raises(ValueError, match=r"seeds\[0\] must be >= 0 and below 2\*\*63, got -1"):
        run_ensemble(experiment, [-1])
    with pytest.raises(TypeError, match=r"seeds\[1\] must be an integer, got 'a'"):
        run_ensemble(experiment, [1, "a"])
    with pytest.raises(ValueError, match="batch must be at least 1"):
        run_ensemble(experiment, [1], batch=0)
    with ThreadPoolExecutor(1) as threads, pytest.raises(ValueError, match="exclude each other"):
        run_ensemble(experiment, [1], executor=threads, workers=2)
