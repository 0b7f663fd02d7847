"""The integral form of Theorem 3, against dense resolvents and against the closed form."""

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from fixedrank import FixedRank, integral_inner_product
from tests.geometry import dense
from tests.strategies import points, shapes, tangent_vectors

DEPTHS = [2, 3, 5, 20, 50, 1.5, 2.5, 7.3]


def example(m, n, s, seed):
    """A point of given singular values, and two tangent vectors."""
    manifold = FixedRank(m, n, len(s), depth=1)
    u, _, vt = manifold.random_point(rng=seed)
    point = (u, np.array(s), vt)
    vectors = [manifold.random_tangent_vector(point, rng=seed + i) for i in (1, 2)]
    return point, vectors


@pytest.mark.parametrize("depth", [2, 3, 2.5])
@pytest.mark.parametrize(("m", "n", "s"), [(3, 2, [1.3]), (2, 3, [2.0, 0.4]), (2, 2, [1.0, 1.0])])
def test_quadrature_of_dense_resolvents(m, n, s, depth):
    point, (Z1, Z2) = example(m, n, s, seed=3)
    W, A, B = dense.matrix(point), dense.tangent(point, Z1), dense.tangent(point, Z2)

    def integrand(x):  # with t = x^N, so that it stays bounded at zero
        t = x**depth
        left = np.linalg.solve(t * np.eye(m) + W @ W.T, A)
        right = np.linalg.solve(t * np.eye(n) + W.T @ W, B.T)
        return np.trace(left @ right) * x * depth * x ** (depth - 1)

    def tail(y):  # with x = 1 / y
        return integrand(1 / y) / y**2

    # Up to 1e-8 the integrand is constant near x = 0 and a multiple of y^(N-2) near y = 0.
    cut = 1e-8 ** (1 / depth)
    pieces = [quad(piece, cut, 1, epsabs=1e-10) for piece in (integrand, tail)]
    ends = cut * (integrand(cut) + tail(cut) / (depth - 1))
    expected = math.sin(math.pi / depth) / math.pi * (sum(value for value, _ in pieces) + ends)
    computed = integral_inner_product(point, Z1, Z2, depth)
    assert computed == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("depth", [2, 5, 20, 50])
def test_many_digits(depth):
    # At W = diag(s, 0) with Z = [[a, b], [c, 0]] the resolvents are explicit.
    s, a, b, c = 0.7, 1.5, -2.0, 0.25
    point = (np.eye(2, 1), np.array([s]), np.eye(1, 2))
    Z = (np.array([[0.0], [c]]), np.array([[a]]), np.array([[0.0], [b]]))
    with mpmath.workdps(30):
        N, square = mpmath.mpf(depth), mpmath.mpf(s) ** 2

        def integrand(x):
            t = mpmath.exp(x)
            first, second = 1 / (t + square), 1 / t
            trace = a**2 * first**2 + (b**2 + c**2) * first * second
            return trace * t ** (1 / N) * t

        ends = [-80 * depth, -30 * depth, -10 * depth, -10, 0, 10, 150]
        expected = mpmath.sin(mpmath.pi / N) / mpmath.pi * mpmath.quad(integrand, ends)
    computed = integral_inner_product(point, Z, Z, depth, rtol=1e-12)
    assert computed == pytest.approx(float(expected), rel=2e-12)


@settings(max_examples=60)
@given(
    data=st.data(),
    shape=shapes(),
    depth=st.sampled_from(DEPTHS) | st.floats(1.1, 50),
    rtol=st.sampled_from([1e-3, 1e-6, 1e-10, 1e-12]),
)
def test_closed_form_within_the_tolerance(data, shape, depth, rtol):
    point = data.draw(points(shape, low=1e-6, high=1e3))
    Z1, Z2 = (data.draw(tangent_vectors(point, 1e-6, 1e6)) for _ in range(2))
    manifold = FixedRank(*shape, depth=depth)
    # The sum of the absolute values of the terms is at most the product of the lengths.
    bound = rtol * manifold.norm(point, Z1) * manifold.norm(point, Z2)
    integral = integral_inner_product(point, Z1, Z2, depth, rtol=rtol)
    assert abs(integral - manifold.inner_product(point, Z1, Z2)) <= bound


