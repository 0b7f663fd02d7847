"""All that the metric makes of W and tangent vectors scales as it should, in any unit.

Powers of two are exact: what is of degree p + q/N in W is multiplied by 2^(a (p + q/N)) when W is
by 2^a, to a few ulps of its largest entry, unless this is beyond floating point.
"""

import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fixedrank import (
    DepthOperator,
    FixedRank,
    FixedRankPoint,
    FixedRankTangentVector,
    RankLostError,
    integral_inner_product,
)
from fixedrank.geometry.factored.units import exponent_of, power, unit_values
from fixedrank.geometry.metric.gradients import gradient_norm
from tests.strategies import seeds

EPS = np.finfo(float).eps
ULPS = 8
DEPTHS = [1, 2, 3, 7, 20, 1000, 2.5, 1.2, 1 + 1e-7, math.inf]
SHAPES = [(6, 4, 2), (4, 6, 2), (4, 4, 4), (5, 5, 1), (3, 5, 3), (5, 3, 3), (7, 1, 1)]
exponents = st.integers(-900, 900)


@st.composite
def places(draw):
    """Draw a manifold, a point of size one, two tangent vectors and two ambient matrices."""
    depth = draw(st.sampled_from(DEPTHS))
    m, n, k = draw(st.sampled_from([(1, 1, 1), (3, 3, 3)] if math.isinf(depth) else SHAPES))
    manifold = FixedRank(m, n, k, depth=depth)
    rng = np.random.default_rng(draw(seeds))
    u, s, vt = manifold.random_point(rng=rng)
    digits = draw(st.sampled_from([None, 0, 3, 8, 12]))
    if digits is not None:
        s = 1.3 * 10.0 ** -np.linspace(0, digits, k)
    point = FixedRankPoint(u, s, vt)
    X, Z = (manifold.projection(point, rng.standard_normal((m, n))) for _ in range(2))
    return manifold, point, X, Z, *rng.standard_normal((2, m, n))


def scaled(place, a=0, x=0, z=0, g=0, h=0):
    """The same with W times 2^a, X times 2^x, and so on."""
    manifold, (u, s, vt), X, Z, G, H = place
    return SimpleNamespace(
        manifold=manifold,
        point=FixedRankPoint(u, np.ldexp(s, a), vt),
        X=FixedRankTangentVector(*(np.ldexp(part, x) for part in X)),
        Z=FixedRankTangentVector(*(np.ldexp(part, z) for part in Z)),
        G=np.ldexp(G, g),
        H=np.ldexp(H, h),
    )


def by_factors(point, G):
    """The derivatives by u, s and vt of a cost with the gradient G."""
    u, s, vt = point
    return (G @ vt.T) * s, np.diagonal(u.T @ G @ vt.T).copy(), s[:, None] * (u.T @ G)


def hessian(case, G):
    return case.manifold.euclidean_to_riemannian_hessian(case.point, G, case.H, case.Z)


def size_of_gradient(case):
    """The size of A(G), of which P_T G may be a small part."""
    return float(operator(case).eigenvalues().max()) * float(np.linalg.norm(case.G))


def size_of_hessian(case):
    """The size of the terms of the Hessian: of A(D^2 f [Z]), and of G times Z times c_j0 / s_j."""
    largest, manifold = float(operator(case).eigenvalues().max()), case.manifold
    size = largest * float(np.linalg.norm(case.H))
    if manifold.depth == 1 and max(manifold.m, manifold.n) == manifold.k:
        return size  # there G has no part in it
    slopes = max(case.point.s ** (1 - 2 / manifold.depth)) * np.linalg.norm(case.G)
    return size + float(slopes) * math.sqrt(sum(np.vdot(part, part) for part in case.Z))


def operator(case):
    return DepthOperator(case.point, case.manifold.depth)


def integral(case):
    depth = case.manifold.depth
    assume(1.001 <= depth <= 1e4)
    return integral_inner_product(case.point, case.X, case.X, depth, rtol=1e-9)


def curvature(case):
    assume(case.manifold.dim > 1)
    return case.manifold.sectional_curvature(case.point, case.X, case.Z)


