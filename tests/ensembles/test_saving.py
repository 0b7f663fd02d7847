"""Ensembles in files: their records come back, and the experiment or the question for it."""

import dataclasses
import json
import zipfile
from typing import get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import (
    Ensemble,
    Experiment,
    FactoredTrajectory,
    LinearRegression,
    Loss,
    MatrixCompletion,
    RunRecord,
    gaussian_factors,
    run_ensemble,
)
from fixedrank.ensembles.saving import records_content, restored_records
from tests.ensembles import experiments
from tests.test_archive import same


class Quartic(Loss):
    """A loss of one's own."""

    shape = (3, 3)

    def __init__(self, size=1.0):
        self.size = size

    def loss(self, W):
        return self.size * float((W[1] ** 4).sum()) / 4

    def gradient(self, W):
        return (W[0] * (self.size * W[1] ** 3)) @ W[2]


def saved(ensemble, path, **options):
    ensemble.save(path, **options)
    return Ensemble.load(path)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("initialisation", ["gaussian", "balanced"])
def test_an_experiment_of_the_library_comes_back(tmp_path, initialisation, compressed):
    experiment = experiments.small(initialisation=initialisation, scale=0.5, atol=1e-9)
    ensemble = run_ensemble(experiment, range(20), workers=1)
    again = saved(ensemble, tmp_path / "runs", compressed=compressed)
    np.testing.assert_equal(again.records, ensemble.records)
    assert all(type(value) in (int, float, str) for record in again.records for value in record)
    assert again.summary() == ensemble.summary()
    assert again.experiment.fingerprint() == experiment.fingerprint()
    # It is the same problem to the last digit, so a run goes the same way.
    repeated = run_ensemble(again.experiment, [3], workers=1).records[0]
    assert repeated == run_ensemble(experiment, [3], workers=1).records[0]


def test_numpy_reads_the_columns(tmp_path):
    ensemble = run_ensemble(experiments.small(), range(5), workers=1)
    ensemble.save(tmp_path / "runs")
    with np.load(tmp_path / "runs") as arrays:
        np.testing.assert_array_equal(arrays["records.seed"], range(5))
        np.testing.assert_array_equal(arrays["records.loss"], ensemble.column("loss"))


@pytest.mark.parametrize("on_range", [False, True])
def test_the_loss_of_a_regression(tmp_path, on_range):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4, 3)) if on_range else rng.standard_normal((3, 9))
    make = LinearRegression.on_range if on_range else LinearRegression
    problem = make(X, rng.standard_normal((3, X.shape[1])))
    ensemble = run_ensemble(Experiment(problem, [3, 3, 3], end=1e-3), [0], workers=1)
    again = saved(ensemble, tmp_path / "runs").experiment.problem
    W = rng.standard_normal((3, 3))
    assert again.loss(W) == problem.loss(W)
    np.testing.assert_array_equal(again.gradient(W), problem.gradient(W))
    np.testing.assert_array_equal(again.Q, problem.Q)
    assert again.digest == problem.digest
    np.testing.assert_array_equal(again.extend(W), problem.extend(W))


@pytest.mark.parametrize("options", [{}, {"weights": [1.0, 2, 3], "ridge": 0.5}])
def test_the_loss_of_a_completion(tmp_path, options):
    problem = MatrixCompletion([0, 1, 2], [0, 2, 1], [1.0, 2, 3], (3, 3), **options)
    experiment = Experiment(problem, [3, 2, 3], end=0.1)
    again = saved(run_ensemble(experiment, [0], workers=1), tmp_path / "runs").experiment
    W = np.random.default_rng(0).standard_normal((3, 3))
    assert again.problem.loss(W) == problem.loss(W)
    assert again.fingerprint() == experiment.fingerprint()


OWN = {
    "a loss": lambda size: Experiment(Quartic(size), [3, 3, 3], end=0.1),
    "a sum": lambda size: Experiment(size * experiments.problem() + Quartic(), [3] * 3, end=0.1),
    "a start": lambda size: Experiment(
        experiments.problem(), [3, 3, 3], experiments.slow_start, end=size
    ),
}


