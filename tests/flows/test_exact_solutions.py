"""Flows whose solution is known in closed form, or from a scalar equation."""

import numpy as np
import pytest
import scipy.linalg

from fixedrank import LinearRegression, balanced_factors, factored_flow, riemannian_flow
from tests.flows.exact import logistic, scalar_curve
from tests.geometry.dense import matrix, orthonormal

# The flows are asked for 1e-10; steps add up.
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
RELATIVE = 1e-8


def both_flows(problem, point, depth, t, **options):
    widths = [point[2].shape[1], *[point[1].size] * (depth - 1), point[0].shape[0]]
    factors = balanced_factors(point, widths, rng=0)
    yield riemannian_flow(problem, point, depth, t, **options)
    yield factored_flow(problem, factors, t, **options)


def scalar(s):
    return np.eye(1), np.array([s]), np.eye(1)


@pytest.mark.parametrize(("c", "b", "w"), [(1, 3, 0.2), (1, 3, 7.0), (4, 0.5, 1e-3), (2, -1, 2)])
def test_one_number_two_layers(c, b, w):
    # w' = -2 w (c w - b): the logistic equation.
    t = np.linspace(0, 3, 7)
    problem = LinearRegression([[np.sqrt(c)]], [[b / np.sqrt(c)]])
    exact = (b / c) / (1 + (b / (c * w) - 1) * np.exp(-2 * b * t))
    for flow in both_flows(problem, scalar(w), 2, t, **TIGHT):
        np.testing.assert_allclose(flow.singular_values[:, 0], exact, rtol=RELATIVE)
        loss = 0.5 * (np.sqrt(c) * exact - b / np.sqrt(c)) ** 2
        np.testing.assert_allclose(flow.loss, loss, rtol=0, atol=RELATIVE * loss[0])


@pytest.mark.parametrize("w", [0.1, 1.0, 1.9])
def test_one_number_three_layers(w):
    # With v = w^(1/3) the flow is v' = v^2 (b - v^3); separated, with a^3 = b,
    # b t = -1/v + int v / (a^3 - v^3) dv, by partial fractions.
    b = 2.0
    a = np.cbrt(b)

    def moment(w):
        v = np.cbrt(w)
        q = v**2 + a * v + a**2
        fractions = -np.log(a - v) + np.log(q) / 2
        fractions -= np.sqrt(3) * np.arctan((2 * v + a) / (a * np.sqrt(3)))
        return (-1 / v + fractions / (3 * a)) / b

    t = np.linspace(0, 1, 5)
    for flow in both_flows(LinearRegression([[1.0]], [[b]]), scalar(w), 3, t, **TIGHT):
        found = moment(flow.singular_values[:, 0])
        # Times are as well determined as w is, relative to its distance to the limit.
        slack = RELATIVE * b / np.abs(b - flow.singular_values[:, 0])
        assert (np.abs(found - found[0] - t) <= slack).all()


@pytest.mark.parametrize("depth", [2, 3, 5, 10])
def test_aligned_singular_values_do_not_see_each_other(depth):
    rng = np.random.default_rng(depth)
    u, v = orthonormal(rng, 6, 4), orthonormal(rng, 5, 4)
    s, c, b = np.array([2.0, 1.0, 0.5, 0.05]), [1.5, 0.5, 1, 2], [0.3, 2.0, 1.0, 0.0]
    # C has the eigenvectors v, and B = U diag(b) V^T.
    roots = np.sqrt(c)
    X = np.hstack(((v * roots) @ v.T, scipy.linalg.null_space(v.T)))
    problem = LinearRegression(X, (u * (b / roots)) @ v.T @ np.eye(5, 6))
    t = np.linspace(0, 2, 6)
    expected = np.array(
        [scalar_curve(s0, bi, t, depth, ci) for s0, bi, ci in zip(s, b, c, strict=True)]
    ).T
    for flow in both_flows(problem, (u, s, v.T), depth, t, **TIGHT):
        np.testing.assert_allclose(
            flow.singular_values, -np.sort(-expected, axis=1), rtol=RELATIVE, atol=1e-10
        )
        for point, values in zip(flow.points, expected, strict=True):
            W = (u * values) @ v.T
            assert np.linalg.norm(matrix(point) - W) <= RELATIVE * np.linalg.norm(W)


@pytest.mark.parametrize("depth", [2, 4])
def test_a_tied_start_that_comes_apart(depth):
    b = np.array([3.0, 2.0, 1.0])
    t = np.linspace(0, 1.5, 4)
    rng = np.random.default_rng(1)
    u, v = orthonormal(rng, 4, 3), orthonormal(rng, 3, 3)
    problem = LinearRegression(np.eye(3), (u * b) @ v.T)
    expected = np.array([scalar_curve(1.0, bi, t, depth) for bi in b]).T
    for flow in both_flows(problem, (u, np.ones(3), v.T), depth, t, **TIGHT):
        np.testing.assert_allclose(flow.singular_values, expected, rtol=RELATIVE)


@pytest.mark.parametrize("depth", [2, 3, 10])
def test_small_singular_values_keep_their_digits(depth):
    # Grown from 1e-12 of the largest, to relative accuracy in the Riemannian flow.
    rng = np.random.default_rng(2)
    u, v = orthonormal(rng, 5, 3), orthonormal(rng, 4, 3)
    s, b = np.array([1.0, 1e-6, 1e-12]), np.array([1.2, 1.0, 0.8])
    problem = LinearRegression(np.eye(4), (u * b) @ v.T)
    t = np.linspace(0, 2, 4)
    expected = np.array([scalar_curve(s0, bi, t, depth) for s0, bi in zip(s, b, strict=True)]).T
    flow = riemannian_flow(problem, (u, s, v.T), depth, t, rtol=1e-8)
    np.testing.assert_allclose(flow.singular_values, expected, rtol=100 * 1e-8)


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (2, 3)])
def test_depth_one_at_full_rank(shape):
    # W' = B - W C. From near a positive diagonal to near the identity no rank is lost on the way.
    rng = np.random.default_rng(3)
    m, n = shape
    X = rng.standard_normal((n, 9)) / 2
    Y = np.eye(m, n) @ X + 0.1 * rng.standard_normal((m, 9))
    k = min(m, n)
    point = (np.eye(m, k), np.linspace(3, 2, k), np.eye(k, n))
    limit = Y @ np.linalg.pinv(X)
    t = np.linspace(0, 1, 5)
    flow = riemannian_flow(LinearRegression(X, Y), point, 1, t, **TIGHT)
    assert flow.rank_changes == ()
    for time, found in zip(t, flow.points, strict=True):
        exact = limit + (matrix(point) - limit) @ scipy.linalg.expm(-X @ X.T * time)
        np.testing.assert_allclose(matrix(found), exact, rtol=0, atol=RELATIVE)


def test_one_layer_is_depth_one():
    rng = np.random.default_rng(4)
    X, Y, W = (rng.standard_normal(shape) for shape in ((3, 7), (2, 7), (2, 3)))
    t = np.linspace(0, 1, 3)
    limit = Y @ np.linalg.pinv(X)
    flow = factored_flow(LinearRegression(X, Y), [W], t, **TIGHT)
    for time, found in zip(t, flow.product, strict=True):
        exact = limit + (W - limit) @ scipy.linalg.expm(-X @ X.T * time)
        np.testing.assert_allclose(found, exact, rtol=0, atol=RELATIVE)


def test_the_logistic_of_the_other_tests():
    t = np.linspace(0, 3, 5)
    np.testing.assert_allclose(logistic(0.2, 1.5, t), scalar_curve(0.2, 1.5, t, 2), rtol=1e-11)
