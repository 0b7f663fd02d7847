"""The flow at infinite depth and k < min(m, n): still frames, and a core that moves on GL_k."""

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fixedrank import DepthMetric, FixedRank, LinearRegression, MatrixCompletion, riemannian_flow
from tests.geometry.dense import matrix, orthonormal
from tests.strategies import seeds

INF = math.inf
NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)
SHAPES = [(5, 4, 2), (3, 6, 2), (4, 4, 1), (4, 4, 3), (6, 3, 3)]


def problem_and_start(seed, m, n, k, s=None, unit=1.0):
    rng = np.random.default_rng(seed)
    X, Y = rng.standard_normal((n, 2 * n)), rng.standard_normal((m, 2 * n))
    X, Y = X / np.linalg.norm(X, 2), Y / np.linalg.norm(Y, 2)
    s = unit * (np.linspace(1, 0.5, k) if s is None else np.array(s))
    return LinearRegression(X, unit * Y), (orthonormal(rng, m, k), s, orthonormal(rng, n, k).T)


def power(gram, exponent):
    values, frame = np.linalg.eigh(gram)
    return (frame * values**exponent) @ frame.T


def cores(problem, start, t):
    """The solution of S' = -A(U^T G V) with A(Z) the integral of (SS^T)^(1-x) Z (S^T S)^x.

    This is the limit of the sum over layers, divided by their number.
    """
    u, s, vt = start
    k = s.size
    x, weights = (NODES + 1) / 2, WEIGHTS / 2

    def velocity(_, flat):
        S = flat.reshape(k, k)
        G = u.T @ (u @ S @ vt @ problem.C - problem.B) @ vt.T
        left, right = S @ S.T, S.T @ S
        terms = [
            w * power(left, 1 - node) @ G @ power(right, node)
            for node, w in zip(x, weights, strict=True)
        ]
        return -np.ravel(sum(terms))

    solution = solve_ivp(
        velocity, (t[0], t[-1]), np.diag(s).ravel(), "DOP853", t_eval=t, rtol=1e-11, atol=1e-13
    )
    return solution.y.T.reshape(len(t), k, k)


@pytest.mark.parametrize(("m", "n", "k"), SHAPES)
def test_the_core_is_the_solution_on_the_group(m, n, k):
    problem, start = problem_and_start(m, m, n, k)
    t = np.linspace(0, 4, 3)
    flow = riemannian_flow(problem, start, INF, t, rtol=1e-10)
    for point, core in zip(flow.points, cores(problem, start, t), strict=True):
        assert np.linalg.norm(matrix(point) - start[0] @ core @ start[2]) <= 1e-8


def test_a_tie_at_the_start():
    problem, start = problem_and_start(1, 5, 4, 2, [0.7, 0.7])
    t = np.array([0.0, 2.0])
    flow = riemannian_flow(problem, start, INF, t, rtol=1e-10)
    core = cores(problem, start, t)[-1]
    assert np.linalg.norm(matrix(flow.points[-1]) - start[0] @ core @ start[2]) <= 1e-8


@given(seeds, st.sampled_from(SHAPES[:4]), st.sampled_from([1e-100, 1e-12, 1.0, 1e100]))
def test_the_frames_stand_still(seed, sizes, unit):
    problem, start = problem_and_start(seed, *sizes, unit=unit)
    u, _, vt = start
    # In the limit metric t has the unit of 1/W^2, times that of 1/C.
    flow = riemannian_flow(problem, start, INF, np.array([0.0, 3.0]) / unit / unit)
    end = flow.last
    assert np.linalg.norm(end.u - u @ (u.T @ end.u)) < 1e-12
    assert np.linalg.norm(end.vt - (end.vt @ vt.T) @ vt) < 1e-12
    assert flow.loss[-1] < flow.loss[0]


@cache
def limit(sizes, span):
    problem, start = problem_and_start(7, *sizes)
    return riemannian_flow(problem, start, INF, np.linspace(0, span, 4), rtol=1e-10)


@pytest.mark.parametrize(("m", "n", "k"), [(5, 4, 2), (4, 4, 3)])
def test_deep_networks_tend_to_it_as_one_over_their_depth(m, n, k):
    problem, start = problem_and_start(7, m, n, k)
    flow = limit((m, n, k), 4)
    gaps = []
    for depth in (40, 80, 160, 320, 640):
        deep = riemannian_flow(problem, start, depth, flow.t / depth, rtol=1e-10)
        pairs = zip(deep.points, flow.points, strict=True)
        gaps.append(max(np.linalg.norm(matrix(a) - matrix(b)) for a, b in pairs))
    ratios = np.divide(gaps[:-1], gaps[1:])
    # Of a gap a/N + b/N^2 the ratios tend to 2 by half at each doubling.
    assert abs(ratios[-1] - 2) < 0.05
    assert (np.abs(ratios - 2)[1:] < 0.7 * np.abs(ratios - 2)[:-1]).all()
    assert gaps[-1] < 0.02


