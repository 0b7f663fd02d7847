"""What every start and every kind of experiment must keep; another one joins by one line."""

import pickle

import numpy as np
import pytest

from fixedrank import Experiment, MatrixCompletion, run_ensemble
from fixedrank.ensembles.records import CERTIFIED, FAILED, NOTHING, OBSERVED
from fixedrank.ensembles.starts import BalancedStart, GaussianStart
from tests.ensembles import experiments
from tests.ensembles.losses import Squares
from tests.ensembles.test_any_loss import Halved, Measured

STARTS = [
    GaussianStart(),
    GaussianStart(0.1),
    BalancedStart(),
    BalancedStart(0.5, rank=2),
    Halved(),
    experiments.slow_start,
]
EXPERIMENTS = [
    experiments.small(end=20.0),
    experiments.small(end=20.0, initialisation="balanced", rank=2),
    experiments.small(end=20.0, initialisation=experiments.fails_sometimes),
    Experiment(Squares(), [3, 3, 3], end=20.0),
    Experiment(MatrixCompletion(np.diag([2.0, 1.0, 1.0])), [3, 4, 3], "balanced", rank=2, end=5.0),
    Measured(Squares(), [3, 3, 3], Halved(), end=5.0),
]
every_start = pytest.mark.parametrize(
    "start", STARTS, ids=lambda start: getattr(start, "__name__", repr(start))
)
every_experiment = pytest.mark.parametrize("experiment", EXPERIMENTS, ids=range(len(EXPERIMENTS)))


@every_start
def test_layers_of_a_start_have_the_widths_and_hang_on_the_seed(start):
    widths = [5, 3, 4, 2]
    first, again, other = (start(widths, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert [layer.shape for layer in first] == [(3, 5), (4, 3), (2, 4)]
    for one, two, three in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, two)
        assert not np.array_equal(one, three)


def test_starts_are_known_by_their_fields():
    prints = {experiments.small(initialisation=start).fingerprint() for start in STARTS}
    assert len(prints) == len(STARTS)


@every_experiment
def test_a_record_for_each_seed_whatever_the_batches(experiment):
    seeds = [5, 1, 3]
    ensemble = run_ensemble(experiment, seeds, workers=1, batch=2)
    assert [record.seed for record in ensemble.records] == [1, 3, 5]
    alone = [run_ensemble(experiment, [seed], workers=1).records[0] for seed in (1, 3, 5)]
    assert repr(ensemble.records) == repr(tuple(alone))
    for record in ensemble.records:
        assert record.told_by == NOTHING if record.limit == FAILED else record.told_by != NOTHING
        assert record.told_by in (CERTIFIED, OBSERVED, NOTHING)
        if record.limit != FAILED:
            assert 0 <= record.rank <= min(experiment.run_widths)
            assert record.loss < record.initial_loss
            assert 0 < record.t <= experiment.end


@every_experiment
def test_it_travels_and_is_known_by_a_store(experiment, tmp_path):
    travelled = pickle.loads(pickle.dumps(experiment))
    assert travelled.fingerprint() == experiment.fingerprint()
    first = run_ensemble(experiment, [2], workers=1, store=tmp_path / "runs.sqlite")
    kept = run_ensemble(travelled, [2], workers=1, store=tmp_path / "runs.sqlite")
    assert repr(kept.records) == repr(first.records)
    # What a loss keeps of the last point that it was asked about is no part of it.
    assert experiment.fingerprint() == travelled.fingerprint()


def test_experiments_differ():
    assert len({experiment.fingerprint() for experiment in EXPERIMENTS}) == len(EXPERIMENTS)
