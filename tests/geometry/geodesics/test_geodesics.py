"""Geodesics against closed forms: cones at rank 1, Bures-Wasserstein at depth 2, rays."""

import re

import numpy as np
import pytest

from fixedrank import FixedRank, GeodesicNotFoundError, RankLostError
from tests.geometry import dense

DEPTHS = [1, 2, 3, 5, 2.5]


def pair(shape, depth, seed):
    """A manifold and two of its points, with singular values in [1, 2]."""
    manifold = FixedRank(*shape, depth=depth)
    rng = np.random.default_rng(seed)
    a = manifold.random_point(rng=rng)
    a = a._replace(s=1 + a.s)
    step = manifold.random_tangent_vector(a, rng=rng)
    return manifold, a, manifold.retraction(a, 0.7 * step)


def cone_distance(a, b, depth):
    """The law of cosines on dr^2 + (r^2/N)(dtheta_u^2 + dtheta_v^2), where r = sqrt(N) s^(1/N)."""
    r, q = (np.sqrt(depth) * point.s[0] ** (1 / depth) for point in (a, b))
    cosines = (a.u.T @ b.u).item(), (a.vt @ b.vt.T).item()
    angles = [np.arccos(np.clip(np.multiply(sign, cosines), -1, 1)) for sign in (1, -1)]
    angle = min(np.linalg.norm(both) for both in angles) / np.sqrt(depth)
    return np.sqrt(r**2 + q**2 - 2 * r * q * np.cos(angle))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("depth", [2, 3, 5, 10, 2.5])
