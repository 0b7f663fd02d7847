"""Many output times in a step cost a few evaluations, and are as good as few."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from fixedrank import (
    LinearRegression,
    factored_flow,
    gaussian_factors,
    product,
    random_balanced_factors,
    riemannian_flow,
)
from fixedrank.flows.methods import properties_of
from fixedrank.flows.solvers import METHODS
from fixedrank.networks.initial import product_point
from tests.geometry.dense import matrix


def autoencoder(d=20, rank=2):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((d, 3 * d)) / np.sqrt(d)
    return LinearRegression(X, X), random_balanced_factors([d, rank, rank, d], rng=1)


def test_they_cost_no_more_than_a_few_steps():
    problem, start = autoencoder()
    few, many = (factored_flow(problem, start, np.linspace(0, 3, n)) for n in (2, 1501))
    assert many.steps == few.steps
    # Three evaluations for the interpolant, two for its defect, and in halves where that is large.
    assert many.evaluations <= 4 * few.evaluations
    fine = factored_flow(problem, start, many.t[::300], method="DOP853", rtol=1e-12)
    for found, expected in zip(many.product[::300], fine.product, strict=True):
        assert np.linalg.norm(found - expected) <= 2e-8 * np.linalg.norm(expected)


STIFF = np.array([1.0, 30.0, 1000.0])


def relaxing(t, y):
    """Fast directions that follow a slow one."""
    return -STIFF * (y - y[0] ** np.array([1.0, 2.0, 3.0])) - np.array([1.0, 0, 0]) * y[0] ** 2


@pytest.mark.parametrize("method", ["RK23", "RK45", "DOP853", "RK4", "ROCK4", "RKC", "auto"])
@pytest.mark.parametrize("count", [2, 7, 300])
def test_inside_steps_limited_by_stability(method, count):
    rtol, atol = 1e-7, 1e-9
    options = {"step": 1e-4} if method == "RK4" else {"rtol": rtol, "atol": atol}
    solver = METHODS[method](relaxing, 0.0, np.array([1.0, 0.5, 0.2]), 3.0, **options)
    apart = 0.04 if method == "RK4" else 0.2
    looked = 0
    while solver.status == "running" and looked < 8:
        solver.step()
        # Single steps, from the start on and where stability limits them.
        if solver.t > apart * looked:
            looked += 1
            times = np.linspace(solver.t_old, solver.t, count + 2)[1:-1]
            found = np.array(properties_of(type(solver)).states_inside(solver, times, rtol))
            assert found.shape == (count, 3)
            expected = local_solution(solver, times)
            scale = atol + rtol * np.abs(expected)
            # What a step is held to is an estimate of its error.
            assert (np.linalg.norm((found - expected) / scale, axis=1) < 10).all()
    assert looked > 3


@pytest.mark.parametrize("count", [3, 40])
@pytest.mark.parametrize("rtol", [1e-4, 1e-7])
def test_step_after_step_they_cost_nothing(count, rtol):
    """But for the first ones, and are as good as the ends of the steps."""
    start, end, atol = np.array([1.0, 0.5, 0.2]), 0.2, 1e-2 * rtol
    exact = solve_ivp(
        relaxing, (0.0, end), start, "Radau", dense_output=True, rtol=1e-12, atol=1e-15
    ).sol
    solver = METHODS["ROCK4"](relaxing, 0.0, start, end, rtol=rtol, atol=atol)
    spent, steps = 0, 0
    while solver.status == "running":
        solver.step()
        steps += 1
        times = np.linspace(solver.t_old, solver.t, count + 2)[1:-1]
        before = solver.nfev
        found = np.array(properties_of(type(solver)).states_inside(solver, times, rtol))
        spent += solver.nfev > before
        scale = atol + rtol * np.abs(exact(times).T)
        # Less than a half, measured.
        assert (np.linalg.norm((found - exact(times).T) / scale, axis=1) < 5).all()
    assert spent <= 0.25 * steps


def test_they_are_accurate_where_stability_limits_the_steps():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 15)) / np.sqrt(5)
    problem = LinearRegression(X, product(gaussian_factors([5, 2, 4, 5], rng=rng)) @ X)
    start = product_point(random_balanced_factors([5, 2, 4, 5], rng=1), balanced=True)
    few, many = (
        riemannian_flow(problem, start, 3, np.linspace(0, 20, n), rtol=1e-6) for n in (2, 2001)
    )
    # 2.4 times, and 5.1 times by states inside each step.
    assert many.evaluations <= 3.5 * few.evaluations
    fine = riemannian_flow(problem, start, 3, many.t[::100], method="DOP853", rtol=1e-11)
    for found, expected in zip(many.points[::100], fine.points, strict=True):
        distance = np.linalg.norm(matrix(found) - matrix(expected))
        assert distance <= 1e-5 * np.linalg.norm(matrix(expected))


def local_solution(solver, times):
    """The solution from where the step began, by an implicit method to a tolerance far below."""
    stepped = getattr(solver, "stepped", solver)
    start = stepped.y_old if hasattr(stepped, "y_old") else stepped.states[-1].y
    solution = solve_ivp(
        relaxing,
        (solver.t_old, solver.t),
        start,
        "Radau",
        t_eval=times,
        rtol=1e-11,
        atol=1e-14,
    )
    return solution.y.T


def test_the_end_of_a_step_is_the_state_there():
    solver = METHODS["DOP853"](relaxing, 0.0, np.ones(3), 1.0)
    solver.step()
    times = np.array([solver.t_old, (solver.t_old + solver.t) / 2, solver.t])
    found = properties_of(type(solver)).states_inside(solver, times, 1e-3)
    np.testing.assert_array_equal(found[-1], solver.y)
    np.testing.assert_array_equal(found[0], np.ones(3))
