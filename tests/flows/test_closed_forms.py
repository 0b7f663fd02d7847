"""Closed forms against integration of scalar equations, and as oracles for the flows."""

import numpy as np
import pytest
import scipy.sparse

from fixedrank import (
    FixedRank,
    LinearRegression,
    aligned_singular_value,
    aligned_solution,
    balanced_factors,
    factored_flow,
    random_balanced_factors,
    riemannian_flow,
    two_layer_solution,
)
from tests.flows.exact import scalar_curve
from tests.geometry.dense import matrix, orthonormal


@pytest.mark.parametrize("depth", [1, 2, 3, 2.5, 20, 1000])
@pytest.mark.parametrize(
    ("start", "b", "c"),
    [
        (0.1, 3.0, 1.0),
        (1e-6, 2.0, 0.5),
        (5.0, 1.0, 2.0),
        (2.0, -0.5, 1.0),
        (2.0, 0.0, 0.7),
        (1.0, 1e-17, 1.0),
        (1.0, -1e-10, 2.0),
    ],
)
def test_one_singular_value(start, b, c, depth):
    # Long enough to come close to the end, whatever the depth.
    size = max(start, abs(b / c))
    end = 3 / (depth * size ** (2 - 2 / depth) * c) * max(1, (size / start) ** (1 - 2 / depth))
    t = np.linspace(0, min(end, 100), 7)
    if depth == 1 and b <= 0:
        t = np.linspace(0, 0.1, 7)
    expected = scalar_curve(start, b, t, depth, c)
    np.testing.assert_allclose(aligned_singular_value(start, b, c, depth, t), expected, rtol=3e-11)


def test_the_ends_for_long_times():
    assert aligned_singular_value(0.1, 3.0, 1.5, 5, 1e6)[0] == pytest.approx(2, rel=1e-14)
    assert aligned_singular_value(0.1, 3.0, 1.5, 2, 1e6)[0] == pytest.approx(2, rel=1e-14)
    assert aligned_singular_value(3.0, -1.0, 1.0, 2, 1e6)[0] == 0
    assert 0 < aligned_singular_value(3.0, -1.0, 1.0, 3, 50.0)[0] < 1e-4
    assert aligned_singular_value(2.0, 3.0, 1.5, 3, [0, 1]).tolist() == [2, 2]


def test_a_vanishing_coefficient_changes_nothing():
    for depth in (2, 3, 7.5):
        t = np.linspace(0, 5, 6)
        limit = aligned_singular_value(1.0, 0.0, 1.0, depth, t)
        power = 2 - 2 / depth
        np.testing.assert_allclose(limit, (1 + depth * power * t) ** (-1 / power), rtol=1e-12)
        for b in (1e-17, -1e-17):
            np.testing.assert_allclose(
                aligned_singular_value(1.0, b, 1.0, depth, t), limit, rtol=1e-12
            )


