"""Just above N = 1 the Christoffel term and the curvature are small as N - 1, and as accurate."""

import mpmath
import numpy as np
import pytest

from fixedrank import DepthMetric, FixedRank
from fixedrank.geometry.metric.powers import second_differences
from fixedrank.geometry.metric.tables import weights
from tests.geometry.metric.chain_tables import table_of

EPS = np.finfo(float).eps
DEPTHS = [1 + 2**-50, 1 + 1e-12, 1.0000001, 1.001, 1.2, 1.5, 1.999]


def exact(s, exponent):
    """The second divided differences of x^exponent at the squares, by mpmath."""
    x = [mpmath.mpf(float(value)) ** 2 for value in s]
    # Points that tie are moved apart, by far less than the precision that is kept.
    x = [value * (1 + mpmath.mpf(10) ** -30 * i) for i, value in enumerate(x)]

    def first(a, b):
        return (a**exponent - b**exponent) / (a - b)

    a, b, c = x
    return (first(a, b) - first(b, c)) / (a - c)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    "s", [(1.0, 0.7, 0.2), (1.0, 1.0, 1e-6), (1.0, 0.9, 0.8), (3.0, 3.0, 3.0), (1.0, 1e-3, 1e-6)]
)
def test_second_differences(depth, s):
    with mpmath.workdps(120):
        expected = float(exact(s, 1 / mpmath.mpf(depth)))
    found = table_of(weights(np.array(s), DepthMetric(depth)).chain, 3)[0, 1, 2]
    assert found == pytest.approx(expected, rel=200 * EPS)


@pytest.mark.parametrize("depth", DEPTHS)
def test_christoffel_of_one_number(depth):
    manifold = FixedRank(1, 1, 1, depth=depth)
    Z = (np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 1)))
    found = manifold.christoffel((np.eye(1), np.array([3.0]), np.eye(1)), Z, Z).M[0, 0]
    # (depth - 1) is exact.
    assert found == pytest.approx(-(depth - 1) / depth / 3, rel=20 * EPS)


@pytest.mark.parametrize("depth", DEPTHS)
def test_curvature_of_a_sphere_of_directions(depth):
    # Rank one is a cone over two spheres of curvature N each: (N - 1) / r^2 with r^2 = N s^(2/N).
    manifold = FixedRank(4, 3, 1, depth=depth)
    point = (np.eye(4, 1), np.array([0.7]), np.eye(1, 3))
    a, b = (manifold.projection(point, np.eye(4)[:, [i]] @ np.eye(1, 3)) for i in (1, 2))
    expected = (depth - 1) / (depth * 0.7 ** (2 / depth))
    # The curvature is the difference of two terms of size one.
    assert manifold.sectional_curvature(point, a, b) == pytest.approx(expected, abs=100 * EPS)


def test_exponent_one_by_default():
    # Without it, 1 - exponent is a subtraction.
    s = np.array([1.0, 0.5, 0.1])
    np.testing.assert_allclose(
        second_differences(s, 0.75), second_differences(s, 0.75, 0.25), rtol=1e-15
    )
