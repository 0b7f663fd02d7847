"""Depth 1 at full rank: W' = -grad L(W) on all matrices, through singular ones too."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from fixedrank import FixedRank, LinearRegression, MatrixCompletion, riemannian_flow
from fixedrank.flows.embedded import EmbeddedSystem
from fixedrank.flows.system import Stop
from tests.flows.exact import DenseProblem
from tests.geometry.dense import matrix, orthonormal

T = np.array([0.0, 0.3, 2.0, 10.0, 13.0, 14.0, 60.0])


def case(m, n, seed=0, s=0.01):
    """A target of rank 2, or 1, and a small start of full rank."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 3 * n)) / np.sqrt(3 * n)
    q = min(2, m, n)
    target = rng.standard_normal((m, q)) @ rng.standard_normal((q, n))
    k = min(m, n)
    return X, target @ X, (orthonormal(rng, m, k), np.full(k, s), orthonormal(rng, n, k).T)


def exact(X, Y, start, t):
    """W* + (W(0) - W*) exp(-C t)."""
    C, B = X @ X.T, Y @ X.T
    limit = np.linalg.solve(C, B.T).T
    return [limit + (matrix(start) - limit) @ expm(-C * time) for time in t]


@pytest.mark.parametrize("shape", [(4, 4), (3, 5), (5, 3), (1, 1), (6, 1), (1, 6)])
@pytest.mark.parametrize("kind", [LinearRegression, DenseProblem])
def test_a_regression(shape, kind):
    X, Y, start = case(*shape)
    flow = riemannian_flow(kind(X, Y), start, 1, T)
    assert flow.complete
    assert flow.evaluations < 1000
    assert flow.rank_changes == ()
    assert {point.s.size for point in flow.points} == {min(shape)}
    for t, point, expected in zip(T, flow.points, exact(X, Y, start, T), strict=True):
        # Measured: 2e-10 at rtol 1e-8. At the end an explicit method trembles about the limit by a
        # few tolerances, on which kernel of which BLAS hangs: at rest is who is within ten.
        bound = 1e-8 if t < T[-1] else 1e-7
        assert np.linalg.norm(matrix(point) - expected) <= bound * np.linalg.norm(expected)


@pytest.mark.parametrize("method", ["ROCK4", "RK45", "LSODA"])
def test_other_methods(method):
    X, Y, start = case(3, 4)
    flow = riemannian_flow(LinearRegression(X, Y), start, 1, T[:4], method=method, rtol=1e-6)
    for point, expected in zip(flow.points, exact(X, Y, start, T[:4]), strict=True):
        assert np.linalg.norm(matrix(point) - expected) <= 2e-4 * np.linalg.norm(expected)


def test_a_loss_of_entries():
    # Where an entry is known, w' = a - w; the others stay.
    rng = np.random.default_rng(1)
    rows, columns = np.array([0, 0, 1, 2, 2]), np.array([0, 3, 1, 2, 0])
    values = rng.standard_normal(5)
    start = (orthonormal(rng, 3, 3), np.array([1.0, 0.5, 0.1]), orthonormal(rng, 4, 3).T)
    t = np.array([0.0, 0.5, 3.0])
    flow = riemannian_flow(MatrixCompletion(rows, columns, values, (3, 4)), start, 1, t)
    for time, point in zip(t, flow.points, strict=True):
        expected = matrix(start)
        expected[rows, columns] = values + (expected[rows, columns] - values) * np.exp(-time)
        np.testing.assert_allclose(matrix(point), expected, rtol=0, atol=1e-8)


class Quartic:
    """The sum of (w - a)^4 / 4 + (w - a)^2 / 2 over the entries."""

    def __init__(self, target):
        self.target = target

    def loss(self, W):
        return float(
            ((matrix(W) - self.target) ** 4 / 4 + (matrix(W) - self.target) ** 2 / 2).sum()
        )

    def gradient(self, W):
        return (matrix(W) - self.target) ** 3 + matrix(W) - self.target