def test_the_loss_falls_at_the_rate_of_the_gradient():
    problem, start = problem_and_start(2, 5, 4, 2)
    flow = riemannian_flow(problem, start, INF, np.linspace(0, 4, 401), rtol=1e-11)
    # Simpson's rule on intervals of 0.02.
    squares = flow.gradient_norm**2
    fall = 0.02 / 6 * (squares[:-2:2] + 4 * squares[1:-1:2] + squares[2::2])
    np.testing.assert_allclose(flow.loss[::2][:-1] - flow.loss[::2][1:], fall, rtol=1e-6)


def compressed(problem, start):
    """The least squares of the core, U S V^T with S = (U^T B V) (V^T C V)^-1."""
    u, _, vt = start
    return u.T @ problem.B @ vt.T @ np.linalg.inv(vt @ problem.C @ vt.T)


def with_sign(problem, start, sign):
    u, s, vt = start
    same = sign * np.linalg.det(compressed(problem, start)) > 0
    return start if same else (u * np.append(np.ones(s.size - 1), -1), s, vt)


@pytest.mark.parametrize(("m", "n", "k"), [(5, 4, 2), (3, 6, 2), (4, 4, 1)])
def test_the_limit_is_compressed_least_squares(m, n, k):
    problem, start = problem_and_start(m, m, n, k)
    start = with_sign(problem, start, 1)
    flow = riemannian_flow(problem, start, INF, [0, 1e7])
    best = start[0] @ compressed(problem, start) @ start[2]
    assert flow.status.startswith("stationary")
    assert "saddle" not in flow.status
    assert flow.rank_changes == ()
    assert np.linalg.norm(matrix(flow.last) - best) <= 1e-6
    # On M_k it is no critical point: frames would turn.
    assert flow.gradient_norm[-1] < 1e-8
    assert np.linalg.norm(problem.gradient(matrix(flow.last)) @ flow.last.vt.T) > 1e-3


def test_the_other_sign_tends_to_lower_rank():
    # s' = -s^2 a in the end: it is never zero, and 1/s is linear in t, up to ln t.
    problem, start = problem_and_start(5, 5, 4, 2)
    start = with_sign(problem, start, -1)
    t = np.array([0, 1e2, 1e3, 1e4])
    flow = riemannian_flow(problem, start, INF, t)
    assert flow.complete
    assert flow.rank_changes == ()
    small = flow.singular_values[1:, -1]
    assert (small > 0).all()
    rises = np.diff(1 / small) / np.diff(t[1:])
    np.testing.assert_allclose(rises[1], rises[0], rtol=0.1)
    u, _, vt = start
    signs = [np.linalg.det(u.T @ matrix(point) @ vt.T) for point in flow.points]
    assert len(set(np.sign(signs))) == 1


@pytest.mark.parametrize("unit", [1e-100, 1e-8, 1e8, 1e100])
def test_units(unit):
    t = np.array([0.0, 1.0, 5.0])
    flow = riemannian_flow(*problem_and_start(3, 5, 4, 2), INF, t)
    other = riemannian_flow(*problem_and_start(3, 5, 4, 2, unit=unit), INF, t / unit / unit)
    assert other.complete
    np.testing.assert_allclose(other.singular_values / unit, flow.singular_values, rtol=1e-6)


def test_square_matrices_of_full_rank_are_as_before():
    # There k = m = n, and the frames of the core are all there are.
    problem, start = problem_and_start(4, 3, 3, 3)
    t = np.array([0.0, 1.0, 3.0])
    flow = riemannian_flow(problem, start, DepthMetric(INF), t, rtol=1e-10)
    for point, core in zip(flow.points, cores(problem, start, t), strict=True):
        assert np.linalg.norm(matrix(point) - start[0] @ core @ start[2]) <= 1e-8


def test_any_loss():
    # Completion with all rows and two columns of the core's space: the loss falls, frames stay.
    rng = np.random.default_rng(0)
    rows, cols = np.divmod(rng.choice(30, 20, replace=False), 5)
    problem = MatrixCompletion(rows, cols, rng.standard_normal(20), (6, 5))
    start = FixedRank(6, 5, 2, depth=2).random_point(rng=1)
    flow = riemannian_flow(problem, start, INF, [0, 1, 2])
    assert (np.diff(flow.loss) < 0).all()
    assert np.linalg.norm(start.u.T @ flow.last.u @ flow.last.u.T @ start.u - np.eye(2)) < 1e-12


def test_it_is_no_metric_and_knows_no_decay():
    problem, start = problem_and_start(0, 5, 4, 2)
    with pytest.raises(ValueError, match=r"infinite depth.*k = m = n.*got m = 5, n = 4, k = 2"):
        FixedRank(5, 4, 2, depth=INF)
    with pytest.raises(ValueError, match=r"weight_decay = 0.1 .* no finite number of them"):
        riemannian_flow(problem, start, INF, [0, 1], weight_decay=0.1)
