"""Full square rank with a determinant of the wrong sign: the flow ends on the boundary of M_k.

Matrices of rank k = m = n with det W < 0 and those with det W > 0 are not connected in M_k. If the
best fit has the other sign, the smallest singular value decays exponentially, to the saddle of
rank k - 1: the flow stays in M_k for all time, but comes within round-off of its boundary.
"""

import numpy as np
import pytest

from fixedrank import LinearRegression, balanced_factors, compare_flows, riemannian_flow
from tests.flows.exact import logistic, scalar_curve
from tests.geometry.dense import matrix, orthonormal

EPS = np.finfo(float).eps
TARGETS = np.array([1.5, 1.0, 0.6])
T = np.linspace(0, 60, 121)


def frames(seed):
    rng = np.random.default_rng(seed)
    return orthonormal(rng, 3, 3), orthonormal(rng, 3, 3)


@pytest.fixture(scope="module")
def aligned():
    """A start whose third singular pair points against its target: s' = -2 s (s + b)."""
    u, v = frames(0)
    problem = LinearRegression(np.eye(3), (u * TARGETS) @ v.T)
    start = (u * [1, 1, -1], np.array([1.0, 0.7, 0.5]), v.T)
    return problem, start, riemannian_flow(problem, start, 2, T)


def lost(t, smallest, largest):
    """The time at which the smallest value falls to round-off of the largest."""
    return np.interp(0, -np.log(smallest / (3 * EPS * largest)), t)


def test_when_the_rank_falls(aligned):
    _, _, flow = aligned
    t = np.linspace(0, 60, 60001)
    expected = lost(t, logistic(0.5, -TARGETS[2], t), logistic(1.0, TARGETS[0], t))
    (change,) = flow.rank_changes
    assert change.rank == 2
    # It is seen after the first step beyond, and steps are bounded by stability: the largest rate
    # is 2 s_max, and DOP853 is stable up to some 6 of its inverse.
    assert expected - 0.05 <= change.t <= expected + 6 / (2 * TARGETS[0]) + 0.05
    assert change.singular_value <= 3 * EPS * TARGETS[0]
    assert "round-off" in change.reason
    assert f"t = {change.t:.6g}" in flow.status
    assert "M_2" in flow.status


def test_the_decay_before(aligned):
    _, _, flow = aligned
    before = flow.rank_changes[0].t > flow.t
    exact = np.column_stack([logistic(1.0, 1.5, T), logistic(0.7, 1.0, T), logistic(0.5, -0.6, T)])
    # Down to 1e-10 of the largest every digit asked for is there.
    far = before & (exact[:, 2] > 1e-10)
    np.testing.assert_allclose(flow.singular_values[far], exact[far], rtol=1e-6)


def test_padded_by_zeros_after(aligned):
    _, _, flow = aligned
    after = flow.rank_changes[0].t <= flow.t
    assert after.any()
    assert flow.complete, flow.status
    assert flow.singular_values.shape == (T.size, 3)
    assert not flow.singular_values[after, 2].any()
    assert flow.singular_values[~after, 2].all()
    assert {p.s.size for p, late in zip(flow.points, after, strict=True) if late} == {2}


def test_the_loss_stays_at_the_saddle(aligned):
    _, _, flow = aligned
    saddle = TARGETS[2] ** 2 / 2
    assert flow.loss[-1] == pytest.approx(saddle, rel=1e-10)
    assert (flow.loss >= saddle * (1 - 1e-10)).all()


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("seed", range(1, 5))
def test_generic_starts(depth, seed):
    (u, v), (a, b) = frames(seed), frames(seed + 10)
    B = (u * TARGETS) @ v.T
    start = (a, np.array([1.0, 0.7, 0.5]), b.T)
    if np.linalg.det(matrix(start)) * np.linalg.det(B) > 0:
        start = (a * [1, 1, -1], *start[1:])
    flow = riemannian_flow(LinearRegression(np.eye(3), B), start, depth, T)
    saddle = TARGETS[2] ** 2 / 2
    assert flow.complete, flow.status
    assert (flow.loss >= saddle * (1 - 1e-9)).all()
    best = (u[:, :2] * TARGETS[:2]) @ v[:, :2].T
    if depth == 2:
        assert [change.rank for change in flow.rank_changes] == [2]
        assert flow.loss[-1] == pytest.approx(saddle, rel=1e-9)
        np.testing.assert_allclose(matrix(flow.points[-1]), best, rtol=0, atol=1e-6)
    else:
        # At depth 3 the decay is s' = -3 s^(4/3) (s + b), a power law: no rank is lost.
        assert flow.rank_changes == ()
        assert np.linalg.det(matrix(flow.points[-1])) * np.linalg.det(B) < 0
        assert 0 < flow.singular_values[-1, 2] < 1e-3