def test_a_loss_that_is_not_quadratic():
    rng = np.random.default_rng(2)
    target = rng.standard_normal((3, 2))
    start = (orthonormal(rng, 3, 2), np.array([2.0, 0.1]), orthonormal(rng, 2, 2).T)
    t = np.array([0.0, 0.2, 1.0, 4.0])

    def velocity(_, flat):
        return -((flat - target.ravel()) ** 3 + flat - target.ravel())

    expected = solve_ivp(
        velocity, (0, 4), matrix(start).ravel(), "DOP853", t, rtol=1e-12, atol=1e-13
    ).y.T
    flow = riemannian_flow(Quartic(target), start, 1, t)
    for point, flat in zip(flow.points, expected, strict=True):
        np.testing.assert_allclose(matrix(point).ravel(), flat, rtol=0, atol=1e-7)


def test_a_singular_matrix_on_the_way():
    # W' = B - W with B = -W(0) / 2 for one singular value: it passes zero at t = ln 3.
    start = (np.eye(3), np.array([1.0, 0.7, 0.5]), np.eye(3))
    problem = LinearRegression(np.eye(3), np.diag([1.5, 1.0, -0.25]))
    t = np.array([0.0, 1.0, np.log(3), 3.0])
    flow = riemannian_flow(problem, start, 1, t)
    assert flow.complete
    assert "M_3" not in flow.status
    signs = [np.sign(np.linalg.det(matrix(flow.points[i]))) for i in (0, 1, 3)]
    assert signs == [1, 1, -1]
    third = -0.25 + 0.75 * np.exp(-t)
    np.testing.assert_allclose([matrix(p)[2, 2] for p in flow.points], third, rtol=0, atol=1e-8)
    assert flow.singular_values[2, 2] < 1e-8
    # The length of the gradient has no part in the division by singular values either.
    G = np.diag([1.5, 1.0, -0.25] - (np.array([1.0, 0.7, 0.5])))
    norms = np.linalg.norm(G) * np.exp(-t)
    np.testing.assert_allclose(flow.gradient_norm, norms, rtol=1e-6)


def test_all_of_it_passes_zero():
    for s in (1.0, 1e-9, 1e-160):
        problem = LinearRegression([[1.0]], [[-3.0]])
        flow = riemannian_flow(problem, (np.eye(1), np.array([s]), np.eye(1)), 1, [0, 0.1, 10])
        values = [matrix(point).item() for point in flow.points[1:]]
        expected = -3 + (s + 3) * np.exp([-0.1, -10])
        np.testing.assert_allclose(values, expected, rtol=1e-7)


def test_down_to_nothing():
    start = (np.eye(2), np.array([1.0, 0.5]), np.eye(2))
    problem = LinearRegression(np.eye(2), np.zeros((2, 2)))
    flow = riemannian_flow(problem, start, 1, [0, 1, 10, 1e4])
    assert flow.complete
    expected = np.outer(np.exp([0.0, -1, -10, -1e4]), start[1])
    np.testing.assert_allclose(flow.singular_values, expected, rtol=0, atol=1e-8)
    assert "stationary" in flow.status


@pytest.mark.parametrize("shape", [(4, 4), (3, 5)])
@pytest.mark.parametrize("depth", [1, 1.2, 2, 3, 5])
def test_no_depth_takes_many_steps(shape, depth):
    X, Y, start = case(*shape)
    flow = riemannian_flow(LinearRegression(X, Y), start, depth, [0, 30, 60])
    assert flow.complete
    assert flow.evaluations < 4000
    assert flow.loss[-1] < 0.01 * flow.loss[0]


@pytest.mark.parametrize("start", [0.0, 1e9])
def test_decay_is_told_whenever_the_flow_began(start):
    """W' = -W has fallen by 1e-160; a W that passes zero at that moment goes on."""
    point = FixedRank(2, 2, 2, depth=1).random_point(rng=0)
    decaying = EmbeddedSystem(LinearRegression(np.eye(2), np.zeros((2, 2))), point, start)
    verdict = decaying.inspect(start + 1, 1e-160 * decaying.start)
    assert verdict is not None
    assert "decayed to zero" in verdict.reason
    passing = EmbeddedSystem(LinearRegression(np.eye(2), -np.eye(2)), point, start)
    assert not isinstance(passing.inspect(start + 1, 1e-160 * passing.start), Stop)