def test_rank_one_is_a_cone(depth, seed):
    manifold = FixedRank(4, 3, 1, depth=depth)
    a, b = manifold.random_point(rng=seed), manifold.random_point(rng=seed + 100)
    assert manifold.dist(a, b) == pytest.approx(cone_distance(a, b, depth), rel=1e-7)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_semidefinite_matrices_at_depth_two_have_the_bures_metric(k, seed):
    rng = np.random.default_rng(seed)
    factors = rng.standard_normal((3, k)), rng.standard_normal((3, k))
    # The second factor turned to where it is closest to the first, as Bures geodesics are.
    p, _, qt = np.linalg.svd(factors[1].T @ factors[0])
    first, second = factors[0], factors[1] @ (p @ qt)
    manifold = FixedRank(3, 3, k, depth=2)
    a, b = manifold.point(first @ first.T), manifold.point(second @ second.T)
    # sum_ij Z_ij^2 / (s_i + s_j) is twice the squared norm of the change of the factor.
    length = np.sqrt(2) * np.linalg.norm(second - first)
    assert manifold.dist(a, b) == pytest.approx(length, rel=1e-7)
    middle = (first + second) / 2
    np.testing.assert_allclose(
        dense.matrix(manifold.pair_mean(a, b)), middle @ middle.T, rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("depth", [1, 2, 3, 20, 2.5])
def test_along_common_singular_vectors(depth):
    manifold = FixedRank(5, 4, 2, depth=depth)
    a = manifold.random_point(rng=0)._replace(s=np.array([2.0, 1.0]))
    b = a._replace(s=np.array([3.0, 0.2]))
    roots = a.s ** (1 / depth), b.s ** (1 / depth)
    length = np.sqrt(depth) * np.linalg.norm(roots[0] - roots[1])
    assert manifold.dist(a, b) == pytest.approx(length, rel=1e-8)
    third = manifold.exp(a, manifold.log(a, b) / 3)
    np.testing.assert_allclose(third.s, ((2 * roots[0] + roots[1]) / 3) ** depth, rtol=1e-7)


def test_infinite_depth_along_common_singular_vectors():
    manifold = FixedRank(3, 3, 3, depth=np.inf)
    a = manifold.random_point(rng=0)._replace(s=np.array([2.0, 1.0, 0.5]))
    b = a._replace(s=np.array([3.0, 0.7, 0.1]))
    length = np.linalg.norm(np.log(a.s) - np.log(b.s))
    assert manifold.dist(a, b) == pytest.approx(length, rel=1e-8)


def test_depth_one_and_one_column_is_flat():
    manifold = FixedRank(3, 1, 1, depth=1)
    a, b = np.array([[1.0], [0.5], [0.0]]), np.array([[0.0], [0.3], [2.0]])
    points = manifold.point(a), manifold.point(b)
    assert manifold.dist(*points) == pytest.approx(np.linalg.norm(a - b), rel=1e-9)
    np.testing.assert_allclose(dense.matrix(manifold.pair_mean(*points)), (a + b) / 2, atol=1e-9)


@pytest.mark.parametrize("shape", [(4, 3, 2), (3, 5, 2), (3, 3, 3), (4, 2, 2)])
@pytest.mark.parametrize("depth", DEPTHS)
def test_exp_and_log_are_inverse(depth, shape):
    manifold, a, b = pair(shape, depth, 0)
    velocity = manifold.log(a, b)
    end = manifold.exp(a, velocity)
    np.testing.assert_allclose(dense.matrix(end), dense.matrix(b), rtol=0, atol=1e-7)
    assert manifold.dist(b, a) == pytest.approx(manifold.norm(a, velocity), rel=1e-7)
    Z = 0.3 * manifold.random_tangent_vector(a, rng=5)
    back = manifold.log(a, manifold.exp(a, Z)) - Z
    assert manifold.norm(a, back) < 1e-7


@pytest.mark.parametrize("depth", DEPTHS)
def test_constant_speed_and_triangle_inequality(depth):
    manifold, a, b = pair((4, 3, 2), depth, 1)
    velocity = manifold.log(a, b)
    length = manifold.norm(a, velocity)
    parts = [manifold.exp(a, t * velocity) for t in (0.0, 0.3, 1.0)]
    assert manifold.dist(parts[0], parts[1]) == pytest.approx(0.3 * length, rel=1e-6)
    assert manifold.dist(parts[1], parts[2]) == pytest.approx(0.7 * length, rel=1e-6)
    other = manifold.retraction(a, 0.3 * manifold.random_tangent_vector(a, rng=2))
    assert length <= (manifold.dist(a, other) + manifold.dist(other, b)) * (1 + 1e-7)


@pytest.mark.parametrize("depth", DEPTHS)
def test_invariances_of_the_distance(depth):
    manifold, a, b = pair((4, 3, 2), depth, 2)
    length = manifold.dist(a, b)
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for d in (4, 3))
    turned = [(left @ u, s, vt @ right) for u, s, vt in (a, b)]
    assert manifold.dist(*turned) == pytest.approx(length, rel=1e-7)
    flipped = [(vt.T, s, u.T) for u, s, vt in (a, b)]
    assert FixedRank(3, 4, 2, depth=depth).dist(*flipped) == pytest.approx(length, rel=1e-7)
    scaled = [(u, 50 * s, vt) for u, s, vt in (a, b)]
    assert manifold.dist(*scaled) == pytest.approx(50 ** (1 / depth) * length, rel=1e-7)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("rtol", [1e-5, 1e-8, 1e-11])
def test_tolerance_asked_is_tolerance_reached(depth, rtol):
    manifold, a, b = pair((4, 3, 2), depth, 3)
    velocity = manifold.log(a, b, rtol=1e-12)
    exact = dense.matrix(manifold.exp(a, velocity, rtol=1e-12))
    error = dense.matrix(manifold.exp(a, velocity, rtol=rtol)) - exact
    assert np.linalg.norm(error) <= rtol * np.linalg.norm(exact)
    error = manifold.log(a, b, rtol=rtol) - velocity
    assert manifold.norm(a, error) <= rtol * manifold.norm(a, velocity)


@pytest.mark.parametrize("depth", DEPTHS)
def test_parallel_transport(depth):
    manifold, a, b = pair((4, 3, 2), depth, 4)
    velocity = manifold.log(a, b)
    end = manifold.exp(a, velocity)
    vectors = [manifold.random_tangent_vector(a, rng=seed) for seed in (0, 1)]
    moved = [manifold.parallel_transport(a, velocity, vector) for vector in vectors]
    for i, j in ((0, 0), (0, 1), (1, 1)):
        assert manifold.inner_product(end, moved[i], moved[j]) == pytest.approx(
            manifold.inner_product(a, vectors[i], vectors[j]), abs=1e-8
        )
    # The velocity of a geodesic is parallel along it, and minus it leads back.
    onward = manifold.parallel_transport(a, velocity, velocity)
    assert manifold.norm(end, onward + manifold.log(end, a)) < 1e-6
    start = manifold.exp(end, -onward)
    back = manifold.parallel_transport(end, -onward, moved[0])
    np.testing.assert_allclose(
        dense.tangent(start, back), dense.tangent(a, vectors[0]), rtol=0, atol=1e-7
    )


