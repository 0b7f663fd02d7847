"""The weights and their derivatives beside many digits."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from mpmath import mpf

from fixedrank.jax import normal_weights, tangential_weights
from tests.jax.cases import EPS

DEPTHS = [1, 1.5, 2, 2.5, 3, 20, 1000]
UNITS = [1e-150, 1e-10, 1.0, 1e150]
KINDS = {
    "distinct": [3.0, 2.0, 1.0],
    "tied": [2.0, 2.0, 2.0],
    "near": [1.0, 1.0 - 1e-12, 0.9],
    "spread": [1e6, 1.0, 1e-12],
}
# Of the bound (12 + 2 |ln s|) eps a fifth is used; derivatives have a few more terms.
ROUNDINGS, OF_DERIVATIVES = 12, 60

# Weights beyond floating point are not looked at: those of spread values in the outer units. Where
# they are sums of N terms, each of these has to be within it.
LEAST, LARGEST = 1e4 * np.finfo(float).tiny, np.finfo(float).max


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(60):
        yield


def exact(a, b, depth):
    """Return c(a, b), by its definition, or its limit at a tie."""
    a, b, depth = mpf(a), mpf(b), mpf(depth)
    if a == b:
        return depth * a ** (2 - 2 / depth)
    return (a**2 - b**2) / (a ** (2 / depth) - b ** (2 / depth)) if depth != 1 else mpf(1)


def roundings(s):
    return ROUNDINGS + 2 * np.abs(np.log(s)).max()


tangential = jax.jit(tangential_weights)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_values(depth, kind, unit):
    s = unit * np.array(KINDS[kind])
    wanted = [[exact(a, b, depth) for b in s] for a in s]
    for result in (tangential_weights(s, depth), tangential(s, float(depth))):
        for i, row in enumerate(wanted):
            for j, value in enumerate(row):
                if not LEAST < value < LARGEST:
                    continue
                error = abs(mpf(float(result[i, j])) - value) / value
                assert error <= roundings(s) * EPS
    for result, value in zip(normal_weights(s, depth), s, strict=True):
        power = mpf(value) ** (2 - 2 / mpf(depth))
        if not LEAST < power < LARGEST:
            continue
        assert abs(mpf(float(result)) - power) / power <= roundings(s) * EPS


def relative_slope(function, at):
    """Return x f'(x) by a difference with so many digits that it is one."""
    x, h = mpf(at), mpf(10) ** -20
    return (function(x * (1 + h)) - function(x * (1 - h))) / (2 * h)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_derivatives_in_singular_values_and_depth(depth, kind):
    """In logarithms of both, beside the weights themselves; at ties too."""
    s = np.array(KINDS[kind])
    k = len(s)
    scale = OF_DERIVATIVES + 2 * np.abs(np.log(s)).max()
    in_s = jax.jacfwd(tangential)(jnp.asarray(s), float(depth))
    in_depth = jax.jacfwd(tangential, argnums=1)(jnp.asarray(s), float(depth))
    static = jax.jacfwd(lambda values: tangential_weights(values, depth))(jnp.asarray(s))
    for i in range(k):
        for j in range(k):
            value = exact(s[i], s[j], depth)
            if i == j:
                slope = relative_slope(lambda x: exact(x, x, depth), s[i])
            else:
                slope = relative_slope(lambda x, j=j: exact(x, s[j], depth), s[i])
            for slopes in (in_s, static):
                error = abs(mpf(float(slopes[i, j, i])) * mpf(s[i]) - slope) / value
                assert error <= scale * EPS
            if depth > 1:
                by_depth = relative_slope(lambda x, i=i, j=j: exact(s[i], s[j], x), depth)
                error = abs(mpf(float(in_depth[i, j])) * depth - by_depth) / value
                # A power s^(1/N) has the relative slope ln(s) / N.
                assert error <= scale * EPS * (1 + np.abs(np.log(s)).max())


def test_second_derivatives_at_a_tie():
    """The series goes on: of c(a, b) for N = 3, a^(4/3) + (a b)^(2/3) + b^(4/3)."""
    depth = 3.0
    second = jax.jit(jax.hessian(lambda s: tangential_weights(s, depth)[0, 1]))
    traced = jax.jit(jax.hessian(lambda s, n: tangential_weights(s, n)[0, 1]))
    wanted = [[4 / 9 - 2 / 9, 4 / 9], [4 / 9, 4 / 9 - 2 / 9]]
    np.testing.assert_allclose(second(jnp.ones(2)), wanted, rtol=1e-13)
    np.testing.assert_allclose(traced(jnp.ones(2), depth), wanted, rtol=1e-13)
