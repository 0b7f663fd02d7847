"""The Runge-Kutta-Chebyshev method, against its stability polynomial and other integrators."""

import numpy as np
import pytest
from numpy.polynomial import chebyshev
from scipy.integrate import solve_ivp

from fixedrank import (
    RKC,
    FixedRank,
    LinearRegression,
    factored_flow,
    gaussian_factors,
    layer_widths,
    product,
    random_balanced_factors,
    riemannian_flow,
)
from tests.geometry.dense import matrix


def polynomial(stages, z):
    """The stability polynomial a_s + b_s T_s(w_0 + w_1 z), from NumPy's Chebyshev series."""
    series = np.eye(stages + 1)[stages]
    w0 = 1 + 2 / 13 / stages**2
    value, first, second = (
        chebyshev.chebval(w0, chebyshev.chebder(series, order)) for order in range(3)
    )
    b = second / first**2
    return 1 - b * value + b * chebyshev.chebval(w0 + first / second * z, series)


@pytest.mark.parametrize("h", [0.01, 1.0, 30.0, 2000.0])
def test_one_step_of_linear_equations_is_the_stability_polynomial(h):
    rates = np.linspace(0, 1, 11)
    solver = RKC(lambda t, y: -rates * y, 0, np.ones(11), 1e9, rtol=1e-3)
    found = solver._taken(h, 0.0, solver.y, solver.f, 1.0)
    stages = next(s for s in range(2, 10**4) if s > np.sqrt(1 + 1.54 * h))
    np.testing.assert_allclose(found, polynomial(stages, -h * rates), rtol=0, atol=1e-11)
    assert np.abs(found).max() <= 1


def pendulum(t, y):
    return np.array([y[1], -np.sin(y[0]) - 3 * y[1] + np.cos(t)])


@pytest.mark.parametrize("interval", [(0.0, 2.0), (0.5, 0.0)])
def test_second_order_with_stages_at_their_times(interval):
    start = [1.0, 0.3]
    exact = solve_ivp(pendulum, interval, start, "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]

    def error(h):
        solver = RKC(pendulum, interval[0], np.array(start), interval[1])
        h = np.copysign(h, interval[1] - interval[0])
        y, t = solver.y, interval[0]
        for _ in range(round(abs((interval[1] - interval[0]) / h))):
            y = solver._taken(h, t, y, pendulum(t, y), 4 / abs(h))
            t += h
        return np.linalg.norm(y - exact)

    orders = np.log2([error(0.1) / error(0.05), error(0.05) / error(0.025)])
    np.testing.assert_allclose(orders, 2, atol=0.25)


def test_exact_for_velocities_linear_in_time():
    solution = solve_ivp(lambda t, y: [2 * t, 1.0], (1, 3), [1.0, 0.0], method=RKC)
    np.testing.assert_allclose(solution.y[:, -1], [9, 2], rtol=1e-12)


def test_a_stiff_equation_takes_few_evaluations():
    rates = np.geomspace(1, 1e6, 20)

    def velocity(t, y):
        return -rates * (y - np.cos(t))

    start = np.full(20, 2.0)
    chosen = {"rtol": 1e-4, "atol": 1e-6}
    reference = solve_ivp(velocity, (0, 10), start, method="Radau", rtol=1e-10, atol=1e-12)
    found = solve_ivp(velocity, (0, 10), start, method=RKC, **chosen)
    assert found.success
    np.testing.assert_allclose(found.y[:, -1], reference.y[:, -1], rtol=0, atol=2e-4)
    # Classical explicit methods need h < 7 / rho with 12 evaluations: over 10^7.
    assert found.nfev < 100_000


def test_between_the_steps():
    times = np.linspace(0, 10, 101)
    found = solve_ivp(
        lambda t, y: -1e4 * (y - np.sin(t)), (0, 10), [0.0], method=RKC, rtol=1e-6, t_eval=times
    )
    # Up to exp(-1e4 t) the solution is sin(t) - cos(t) 1e-4.
    np.testing.assert_allclose(found.y[0, 1:], np.sin(times[1:] - 1e-4), rtol=0, atol=2e-6)
    assert found.y[0, 0] == 0


def test_smaller_tolerances_give_smaller_errors():
    exact = solve_ivp(pendulum, (0, 5), [1.0, 0.3], "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    errors = [
        np.linalg.norm(
            solve_ivp(pendulum, (0, 5), [1.0, 0.3], method=RKC, rtol=r, atol=r).y[:, -1] - exact
        )
        for r in (1e-3, 1e-5, 1e-7)
    ]
    for rtol, error in zip((1e-3, 1e-5, 1e-7), errors, strict=True):
        # The local error, of third order, is kept to rtol; the error of many steps is of second.
        assert error <= rtol ** (2 / 3)
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_nothing_moves():
    found = solve_ivp(lambda t, y: 0 * y, (0, 1e6), [1.0, 0.0], method=RKC)
    assert found.success
    assert found.y[:, -1].tolist() == [1, 0]
    assert found.nfev < 200


def test_an_explosion_is_noticed():
    found = solve_ivp(lambda t, y: y**2, (0, 2), [1.0], method=RKC)
    assert not found.success
    assert found.t[-1] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "options", [{"rtol": 0}, {"rtol": np.nan}, {"atol": [1e-3, 0]}, {"max_step": 0}]
)
def test_bad_options(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be positive"):
        solve_ivp(lambda t, y: -y, (0, 1), [1.0, 2.0], method=RKC, **options)


@pytest.mark.parametrize("start", ["balanced", "gaussian"])
def test_both_flows_over_a_long_time(start):
    """Appendix A at d = 12, r = 2, N = 10: beside DOP853 at its usual tolerances."""
    d, rank, depth = 12, 2, 10
    rng = np.random.default_rng(0)
    X = rng.standard_normal((d, 3 * d)) / np.sqrt(d)
    widths = layer_widths(d, rank, depth)
    problem = LinearRegression(X, product(gaussian_factors(widths, rng=rng)) @ X)
    times = [0.0, 0.1, 1.0, 5.0]
    loose = {"method": "RKC", "rtol": 1e-5, "atol": 1e-7}
    if start == "balanced":
        factors = random_balanced_factors(widths, rng=rng)
        point = FixedRank(d, d, rank, depth=depth).point(product(factors))
        found = riemannian_flow(problem, point, depth, times, **loose)
        exact = riemannian_flow(problem, point, depth, times, method="DOP853")
    else:
        factors = gaussian_factors(widths, rng=rng)
        found = factored_flow(problem, factors, times, **loose)
        exact = factored_flow(problem, factors, times, method="DOP853")
    for W, expected in zip(found.points, exact.points, strict=True):
        assert np.linalg.norm(matrix(W) - matrix(expected)) <= 1e-3 * np.linalg.norm(expected.s)
    assert found.evaluations < exact.evaluations / 4


def test_very_stiff_equations_keep_to_a_number_of_stages():
    """At the rate 1e12 a step over the whole time would take over a million stages."""
    count = 0

    def velocity(t, y):
        nonlocal count
        count += 1
        return -1e12 * y

    solver = RKC(velocity, 0, np.array([1e-9]), 1.0, atol=1e-3)
    before = count
    solver.step()
    assert count - before <= 5100
    assert abs(solver.y[0]) <= 1e-9
