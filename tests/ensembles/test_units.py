"""An ensemble in other units of the data is the same ensemble, in another unit of time."""

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