# What is computed; its degrees in X, Z, G and H; and its degree p + q/N in W.
LAWS = {
    "christoffel": (lambda c: c.manifold.christoffel(c.point, c.X, c.Z), "xz", -1, 0),
    "gradient": (
        lambda c: c.manifold.euclidean_to_riemannian_gradient(c.point, c.G),
        "g",
        2,
        -2,
    ),
    "linear growth": (lambda c: hessian(c, 0 * c.G), "h", 2, -2),
    "hessian": (lambda c: hessian(c, c.G), "gz", 1, -2),
    "inner product": (lambda c: c.manifold.inner_product(c.point, c.X, c.X), "xx", -2, 2),
    "norm": (lambda c: c.manifold.norm(c.point, c.X), "x", -1, 1),
    "integral": (integral, "xx", -2, 2),
    "curvature": (curvature, "", 0, -2),
    "operator": (lambda c: operator(c).apply(c.X), "x", 2, -2),
    "inverse": (lambda c: operator(c).solve(c.X), "x", -2, 2),
    "of a matrix": (lambda c: operator(c).apply(c.G), "g", 2, -2),
    "eigenvalues": (lambda c: operator(c).eigenvalues(), "", 2, -2),
    "random": (lambda c: c.manifold.random_tangent_vector(c.point, rng=3), "", 1, -1),
    "projection": (lambda c: c.manifold.projection(c.point, c.G), "g", 0, 0),
    "transport": (lambda c: c.manifold.transport(c.point, end(c), c.X), "x", 0, 0),
    "point": (lambda c: c.manifold.point((c.point.u * c.point.s, c.point.vt.T)).s, "", 1, 0),
}


def end(case):
    return case.manifold.random_point(rng=5)


def entries(value):
    parts = value if isinstance(value, tuple) else (value,)
    return np.concatenate([np.ravel(part) for part in parts])


def assert_law(reference, compute, exponent, a, whole, root, depth, size=0.0):
    """Compare with the reference times 2^exponent times 2^(a (whole + root / depth)).

    The result may be that much smaller than its terms, of the given size, of which it is a sum.
    """
    reference = entries(reference)
    with mpmath.workdps(40):
        total = exponent + mpmath.mpf(a) * whole + mpmath.mpf(a * root) / depth
        factor = mpmath.mpf(2) ** total
        expected = [factor * float(value) for value in reference]
        largest = max(abs(value) for value in expected)
        # Down to half of the smallest number, 2^-1074, it is rounded to that one.
        if largest > 2**1023.99 or 0 < largest < mpmath.mpf(2) ** -1075:
            with pytest.raises(OverflowError, match="range of floating point"):
                compute()
            return
        if largest > 2**1023.9 or 0 < largest < mpmath.mpf(2) ** -1070:
            return
        found = entries(compute())
        error = max(abs(float(f) - e) for f, e in zip(found, expected, strict=True))
        assert error <= ULPS * EPS * max(largest, factor * size) + mpmath.mpf(2) ** -1072


@pytest.mark.parametrize("name", LAWS)
@given(place=places(), a=exponents, x=exponents, z=exponents, g=exponents)
@settings(max_examples=25)
def test_homogeneous(name, place, a, x, z, g):
    compute, degrees, whole, root = LAWS[name]
    h = g
    if name == "hessian":
        h = g + z - a
        assume(abs(h) <= 1000)
    exponent = sum({"x": x, "z": z, "g": g, "h": h}[letter] for letter in degrees)
    case = scaled(place, a, x, z, g, h)
    depth = case.manifold.depth
    reference = compute(scaled(place))
    size = size_of_hessian(scaled(place)) if name == "hessian" else 0.0
    # NumPy may warn of a first try that overflows.
    with np.errstate(over="ignore", invalid="ignore"):
        assert_law(reference, lambda: compute(case), exponent, a, whole, root, depth, size)


@pytest.mark.parametrize("second", [False, True])
@given(place=places(), a=exponents, z=exponents, g=exponents)
@settings(max_examples=25)
def test_from_factor_derivatives(second, place, a, z, g):
    # The derivatives hold G, G S, D^2 f [Z] and D^2 f [Z] S, the embedding Z and Z / S.
    h = g + z - a
    assume(max(abs(number) for number in (g, g + a, h, h + a, z - a)) <= 900)

    def compute(case):
        first = by_factors(case.point, case.G)
        if not second:
            return case.manifold.euclidean_to_riemannian_gradient(case.point, first)
        # Along the factors that move by the embedding of Z.
        u, s, vt = case.point
        du, ds, dvt = case.manifold.embedding(case.point, case.Z)
        G, H = case.G, case.H
        moved = (
            (H @ vt.T) * s + (G @ dvt.T) * s + (G @ vt.T) * ds,
            np.diagonal(u.T @ H @ vt.T + du.T @ G @ vt.T + u.T @ G @ dvt.T).copy(),
            s[:, None] * (u.T @ H + du.T @ G) + ds[:, None] * (u.T @ G),
        )
        return case.manifold.euclidean_to_riemannian_hessian(case.point, first, moved, case.Z)

    case = scaled(place, a, 0, z, g, h)
    exponent, whole = (g + z, 1) if second else (g, 2)
    reference = compute(scaled(place))
    size = (size_of_hessian if second else size_of_gradient)(scaled(place))
    assert_law(reference, lambda: compute(case), exponent, a, whole, -2, case.manifold.depth, size)


