"""An ensemble in other units of the data is the same ensemble, in another unit of time."""

import itertools

import numpy as np
import pytest

from fixedrank import Experiment, LinearRegression
from fixedrank.ensembles.runs import run_batch


@pytest.mark.usefixtures("both_steps")
@pytest.mark.parametrize("unit", [1e-150, 1e-13, 1e9, 1e150])
@pytest.mark.parametrize("widths", [[2, 2], [2, 2, 2], [2, 11, 2]])
def test_units_of_the_data(unit, widths):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((2, 6)), rng.standard_normal((2, 6))

    def runs(unit):
        problem = LinearRegression(unit * X, unit * Y)
        end = 1000 / unit**2
        return run_batch(Experiment(problem, widths, scale=0.1, end=end), range(2))

    for found, expected in zip(runs(unit), runs(1.0), strict=True):
        assert (found.limit, found.rank) == (expected.limit, expected.rank)
        assert found.time_to_tolerance * unit**2 == pytest.approx(expected.time_to_tolerance, 0.1)
        assert found.initial_loss / unit**2 == pytest.approx(expected.initial_loss, 1e-9)


def zeros(widths, rng):
    return [np.zeros((outer, inner)) for inner, outer in itertools.pairwise(widths)]


@pytest.mark.usefixtures("both_steps")
@pytest.mark.parametrize("unit", [1e-150, 1.0, 1e150])
def test_one_layer_from_zero(unit):
    """It has no size in the beginning: W = (1 - e^-t) Q, and the loss is |Q|^2 e^-2t / 2."""
    Q = np.diag([3.0, 2.0, 1.0])
    problem = LinearRegression(np.eye(3), unit * Q)
    experiment = Experiment(problem, [3, 3], zeros, end=50.0)
    (record,) = run_batch(experiment, [0])
    assert record.limit == "global minimum"
    assert record.loss / unit**2 == pytest.approx(7 * np.exp(-2 * record.t), rel=1e-2)
    # The next critical value is that without the smallest singular value.
    assert record.loss / unit**2 <= 1e-6 / 2
