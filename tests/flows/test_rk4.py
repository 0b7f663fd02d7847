"""The classical Runge-Kutta method with a fixed step."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fixedrank import RK4, LinearRegression, factored_flow, riemannian_flow


def growth(z):
    """What one step multiplies the solution of y' = lambda y by, z = lambda h."""
    return 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24


@pytest.mark.parametrize("z", [-0.1, -2.0, 0.5])
def test_a_linear_equation(z):
    solution = solve_ivp(lambda t, y: z * y, (0, 30), [1.0, -2.0], method=RK4, step=1.0)
    assert solution.success
    expected = np.outer([1.0, -2.0], growth(z) ** np.arange(31))
    np.testing.assert_allclose(solution.y, expected, rtol=1e-13)


def test_stability_limit():
    def last(h):
        return abs(solve_ivp(lambda t, y: -y, (0, 400 * h), [1.0], method=RK4, step=h).y[0, -1])

    assert last(2.785) < 1 < last(2.786)


def test_integrates_cubics_in_time_exactly():
    solution = solve_ivp(lambda t, y: [4 * t**3], (0, 2), [0.0], method=RK4, step=0.7)
    np.testing.assert_allclose(solution.y[0], solution.t**4, rtol=1e-14)


def pendulum(t, y):
    return np.array([y[1], -np.sin(y[0])])


@pytest.mark.parametrize("interval", [(0.0, 5.0), (5.0, 0.0), (-1.0, 4.0)])
def test_fourth_order(interval):
    start = [1.0, 0.3]
    exact = solve_ivp(pendulum, interval, start, "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]

    def error(h):
        found = solve_ivp(pendulum, interval, start, method=RK4, step=h)
        assert found.success
        assert found.t[-1] == interval[1]
        return np.linalg.norm(found.y[:, -1] - exact)

    orders = np.log2([error(0.1) / error(0.05), error(0.05) / error(0.025)])
    np.testing.assert_allclose(orders, 4, atol=0.3)


@pytest.mark.parametrize("sign", [1, -1])
def test_between_the_steps(sign):
    times = sign * np.linspace(0, 5, 333)
    exact = solve_ivp(
        pendulum,
        (0, 5 * sign),
        [1.0, 0.3],
        "DOP853",
        rtol=1e-13,
        atol=1e-13,
        max_step=0.05,
        t_eval=times,
    )

    def error(h):
        found = solve_ivp(pendulum, (0, 5 * sign), [1.0, 0.3], method=RK4, step=h, t_eval=times)
        return np.abs(found.y - exact.y).max()

    assert np.log2(error(0.1) / error(0.05)) == pytest.approx(4, abs=0.5)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_grid_does_not_drift(sign):
    solution = solve_ivp(lambda t, y: 0 * y, (3, 3 + sign * 1000), [1.0], method=RK4, step=0.1)
    assert solution.t.size == 10001
    np.testing.assert_allclose(solution.t, 3 + sign * np.arange(10001) / 10, rtol=0, atol=3e-13)
    assert solution.t[-1] == 3 + sign * 1000


def test_the_last_step_is_shortened():
    solution = solve_ivp(lambda t, y: -y, (0, 1), [1.0], method=RK4, step=0.3)
    np.testing.assert_allclose(solution.t, [0, 0.3, 0.6, 0.9, 1], rtol=1e-15)
    expected = growth(-0.3) ** 3 * growth(-0.1)
    assert solution.y[0, -1] == pytest.approx(expected, rel=1e-14)


def test_four_evaluations_a_step():
    solution = solve_ivp(lambda t, y: -y, (0, 10), [1.0], method=RK4, step=0.1)
    assert solution.nfev <= 4 * 100 + 2


@pytest.mark.parametrize("step", [None, 0, -0.1, np.nan, np.inf])
def test_bad_steps(step):
    with pytest.raises(ValueError, match="step=h with h > 0"):
        solve_ivp(lambda t, y: -y, (0, 1), [1.0], method=RK4, step=step)


PROBLEM = LinearRegression(np.eye(2), np.diag([3.0, 2.0]))


def flows(**options):
    yield riemannian_flow(
        PROBLEM,
        (np.eye(2), np.array([1.0, 0.5]), np.eye(2)),
        2,
        [0, 1, 20],
        method="RK4",
        **options,
    )
    yield factored_flow(PROBLEM, [np.eye(2), np.eye(2)], [0, 1, 20], method="RK4", **options)


@pytest.mark.parametrize("options", [{}, {"step": -0.1}, {"step": 0}])
def test_the_flows_need_a_step(options):
    for name in ("riemannian", "factored"):
        with pytest.raises(ValueError, match="RK4 needs a fixed step size"):
            list(flows(**options)) if name == "riemannian" else factored_flow(
                PROBLEM, [np.eye(2)] * 2, [0, 1], method="RK4", **options
            )


def test_too_long_a_step_is_a_status():
    # The largest rate is N s^(2-2/N) = 6, so that steps beyond 2.785 / 6 are unstable; steps of 3
    # leave all bounds.
    for flow in flows(step=3.0):
        assert not flow.complete
        assert len(flow) < 3
        assert "t = " in flow.status
        assert "step" in flow.status


@pytest.mark.parametrize("method", ["RK4", RK4])
def test_by_name_and_by_class(method):
    flow = factored_flow(PROBLEM, [np.eye(2)] * 2, [0, 1], method=method, step=0.01)
    # s' = 2 s (b - s) from 1 for b = 3 and b = 2.
    exact = [b / (1 + (b - 1) * np.exp(-2 * b)) for b in (3.0, 2.0)]
    np.testing.assert_allclose(flow.singular_values[-1], exact, rtol=1e-7)
