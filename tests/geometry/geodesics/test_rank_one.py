"""Matrices of rank one: the closed form against integration and collocation."""

import numpy as np
import pytest

from fixedrank import FixedRank, RankLostError
from fixedrank.geometry.geodesics.exponential import follow
from tests.geometry import dense


@pytest.mark.parametrize("shape", [(4, 3, 1), (3, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("depth", [1, 2, 3, 20, 2.5])
def test_exp_is_the_integrated_geodesic(depth, shape):
    manifold = FixedRank(*shape, depth=depth)
    a = manifold.random_point(rng=0)
    Z = 0.5 * manifold.random_tangent_vector(a, rng=1)
    integrated = follow(a, [Z], manifold.metric, 1e-11)[0]
    end = manifold.exp(a, Z)
    np.testing.assert_allclose(dense.matrix(end), dense.matrix(integrated), rtol=0, atol=1e-9)
    assert manifold.norm(a, manifold.log(a, end) - Z) < 1e-12 * depth * manifold.norm(a, Z)


@pytest.mark.parametrize("depth", [2, 5])
def test_opposite_singular_vectors(depth):
    """The negative of a matrix: either the left or the right vector turns by half a circle."""
    manifold = FixedRank(3, 2, 1, depth=depth)
    a = manifold.random_point(rng=0)
    b = a._replace(u=-a.u)
    end = follow(a, [manifold.log(a, b)], manifold.metric, 1e-11)[0]
    np.testing.assert_allclose(dense.matrix(end), dense.matrix(b), rtol=0, atol=1e-9)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_triangle_inequality_for_far_points(seed, depth):
    manifold = FixedRank(4, 3, 1, depth=depth)
    points = [manifold.random_point(rng=10 * seed + i) for i in range(3)]
    short, middle, long = sorted(manifold.dist(points[i], points[i - 1]) for i in range(3))
    assert long <= (short + middle) * (1 + 1e-12)


def test_what_leaves_floating_point_is_refused():
    manifold = FixedRank(3, 2, 1, depth=1000)
    point, none = manifold.random_point(rng=0), (np.zeros((3, 1)), np.zeros((2, 1)))
    radius = 1000 * point.s[:, None]
    with pytest.raises(OverflowError, match="take a shorter vector"):
        manifold.exp(point, (none[0], 10 * radius, none[1]))
    with pytest.raises(RankLostError, match=r"at t = 1 of 1.*take a shorter vector"):
        manifold.exp(point, (none[0], -(1 - 1e-4) * radius, none[1]))


@pytest.mark.parametrize("k", [1, 2])
def test_far_too_long_vectors_are_refused(k):
    manifold = FixedRank(3, 2, k, depth=2)
    point = manifold.random_point(rng=0)
    with pytest.raises(OverflowError, match="take a shorter vector"):
        manifold.exp(point, manifold.random_tangent_vector(point, rng=1) * 1e200)