@given(place=places(), a=exponents)
@settings(max_examples=40)
def test_log_volume(place, a):
    manifold, case = place[0], scaled(place, a)
    before = manifold.log_volume_density(scaled(place).point)
    degree = 1 - 1 / manifold.depth
    shift = -manifold.dim * degree * a * math.log(2)
    # Of the exponents near zero at N = 1 + 1e-7, 1 - 1/N is known to 1e-9.
    bound = ULPS * EPS * (abs(before) + abs(shift) + manifold.dim * abs(a))
    assert abs(manifold.log_volume_density(case.point) - before - shift) <= bound


@pytest.mark.parametrize("method", ["retraction", "second_order_retraction"])
@given(place=places(), a=exponents, shorter=st.sampled_from([0, 3, 30, 600, 1800]))
@settings(max_examples=40)
def test_retractions(method, place, a, shorter):
    # To W and Z together; steps that are much shorter than W hardly move it.
    def compute(a):
        case = scaled(place, a, 0, max(a - shorter, -1060))
        u, s, vt = getattr(case.manifold, method)(case.point, case.Z)
        return (u * np.ldexp(s, -a)) @ vt

    assume(a - shorter > -1060)
    try:
        reference = compute(0)
    except RankLostError:
        with pytest.raises(RankLostError):
            compute(a)
        return
    assert np.abs(compute(a) - reference).max() <= ULPS * EPS * np.abs(reference).max()


@given(place=places(), a=exponents)
@settings(max_examples=20)
def test_random_vectors_have_length_one(place, a):
    manifold, point = place[0], scaled(place, a).point
    assert manifold.norm(point, manifold.random_tangent_vector(point, rng=0)) == pytest.approx(
        1, abs=1e-12
    )


@given(place=places(), a=st.integers(-450, 450), g=st.integers(-450, 450))
@settings(max_examples=25)
def test_length_of_the_gradient(place, a, g):
    def compute(case):
        u, _, vt = case.point
        return gradient_norm(case.point, case.G @ vt.T, case.G.T @ u, case.manifold.metric)

    reference, case = compute(scaled(place)), scaled(place, a, g=g)
    assert_law(reference, lambda: compute(case), g, a, 1, -1, case.manifold.depth)
    _, point, *_, G, _ = place
    gradient = place[0].euclidean_to_riemannian_gradient(point, G)
    assert reference == pytest.approx(place[0].norm(point, gradient), rel=1e-13)


@pytest.mark.parametrize("depth", [2, 3, 7, 20])
@pytest.mark.parametrize("w", [2e102, 1e77, 2e60, 2e54, 1e-100, 1e-250, 1e250])
def test_christoffel_of_one_number(depth, w):
    # g = w^(2/N - 2) / N, so that Gamma = -(1 - 1/N) / w.
    manifold = FixedRank(1, 1, 1, depth=depth)
    Z = (np.zeros((1, 1)), np.ones((1, 1)), np.zeros((1, 1)))
    found = manifold.christoffel((np.eye(1), np.array([w]), np.eye(1)), Z, Z).M[0, 0]
    assert found == pytest.approx(-(1 - 1 / depth) / w, rel=1e-14)


@pytest.mark.parametrize("depth", [2, 3, 7, 20, 2.5])
@pytest.mark.parametrize("s", [4e-62, 1e-53, 1e-200, 1e77, 1e200])
def test_curvature_of_the_rank_one_cone(depth, s):
    # Rank one is a cone over a product of two spheres: (dr)^2 + r^2 (two spheres of curvature N).
    # A plane within one sphere has the curvature (N - 1) / r^2, with r^2 = N s^(2/N).
    manifold = FixedRank(4, 3, 1, depth=depth)
    point = (np.eye(4, 1), np.array([s]), np.eye(1, 3))
    a, b = (manifold.projection(point, np.eye(4)[:, [i]] @ np.eye(1, 3)) for i in (1, 2))
    expected = (depth - 1) / (depth * s ** (2 / depth))
    assert manifold.sectional_curvature(point, a, b) == pytest.approx(expected, rel=1e-11)


