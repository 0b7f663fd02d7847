"""A table of ratings that every test of the estimator may use."""

from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("sklearn")


class Sample(NamedTuple):
    """Pairs of ids, ratings, and the ratings of all pairs without noise."""

    X: NDArray[np.int64]
    y: NDArray[np.float64]
    truth: NDArray[np.float64]


@pytest.fixture(scope="session")
def sample() -> Sample:
    """Return 30 x 20 ratings of rank two with biases, half of them known, with noise."""
    rng = np.random.default_rng(3)
    m, n = 30, 20
    truth = rng.standard_normal((m, 2)) @ rng.standard_normal((2, n))
    truth += 3 + rng.standard_normal((m, 1)) + 0.5 * rng.standard_normal((1, n))
    i, j = np.nonzero(rng.random((m, n)) < 0.5)
    y = truth[i, j] + 0.2 * rng.standard_normal(i.size)
    return Sample(np.column_stack((i, j)), y, truth)
