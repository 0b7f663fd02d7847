"""M_k is a cone: r^2 along geodesics, its Hessian, flat planes, and bounds of the distance."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixedrank import FixedRank, RankLostError
from fixedrank.geometry.geodesics.exponential import follow
from tests import strategies
from tests.geometry import dense
from tests.geometry.dense import truncated

DEPTHS = [1, 2, 3, 3.5, 6, 20]


def squared_radius(s, depth):
    return depth * np.sum(np.asarray(s) ** (2 / depth))


def euler(manifold, point):
    """The velocity N W of the ray through W."""
    return (
        np.zeros((manifold.m, manifold.k)),
        manifold.depth * np.diag(point.s),
        np.zeros((manifold.n, manifold.k)),
    )


@st.composite
def starts(draw):
    """A manifold, a point with singular values in [1/2, 2], ties included, and a unit vector."""
    point = draw(strategies.well_conditioned_points())
    (m, k), n = point.u.shape, point.vt.shape[1]
    manifold = FixedRank(m, n, k, depth=draw(st.sampled_from(DEPTHS)))
    return manifold, point, manifold.random_tangent_vector(point, rng=draw(strategies.seeds))


@given(start=starts(), length=st.sampled_from([0.01, 0.3, 1.0]), seed=strategies.seeds)
def test_the_squared_radius_is_quadratic_along_geodesics(start, length, seed):
    manifold, point, Z = start
    # Of the radius, so that the rank is not lost at once.
    Z = length * 0.3 * np.sqrt(squared_radius(point.s, manifold.depth)) * Z
    inward = manifold.inner_product(point, euler(manifold, point), Z)
    before = squared_radius(point.s, manifold.depth)
    expected = before + 2 * inward + manifold.inner_product(point, Z, Z)
    try:
        end = manifold.exp(point, Z)
        # As it is integrated without the cone.
        integrated = follow(point, [Z], manifold.metric, 1e-10)[0]
    except RankLostError:
        return
    for s in (end.s, integrated.s):
        assert squared_radius(s, manifold.depth) == pytest.approx(expected, rel=1e-8)
    size = np.linalg.norm(end.s)
    difference = dense.matrix(end) - dense.matrix(integrated)
    assert np.linalg.norm(difference) <= 1e-8 * size


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("shape", [(4, 3, 2), (2, 4, 2)])
def test_a_long_geodesic_passes_where_short_ones_lead(depth, shape):
    """Step by step, each with the velocity that parallel transport gives."""
    manifold = FixedRank(*shape, depth=depth)
    a = manifold.random_point(rng=0)
    a = a._replace(s=1 + a.s)
    Z = manifold.random_tangent_vector(a, rng=4)
    # Outward, so that it does not meet the boundary.
    Z = 0.5 * Z + type(Z)(*euler(manifold, a)) / depth
    other = manifold.random_tangent_vector(a, rng=5)
    steps = 2
    point, velocity, carried = a, Z, other
    for _ in range(steps):
        moved = [manifold.parallel_transport(point, velocity, v) for v in (velocity, carried)]
        point = manifold.exp(point, velocity)
        velocity, carried = moved
    end = manifold.exp(a, steps * Z)
    size = np.linalg.norm(end.s)
    assert np.linalg.norm(dense.matrix(end) - dense.matrix(point)) <= 1e-7 * size
    at_once = manifold.parallel_transport(a, steps * Z, other)
    difference = dense.tangent(end, at_once) - dense.tangent(point, carried)
    assert np.linalg.norm(difference) <= 1e-7 * np.linalg.norm(dense.tangent(end, at_once))


@pytest.mark.parametrize("depth", [1, 2, 3, 3.5])
def test_vectors_of_any_length_end_where_the_straight_line_does(depth):
    """Far out the direction is all that counts: s^(1/N) grows like the time."""
    manifold = FixedRank(4, 3, 2, depth=depth)
    a = manifold.random_point(rng=0)
    a = a._replace(s=1 + a.s)
    Z = 0.3 * manifold.random_tangent_vector(a, rng=2)
    Z = Z + type(Z)(*euler(manifold, a)) / depth
    near, far = manifold.exp(a, 2.0**20 * Z), manifold.exp(a, 2.0**200 * Z)
    ratio = (far.s / near.s) ** (1 / depth)
    np.testing.assert_allclose(ratio, 2.0**180, rtol=1e-4)
    if depth > 1:
        with pytest.raises(OverflowError, match="beyond floating point"):
            manifold.exp(a, 1e307 * Z)


@settings(max_examples=15)
@given(start=starts())
def test_the_hessian_of_half_the_squared_radius_is_the_metric(start):
    manifold, point, Z = start
    W, matrix = dense.matrix(point), dense.tangent(point, Z)

    def gradient(W):
        """The derivative of N/2 sum s^(2/N) over the k largest singular values."""
        u, s, vt = np.linalg.svd(W, full_matrices=False)
        k = manifold.k
        return (u[:, :k] * s[:k] ** (2 / manifold.depth - 1)) @ vt[:k]

    h = 2e-4 / np.linalg.norm(matrix)
    slopes = [(gradient(W + t * matrix) - gradient(W - t * matrix)) / (2 * t) for t in (h, 2 * h)]
    derivative = (4 * slopes[0] - slopes[1]) / 3
    hessian = manifold.euclidean_to_riemannian_hessian(point, gradient(W), derivative, Z)
    assert manifold.norm(point, hessian - Z) <= 1e-7 * manifold.norm(point, Z)
    ray = manifold.euclidean_to_riemannian_gradient(point, gradient(W))
    assert manifold.norm(point, ray - euler(manifold, point)) <= 1e-12 * manifold.norm(point, ray)


@given(start=starts(), seed=strategies.seeds)
def test_planes_that_contain_the_ray_are_flat(start, seed):
    manifold, point, Z = start
    if manifold.dim == 1:
        return
    ray = euler(manifold, point)
    curvature = manifold.sectional_curvature(point, ray, Z)
    assert abs(curvature) * squared_radius(point.s, manifold.depth) <= 1e-9 * manifold.depth


def pairs(depth, shape, seed):
    """A manifold and two points at a moderate distance, and their roots U s^(1/N) V^T."""
    manifold = FixedRank(*shape, depth=depth)
    a = manifold.random_point(rng=seed)
    a = a._replace(s=1 + a.s)
    step = 0.2 * np.sqrt(depth) * manifold.random_tangent_vector(a, rng=seed + 50)
    b = manifold.exp(a, step)
    roots = [dense.matrix((p.u, p.s ** (1 / depth), p.vt)) for p in (a, b)]
    return manifold, a, b, roots


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("shape", [(4, 3, 2), (3, 3, 3), (5, 2, 1)])
def test_bounds_of_the_distance(depth, shape):
    manifold, a, b, roots = pairs(depth, shape, 1)
    distance = manifold.dist(a, b)
    radii = [np.sqrt(squared_radius(point.s, depth)) for point in (a, b)]
    assert abs(radii[0] - radii[1]) <= distance * (1 + 1e-7)
    assert np.linalg.norm(roots[0] - roots[1]) <= np.sqrt(depth) * distance * (1 + 1e-7)
    times = np.linspace(0, 1, 101)
    path = [truncated((1 - t) * roots[0] + t * roots[1], manifold.k) for t in times]
    # Chords are shorter than arcs, here by some 1e-5.
    length = sum(np.linalg.norm(q - p) for p, q in itertools.pairwise(path))
    assert distance <= np.sqrt(depth) * length * (1 + 1e-4)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_long_way_out_of_the_manifold(depth):
    """Of two singular values with constant vectors, one root grows and one falls to zero."""
    manifold = FixedRank(5, 4, 2, depth=depth)
    a = manifold.random_point(rng=0)._replace(s=np.array([2.0, 1.0]))
    # s_1^(1/N) (1 + 50 t) and s_2^(1/N) (1 - 4 t): zero at t = 1/4, where s_1 is 2 (13.5)^N.
    rates = depth * np.diag([50.0, -4.0]) * a.s
    with pytest.raises(RankLostError) as error:
        manifold.exp(a, (np.zeros((5, 2)), rates, np.zeros((4, 2))))
    time = float(re.search(r"t = (\S+) of 1", str(error.value)).group(1))
    assert time == pytest.approx(0.25, abs=1e-4)
    # A singular value right to 1e-10 is zero at a time that is right to its root.
    uncertain = max(1e-6, 100 * 1e-10 ** (1 / depth))
    assert error.value.singular_values[0] == pytest.approx(2 * 13.5**depth, rel=uncertain)
