"""More singular values than the data have (k > q): the surplus dies out like a power of t.

On whitened data (C = I) a singular value without a target follows s' = -N s^(3-2/N), so that
s^(-p) grows by N p a unit of time, p = 2 - 2/N. Theorem 6 sends such a flow to M_q in the limit;
at no finite time does it leave M_k.
"""

import numpy as np
import pytest

from fixedrank import LinearRegression, balanced_factors, factored_flow, riemannian_flow
from tests.flows.exact import scalar_curve
from tests.geometry.dense import matrix, orthonormal

M, N, TARGETS = 5, 4, np.array([0.5, 0.3])
T = np.array([0.0, 10.0, 1e3, 5e3, 1e4])


def whitened(rng):
    u, v = orthonormal(rng, M, 4), orthonormal(rng, N, 4)
    return LinearRegression(np.eye(N), (u[:, :2] * TARGETS) @ v[:, :2].T), u, v


@pytest.mark.parametrize("depth", [2, 3, 10])
def test_from_an_aligned_start(depth):
    problem, u, v = whitened(np.random.default_rng(0))
    s = np.array([0.4, 0.35, 0.3, 0.2])
    flow = riemannian_flow(problem, (u, s, v.T), depth, T)
    assert flow.complete
    assert flow.rank_changes == ()
    power = 2 - 2 / depth
    surplus = (s[2:] ** -power + depth * power * T[:, None]) ** (-1 / power)
    large = [scalar_curve(a, b, T, depth) for a, b in zip(s[:2], TARGETS, strict=True)]
    expected = np.column_stack((*large, surplus))
    # rtol 1e-8 a step; a power law forgets early errors.
    np.testing.assert_allclose(flow.singular_values, -np.sort(-expected, axis=1), rtol=1e-6)


@pytest.mark.parametrize("depth", [2, 3, 10])
def test_from_a_generic_start(depth):
    rng = np.random.default_rng(1)
    problem, _, _ = whitened(rng)
    point = (orthonormal(rng, M, 4), np.array([0.5, 0.4, 0.3, 0.3]), orthonormal(rng, N, 4).T)
    flow = riemannian_flow(problem, point, depth, T)
    assert flow.complete
    assert flow.rank_changes == ()
    assert "rank" not in flow.status
    power = 2 - 2 / depth
    inverse = flow.singular_values[:, 2:] ** -power
    # Once the rest has converged, which it does exponentially, the law holds by itself.
    rate = np.diff(inverse, axis=0)[2:] / np.diff(T)[2:, None]
    np.testing.assert_allclose(rate, depth * power, rtol=1e-4)
    # s -> (N p t)^(-1/p), up to the memory of the start in s^(-p).
    memory = np.abs(inverse[2] - depth * power * T[2]).max()
    limit = (depth * power * T[-1]) ** (-1 / power)
    slack = 2 * memory / (power * depth * power * T[-1])
    assert slack < 0.05
    np.testing.assert_allclose(flow.singular_values[-1, 2:], limit, rtol=slack)
    np.testing.assert_allclose(flow.singular_values[-1, :2], TARGETS, rtol=0, atol=1e-6)


def test_the_layers_do_the_same():
    rng = np.random.default_rng(2)
    problem, _, _ = whitened(rng)
    point = (orthonormal(rng, M, 4), np.array([0.5, 0.4, 0.3, 0.3]), orthonormal(rng, N, 4).T)
    factors = balanced_factors(point, [N, 4, M], rng=3)
    layers = factored_flow(problem, factors, T[:3])
    flow = riemannian_flow(problem, point, 2, T[:3])
    np.testing.assert_allclose(layers.singular_values, flow.singular_values, rtol=1e-5)


def test_no_targets_at_all():
    # Y = 0: W dies out as a whole, as U and V stand still.
    rng = np.random.default_rng(4)
    s = np.array([1.0, 0.5])
    point = (orthonormal(rng, M, 2), s, orthonormal(rng, N, 2).T)
    flow = riemannian_flow(LinearRegression(np.eye(N), np.zeros((M, N))), point, 2, T)
    exact = 1 / (1 / s + 2 * T[:, None])
    np.testing.assert_allclose(flow.singular_values, exact, rtol=1e-6)
    last = (point[0] * exact[-1]) @ point[2]
    np.testing.assert_allclose(matrix(flow.points[-1]), last, rtol=0, atol=1e-6 * exact[-1, 0])
