"""Flows end by rest however much time is left, and say so where the rest point is a saddle."""

import numpy as np
import pytest

import fixedrank
from fixedrank import LinearRegression, factored_flow, riemannian_flow
from fixedrank.flows.clock import Clock
from tests.flows.test_stationarity import whitened
from tests.geometry.dense import matrix


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    return LinearRegression(rng.standard_normal((4, 12)) / 2, rng.standard_normal((4, 12)) / 2)


@pytest.mark.parametrize("end", [1e7, 1e8, 1e300])
def test_layers_come_to_rest(problem, end):
    start = fixedrank.random_balanced_factors([4, 4, 4, 4], rng=1)
    short = factored_flow(problem, start, [0, 1e3])
    flow = factored_flow(problem, start, [0, 1e3, end])
    assert flow.status.startswith("stationary from t = ")
    assert flow.complete
    # The time that is left costs nothing, and the output is the limit itself.
    assert flow.evaluations <= 1.1 * short.evaluations
    limit = problem.B @ np.linalg.inv(problem.C)
    assert np.linalg.norm(flow.product[-1] - limit) <= 1e-10 * np.linalg.norm(limit)


@pytest.mark.parametrize("end", [1e11, 1e300])
def test_the_matrix_comes_to_rest(problem, end):
    start = fixedrank.FixedRank(4, 4, 2, depth=3).random_point(rng=1)
    short = riemannian_flow(problem, start, 3, [0, 1e3])
    flow = riemannian_flow(problem, start, 3, [0, 1e3, end])
    assert flow.status.startswith("stationary from t = ")
    assert flow.evaluations <= 1.1 * short.evaluations
    best = fixedrank.global_minimizer(problem, 2).point
    assert np.linalg.norm(matrix(flow.points[-1]) - matrix(best)) <= 1e-10


@pytest.mark.parametrize(("depth", "small"), [(3, 1e-7), (6, 1e-4)])
def test_a_slow_direction_is_not_taken_for_rest(depth, small):
    # The first value is learned; the second leaves by s' = N s^(2 - 2/N) (1 - s).
    problem = LinearRegression(np.eye(2), np.diag([2.0, 1.0]))
    start = [np.diag([2.0, small]) ** (1 / depth)] * depth
    leaves = small ** (2 / depth - 1) / (depth - 2)
    flow = factored_flow(problem, start, [0.0, 0.5 * leaves, 2 * leaves + 100, 1e30])
    assert flow.product[1][1, 1] < 100 * small
    np.testing.assert_allclose(flow.product[-1], np.diag([2.0, 1.0]), rtol=0, atol=1e-9)


@pytest.mark.parametrize(("depth", "directions"), [(1, 0), (2, 4), (3, 0)])
def test_a_start_at_zero_says_what_it_is(depth, directions):
    # At W_1 = W_2 = 0 the Hessian has the eigenvalues -s_i and s_i, each of them twice here; at
    # more layers it is zero.
    problem = LinearRegression(np.eye(2), np.diag([2.0, 1.0]))
    flow = factored_flow(problem, [np.zeros((2, 2))] * depth, [0.0, 1.0, 100.0])
    assert flow.complete
    if depth == 1:
        np.testing.assert_allclose(flow.product[-1], np.diag([2.0, 1.0]), atol=1e-9)
        return
    assert flow.status.startswith("stationary from t = 0 on: nothing moves, the velocity is zero")
    assert ("it is a saddle" in flow.status) == (directions > 0)
    assert f"{directions} directions leave it" in flow.status or not directions


@pytest.mark.parametrize("chosen", [(0, 1), (0, 2), (1, 2), (2, 3)])
@pytest.mark.parametrize("depth", [2, 3])
def test_a_saddle_of_the_matrix_counts_its_directions(chosen, depth):
    # Integers and unit vectors: the velocity is exactly zero.
    problem = LinearRegression(np.eye(5), np.diag([4.0, 3.0, 2.0, 1.0, 0.0]))
    axes = np.eye(5)[:, list(chosen)]
    values = np.array([4.0, 3.0, 2.0, 1.0])[list(chosen)]
    flow = riemannian_flow(problem, (axes, values, axes.T), depth, [0.0, 10.0])
    [point] = [p for p in fixedrank.critical_points(problem, 2) if tuple(p.indices) == chosen]
    np.testing.assert_allclose(matrix(point.point), (axes * values) @ axes.T, atol=1e-12)
    assert flow.status.startswith("stationary from t = 0 on: nothing moves")
    if point.morse_index == 0:
        assert "saddle" not in flow.status
    else:
        count = "one direction leaves it" if point.morse_index == 1 else "directions leave it"
        assert f"{point.morse_index} directions" in flow.status or point.morse_index == 1
        assert count in flow.status


def test_a_saddle_that_is_left_too_slowly():
    # At rest for the time that is left, though not for ever: s_2 is not learned by then.
    problem, u, v = whitened([2.0, 1.0], 4)
    start = (u[:, 1:2], np.ones(1), v[:, 1:2].T)
    flow = riemannian_flow(problem, start, 2, [0.0, 1e-3])
    assert flow.complete
    assert "saddle" in flow.status or flow.status.startswith("reached the last time")


@pytest.mark.parametrize("start", [0.0, 1e15, -3e-7, 1e300])
def test_the_clock_loses_nothing(start):
    clock = Clock(start)
    for duration in (0.1, 1e-9, 12345.678, 3e-17):
        for _ in range(1000):
            assert clock.advance(duration) or start == 1e300
    total = sum(1000 * x for x in (0.1, 1e-9, 12345.678, 3e-17))
    if start < 1e300:
        left = float(clock.until(np.array(start)))
        assert -left == pytest.approx(total, rel=1e-12)
