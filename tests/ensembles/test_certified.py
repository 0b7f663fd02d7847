"""What is certain of the runs of an ensemble before they are run."""

import numpy as np
import pytest

from fixedrank import (
    Experiment,
    LinearRegression,
    MatrixCompletion,
    certify,
    critical_points,
    run_ensemble,
)
from tests.landscape.data import problem_with


@pytest.mark.parametrize("scale", [0.4, 1.0])
@pytest.mark.parametrize(
    ("widths", "kind"), [([3, 8, 3], "gaussian"), ([3, 2, 3], "balanced"), ([3, 4, 3], "balanced")]
)
def test_rates_are_those_of_the_starts(widths, kind, scale):
    problem, *_ = problem_with(np.array([2.0, 1.0, 0.9]), 3, 3, noise=0.0)
    experiment = Experiment(problem, widths, kind, scale=scale)
    ensemble = run_ensemble(experiment, range(8), workers=1)
    rates = ensemble.certified_rates()
    assert rates.shape == (8,)
    below = 0
    levels = sorted(c.loss for k in range(1, 4) for c in critical_points(problem, k))
    levels = [level for level in levels if level >= experiment.minimum - 1e-12]
    for rate, record in zip(rates, ensemble.records, strict=True):
        layers = experiment.start(record.seed)
        assert rate == pytest.approx(certify(problem, layers).rate, rel=1e-6)
        is_below = problem.network_loss(layers) < levels[1]
        below += is_below
        if is_below or rate > 0:
            assert record.limit == "global minimum"
            assert record.loss_gap >= -1e-12
    assert f"starts below the next critical value: {below}" in ensemble.summary()
    if kind == "gaussian":
        assert (rates > 0).all()  # twice as wide as needed, so that both layers keep their rank


def failing(widths, rng):
    """Start nowhere where the first number is small."""
    if rng.random() < 0.5:
        raise ArithmeticError("no start")
    return [np.eye(2), np.eye(2)]


def test_failed_runs_have_none():
    problem = LinearRegression(np.eye(2), np.diag([2.0, 1.0]))
    ensemble = run_ensemble(Experiment(problem, [2, 2, 2], failing), range(6), workers=1)
    failed = ensemble.column("limit") == "failed"
    assert 0 < failed.sum() < 6
    assert np.array_equal(np.isnan(ensemble.certified_rates()), failed)


def test_other_losses_have_no_critical_values():
    class Own(LinearRegression):
        """A loss that is not known as a regression."""

    ensemble = run_ensemble(Experiment(Own(np.eye(1), np.eye(1)), [1, 1]), range(1), workers=1)
    assert "below the next critical value" not in ensemble.summary()
    other = Experiment(MatrixCompletion([0], [0], [1.0], (1, 1)), [1, 1], end=1.0)
    ensemble = run_ensemble(other, range(1), workers=1)
    with pytest.raises(TypeError, match="a certified rate needs a LinearRegression"):
        ensemble.certified_rates()