def test_a_very_small_start_is_on_its_way():
    """At N = 3 and s far below b / c the equation is s' = 3 b s^{4/3}."""
    s0, t = 1e-60, 0.9e20
    expected = (s0 ** (-1 / 3) - t) ** -3
    assert aligned_singular_value(s0, 1.0, 1e-60, 3, t)[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("depth", [1.5, 1.9])
def test_between_one_and_two_zero_is_reached_in_finite_time(depth):
    t = np.array([0.0, 0.1, 5.0, 50.0])
    values = aligned_singular_value(1.0, -1.0, 1.0, depth, t)
    np.testing.assert_allclose(values[:2], scalar_curve(1.0, -1.0, t[:2], depth), rtol=1e-10)
    assert values[-1] == 0


def aligned_problem(rng, d_y, d_x, b, c):
    """B and C with common singular vectors U and V."""
    U, V = orthonormal(rng, d_y, len(b)), orthonormal(rng, d_x, d_x)
    X = (V * np.sqrt(c)) @ V.T
    Y = (U * b) @ V[:, : len(b)].T @ np.linalg.inv(X)
    return LinearRegression(X, Y), U, V


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_both_flows_from_aligned_starts(depth):
    rng = np.random.default_rng(depth)
    problem, U, V = aligned_problem(rng, 5, 4, np.array([3.0, 2.0, 1.0]), np.array([1, 2, 0.5, 1]))
    start = (U[:, :2], np.array([0.3, 0.2]), V[:, :2].T)
    t = np.linspace(0, 1.5, 4)
    expected = [matrix(point) for point in aligned_solution(problem, start, depth, t)]
    flow = riemannian_flow(problem, start, depth, t, rtol=1e-11, atol=1e-13)
    layers = balanced_factors(start, [4, *[3] * (depth - 1), 5], rng=0)
    factored = factored_flow(problem, layers, t, rtol=1e-11, atol=1e-13)
    for i in range(4):
        np.testing.assert_allclose(matrix(flow.points[i]), expected[i], rtol=0, atol=1e-9)
        np.testing.assert_allclose(factored.product[i], expected[i], rtol=0, atol=1e-9)


@pytest.mark.parametrize("widths", [[4, 3, 5], [5, 2, 4], [3, 6, 3], [4, 1, 4]])
@pytest.mark.parametrize("factor", [1.0, 0.3])
def test_two_layers_with_white_data(widths, factor):
    rng = np.random.default_rng(0)
    d_x, _, d_y = widths
    X = factor * orthonormal(rng, 12, d_x).T
    problem = LinearRegression(X, rng.standard_normal((d_y, 12)))
    layers = [0.4 * w for w in random_balanced_factors(widths, rng=1)]
    t = np.array([0.0, 0.5, 2.0, 10.0])
    flow = factored_flow(problem, layers, t, rtol=1e-12, atol=1e-13)
    for found, expected in zip(two_layer_solution(problem, layers, t), flow.product, strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-9)


def test_two_layers_for_long_times_and_wide_spectra():
    """At the end the product is the best approximation of B of its rank."""
    rng = np.random.default_rng(0)
    U, V = orthonormal(rng, 4, 4), orthonormal(rng, 4, 4)
    B = (U * [30.0, 1.0, 0.1, 0.0]) @ V.T
    problem = LinearRegression(np.eye(4), B)
    layers = [1e-3 * w for w in random_balanced_factors([4, 4, 4], rng=1)]
    W = two_layer_solution(problem, layers, [0, 2e3])[-1]
    # What belongs to zero decays like 1 / (2 t).
    np.testing.assert_allclose(W, B, rtol=0, atol=1 / 4e3)
    inner = (U.T @ W @ V)[:3, :3]
    np.testing.assert_allclose(inner, np.diag([30, 1, 0.1]), rtol=0, atol=1e-10)


def test_what_has_no_closed_form_is_refused():
    rng = np.random.default_rng(0)
    problem = LinearRegression(rng.standard_normal((3, 8)), rng.standard_normal((3, 8)))
    point = FixedRank(3, 3, 2, depth=2).random_point(rng=0)
    with pytest.raises(ValueError, match=r"not aligned.*tolerance.*use riemannian_flow"):
        aligned_solution(problem, point, 2, [0, 1])
    with pytest.raises(ValueError, match="the problem has"):
        aligned_solution(problem, FixedRank(2, 3, 1, depth=2).random_point(rng=0), 2, [0, 1])
    layers = random_balanced_factors([3, 2, 3], rng=0)
    with pytest.raises(ValueError, match="data are not white"):
        two_layer_solution(problem, layers, [0, 1])
    with pytest.raises(ValueError, match="for two layers, got 1"):
        two_layer_solution(problem, [np.eye(3)], [0, 1])
    with pytest.raises(ValueError, match=r"not balanced, and .* no multiple of the identity"):
        two_layer_solution(problem, [np.diag([2.0, 1.0]) @ layers[0], layers[1]], [0, 1])
    with pytest.raises(ValueError, match="start and c must be positive"):
        aligned_singular_value(-1, 1, 1, 2, [0, 1])
    with pytest.raises(ValueError, match="times must be >= 0"):
        aligned_singular_value(1, 1, 1, 2, [-1, 1])
    with pytest.raises(ValueError, match="infinite depth"):
        aligned_singular_value(1, 1, 1, np.inf, [0, 1])


def test_what_falls_below_floating_point_is_told():
    problem = LinearRegression(np.eye(1), -np.eye(1))
    with pytest.raises(ValueError, match="below floating point: take earlier times"):
        aligned_solution(problem, (np.eye(1), np.ones(1), np.eye(1)), 2, [0, 1e3])


def test_at_depth_one_it_may_leave_the_manifold():
    problem = LinearRegression(np.eye(1), -np.eye(1))
    with pytest.raises(ValueError, match=r"before t = 2 .* leaves the matrices of rank 1"):
        aligned_solution(problem, (np.eye(1), np.ones(1), np.eye(1)), 1, [0, 0.5, 2])


def test_they_need_arrays():
    sparse = scipy.sparse.csr_array(np.eye(3))
    problem = LinearRegression.from_moments(sparse, sparse, 3.0)
    with pytest.raises(TypeError, match=r"need C and B as arrays.*csr_array.*riemannian_flow"):
        aligned_solution(problem, (np.eye(3), np.ones(3), np.eye(3)), 2, [0, 1])
    with pytest.raises(TypeError, match="need C and B as arrays"):
        two_layer_solution(problem, random_balanced_factors([3, 2, 3], rng=0), [0, 1])
