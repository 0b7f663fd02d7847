"""Flows by the companion: beside the library, in lanes, differentiated, with bad input."""

import warnings

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fixedrank
from fixedrank.jax import (
    CorePoint,
    core_point,
    factored_field,
    from_fixedrank,
    integrate,
    riemannian_field,
    to_matrix,
)

RNG = np.random.default_rng(0)
TARGET, DATA = RNG.standard_normal((5, 4)), RNG.standard_normal((4, 20))
START = CorePoint(
    np.linalg.qr(RNG.standard_normal((5, 2)))[0],
    np.eye(2) / 2,
    np.linalg.qr(RNG.standard_normal((4, 2)))[0],
)


def loss(W):
    return jnp.sum((W - TARGET) ** 2) / 2


def growth(t, y, args=None):
    """The logistic equation."""
    return y * (1 - y)


def last(states):
    return jax.tree.map(lambda part: part[-1], states)


def logistic(start, t):
    return start * np.exp(t) / (1 + start * (np.exp(t) - 1))


def test_both_flows_agree_with_those_of_the_library():
    depth = 3
    problem = fixedrank.LinearRegression(DATA, TARGET @ DATA)
    moments = jnp.asarray(DATA @ DATA.T)

    def of_data(W):
        return jnp.sum((W - TARGET) @ moments * (W - TARGET)) / 2

    layers = fixedrank.random_balanced_factors([4, *[2] * (depth - 1), 5], rng=1)
    point = fixedrank.FixedRank(5, 4, 2, depth=depth).point(fixedrank.product(layers))
    times = [0.0, 0.02, 0.1]
    reference = fixedrank.riemannian_flow(problem, point, depth, times, rtol=1e-11)
    exact = [(p.u * p.s) @ p.vt for p in reference.points]
    run = jax.jit(
        lambda state, layers: (
            integrate(riemannian_field(of_data, depth), state, times, rtol=1e-8),
            integrate(factored_field(of_data), layers, times, rtol=1e-8),
        )
    )
    points, factors = run(core_point(from_fixedrank(point)), [jnp.asarray(w) for w in layers])
    products = factors[0]
    for layer in factors[1:]:
        products = layer @ products
    for index, W in enumerate(exact):
        at = jax.tree.map(lambda part, index=index: part[index], points)
        scale = 1e-6 * np.linalg.norm(W)
        np.testing.assert_allclose(to_matrix(at), W, rtol=0, atol=scale)
        np.testing.assert_allclose(products[index], W, rtol=0, atol=scale)


def test_states_are_at_the_times_and_the_first_is_the_start():
    times = np.array([0.5, 0.6, 2.0, 7.0])
    states = integrate(growth, jnp.array([0.1, 2.0]), times, rtol=1e-9)
    np.testing.assert_array_equal(states[0], [0.1, 2.0])
    exact = [logistic(np.array([0.1, 2.0]), t - 0.5) for t in times]
    np.testing.assert_allclose(states, exact, rtol=1e-7)


def test_backwards_in_time():
    states = integrate(growth, jnp.array([0.5]), [1.0, 0.0], rtol=1e-9)
    assert states[-1, 0] == pytest.approx(logistic(0.5, -1.0), rel=1e-7)


def test_a_flow_goes_on_where_it_ended():
    whole = integrate(growth, jnp.array([0.1]), [0.0, 3.0], rtol=1e-9)
    half = integrate(growth, jnp.array([0.1]), [0.0, 1.3], rtol=1e-9)
    rest = integrate(growth, half[-1], [1.3, 3.0], rtol=1e-9)
    assert rest[-1, 0] == pytest.approx(float(whole[-1, 0]), rel=1e-7)


@pytest.mark.parametrize("unit", [1e-250, 1e250])
def test_errors_are_relative_to_the_state(unit):
    """In another unit the same numbers come out, of an equation of degree one."""

    def field(t, y, args):
        return jnp.array([y[1], -y[0]])

    start = jnp.array([1.0, 0.5])
    one = integrate(field, start, [0.0, 2.0], rtol=1e-8)
    other = integrate(field, unit * start, [0.0, 2.0], rtol=1e-8)
    np.testing.assert_allclose(other[-1] / unit, one[-1], rtol=1e-7)


def test_lanes_have_their_own_steps():
    """A lane that needs many steps beside leaves the others as they are alone."""

    def run(rate):
        return integrate(
            lambda t, y, args: -rate * (y - jnp.cos(rate * t)), jnp.array([2.0]), [0.0, 1.0]
        )[-1, 0]

    rates = jnp.array([0.1, 1.0, 200.0])
    in_lanes = jax.vmap(run)(rates)
    in_batches = jax.lax.map(run, rates, batch_size=2)
    np.testing.assert_allclose(in_batches, in_lanes, rtol=1e-12)
    x = np.asarray(rates)
    # y' = -a (y - cos a t) with y(0) = 2 in the time a t.
    exact = (np.cos(x) + np.sin(x)) / 2 + 1.5 * np.exp(-x)
    np.testing.assert_allclose(in_lanes, exact, atol=1e-6)