def test_a_vector_of_zeros_spans_no_plane():
    manifold = FixedRank(4, 3, 2, depth=3)
    point = manifold.random_point(rng=0)
    Z = manifold.random_tangent_vector(point, rng=1)
    with pytest.raises(ValueError, match="the second tangent vector is zero"):
        manifold.sectional_curvature(point, Z, 0 * Z)
    with pytest.raises(ValueError, match="the first tangent vector is zero"):
        manifold.sectional_curvature(point, 0 * Z, Z)
    with pytest.raises(ValueError, match="span no plane: after both"):
        manifold.sectional_curvature(point, Z, 1e-200 * Z)


def test_results_beyond_floating_point_say_so():
    manifold = FixedRank(3, 2, 1, depth=3)
    u, s, vt = manifold.random_point(rng=0)
    huge, tiny = (u, 1e300 * s, vt), (u, 1e-300 * s, vt)
    G = np.ones((3, 2))
    Z = manifold.projection(huge, G)
    for point, side in ((huge, "above"), (tiny, "below")):
        with pytest.raises(OverflowError, match=f"the gradient is {side} the range of floating"):
            manifold.euclidean_to_riemannian_gradient(point, G)
        with pytest.raises(OverflowError, match=f"the largest eigenvalue is {side}.*unit"):
            manifold.operator(point).eigenvalues()
    with pytest.raises(OverflowError, match="the inner product is below"):
        manifold.inner_product(huge, Z, Z)
    with pytest.raises(OverflowError, match="the inner product is above"):
        manifold.inner_product(tiny, Z, Z)
    assert 0 < manifold.norm(huge, Z) < math.inf
    with pytest.raises(OverflowError, match="the singular values of W"):
        manifold.retraction((u, np.array([1.5e308]), vt), 1e308 * manifold.projection(huge, u @ vt))


def test_entries_whose_sum_is_beyond_floating_point():
    # At depth 2 and s = 1, A of rank one multiplies M by 2 and the rest by 1.
    operator = DepthOperator((np.eye(3, 1), np.ones(1), np.eye(1, 3)), 2)
    normal, core = 2.0**1023 * np.array([[0.0], [1.0], [1.0]]), np.array([[-(2.0**1022)]])
    for sign in (1, -1):
        image = operator.apply(FixedRankTangentVector(sign * normal, core, normal))
        np.testing.assert_array_equal(image.Up, sign * normal)
        np.testing.assert_array_equal(image.M, 2 * core)
        np.testing.assert_array_equal(image.Vp, normal)


@given(
    exponent=st.integers(-2000, 2000),
    whole=st.integers(-4, 4),
    root=st.integers(-4, 4),
    depth=st.floats(1, 1e6) | st.integers(1, 100) | st.just(math.inf),
)
@example(exponent=1999, whole=2, root=-2, depth=1 + 2**-52)
def test_powers_of_two(exponent, whole, root, depth):
    factor, shift = power(exponent, whole, root, depth)
    with mpmath.workdps(40):
        exact = mpmath.mpf(2) ** (exponent * (whole + mpmath.mpf(root) / depth) - shift)
    assert abs(factor / exact - 1) < 4 * EPS
    assert 1 / 4 < factor < 4


@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_what_is_not_finite(entry):
    with pytest.raises(ValueError, match="the gradient has 1 entries that are NaN or infinite"):
        exponent_of("the gradient", np.ones(2), np.array([1.0, entry]))
    assert exponent_of("numbers", np.array([0.0, -8.0]), np.zeros((0, 2))) == 4


@pytest.mark.parametrize("s", [(1e308, 1e-308), (1e308, 5e-324), (1e150, 1e-200), (3.0, 1.0)])
def test_the_unit_of_singular_values_of_any_spread(s):
    scaled, exponent = unit_values(np.array(s))
    assert np.isfinite(scaled).all()
    with mpmath.workdps(40):
        for value, given_value in zip(scaled, s, strict=True):
            assert mpmath.ldexp(mpmath.mpf(float(value)), exponent) == mpmath.mpf(given_value)