def test_the_right_sign_reaches_the_global_minimum():
    u, v = frames(4)
    problem = LinearRegression(np.eye(3), (u * TARGETS) @ v.T)
    flow = riemannian_flow(problem, (u, np.array([1.0, 0.7, 0.5]), v.T), 2, T)
    assert flow.rank_changes == ()
    assert flow.loss[-1] < 1e-12


def test_the_verdict_of_a_comparison(aligned):
    problem, start, _ = aligned
    comparison = compare_flows(problem, balanced_factors(start, [3, 3, 3], rng=0), 1.5 * T)
    (change,) = comparison.riemannian.rank_changes
    # The saddle repels in the layers: round-off grows there once the smallest value has decayed.
    assert comparison.factored.loss[-1] < 1e-6
    assert comparison.riemannian.loss[-1] == pytest.approx(TARGETS[2] ** 2 / 2, rel=1e-9)
    assert comparison.relative_gap[comparison.t <= change.t].max() <= comparison.tolerance
    assert comparison.relative_gap[-1] > 0.1
    assert f"t = {change.t:.6g}" in comparison.verdict
    assert "rank 2" in comparison.verdict
    assert "layers" in comparison.verdict


def test_one_layer_crosses_in_finite_time():
    # W' = B - W: here -s with s' = -(s + b), which is zero at t = ln((s + b) / b).
    u, v = frames(7)
    problem = LinearRegression(np.eye(3), (u * TARGETS) @ v.T)
    start = (u * [1, 1, -1], np.array([1.0, 0.7, 0.5]), v.T)
    t = np.linspace(0, 2, 41)
    flow = riemannian_flow(problem, start, 1, t, max_step=0.05)
    when = np.log((0.5 + TARGETS[2]) / TARGETS[2])
    # All matrices are in reach of one layer: it goes on, and gets the third target.
    assert flow.complete
    assert flow.rank_changes == ()
    third = [(u[:, 2] @ matrix(point) @ v[:, 2]) for point in flow.points]
    np.testing.assert_allclose(third, TARGETS[2] - (0.5 + TARGETS[2]) * np.exp(-t), atol=1e-8)
    np.testing.assert_array_equal(np.sign(third), np.where(t < when, -1, 1))


def test_deeper_decay_is_a_power_law():
    u, v = frames(8)
    problem = LinearRegression(np.eye(3), (u * TARGETS) @ v.T)
    start = (u * [1, 1, -1], np.array([1.0, 0.7, 0.5]), v.T)
    t = np.linspace(0, 20, 5)
    flow = riemannian_flow(problem, start, 5, t)
    exact = [scalar_curve(s, b, t, 5) for s, b in zip(start[1], TARGETS * [1, 1, -1], strict=True)]
    np.testing.assert_allclose(flow.singular_values, np.transpose(exact), rtol=1e-6)


def test_down_to_nothing():
    # One number against its target: s' = -2 s (s + b), down to W = 0.
    problem = LinearRegression([[1.0]], [[-TARGETS[0]]])
    t = np.linspace(0, 40, 9)
    flow = riemannian_flow(problem, (np.eye(1), np.ones(1), np.eye(1)), 2, t)
    assert flow.complete
    exact = logistic(1.0, -TARGETS[0], t)
    np.testing.assert_allclose(flow.singular_values[:, 0], exact, rtol=1e-6)


def test_one_number_to_rest():
    problem = LinearRegression([[1.0]], [[3.0]])
    comparison = compare_flows(problem, [np.eye(1)], [0, 1, 1e5])
    np.testing.assert_allclose(comparison.riemannian.singular_values[:, 0], [1, 3 - 2 / np.e, 3])
    assert "stationary" in comparison.factored.status
    assert "stationary" in comparison.riemannian.status
