"""Laws of the solvers here: units, linear equations against expm, imaginary spectra."""

import functools

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fixedrank import RKC, ROCK4, AutoSwitching

METHODS = [RKC, ROCK4, AutoSwitching, functools.partial(AutoSwitching, stiff=True)]
NAMES = ["RKC", "ROCK4", "AutoSwitching", "AutoSwitching from ROCK4"]
methods = pytest.mark.parametrize("method", METHODS, ids=NAMES)


def steps(method, fun, y0, end, **options):
    """Step from 0 to the end; return the times, the states, two values between, the evaluations."""
    solver = method(fun, 0.0, y0, end, **options)
    times, states = [0.0], [solver.y]
    while solver.status == "running":
        assert solver.step() is None
        times.append(float(solver.t))
        states.append(solver.y)
    inside = solver.dense_output()(solver.t_old + np.array([0.25, 0.5]) * solver.step_size)
    return np.array(times), np.array(states).T, inside, solver.nfev


def pendulum(t, y):
    """Slow and fast directions, nonlinear, driven."""
    return np.array([y[1], -np.sin(y[0]) - 300 * y[1] + np.cos(t)])


@methods
@given(of_state=st.integers(-120, 120), of_time=st.integers(-120, 120), zero=st.booleans())
def test_units_change_nothing(method, of_state, of_time, zero):
    """y in units of c, t in units of d, both powers of two: each digit of each step is the same."""
    c, d = 2.0**of_state, 2.0**of_time
    start = np.zeros(2) if zero else np.array([1.0, 0.3])

    def scaled(t, y):
        return pendulum(t / d, y / c) * (c / d)

    times, states, inside, count = steps(method, pendulum, start, 0.5, rtol=1e-4, atol=1e-6)
    found = steps(method, scaled, c * start, 0.5 * d, rtol=1e-4, atol=1e-6 * c)
    assert found[3] == count
    np.testing.assert_array_equal(found[0], times * d)
    np.testing.assert_array_equal(found[1], states * c)
    np.testing.assert_allclose(found[2], inside * c, rtol=1e-13)


@methods
@given(
    seed=st.integers(0, 2**32 - 1),
    size=st.integers(1, 8),
    fastest=st.floats(0, 4),
    rtol=st.sampled_from([1e-3, 1e-5, 1e-7]),
)
def test_linear_equations_against_expm(method, seed, size, fastest, rtol):
    """Random symmetric negative definite matrices with rates from 1 to 10^fastest."""
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.standard_normal((size, size)))[0]
    rates = 10 ** (fastest * rng.random(size))
    matrix = -(frame * rates) @ frame.T
    start = rng.standard_normal(size)
    # Of many local errors, ten tolerances; RKC is of second order with an estimate of third.
    bound = 10 * (rtol ** (2 / 3) if method is RKC else rtol)
    # At ends of steps: the tolerance is theirs, an interpolant is less accurate where all is stiff.
    for end in (0.13, 0.5, 0.9):
        times = np.array([0.0, end])
        found = solve(method, lambda t, y: matrix @ y, times, start, rtol=rtol, atol=rtol)
        assert found.success
        error = np.linalg.norm(found.y[:, -1] - scipy.linalg.expm(matrix * end) @ start)
        assert error <= bound * (1 + np.linalg.norm(start))


def solve(method, fun, times, start, **options):
    if isinstance(method, functools.partial):
        options, method = method.keywords | options, method.func
    return solve_ivp(fun, times[[0, -1]], start, method=method, t_eval=times, **options)


# Evaluations at least and at most, in those of DOP853, and errors of 16 turns at rtol = 1e-5.
IMAGINARY = {"RKC": (4, 10, 0.1), "ROCK4": (1.5, 4, 0.01), "AutoSwitching": (0.9, 1.5, 1e-3)}


@pytest.mark.parametrize("name", IMAGINARY)
def test_an_imaginary_spectrum_is_right_but_slow(name):
    """A rotation at the rates 1 and 100, where no stabilised method is stable at any step.

    Small errors of each step keep them right, by more steps than DOP853 takes; AutoSwitching
    stays with DOP853. Phases drift with the order of the method, so that RKC is far off.
    """
    method, rates = METHODS[NAMES.index(name)], np.array([1.0, 100.0])

    def rotation(t, y):
        return np.concatenate((rates * y[2:], -rates * y[:2]))

    start, exact = np.array([1.0, 1, 0, 0]), np.concatenate((np.cos(rates), -np.sin(rates)))

    def run(method, rtol):
        found = solve(method, rotation, np.array([0.0, 1]), start, rtol=rtol, atol=rtol)
        assert found.success
        return np.abs(found.y[:, -1] - exact).max(), found.nfev

    fewest, most, bound = IMAGINARY[name]
    error, evaluations = run(method, 1e-5)
    _, classical = run("DOP853", 1e-5)
    assert fewest * classical < evaluations < most * classical
    assert error < bound
    finer, _ = run(method, 1e-7)
    assert finer < error / 10
