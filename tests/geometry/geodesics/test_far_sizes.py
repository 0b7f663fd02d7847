"""Rank one, with singular values of very different size: against 50 digits."""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from fixedrank import FixedRank
from tests.geometry.precise import polar

PAIRS = [
    (1.0, 1e16),
    (1e16, 1.0),
    (1.0, 1e10),
    (3e-11, 1.7),
    (1.0, 1.0 + 1e-12),
    (1.0, 1.3),
    (1.5 * 2.0**-900, 1.25 * 2.0**900),
    (2.0**900, 2.0**-900),
    (1e300, 1e-3),
]
DEPTHS = [1, 2, 3, 3.5, 20, 1000]
# Turns of u and of v, in radians.
TURNS = [(0.0, 0.0), (0.7, 0.4)]


def two_points(sizes, turns):
    (a, b), (p, q) = sizes, turns
    u, v = [np.cos(p), np.sin(p), 0.0], [np.cos(q), np.sin(q)]
    first = (np.eye(3, 1), np.array([a]), np.eye(1, 2))
    return first, (np.array([u]).T, np.array([b]), np.array([v]))


@pytest.mark.parametrize("turns", TURNS)
@pytest.mark.parametrize("sizes", PAIRS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_log_dist_and_mean(depth, sizes, turns):
    manifold = FixedRank(3, 2, 1, depth=depth)
    a, b = two_points(sizes, turns)
    with mpmath.workdps(50):
        exact = polar(sizes, turns, depth)
        assert abs(mpf(manifold.dist(a, b)) / exact.distance - 1) < 1e-14
        Z = manifold.log(a, b)
        error = [
            mpf(float(Z.M[0, 0])) - exact.core,
            mpf(float(Z.Up[1, 0])) - exact.up,
            mpf(float(Z.Vp[1, 0])) - exact.vp,
        ]
        assert mpmath.norm(error) <= 1e-14 * exact.size
        # The larger one is the end from which nothing of the other is lost.
        middle = manifold.pair_mean(*((a, b) if sizes[0] < sizes[1] else (b, a)))
        assert abs(mpf(float(middle.s[0])) / exact.middle - 1) < 1e-15 * (10 + 2 * depth)
        if sizes[0] < sizes[1]:
            there = manifold.exp(a, Z)
            assert abs(mpf(float(there.s[0])) / mpf(sizes[1]) - 1) < 1e-15 * (10 + 4 * depth)


def test_the_values_named_as_right():
    manifold = FixedRank(1, 1, 1, depth=1)
    a, b = manifold.point([[1.0]]), manifold.point([[1e16]])
    for value in (manifold.log(a, b).M, -manifold.log(b, a).M, manifold.dist(a, b)):
        assert value == pytest.approx(1e16 - 1, rel=1e-15)
    assert manifold.dist(a, b) == manifold.dist(b, a)
    for mean in (manifold.pair_mean(a, b), manifold.pair_mean(b, a)):
        assert mean.s == pytest.approx(5e15 + 0.5, rel=1e-15)