def test_gradients_through_a_flow_from_tied_singular_values():
    """In the scale of the start and a traced depth, beside differences of the values."""

    def end(parameters):
        scale, depth = parameters
        start = START._replace(core=scale * START.core)
        field, mode = riemannian_field(loss, depth), diffrax.ForwardMode()
        states = integrate(field, start, [0.0, 0.7], rtol=1e-9, adjoint=mode)
        value = loss(to_matrix(last(states)))
        return value, value

    both = jax.jit(jax.jacfwd(end, has_aux=True))
    at, h = np.array([1.0, 2.5]), 1e-3
    for axis, slope in zip(np.eye(2), both(at)[0], strict=True):
        f = [float(both(at + j * h * axis)[1]) for j in (-2, -1, 1, 2)]
        difference = (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h)
        # Errors of values of 1e-8 at most, over h.
        assert float(slope) == pytest.approx(difference, rel=1e-4)


def test_gradients_backwards_through_a_flow():
    def end(start):
        return integrate(growth, start[None], [0.0, 2.0], rtol=1e-9)[-1, 0]

    # Of start e^t / (1 + start (e^t - 1)).
    wanted = np.exp(2) / (1 + 0.1 * (np.exp(2) - 1)) ** 2
    assert float(jax.grad(end)(jnp.asarray(0.1))) == pytest.approx(wanted, rel=1e-6)


def test_single_precision():
    start = jnp.array([0.1, 2.0], jnp.float32)
    states = integrate(growth, start, [0.0, 1.0, 3.0], rtol=1e-5)
    assert states.dtype == jnp.float32
    exact = [logistic(np.array([0.1, 2.0]), t) for t in (0.0, 1.0, 3.0)]
    # Some 10 steps, each with an error of the tolerance.
    np.testing.assert_allclose(states, exact, rtol=10 * 1e-5)


def test_one_warning_where_single_precision_does_not_do():
    layers = [jnp.ones((1, 1), jnp.float32)] * 3
    field = factored_field(lambda W: jnp.sum((W - 1) ** 2) / 2)
    with pytest.warns(UserWarning, match="jax_enable_x64.*float64, or raise rtol") as caught:
        integrate(field, layers, [0.0, 0.1], rtol=3e-6)
    assert len(caught) == 1
    assert "for 3 layers" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        integrate(field, layers, [0.0, 0.1], rtol=1e-5)


def test_other_solvers_and_arguments():
    states = integrate(
        lambda t, y, args: args * growth(t, y),
        jnp.array([0.1]),
        [0.0, 1.0],
        rtol=1e-9,
        solver=diffrax.Tsit5(),
        args=2.0,
    )
    assert states[-1, 0] == pytest.approx(logistic(0.1, 2.0), rel=1e-7)


def test_a_layer_that_is_zero_does_not_stop_the_flow():
    layers = [jnp.ones((2, 2)), jnp.zeros((2, 2))]
    states = integrate(factored_field(lambda W: jnp.sum((W - 1) ** 2) / 2), layers, [0.0, 0.1])
    assert all(bool(jnp.isfinite(part).all()) for part in states)
    assert float(jnp.abs(states[1][-1]).max()) > 0.1


def test_a_start_of_zero_is_left():
    """It has no size to which its errors are relative."""
    states = integrate(lambda t, y, args: 1 + 0 * y, jnp.zeros(2), [0.0, 1.0], max_steps=100)
    np.testing.assert_allclose(states[-1], [1.0, 1.0], rtol=1e-7)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"rtol": 2.0}, ValueError, r"\(0, 1\), got 2.0"),
        ({"rtol": "a"}, TypeError, "rtol must be a number"),
        ({"rtol": True}, TypeError, "rtol must be a number"),
        ({"times": [0.0]}, ValueError, r"two or more numbers.*\(1,\)"),
        ({"times": [0.0, 2.0, 1.0]}, ValueError, r"strict order.*\[0. 2. 1.\]"),
        ({"times": [0.0, np.nan]}, ValueError, "strict order"),
        ({"times": [0.0, np.inf]}, ValueError, "finite"),
        ({"times": [1j, 2j]}, TypeError, "times must be real numbers, got the dtype complex128"),
        ({"start": jnp.array([1, 2])}, TypeError, "floating-point arrays, got int64"),
        ({"start": []}, TypeError, "floating-point arrays, got none"),
        ({"field": 3}, TypeError, "the field must be a function"),
    ],
)
def test_bad_input(change, error, words):
    arguments = {"field": growth, "start": jnp.array([0.1]), "times": [0.0, 1.0], **change}
    options = {"rtol": arguments.pop("rtol")} if "rtol" in arguments else {}
    with pytest.raises(error, match=words):
        integrate(*arguments.values(), **options)


def test_too_few_steps_are_told():
    with pytest.raises(RuntimeError, match="max"):
        integrate(growth, jnp.array([0.1]), [0.0, 50.0], max_steps=3)