@pytest.mark.parametrize("kind", OWN)
def test_what_is_ones_own_is_asked_for(tmp_path, kind):
    ensemble = run_ensemble(OWN[kind](1.0), range(3), workers=1)
    ensemble.save(tmp_path / "runs")
    with pytest.raises(TypeError, match=r"load\(path, experiment=...\). It was\n<Experiment: grad"):
        Ensemble.load(tmp_path / "runs")
    again = Ensemble.load(tmp_path / "runs", experiment=OWN[kind](1.0))
    np.testing.assert_equal(again.records, ensemble.records)
    with pytest.raises(ValueError, match="another experiment than the one that was given"):
        Ensemble.load(tmp_path / "runs", experiment=OWN[kind](2.0))
    with pytest.raises(ValueError, match="another experiment than the one that was given"):
        Ensemble.load(tmp_path / "runs", experiment=experiments.small())


def test_an_experiment_may_be_given_where_it_is_held(tmp_path):
    ensemble = run_ensemble(experiments.small(), [0], workers=1)
    ensemble.save(tmp_path / "runs")
    same_one = experiments.small()
    assert Ensemble.load(tmp_path / "runs", experiment=same_one).experiment is same_one
    with pytest.raises(ValueError, match="another experiment"):
        Ensemble.load(tmp_path / "runs", experiment=experiments.small(end=7.0))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Decaying(Experiment):
    weight_decay: float = 0.0


def test_a_class_of_ones_own_is_asked_for(tmp_path):
    experiment = Decaying(experiments.problem(), [3, 3, 3], weight_decay=0.1)
    run_ensemble(experiment, [0], workers=1).save(tmp_path / "runs")
    with pytest.raises(TypeError, match="does not hold its experiment"):
        Ensemble.load(tmp_path / "runs")
    assert Ensemble.load(tmp_path / "runs", experiment=experiment).experiment is experiment


def test_what_no_fingerprint_can_be_made_of(tmp_path):
    problem = Quartic()
    problem.handle = iter(())
    experiment = Experiment(problem, [3, 3, 3], gaussian_start, end=0.1)
    run_ensemble(experiment, [0], workers=1).save(tmp_path / "runs")
    assert Ensemble.load(tmp_path / "runs", experiment=experiment).experiment is experiment


def gaussian_start(widths, rng):
    return gaussian_factors(widths, rng=rng)


values = {
    int: st.integers(-1, 2**63 - 1),
    float: st.floats(),
    str: st.text(max_size=8),
}
records = st.builds(RunRecord, *(values[kind] for kind in get_type_hints(RunRecord).values()))


@given(records=st.lists(records, max_size=5).map(tuple))
def test_records_of_any_values(records):
    assert same(restored_records(records_content(records)), records)


def rewritten(path, change):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members["fixedrank.json"])
    change(header)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "fixedrank.json": json.dumps(header)}.items():
            archive.writestr(name, data)


def test_a_field_of_tomorrow_is_told(tmp_path):
    run_ensemble(experiments.small(), [0], workers=1).save(tmp_path / "runs")

    def add(header):
        held = header["content"]["experiment"]["dict"]["fields"][1]["dict"]
        held["clock"] = ["", "loss"]

    rewritten(tmp_path / "runs", add)
    with pytest.raises(ValueError, match="an experiment with clock, which this version does not"):
        Ensemble.load(tmp_path / "runs")


def test_files_that_hold_no_ensemble(tmp_path):
    ensemble = run_ensemble(experiments.small(), [0], workers=1)
    ensemble.save(tmp_path / "runs")
    with pytest.raises(
        ValueError, match=r"of the kind Ensemble, not FactoredTrajectory: Ensemble\.load"
    ):
        FactoredTrajectory.load(tmp_path / "runs")
    ensemble.to_csv(tmp_path / "runs.csv")
    with pytest.raises(ValueError, match="is not a file that save"):
        Ensemble.load(tmp_path / "runs.csv")
    whole = (tmp_path / "runs").read_bytes()
    (tmp_path / "runs").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="or it was cut off or changed"):
        Ensemble.load(tmp_path / "runs")
