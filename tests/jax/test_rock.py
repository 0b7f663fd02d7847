"""The stabilised method as a solver of diffrax."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import fixedrank
from fixedrank.flows.rock_coefficients import coefficients
from fixedrank.jax import ROCK4
from fixedrank.jax.rock_tables import rock_tables


def moving(t, y, args=None):
    """A smooth equation that is not linear and hangs on the time."""
    return jnp.array([y[1] - y[0] * jnp.cos(t), -y[0] * y[1] - y[1] / 2 + jnp.sin(t)])


def solved(field, y0, end, dt=None, rtol=1e-6, solver=None, **options):
    """Return the last state, and how many evaluations were made."""
    count = [0]

    def counted(t, y, args):
        jax.debug.callback(lambda: count.__setitem__(0, count[0] + 1))
        return field(t, y, args)

    constant = diffrax.ConstantStepSize()
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(counted),
        solver or ROCK4(**options),
        t0=0.0,
        t1=end,
        dt0=dt,
        y0=y0,
        stepsize_controller=constant if dt else diffrax.PIDController(rtol=rtol, atol=rtol),
        max_steps=10_000,
    )
    jax.block_until_ready(solution.ys)
    jax.effects_barrier()
    return np.asarray(solution.ys[-1]), count[0]


def test_the_tables_are_those_of_the_library():
    tables = rock_tables()
    assert tables.steps[0] + 4 == 5
    assert tables.steps[-1] + 4 >= 250
    for index in (0, 7, len(tables.steps) - 1):
        steps = tables.steps[index]
        method = coefficients(steps + 4)
        np.testing.assert_array_equal(tables.recurrence[index, :steps], method.steps)
        assert not tables.recurrence[index, steps:].any()
        np.testing.assert_array_equal(tables.inner[index, 4, :4], method.outer)
        np.testing.assert_array_equal(tables.inner[index, 3, :3], method.inner[-1])


def test_each_kept_method_is_little_longer_than_the_one_before():
    lengths = rock_tables().lengths
    assert (np.sqrt(lengths[16:] / lengths[15:-1]) < 1.12).all()


def test_of_fourth_order():
    reference = solve_ivp(
        lambda t, y: [y[1] - y[0] * np.cos(t), -y[0] * y[1] - y[1] / 2 + np.sin(t)],
        (0, 2),
        [1.0, 0.5],
        method="DOP853",
        rtol=1e-13,
        atol=1e-13,
    ).y[:, -1]
    start = jnp.array([1.0, 0.5])
    run = jax.jit(lambda dt: _fixed(start, dt))
    errors = [np.abs(run(2.0 / n) - reference).max() for n in (10, 20, 40)]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert ((orders > 3.8) & (orders < 4.3)).all()


def _fixed(start, dt):
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(moving), ROCK4(), 0.0, 2.0, dt, start, max_steps=100
    )
    return solution.ys[-1]


def test_stiff_equations_take_few_evaluations():
    rates = jnp.array([1.0, 30.0, 1e5])
    state, evaluations = solved(lambda t, y, args: -rates * (y - 1), jnp.zeros(3), 1.0)
    np.testing.assert_allclose(state, [1 - np.exp(-1), 1.0, 1.0], atol=1e-5)
    ours = solve_ivp(
        lambda t, y: -np.asarray(rates) * (y - 1),
        (0, 1),
        np.zeros(3),
        method=fixedrank.ROCK4,
        rtol=1e-6,
        atol=1e-6,
    )
    assert evaluations < 2 * ours.nfev
    # A classical method is stable up to steps of 3.3 / rate, of six evaluations each.
    assert evaluations < 0.1 * 6 * 1e5 / 3.3


def test_a_step_beyond_all_tables_is_rejected():
    y, t = jnp.ones(2), jnp.asarray(0.0)
    term = diffrax.ODETerm(lambda t, y, args: -1e6 * y)
    solver = ROCK4()
    state = solver.init(term, t, t + 1, y, None)
    assert float(state[1]) == pytest.approx(1e6, rel=1e-3)
    error = solver.step(term, t, t + 1, y, None, state, False)[1]
    assert np.isinf(error).all()
    error = solver.step(term, t, t + 1e-3, y, None, state, False)[1]
    assert np.isfinite(error).all()


def test_derivatives_go_backwards_through_a_step_beyond_all_tables():
    """What overflows in a step that is rejected has no part in them."""
    term, solver = diffrax.ODETerm(lambda t, y, args: -args * (y + y**3)), ROCK4()
    t, y = jnp.asarray(0.0), jnp.ones(2)

    def end(rate):
        state = solver.init(term, t, t + 1, y, rate)
        tried = solver.step(term, t, t + 1, y, rate, state, False)
        return jnp.where(jnp.isfinite(tried[1]).all(), tried[0], rate * y).sum()

    assert float(jax.grad(end)(1e6)) == pytest.approx(2.0)


def test_where_the_velocity_is_not_finite_a_step_is_rejected():
    def field(t, y, args):
        return jnp.where(y < 2, jnp.ones_like(y), jnp.nan)

    state, _ = solved(field, jnp.array([0.0]), 1.99)
    assert state[0] == pytest.approx(1.99)


def test_at_rest_nothing_moves():
    state, evaluations = solved(lambda t, y, args: 0 * y, jnp.array([1.0, 2.0]), 10.0, dt=2.5)
    np.testing.assert_array_equal(state, [1.0, 2.0])
    assert evaluations < 100


def test_both_modes_of_differentiation_agree_with_the_exact_derivative():
    def end(rate, **options):
        solution = diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: -args * y),
            ROCK4(reverse=not options),
            0.0,
            1.0,
            None,
            jnp.array([1.0]),
            args=rate,
            stepsize_controller=diffrax.PIDController(rtol=1e-8, atol=1e-8),
            **options,
        )
        return solution.ys[-1, 0]

    backwards = jax.grad(end)(2.0)
    forwards = jax.jvp(lambda rate: end(rate, adjoint=diffrax.ForwardMode()), (2.0,), (1.0,))[1]
    assert backwards == pytest.approx(-np.exp(-2), rel=1e-6)
    assert forwards == pytest.approx(-np.exp(-2), rel=1e-6)
