"""The Riemannian flow against the dense equation (6), with the operator from its definitions."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fixedrank import LinearRegression, riemannian_flow
from tests.flows.exact import dense_flow
from tests.geometry.dense import matrix, orthonormal

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
# Two integrations of tolerance 1e-10 and better, to times of order one.
BOUND = 1e-8


def case(seed, m, n, k, s=None):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, 2 * n)), rng.standard_normal((m, 2 * n))
    X, Y = X / np.linalg.norm(X, 2), Y / np.linalg.norm(Y, 2)
    s = np.linspace(1, 0.5, k) if s is None else np.array(s)
    return X, Y, (orthonormal(rng, m, k), s, orthonormal(rng, n, k).T)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize(("m", "n", "k"), [(3, 3, 3), (4, 3, 3), (2, 4, 2), (4, 3, 2), (3, 5, 1)])
def test_whole_depths(depth, m, n, k):
    X, Y, point = case(depth, m, n, k)
    t = np.linspace(0, 1, 5)
    expected = dense_flow(X, Y, matrix(point), depth, t)
    flow = riemannian_flow(LinearRegression(X, Y), point, depth, t, **TIGHT)
    for found, W in zip(flow.points, expected, strict=True):
        assert np.linalg.norm(matrix(found) - W) <= BOUND
    np.testing.assert_allclose(
        flow.singular_values, [np.linalg.svd(W)[1][:k] for W in expected], rtol=0, atol=BOUND
    )


@pytest.mark.parametrize("s", [[1, 1, 1], [1, 1, 0.3], [1, 1 - 1e-12, 0.3]])
def test_ties(s):
    X, Y, point = case(7, 4, 3, 3, s)
    t = np.linspace(0, 1, 3)
    expected = dense_flow(X, Y, matrix(point), 3, t)
    flow = riemannian_flow(LinearRegression(X, Y), point, 3, t, **TIGHT)
    assert np.linalg.norm(matrix(flow.points[-1]) - expected[-1]) <= BOUND


def test_singular_values_that_cross_on_the_way():
    # Aligned with targets in the opposite order: the values tie somewhere in between.
    rng = np.random.default_rng(8)
    u, v = orthonormal(rng, 3, 2), orthonormal(rng, 3, 2)
    X, Y = np.eye(3), (u * [0.2, 1.0]) @ v.T
    point = (u, np.array([1.0, 0.2]), v.T)
    t = np.linspace(0, 4, 9)
    expected = dense_flow(X, Y, matrix(point), 2, t)
    flow = riemannian_flow(LinearRegression(X, Y), point, 2, t, **TIGHT)
    for found, W in zip(flow.points, expected, strict=True):
        assert np.linalg.norm(matrix(found) - W) <= BOUND


def inverse_operator(W, depth):
    """The matrix of Theorem 3: A^{-1}(Z) as an integral of resolvents, t = exp(x)."""
    n = len(W)
    # The integrand decays like exp(x (1 + 1/N)) and exp(-x (1 - 1/N)), and is analytic in a strip
    # of half width pi: at a step of 1/2 the trapezoidal rule is right to exp(-4 pi^2).
    x = np.arange(-30, 65, 0.5)
    t = np.exp(x)[:, None, None]
    left, right = (np.linalg.inv(t * np.eye(n) + gram) for gram in (W @ W.T, W.T @ W))
    weights = 0.5 * np.exp(x * (1 + 1 / depth)) * np.sin(np.pi / depth) / np.pi
    # Row by row, Z -> L Z R has the matrix kron(L, R^T).
    return np.einsum("q,qij,qlk->ikjl", weights, left, right).reshape(n * n, n * n)


@pytest.mark.parametrize("depth", [1.6, 2.5, 7.3])
def test_real_depths_by_the_integral_form(depth):
    X, Y, point = case(9, 2, 2, 2)

    def velocity(_, flat):
        W = flat.reshape(2, 2)
        return -np.linalg.solve(inverse_operator(W, depth), ((W @ X - Y) @ X.T).ravel())

    t = np.linspace(0, 0.7, 3)
    solution = solve_ivp(
        velocity, (0, 0.7), matrix(point).ravel(), "DOP853", t_eval=t, rtol=1e-11, atol=1e-12
    )
    flow = riemannian_flow(LinearRegression(X, Y), point, depth, t, **TIGHT)
    for found, W in zip(flow.points, solution.y.T, strict=True):
        np.testing.assert_allclose(matrix(found), W.reshape(2, 2), rtol=0, atol=BOUND)