@pytest.mark.parametrize("depth", DEPTHS)
def test_orders_of_the_retractions(depth):
    manifold = FixedRank(4, 3, 2, depth=depth)
    a = manifold.random_point(rng=0)._replace(s=np.array([1.5, 1.0]))
    Z = manifold.random_tangent_vector(a, rng=1)

    def order(retraction):
        steps = (0.08, 0.02)
        errors = [
            np.linalg.norm(
                dense.matrix(retraction(a, t * Z)) - dense.matrix(manifold.exp(a, t * Z))
            )
            for t in steps
        ]
        return np.log(errors[0] / errors[1]) / np.log(4)

    assert order(manifold.second_order_retraction) == pytest.approx(3, abs=0.3)
    assert order(manifold.retraction) == pytest.approx(3 if depth == 1 else 2, abs=0.3)


def assert_ends_halfway(manifold, point, velocity):
    """A singular value (1 - 2t)^N, right to rtol = 1e-10, is zero at t = 1/2, to six digits."""
    with pytest.raises(RankLostError) as error:
        manifold.exp(point, velocity)
    time = float(re.search(r"t = (\S+) of 1", str(error.value)).group(1))
    assert time == pytest.approx(0.5, abs=max(1e-6, 1e-10 ** (1 / manifold.depth) / 2))


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 2.5])
def test_a_geodesic_into_the_boundary_says_when(depth):
    manifold = FixedRank(5, 4, 1, depth=depth)
    a = manifold.random_point(rng=0)
    # Along the ray s^(1/N) falls linearly, from velocity -c s to zero at t = N / c.
    inward = (np.zeros((5, 1)), -2.0 * depth * np.diag(a.s), np.zeros((4, 1)))
    assert_ends_halfway(manifold, a, inward)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_singular_value_of_many_that_falls_to_zero(depth):
    manifold = FixedRank(5, 4, 3, depth=depth)
    a = manifold.random_point(rng=0)._replace(s=np.array([2.0, 1.5, 1.0]))
    rates = np.diag([0.3, -0.2, -2.0 * depth])
    velocity = (np.zeros((5, 3)), rates, np.zeros((4, 3)))
    assert_ends_halfway(manifold, a, velocity)


def test_what_no_path_joins():
    manifold = FixedRank(2, 2, 2, depth=2)
    a, b = manifold.point(np.eye(2)), manifold.point(np.diag([1.0, -1.0]))
    with pytest.raises(GeodesicNotFoundError, match="opposite signs"):
        manifold.log(a, b)
    line = FixedRank(2, 1, 1, depth=1)
    with pytest.raises(GeodesicNotFoundError, match="not complete"):
        line.dist(line.point([[1.0], [0.0]]), line.point([[-1.0], [0.0]]))


def test_bad_input():
    manifold, a, b = pair((4, 3, 2), 2, 0)
    Z = manifold.random_tangent_vector(a, rng=0)
    bad = a._replace(u=np.full_like(a.u, np.nan))
    for call in (lambda: manifold.exp(bad, Z), lambda: manifold.log(bad, b)):
        with pytest.raises(ValueError, match="NaN"):
            call()
    for rtol in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="rtol must lie between"):
            manifold.exp(a, Z, rtol=rtol)
    assert manifold.dist(a, a) == 0
    np.testing.assert_allclose(
        dense.matrix(manifold.exp(a, 0 * Z)), dense.matrix(a), rtol=0, atol=1e-14
    )


def test_large_matrices():
    manifold = FixedRank(20000, 10000, 2, depth=3)
    a = manifold.random_point(rng=0)
    b = manifold.exp(a, 0.3 * manifold.random_tangent_vector(a, rng=1))
    assert manifold.dist(a, b) == pytest.approx(0.3, rel=1e-7)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("seed", range(2))
def test_the_distance_of_far_points_is_symmetric(seed, depth):
    manifold = FixedRank(5, 4, 2, depth=depth)
    a, b = (manifold.random_point(rng=2 * seed + i) for i in range(2))
    assert manifold.dist(a, b) == manifold.dist(b, a)
