"""At depth N < 2 a singular value may reach zero in finite time, and the flow says when."""

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from fixedrank import DepthMetric, LinearRegression, aligned_singular_value, riemannian_flow
from fixedrank.flows.boundary import Approach
from tests.flows.exact import scalar_curve
from tests.geometry.dense import matrix, orthonormal

DEPTHS = [1, 1.2, 1.5, 1.9]


def meeting_time(s, b, depth):
    """The time that s' = N s^(2-2/N) (b - s), b < 0, takes to zero, with y = s^(2/N-1)."""
    power = 2 / depth - 1

    def slowness(y):
        return 1 / (power * depth * (y ** (1 / power) - b))

    return quad(slowness, 0, s**power, epsabs=0, epsrel=1e-12)[0]


def whitened(targets, m=4, n=3):
    B = np.zeros((m, n))
    B[range(len(targets)), range(len(targets))] = targets
    return LinearRegression(np.eye(n), B)


@pytest.mark.parametrize("depth", DEPTHS)
def test_when_and_what_then(depth):
    problem = whitened([3, -1, 0.5])
    start = (np.eye(4)[:, :2], np.array([1.0, 0.7]), np.eye(3)[:2])
    when = meeting_time(0.7, -1, depth)
    t = when * np.array([0, 0.1, 0.5, 0.8, 1.01, 1.5])
    flow = riemannian_flow(problem, start, depth, t)
    (change,) = flow.rank_changes
    # Measured: 1.4e-8 at rtol 1e-8.
    assert change.t == pytest.approx(when, rel=1e-6)
    assert change.rank == 1
    assert "reached zero" in change.reason
    assert ("several" in change.reason) == (depth > 1)
    assert change.reason in flow.status
    assert flow.complete
    assert flow.evaluations < 1000
    assert [point.s.size for point in flow.points] == [2, 2, 2, 2, 1, 1]
    np.testing.assert_allclose(
        flow.singular_values[:, 0], scalar_curve(1.0, 3.0, t, depth), rtol=1e-6
    )
    small = aligned_singular_value(0.7, -1.0, 1.0, depth, t[:4])
    np.testing.assert_allclose(flow.singular_values[:4, 1], small, rtol=1e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_all_of_W(depth):
    problem = whitened([-1])
    start = (np.eye(4)[:, :1], np.array([0.7]), np.eye(3)[:1])
    when = meeting_time(0.7, -1, depth)
    flow = riemannian_flow(problem, start, depth, when * np.array([0, 0.5, 1.1, 100]))
    (change,) = flow.rank_changes
    assert change.t == pytest.approx(when, rel=1e-6)
    assert change.rank == 0
    assert flow.complete
    assert "stationary" in flow.status
    np.testing.assert_array_equal(flow.singular_values[2:], 0)
    np.testing.assert_array_equal(flow.gradient_norm[2:], 0)
    assert flow.loss[-1] == pytest.approx(0.5)


@pytest.mark.parametrize("depth", [1.2, 1.5])
def test_two_at_once(depth):
    problem = whitened([-1, -1, 0.5])
    start = (np.eye(4)[:, :3], np.array([0.7, 0.7, 0.3]), np.eye(3))
    when = meeting_time(0.7, -1, depth)
    flow = riemannian_flow(problem, start, depth, [0, 2 * when])
    assert [change.rank for change in flow.rank_changes] == [2, 1]
    np.testing.assert_allclose([change.t for change in flow.rank_changes], when, rtol=1e-6)
    expected = scalar_curve(0.3, 0.5, [0, 2 * when], depth)
    np.testing.assert_allclose(flow.singular_values[:, [2, 0]].diagonal(), expected, rtol=1e-6)


@pytest.mark.parametrize("depth", [1.2, 1.5])
def test_the_wrong_determinant(depth):
    """Square and of full rank, with frames that turn: s^(2/N-1) is smooth up to its zero."""
    rng = np.random.default_rng(3)
    target = (orthonormal(rng, 3, 3) * [1.5, 1.0, 0.6]) @ orthonormal(rng, 3, 3)
    u, v = orthonormal(rng, 3, 3), orthonormal(rng, 3, 3)
    u[:, 2] *= -np.sign(np.linalg.det(u) * np.linalg.det(v) * np.linalg.det(target))
    problem, start = LinearRegression(np.eye(3), target), (u, np.array([1, 0.8, 0.6]), v.T)
    (change,) = riemannian_flow(problem, start, depth, [0, 50]).rank_changes
    assert change.rank == 2
    assert "several" in change.reason
    t = change.t * np.array([0, 0.8, 0.84, 0.88, 0.92, 0.96])
    x = riemannian_flow(problem, start, depth, t).singular_values[1:, 2] ** (2 / depth - 1)
    roots = np.roots(np.polyfit(t[1:] / change.t - 1, x, 4))
    assert np.abs(roots).min() < 1e-4


@pytest.mark.parametrize("tilt", [0.3, 0.01])
def test_near_the_boundary_frames_turn_fast(tilt):
    """At depth 1 and k < min(m, n), off the aligned start, the singular value grows again."""
    problem = whitened([3, -1, 0.5])
    c, s = np.cos(tilt), np.sin(tilt)
    u = np.array([[1, 0], [0, c], [0, s], [0, 0]])
    start, t = (u, np.array([1.0, 0.7]), np.eye(3)[:2]), np.linspace(0, 2, 9)

    def velocity(_, flat):
        W = flat.reshape(4, 3)
        u, _, vt = np.linalg.svd(W)
        G = W - problem.B
        normal = (np.eye(4) - u[:, :2] @ u[:, :2].T) @ G @ (np.eye(3) - vt[:2].T @ vt[:2])
        return (normal - G).ravel()

    expected = solve_ivp(
        velocity, (0, 2), matrix(start).ravel(), "DOP853", t, rtol=1e-11, atol=1e-13
    ).y.T
    flow = riemannian_flow(problem, start, 1, t)
    assert flow.rank_changes == ()
    assert flow.singular_values[:, 1].min() < 0.2 < flow.singular_values[-1, 1]
    for point, flat in zip(flow.points, expected, strict=True):
        np.testing.assert_allclose(matrix(point).ravel(), flat, rtol=0, atol=1e-5)


def test_no_target_for_a_singular_value():
    # At depth 1 it decays like exp(-t), down to round-off: no meeting, and no end of steps.
    rng = np.random.default_rng(4)
    u, v = orthonormal(rng, 6, 4), orthonormal(rng, 6, 4)
    problem = LinearRegression(np.eye(6), (u[:, :2] * [3, 2]) @ v[:, :2].T)
    t = np.array([0.0, 1.0, 5.0, 10.0, 60.0])
    flow = riemannian_flow(problem, (u, np.array([1, 0.8, 0.6, 0.4]), v.T), 1, t)
    assert flow.complete
    assert flow.evaluations < 2000
    expected = np.outer(np.exp(-t[:4]), [0.6, 0.4])
    np.testing.assert_allclose(flow.singular_values[:4, 2:], expected, rtol=1e-6)
    assert all("round-off" in change.reason for change in flow.rank_changes)


@pytest.mark.parametrize("method", ["RK45", "ROCK4", "RKC", "Radau", "LSODA"])
def test_other_methods(method):
    problem = whitened([3, -1, 0.5])
    start = (np.eye(4)[:, :2], np.array([1.0, 0.7]), np.eye(3)[:2])
    flow = riemannian_flow(problem, start, 1.5, [0, 2], method=method, rtol=1e-4)
    (change,) = flow.rank_changes
    assert change.t == pytest.approx(meeting_time(0.7, -1, 1.5), rel=0.02)


def test_a_fixed_step_across_it():
    problem = whitened([3, -1, 0.5])
    start = (np.eye(4)[:, :2], np.array([1.0, 0.7]), np.eye(3)[:2])
    flow = riemannian_flow(problem, start, 1, [0, 2], method="RK4", step=0.1)
    assert not flow.complete
    assert "crossed the boundary of M_2, which the flow may end at" in flow.status


def predictions(depth, curve, rate, times):
    approach = Approach(DepthMetric(depth))
    return [approach.meeting(t, curve(t), rate(t)) for t in times]


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_straight_way_is_predicted_at_once(depth):
    # x = s^(2/N-1) = 1 - t, which falls at the rate (2 - N) a.
    power = 2 / depth - 1
    found = predictions(
        depth, lambda t: (1 - t) ** (1 / power), lambda t: 1 / (2 - depth), [0.1, 0.5, 0.8]
    )
    assert found[0] is None
    for meeting in found[1:]:
        assert meeting.t == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("step", [0.3, 1.0, 5.0])
def test_decay_is_no_meeting(step):
    times = step * np.arange(1, 20)
    assert predictions(1, lambda t: np.exp(-t), lambda t: np.exp(-t), times) == [None] * 19


@pytest.mark.parametrize("rate", [-1.0, -0.5, 0.0, np.nan, np.inf])
def test_a_value_that_does_not_fall_is_no_meeting(rate):
    assert predictions(1, lambda t: 1 + t, lambda t: rate, [0.1, 0.2, 0.3]) == [None] * 3


def test_two_predictions_in_a_row_have_to_agree():
    # On a straight way to 1, but that it does not fall for a moment.
    rates = {0.1: 1.0, 0.2: -1.0, 0.3: 1.0, 0.4: 1.0}
    found = predictions(1, lambda t: 1 - t, rates.get, list(rates))
    assert found[:3] == [None] * 3
    assert found[3].t == pytest.approx(1, rel=1e-12)


def test_a_value_that_begins_to_fall_from_rest():
    # x = 1 - t^2, whose way is no straight one at first.
    times = [0.0, 0.5, 0.9, 0.99, 0.999]
    found = predictions(1, lambda t: 1 - t * t, lambda t: 2 * t, times)
    assert found[:2] == [None] * 2
    assert found[-1].t == pytest.approx(1, abs=1e-6)


def test_a_bent_way_is_predicted_from_two_places():
    # A time that is a cubic of x: t = 1 - x - x^2 / 4 - x^3 / 8, with x' = -1 / (dt/dx).
    approach = Approach(DepthMetric(1))

    def meeting(x):
        t = 1 - x - x**2 / 4 - x**3 / 8
        return approach.meeting(t, x, 1 / (1 + x / 2 + 3 * x**2 / 8))

    assert [meeting(x) for x in (1.0, 0.8)] == [None] * 2
    for x in (0.6, 0.3):
        assert meeting(x).t == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("depth", [2, 2.5, 7])
def test_from_depth_two_on_only_errors_cross_the_boundary(depth):
    why = Approach(DepthMetric(depth)).lower_rank(3, 2)
    assert "errors would carry the flow across the boundary of M_3" in why
