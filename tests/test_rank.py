"""The numerical rank, against NumPy's of the matrix itself."""

import numpy as np
import pytest

from fixedrank._checks import numerical_rank, round_off


@pytest.mark.parametrize("unit", [1e-200, 1.0, 1e150])
@pytest.mark.parametrize("rank", [0, 1, 3, 5])
def test_it_is_that_of_numpy(unit, rank):
    rng = np.random.default_rng(rank)
    left, right = (np.linalg.qr(rng.standard_normal((d, 5)))[0] for d in (40, 7))
    s = np.where(np.arange(5) < rank, 10.0 ** -np.arange(5), 0.0)
    matrix = unit * (left * s) @ right.T
    found, tolerance = numerical_rank(np.linalg.svd(matrix, compute_uv=False), 40)
    assert found == np.linalg.matrix_rank(matrix) == rank
    assert tolerance == pytest.approx(40 * 2.0**-52 * unit * (rank > 0))


def test_the_singular_values_of_a_part():
    """Of what is left of a larger matrix round-off is that of the larger one."""
    values = np.array([1e-10, 1e-14])
    assert numerical_rank(values, 100)[0] == 2
    assert numerical_rank(values, 100, largest=1.0) == (1, round_off(100, 1.0))