@pytest.mark.parametrize("shift", [1.3, -0.4])
@pytest.mark.parametrize(("m", "n", "s"), [(3, 2, [1.3]), (2, 3, [2.0, 0.4]), (4, 4, [1.0, 1.0])])
def test_quadrature_for_two_layers_out_of_balance(m, n, s, shift):
    """As it is written, with dense matrices; for lambda < 0 of the transposed ones."""
    point, (Z1, Z2) = example(m, n, s, seed=3)
    W, A, B = dense.matrix(point), dense.tangent(point, Z1), dense.tangent(point, Z2)
    if shift < 0:
        W, A, B = W.T, A.T, B.T
    size, (rows, columns) = abs(shift), W.shape

    def integrand(r):  # with 4t - lambda^2 = r^2
        t = (r**2 + size**2) / 4
        left = np.linalg.solve(t * np.eye(rows) + W @ W.T, A)
        right = np.linalg.solve(t * np.eye(columns) + W.T @ W, B.T)
        return r * np.trace(left @ right) * r / 2

    expected = quad(integrand, 0, np.inf, epsabs=1e-11)[0] / (2 * math.pi)
    across = A - dense.projectors(W, len(s))[0] @ A
    expected += size * np.trace(across @ np.linalg.pinv(W.T @ W) @ B.T)
    computed = integral_inner_product(point, Z1, Z2, 2, imbalance=[shift])
    assert computed == pytest.approx(expected, rel=1e-8)
    metric = FixedRank(m, n, len(s), depth=2, imbalance=[shift]).metric
    assert integral_inner_product(point, Z1, Z2, metric) == computed


@given(
    data=st.data(),
    shape=shapes(),
    share=st.floats(-12, 12),
    sign=st.sampled_from([-1, 1]),
    unit=st.sampled_from([1.0, 1e-150, 1e150]),
    rtol=st.sampled_from([1e-6, 1e-12]),
)
def test_out_of_balance_within_the_tolerance(data, shape, share, sign, unit, rtol):
    """For lambda from 1e-12 to 1e12 of the size of W."""
    point = data.draw(points(shape, low=1e-3, high=1e3))
    Z1, Z2 = (data.draw(tangent_vectors(point, 1e-6, 1e6)) for _ in range(2))
    shift = sign * 10**share
    manifold = FixedRank(*shape, depth=2, imbalance=[shift])
    # The sum of the absolute values of the terms is at most the product of the lengths.
    bound = 2 * rtol * manifold.norm(point, Z1) * manifold.norm(point, Z2)
    moved, larger = (
        point._replace(s=point.s * unit),
        [[part * unit for part in Z] for Z in (Z1, Z2)],
    )
    integral = integral_inner_product(moved, *larger, 2, imbalance=[shift * unit], rtol=rtol)
    assert abs(integral / unit - manifold.inner_product(point, Z1, Z2)) <= bound


def test_no_integral_form_for_three_layers_out_of_balance():
    point, (Z, _) = example(3, 3, [2.0, 1.0], seed=1)
    with pytest.raises(ValueError, match="is that of two layers, got 3"):
        integral_inner_product(point, Z, Z, 3, imbalance=[1.0, 0.5])


@pytest.mark.parametrize("depth", [1.001, 200, 1000])
def test_depths_near_the_ends(depth):
    point, (Z, _) = example(4, 3, [1e3, 1.0, 1e-6], seed=4)
    closed = FixedRank(4, 3, 3, depth=depth).inner_product(point, Z, Z)
    assert integral_inner_product(point, Z, Z, depth) == pytest.approx(closed, rel=1e-10)


@pytest.mark.parametrize("depth", [1 + 1e-12, 1e15])
def test_depths_at_which_the_integrand_hardly_decays(depth):
    point, (Z, _) = example(4, 3, [2.0, 1.0], seed=4)
    closed = FixedRank(4, 3, 2, depth=depth).inner_product(point, Z, Z)
    try:
        computed = integral_inner_product(point, Z, Z, depth)
    except ValueError as error:
        assert "depth" in str(error)  # noqa: PT017
    else:
        assert computed == pytest.approx(closed, rel=1e-10)


def test_a_term_alone_is_as_accurate():
    # One entry of M that is tiny in the metric beside the others, at N = 50.
    point, _ = example(3, 3, [1e3, 1e-6], seed=7)
    for i, j in np.ndindex(2, 2):
        core = np.zeros((2, 2))
        core[i, j] = 1.0
        Z = (np.zeros((3, 2)), core, np.zeros((3, 2)))
        closed = FixedRank(3, 3, 2, depth=50).inner_product(point, Z, Z)
        assert integral_inner_product(point, Z, Z, 50) == pytest.approx(closed, rel=1e-10)


def test_zero_vectors():
    point, (Z, _) = example(4, 3, [2.0, 1.0], seed=1)
    zero = tuple(0 * part for part in Z)
    assert integral_inner_product(point, Z, zero, 3) == 0


@pytest.mark.parametrize("depth", [1, 1.0, math.inf])
def test_no_integral_form_at_the_ends(depth):
    point, (Z, _) = example(3, 3, [2.0, 1.0, 0.5], seed=1)
    with pytest.raises(ValueError, match=rf"1 < N < infinity, got N = {depth}"):
        integral_inner_product(point, Z, Z, depth)


@pytest.mark.parametrize("rtol", [0, 1e-14, 1, -1, math.nan])
def test_tolerances_out_of_range(rtol):
    point, (Z, _) = example(3, 3, [1.0], seed=1)
    with pytest.raises(ValueError, match=rf"rtol must lie in .* got {rtol}"):
        integral_inner_product(point, Z, Z, 2, rtol=rtol)
