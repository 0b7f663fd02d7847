"""Operators given by their products with blocks, against the array."""

import numpy as np
import pytest

from fixedrank import FixedRank, LinearRegression, MatrixSum
from fixedrank.losses.moments import MatrixProduct

LEFT, RIGHT = np.arange(6.0).reshape(3, 2), np.arange(8.0).reshape(4, 2) - 3


def regression_gradient():
    problem = LinearRegression(np.diag([1.0, 2.0, 3.0, 4.0]), LEFT @ RIGHT.T)
    return problem.gradient(FixedRank(3, 4, 2, depth=2).random_point(rng=0))


@pytest.mark.parametrize(
    ("operator", "array"),
    [
        (MatrixProduct(LEFT, RIGHT), LEFT @ RIGHT.T),
        (MatrixSum((LEFT, RIGHT), np.ones((3, 4))), LEFT @ RIGHT.T + 1),
        (regression_gradient(), regression_gradient().toarray()),
    ],
    ids=["product", "sum", "gradient"],
)
def test_products(operator, array):
    for block in (np.eye(4), np.eye(4, 2, dtype=int), np.ones(4), np.ones((4, 1)), np.ones((4, 0))):
        np.testing.assert_allclose(operator @ block, array @ block, rtol=0, atol=1e-13)
    for block in (np.eye(3), np.ones(3), np.ones((3, 1))):
        np.testing.assert_allclose(operator.T @ block, array.T @ block, rtol=0, atol=1e-13)
        with pytest.raises(ValueError, match="mismatch"):
            operator @ block
    with pytest.raises(ValueError, match="mismatch"):
        operator.T @ np.eye(4)
