"""Sectional curvature: by definition, in closed forms, and the laws that it obeys."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import block_diag, solve_sylvester

from fixedrank import FixedRank, FixedRankPoint, FixedRankTangentVector
from tests.geometry import dense
from tests.geometry.chart import chart
from tests.strategies import depths, frames, points, seeds, shapes


def round_off(point, depth):
    """Round-off of terms of the size of the curvature of spheres of the smallest radius.

    At rank 1 the radius is sqrt(N) s^(1/N) and a part 1/N of the manifold is curved like N
    spheres of this radius; powers carry round-off in proportion to the logarithms of s.
    """
    logs = 1 + np.abs(np.log(point.s)).max()
    depth_and_power = 1.0 if math.isinf(depth) else depth * point.s.min() ** (-2 / depth)
    return 50 * logs * dense.EPS * depth_and_power


def orthonormal(manifold, point, *vectors):
    """The Gram-Schmidt process in the metric, twice."""
    result = []
    for vector in vectors:
        for _ in range(2):
            for other in result:
                vector = vector - other * manifold.inner_product(point, other, vector)
            vector = vector / manifold.norm(point, vector)
        result.append(vector)
    return result


@st.composite
def planes(draw, shape=None, depth=None, low=1e-6, high=1e3):
    """Draw a manifold, infinite depth included, a point, and an orthonormal basis of a plane."""
    more_than_a_line = shapes(square=draw(st.booleans())).filter(lambda shape: max(shape) > 1)
    m, n, k = shape = shape or draw(more_than_a_line)
    limit = st.just(math.inf) if m == n == k else st.nothing()
    manifold = FixedRank(m, n, k, depth=depth or draw(depths() | limit))
    point = draw(points(shape, low, high))
    rng = np.random.default_rng(draw(seeds))
    vectors = (manifold.random_tangent_vector(point, rng=rng) for _ in range(2))
    return manifold, point, *orthonormal(manifold, point, *vectors)


# By definition

CASES = [
    *dense.CASES,
    ((2.0, 1.0), 3, 3, 1),
    ((3.0, 2.0, 2.0), 3, 3, 3),
    ((2.0, 2.0), 2, 2, math.inf),
    ((1e3, 1e-3), 3, 3, 3),
    ((1e6, 1e-12), 3, 2, 3),
    ((1e-12, 1e6), 2, 3, 20),
    ((1e6, 1e-12), 2, 2, 1.3),
    ((1e6, 1e-12), 2, 3, 1000),
    ((1e6, 1e-12), 2, 2, math.inf),
]


@pytest.mark.parametrize(("s", "m", "n", "depth"), CASES)
def test_riemann_tensor_of_the_chart(s, m, n, depth):
    reference = chart(s, m, n, depth)
    manifold = FixedRank(m, n, len(s), depth=depth)
    bound = round_off(reference.point, depth)
    tensor = reference.riemann.astype(float)
    rng = np.random.default_rng(0)
    pairs = [np.eye(reference.dim)[[i, j]] for i in range(reference.dim) for j in range(i)]
    pairs += [np.linalg.qr(rng.standard_normal((reference.dim, 2)))[0].T for _ in range(20)]
    for pair in pairs:
        x, y = pair / reference.lengths
        expected = np.einsum("ijkl,i,j,k,l", tensor, x, y, y, x, optimize=True)
        plane = (reference.vector(x), reference.vector(y))
        assert abs(manifold.sectional_curvature(reference.point, *plane) - expected) <= bound


# Closed forms


@given(data=st.data(), m=st.integers(1, 5), n=st.integers(2, 5))
def test_rank_one_is_a_cone(data, m, n):
    # dr^2 + (r^2 / N) (du^2 + dv^2) with r = sqrt(N) s^(1/N): the two spheres of radius 1/sqrt(N)
    # have curvature N, planes that touch both none, and the cone takes 1 from that of its link.
    manifold, point, x, y = data.draw(planes((m, n, 1)))
    N, unit = manifold.depth, point.s[0] ** (1 / manifold.depth - 1)
    on_u, on_v = ([unit * part[:, 0] for part in (x[i], y[i])] for i in (0, 2))

    def area(a, b):
        return a @ a * (b @ b) - (a @ b) ** 2

    of_link = area(*(np.concatenate(pair) for pair in zip(on_u, on_v, strict=True)))
    expected = N * (area(*on_u) + area(*on_v)) - of_link
    expected /= N * point.s[0] ** (2 / N)
    curvature = manifold.sectional_curvature(point, x, y)
    assert abs(curvature - expected) <= round_off(point, N)


@given(data=st.data(), shape=shapes(), transpose=st.booleans())
def test_full_rank_at_depth_one_is_flat(data, shape, transpose):
    m, n = max(*shape[:2], 2), min(shape[:2])
    shape = (n, m, n) if transpose else (m, n, n)
    _, point, x, y = data.draw(planes(shape, low=0.1, high=10))
    curvature = FixedRank(*shape, depth=1).sectional_curvature(point, x, y)
    assert abs(curvature) <= round_off(point, 1)


@given(data=st.data(), n=st.integers(2, 5), k=st.integers(1, 5), seed=seeds)
def test_bures_wasserstein_metric(data, n, k, seed):
    # At depth 2 twice the metric of optimal transport between Gaussians, on positive semidefinite
    # matrices, which are totally geodesic: transposition is an isometry. By O'Neill's formula for
    # Y -> Y Y^T its curvature is 3 |Y A|^2 with Y^T Y A + A Y^T Y = X^T Z - Z^T X, where X and Z
    # are horizontal: Y^T X is symmetric (Massart, Hendrickx, Absil, 2019).
    k = min(n, k)
    manifold = FixedRank(n, n, k, depth=2)
    u, s, _ = data.draw(points((n, n, k), 1e-2, 10))
    point = FixedRankPoint(u, s, u.T)
    rng = np.random.default_rng(seed)

    def symmetric():
        up, core, _ = manifold.random_tangent_vector(point, rng=rng)
        return FixedRankTangentVector(up, core + core.T, up)

    x, z = orthonormal(manifold, point, symmetric(), symmetric())

    def horizontal(vector):
        inner = vector.M / np.add.outer(s, s)
        return (u @ inner) * np.sqrt(s) + vector.Up / np.sqrt(s)

    X, Z = horizontal(x), horizontal(z)
    assert 2 * np.vdot(X, X) == pytest.approx(1, rel=1e-12)
    skew = solve_sylvester(np.diag(s), np.diag(s), X.T @ Z - Z.T @ X)
    # Of unit area in g, X and Z have area 1/4: 3 |Y A|^2 / (1/4), and half of it for twice BW.
    expected = 6 * np.linalg.norm((u * np.sqrt(s)) @ skew) ** 2
    curvature = manifold.sectional_curvature(point, x, z)
    assert curvature == pytest.approx(expected, abs=round_off(point, 2))


# Laws


@given(plane=planes(), entries=st.lists(st.floats(0.1, 10), min_size=4, max_size=4))
def test_depends_on_the_plane_only(plane, entries):
    manifold, point, x, y = plane
    a, b, c, d = entries
    curvature = manifold.sectional_curvature(point, x, y)
    bound = round_off(point, manifold.depth)
    assert abs(manifold.sectional_curvature(point, y, x) - curvature) <= bound
    # The angle between the two others.
    first, second = a * x + b * y, c * y - d * x
    sine = abs(a * c + b * d) / math.hypot(a, b) / math.hypot(c, d)
    changed = manifold.sectional_curvature(point, 1e8 * first, 1e-8 * second)
    assert abs(changed - curvature) <= bound / sine


@given(plane=planes(low=1e-3), exponent=st.integers(-20, 20))
def test_scaling(plane, exponent):
    manifold, point, x, y = plane
    c = 2.0**exponent
    scaled = point._replace(s=c * point.s)
    expected = c ** (-2 / manifold.depth) * manifold.sectional_curvature(point, x, y)
    bound = 2 * round_off(scaled, manifold.depth)
    assert abs(manifold.sectional_curvature(scaled, x, y) - expected) <= bound


@given(plane=planes(), seed=seeds)
def test_transposition_and_order_of_the_singular_values(plane, seed):
    manifold, (u, s, vt), x, y = plane
    order = np.random.default_rng(seed).permutation(s.size)
    other = FixedRankPoint(vt.T[:, order], s[order], u.T[order])
    a, b = ((z.Vp[:, order], z.M.T[np.ix_(order, order)], z.Up[:, order]) for z in (x, y))
    transposed = FixedRank(manifold.n, manifold.m, manifold.k, depth=manifold.depth)
    difference = manifold.sectional_curvature((u, s, vt), x, y)
    difference -= transposed.sectional_curvature(other, a, b)
    assert abs(difference) <= round_off(other, manifold.depth)


@given(plane=planes(), data=st.data())
def test_any_choice_of_singular_vectors_at_a_tie(plane, data):
    manifold, point, x, y = plane
    tied = point._replace(s=np.full(manifold.k, 1.5))
    x, y = orthonormal(manifold, tied, x, y)
    turn = data.draw(frames(manifold.k, manifold.k))
    other = (tied.u @ turn, tied.s, turn.T @ tied.vt)
    turned = ((z.Up @ turn, turn.T @ z.M @ turn, z.Vp @ turn) for z in (x, y))
    difference = manifold.sectional_curvature(other, *turned)
    difference -= manifold.sectional_curvature(tied, x, y)
    assert abs(difference) <= round_off(tied, manifold.depth)


@given(data=st.data(), depth=depths(), angles=st.tuples(st.floats(0, 6), st.floats(0, 6)))
def test_direct_sums_are_products(data, depth, angles):
    # Block-diagonal matrices are the fixed points of an isometry, diag(1, -1) W diag(1, -1).
    pieces = [data.draw(planes(depth=depth, low=0.1, high=10)) for _ in range(2)]
    (one, first, x1, y1), (two, second, x2, y2) = pieces
    m, n, k = one.m + two.m, one.n + two.n, one.k + two.k
    whole = FixedRank(m, n, k, depth=depth)
    (u1, s1, vt1), (u2, s2, vt2) = first, second
    point = FixedRankPoint(block_diag(u1, u2), np.concatenate((s1, s2)), block_diag(vt1, vt2))

    def summed(a, b, angle):
        parts = zip(a * math.cos(angle), b * math.sin(angle), strict=True)
        return FixedRankTangentVector(*(block_diag(*pair) for pair in parts))

    alpha, beta = angles
    plane = summed(x1, x2, alpha), summed(y1, y2, beta)
    expected = (math.cos(alpha) * math.cos(beta)) ** 2 * one.sectional_curvature(first, x1, y1)
    expected += (math.sin(alpha) * math.sin(beta)) ** 2 * two.sectional_curvature(second, x2, y2)
    assert abs(whole.sectional_curvature(point, *plane) - expected) <= round_off(point, depth)


# Errors


@pytest.mark.parametrize("gap", [0, 1e-14])
def test_dependent_vectors_span_no_plane(gap):
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    a, b = (manifold.random_tangent_vector(point, rng=seed) for seed in (1, 2))
    with pytest.raises(ValueError, match="span no plane"):
        manifold.sectional_curvature(point, a, -3 * a + gap * b)


def test_vectors_that_are_not_finite():
    manifold = FixedRank(5, 4, 2, depth=3)
    point = manifold.random_point(rng=0)
    a, b = (manifold.random_tangent_vector(point, rng=seed) for seed in (1, 2))
    a.M[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        manifold.sectional_curvature(point, a, b)
