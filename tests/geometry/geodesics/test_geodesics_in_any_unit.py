"""Geodesics are homogeneous: points and vectors in units from 2^-900 to 2^900."""

import functools
import math

import mpmath
import numpy as np
import pytest

from fixedrank import FixedRank
from tests.geometry import dense

EXPONENTS = [-900, -333, -1, 1, 450, 900]
MANIFOLDS = [
    ((4, 3, 1), 2),
    ((4, 3, 2), 1),
    ((3, 4, 2), 3.5),
    ((4, 3, 1), 20),
    ((2, 2, 2), math.inf),
]


def scaled(value, exponent):
    """A point or a tangent vector times a power of two."""
    if len(value[1].shape) == 1:
        return value._replace(s=np.ldexp(value.s, exponent))
    return type(value)(*(np.ldexp(part, exponent) for part in value))


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


@pytest.fixture(params=MANIFOLDS, ids=str)
def case(request):
    """A manifold, two points at a moderate distance, two vectors, and what is to be scaled."""
    shape, depth = request.param
    manifold = FixedRank(*shape, depth=depth)
    a = manifold.random_point(rng=0)
    a = a._replace(s=1 + a.s)
    Z, other = (0.4 * manifold.random_tangent_vector(a, rng=i) for i in (1, 2))
    return manifold, a, manifold.exp(a, Z), Z, other


def test_exp_and_parallel_transport(case):
    manifold, a, b, Z, other = case
    moved = manifold.parallel_transport(a, Z, other)
    for e in (-900, 450):
        scale = scaled(a, e), scaled(Z, e)
        assert same(manifold.exp(*scale), scaled(b, e))
        # The vector that is moved has a unit of its own.
        assert same(manifold.parallel_transport(*scale, scaled(other, -e)), scaled(moved, -e))


def test_log_and_mean(case):
    manifold, a, b, _, _ = case
    Z, middle = manifold.log(a, b), manifold.pair_mean(a, b)
    for e in [-900, 900]:
        scale = scaled(a, e), scaled(b, e)
        assert same(manifold.log(*scale), scaled(Z, e))
        assert same(manifold.pair_mean(*scale), scaled(middle, e))


def test_dist(case):
    manifold, a, b, _, _ = case
    length = manifold.dist(a, b)
    for e in EXPONENTS:
        with mpmath.workdps(30):
            factor = mpmath.mpf(2) ** (mpmath.mpf(e) / manifold.depth)
            quotient = mpmath.mpf(manifold.dist(scaled(a, e), scaled(b, e))) / length / factor
        assert abs(quotient - 1) < 8 * 2.0**-52


@functools.cache
def points_and_distance(depth):
    manifold = FixedRank(4, 3, 2, depth=depth)
    a = manifold.random_point(rng=0)
    a = a._replace(s=1 + a.s)
    b = manifold.exp(a, 0.4 * manifold.random_tangent_vector(a, rng=1))
    return manifold, a, b, manifold.dist(a, b)


@pytest.mark.parametrize("depth", [1, 2, 3.5, 20])
@pytest.mark.parametrize(
    "exponents", [(-900, 900), (900, -900), (0, 53), (-40, -900), (0, 3), (3, 0)]
)
def test_points_of_different_units(depth, exponents):
    """Both lie in one sector of a cone: the law of cosines."""
    manifold, a, b, distance = points_and_distance(depth)

    def radius(point, e):
        return math.sqrt(depth) * math.hypot(*np.ldexp(point.s, e) ** (1 / depth))

    near = [radius(point, 0) for point in (a, b)]
    cosine = (near[0] ** 2 + near[1] ** 2 - distance**2) / (2 * near[0] * near[1])
    angle = math.acos(cosine)
    r, q = (radius(point, e) for point, e in zip((a, b), exponents, strict=True))
    ends = scaled(a, exponents[0]), scaled(b, exponents[1])
    expected = math.hypot(r - q * math.cos(angle), q * math.sin(angle))
    length = manifold.dist(*ends)
    assert length == pytest.approx(expected, rel=1e-7)
    assert length == manifold.dist(*ends[::-1])
    velocity = manifold.log(*ends)
    assert manifold.norm(ends[0], velocity) == pytest.approx(expected, rel=1e-7)
    # The part along the ray through A, whose tangent is A.
    ray = manifold.projection(ends[0], manifold.to_matrix(ends[0]))
    along = manifold.inner_product(ends[0], velocity, ray / manifold.norm(ends[0], ray))
    assert along == pytest.approx(q * math.cos(angle) - r, rel=1e-7)
    if exponents[1] > exponents[0]:
        there = manifold.exp(ends[0], velocity)
        difference = dense.matrix(scaled(there, -exponents[1])) - dense.matrix(b)
        assert np.linalg.norm(difference) < 1e-6


def test_points_of_different_units_at_infinite_depth():
    """W is a parallel field there: the difference of ln |det W| is all that changes."""
    manifold = FixedRank(3, 3, 3, depth=math.inf)
    a = manifold.random_point(rng=0)
    a = a._replace(s=1 + a.s)
    b = manifold.exp(a, 0.4 * manifold.random_tangent_vector(a, rng=1))
    near = np.log(b.s).sum() - np.log(a.s).sum()
    across = manifold.dist(a, b) ** 2 - near**2 / 3
    far = near + 3 * 700 * math.log(2)
    assert manifold.dist(a, scaled(b, 700)) == pytest.approx(
        math.sqrt(across + far**2 / 3), rel=1e-9
    )
