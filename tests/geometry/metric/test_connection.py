"""The Christoffel term of the Levi-Civita connection: by definition, and the laws that it obeys."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixedrank import FixedRank, FixedRankTangentVector
from tests.geometry import dense
from tests.geometry.chart import chart
from tests.strategies import (
    depths,
    entries,
    frames,
    points,
    seeds,
    shapes,
)


@st.composite
def places(draw, vectors=2, low=1e-12, high=1e6):
    """Draw a manifold, infinite depth included, a point, and tangent vectors at it."""
    m, n, k = shape = draw(shapes(square=draw(st.booleans())))
    limit = st.just(math.inf) if m == n == k else st.nothing()
    manifold = FixedRank(m, n, k, depth=draw(depths() | limit))
    point = draw(points(shape, low, high))
    rng, spread = np.random.default_rng(draw(seeds)), draw(st.sampled_from([0, 2, 20]))
    return manifold, point, *(dense.random_vector(point, rng, spread) for _ in range(vectors))


def term_sizes(manifold, point, a, b):
    """The sums of the absolute values of all terms, as the divided differences have one sign."""
    parts = manifold.christoffel(point, *(tuple(map(np.abs, vector)) for vector in (a, b)))
    return FixedRankTangentVector(*map(np.abs, parts))


def round_off(manifold):
    """A few hundred ulp; in 1/N = 1 - d a double keeps d, a factor of all, to one ulp of 1."""
    return 200 * dense.EPS / max(1 - 1 / manifold.depth, 1e-16)


def assert_close(computed, expected, sizes, rtol):
    for part, other, size in zip(computed, expected, sizes, strict=True):
        assert (np.abs(part - other) <= rtol * size).all()


# By definition

CASES = [
    *dense.CASES,
    ((3.0, 2.0, 2.0), 3, 3, 3),
    ((3.0, 2.0, 1.0), 3, 3, 1000),
    ((2.0, 2.0), 2, 2, math.inf),
    ((1e6, 1e-12), 3, 2, 3),
    ((1e6, 1e-12), 2, 3, 20),
    ((1e6, 1e-12), 2, 2, 1.3),
    ((1e6, 1e-12, 1e-12), 3, 3, 1000),
    ((1e6, 1e-12), 2, 2, math.inf),
]


@pytest.mark.parametrize(("s", "m", "n", "depth"), CASES)
def test_christoffel_symbols_of_the_chart(s, m, n, depth):
    # Lines of the chart are geodesics of the embedded metric to second order.
    reference = chart(s, m, n, depth)
    manifold = FixedRank(m, n, len(s), depth=depth)
    basis = [reference.vector(unit) for unit in np.eye(reference.dim)]
    computed = np.array(
        [
            [reference.coordinates(manifold.christoffel(reference.point, a, b)) for b in basis]
            for a in basis
        ]
    )
    # Entry by entry, as each is one product; or zero, where the reference is what differences
    # with a step of 1e-30 in 120 digits leave of zero.
    rtol = round_off(manifold)
    expected = reference.christoffel.astype(float)
    scale = reference.lengths / np.multiply.outer(reference.lengths, reference.lengths)[..., None]
    atol = 1e-25 * np.abs(expected * scale).max() / scale if depth > 1 else 1e-50
    assert (np.abs(computed - expected) <= rtol * np.abs(expected) + atol).all()


@pytest.mark.parametrize("depth", [2, 3, 20, 2.5, math.inf])
def test_one_by_one_matrices(depth):
    # g = 1 / c(w), so that Gamma = -c' / (2 c), with c = N w^(2-2/N), or w^2 at infinite depth.
    manifold = FixedRank(1, 1, 1, depth=depth)
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    gamma = manifold.christoffel(([[-1.0]], [0.3], one), (zero, one, zero), (zero, one, zero))
    assert gamma.M[0, 0] == pytest.approx(-(1 - 1 / depth) / 0.3, rel=1e-14)


COEFFICIENTS = np.array([-1, 9, -45, 45, -9, 1]) / 60


@given(place=places(vectors=3, low=0.5, high=2))
def test_compatibility_with_the_metric(place):
    manifold, point, X, a, b = place
    X = X / (4 * dense.factor_norm(X))

    def moved(t):
        end = manifold.retraction(point, t * X)
        return manifold.inner_product(end, *(manifold.transport(point, end, v) for v in (a, b)))

    # Differences of sixth order: relative errors of step^6 from the derivatives, EPS / step from
    # round-off, with constants of some hundred for singular values in [1/2, 2].
    step = 0.005
    times = step * np.array([-3, -2, -1, 1, 2, 3])
    slope = COEFFICIENTS @ [moved(t) for t in times] / step
    expected = manifold.inner_product(point, manifold.christoffel(point, X, a), b)
    expected += manifold.inner_product(point, a, manifold.christoffel(point, X, b))
    assert abs(slope - expected) <= 1e-10 * manifold.norm(point, a) * manifold.norm(point, b)


# Laws


@given(place=places())
def test_symmetry(place):
    manifold, point, a, b = place
    swapped = manifold.christoffel(point, b, a)
    sizes = term_sizes(manifold, point, a, b)
    assert_close(manifold.christoffel(point, a, b), swapped, sizes, 50 * dense.EPS)


@given(place=places(vectors=3), c=entries(1e-3, 1e3), d=entries(1e-3, 1e3))
def test_bilinearity(place, c, d):
    manifold, point, X, Y, Z = place
    combined = manifold.christoffel(point, c * X + d * Y, Z)
    separate = c * manifold.christoffel(point, X, Z) + d * manifold.christoffel(point, Y, Z)
    sizes = abs(c) * term_sizes(manifold, point, X, Z)
    sizes += abs(d) * term_sizes(manifold, point, Y, Z)
    assert_close(combined, separate, sizes, 50 * dense.EPS)


@given(place=places())
def test_zero_at_depth_one(place):
    manifold, point, a, b = place
    gamma = FixedRank(manifold.m, manifold.n, manifold.k, depth=1).christoffel(point, a, b)
    assert not any(part.any() for part in gamma)


@given(place=places())
def test_transposition(place):
    manifold, point, a, b = place
    transposed = FixedRank(manifold.n, manifold.m, manifold.k, depth=manifold.depth)
    u, s, vt = point
    up, core, vp = transposed.christoffel(
        (vt.T, s, u.T), *((vector.Vp, vector.M.T, vector.Up) for vector in (a, b))
    )
    sizes = term_sizes(manifold, point, a, b)
    assert_close(manifold.christoffel(point, a, b), (vp, core.T, up), sizes, 50 * dense.EPS)


@given(place=places(low=1e-6), exponent=st.integers(-20, 20))
def test_scaling(place, exponent):
    manifold, point, a, b = place
    c = 2.0**exponent
    scaled = manifold.christoffel(point._replace(s=c * point.s), c * a, c * b)
    expected = c * manifold.christoffel(point, a, b)
    sizes = c * term_sizes(manifold, point, a, b)
    assert_close(scaled, expected, sizes, round_off(manifold))


@given(place=places(), seed=seeds)
def test_order_of_the_singular_values(place, seed):
    manifold, (u, s, vt), a, b = place
    order = np.random.default_rng(seed).permutation(s.size)

    def permuted(vector):
        up, core, vp = vector
        return FixedRankTangentVector(up[:, order], core[np.ix_(order, order)], vp[:, order])

    gamma = manifold.christoffel((u[:, order], s[order], vt[order]), permuted(a), permuted(b))
    expected = permuted(manifold.christoffel((u, s, vt), a, b))
    sizes = permuted(term_sizes(manifold, (u, s, vt), a, b))
    assert_close(gamma, expected, sizes, round_off(manifold))


@given(place=places(), data=st.data())
def test_any_choice_of_singular_vectors_at_a_tie(place, data):
    manifold, point, a, b = place
    point = point._replace(s=np.full(manifold.k, 1.5))
    turn = data.draw(frames(manifold.k, manifold.k))

    def turned(vector):
        up, core, vp = vector
        return FixedRankTangentVector(up @ turn, turn.T @ core @ turn, vp @ turn)

    other = (point.u @ turn, point.s, turn.T @ point.vt)
    difference = manifold.christoffel(other, turned(a), turned(b))
    difference -= turned(manifold.christoffel(point, a, b))
    scale = dense.factor_norm(a) * dense.factor_norm(b)
    assert dense.factor_norm(difference) <= 1e-13 * scale


@given(place=places())
def test_continuity_at_ties(place):
    manifold, point, a, b = place
    tied = point._replace(s=np.full(manifold.k, point.s[0]))
    near = tied._replace(s=tied.s * (1 + 1e-12 * np.arange(manifold.k)))
    # Divided differences are of degree -4 at least in s: the gap changes them by 4k 1e-12.
    slack = 4e-12 * manifold.k + round_off(manifold)
    sizes = term_sizes(manifold, tied, a, b)
    assert_close(manifold.christoffel(near, a, b), manifold.christoffel(tied, a, b), sizes, slack)


# Memory

MEMORY = {
    # The factors of a point and of two vectors take 3 MB, an m x n array 3200 MB.
    "thin": (20_000, 20_000, 3, 20e6),
    # The divided differences take 8 MB, and so do some temporary arrays.
    "full rank": (100, 100, 100, 100e6),
}


@pytest.mark.parametrize("depth", [3, 2.5])
@pytest.mark.parametrize("name", MEMORY)
def test_peak_memory(name, depth):
    m, n, k, limit = MEMORY[name]
    manifold = FixedRank(m, n, k, depth=depth)
    point = manifold.random_point(rng=0)
    a, b = (manifold.random_tangent_vector(point, rng=seed) for seed in (1, 2))
    tracemalloc.start()
    try:
        manifold.christoffel(point, a, b)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < limit


def test_overflow_says_so():
    manifold = FixedRank(4, 3, 2, depth=2)
    point = manifold.random_point(rng=0)
    huge = 1e200 * manifold.random_tangent_vector(point, rng=1)
    with pytest.raises(OverflowError, match="above the range of floating point"):
        manifold.christoffel(point, huge, huge)
