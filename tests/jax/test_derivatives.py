"""Derivatives at ties, near them and elsewhere, beside differences of what NumPy computes.

Six-point differences of functions of matrices are smooth at ties; their own error is some 1e-10 of
what they difference over the smallest singular value, so that bounds are relative to that.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fixedrank.jax import CorePoint, Tangent, core_point, retract, retract_orthographic, to_matrix
from fixedrank.jax.core_functions import core_functions, solved_core
from fixedrank.jax.imbalance import layer_offsets
from fixedrank.jax.spectra import LayerSpectrum, power_spectrum
from tests.jax.adapter import distance
from tests.jax.cases import rotation
from tests.jax.reference import core_functions as expected_functions
from tests.jax.reference import derivative, metric_of, nearest

KINDS = {
    "distinct": [3.0, 2.0, 1.0],
    "tied": [2.0, 2.0, 2.0],
    "a pair": [2.0, 2.0, 1.0],
    "near": [1.0, 1.0 - 1e-12, 0.5],
    "close": [1.0, 0.95, 0.93],
    "spread": [30.0, 1.0, 0.1],
}
# Differences of six points with steps of 2e-4 of the smallest singular value: measured 2e-11.
CLOSE = 1e-9


def core_and_direction(kind, seed=0):
    rng = np.random.default_rng(seed)
    s = np.array(KINDS[kind])
    core = rotation(3, seed) @ np.diag(s) @ rotation(3, seed + 1)
    return core, rng.standard_normal((3, 3)), s.min() * rng.standard_normal((3, 3))


@jax.jit
def by_jvp(core, m, direction, depth):
    spectrum, parameters = power_spectrum(depth)
    return jax.jvp(lambda S: core_functions(spectrum, parameters, S, m), (core,), (direction,))[1]


@functools.cache
def static_jvp(depth):
    """Return the same with a depth that is compiled in."""
    return jax.jit(lambda core, m, direction: by_jvp.__wrapped__(core, m, direction, depth))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 1.5, 2, 2.5, 3, 7, 20, 1000.5])
def test_functions_of_a_core(depth, kind):
    core, m, direction = core_and_direction(kind)
    metric = metric_of(depth)
    at = expected_functions(core, m, metric)
    wanted = derivative(lambda t: expected_functions(core + t * direction, m, metric))
    found = [by_jvp(core, m, direction, float(depth))]
    if depth in (1, 1.5, 2, 3):
        found.append(static_jvp(depth)(core, m, direction))
    for results in found:
        for result, expected, value in zip(results, wanted, at, strict=True):
            scale = max(np.abs(expected).max(), np.abs(value).max())
            np.testing.assert_allclose(result, expected, rtol=0, atol=CLOSE * scale)


@jax.jit
def of_layers(core, m, imbalance, direction, change):
    spectrum = LayerSpectrum(len(imbalance) + 1)

    def function(S, lambdas):
        return core_functions(spectrum, (layer_offsets(lambdas),), S, m)

    return jax.jvp(function, (core, imbalance), (direction, change))


@pytest.mark.parametrize("imbalance", [[3.0], [0.5, -0.2], [0.0, 0.0], [0.0, 0.3, 0.1]])
@pytest.mark.parametrize("kind", ["distinct", "tied", "near", "spread"])
def test_functions_of_a_core_of_imbalanced_layers(kind, imbalance):
    """The imbalance moves too, also from where two layers share the least offset."""
    core, m, direction = core_and_direction(kind)
    change = np.random.default_rng(1).standard_normal(len(imbalance)) / 10
    # In units of the smallest root, over which the functions change.
    change = change * min(KINDS[kind]) ** (2 / (len(imbalance) + 1))
    values, results = of_layers(core, m, np.array(imbalance), direction, change)
    at = expected_functions(core, m, metric_of(imbalance=imbalance))
    wanted = derivative(
        lambda t: expected_functions(
            core + t * direction, m, metric_of(imbalance=list(imbalance + t * change))
        )
    )
    assert distance(values, at) < 1e-13
    for result, expected, value in zip(results, wanted, at, strict=True):
        scale = max(np.abs(expected).max(), np.abs(value).max())
        np.testing.assert_allclose(result, expected, rtol=0, atol=CLOSE * scale)


@pytest.mark.parametrize("kind", ["distinct", "tied"])
@pytest.mark.parametrize("depth", [1.5, 2.0, 3.0])
def test_in_the_depth(depth, kind):
    core, m, _ = core_and_direction(kind)

    @jax.jit
    def function(number):
        spectrum, parameters = power_spectrum(number)
        return core_functions(spectrum, parameters, core, m)

    results = jax.jvp(function, (depth,), (1.0,))[1]
    wanted = derivative(lambda t: expected_functions(core, m, metric_of(depth + t)))
    for result, expected in zip(results, wanted, strict=True):
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(result, expected, rtol=0, atol=CLOSE * scale)


@pytest.mark.parametrize("kind", ["distinct", "tied"])
def test_of_the_inverse(kind):
    """Along a direction the inverse of the operator has the derivative that undoes that of it."""
    core, m, direction = core_and_direction(kind)
    metric = metric_of(2.5)
    spectrum, parameters = power_spectrum(2.5)

    def inverse(S):
        left, s, right = np.linalg.svd(S)
        c, (up, vp) = metric.tangential(s), metric.normal(s)
        return (
            left @ (left.T @ m @ right.T / c) @ right,
            right.T @ np.diag(1 / up) @ right,
            left @ np.diag(1 / vp) @ left.T,
        )

    results = jax.jvp(
        lambda S: solved_core(spectrum, parameters, S, jnp.asarray(m)),
        (jnp.asarray(core),),
        (jnp.asarray(direction),),
    )[1]
    wanted = derivative(lambda t: inverse(core + t * direction))
    for result, expected in zip(results, wanted, strict=True):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(result, expected, rtol=0, atol=CLOSE * scale)


@pytest.mark.parametrize("depth", [2, 2.5])
def test_both_modes_agree(depth):
    """<y, J x> = <J^T y, x>."""
    core, m, direction = core_and_direction("a pair")
    spectrum, parameters = power_spectrum(depth)

    def function(S):
        return core_functions(spectrum, parameters, S, jnp.asarray(m))

    along = jax.jvp(function, (jnp.asarray(core),), (jnp.asarray(direction),))[1]
    values, pull = jax.vjp(function, jnp.asarray(core))
    rng = np.random.default_rng(3)
    weights = jax.tree.map(lambda part: jnp.asarray(rng.standard_normal(part.shape)), values)
    forwards = sum(jnp.vdot(w, d) for w, d in zip(weights, along, strict=True))
    backwards = jnp.vdot(pull(weights)[0], direction)
    assert float(backwards) == pytest.approx(float(forwards), rel=1e-11)


def test_plain_differentiation_fails_where_the_rule_does_not():
    """What the rule is for: at exact ties the derivative of singular vectors is not a number."""
    core = 2 * jnp.eye(3)

    def plain(S):
        left, s, right = jnp.linalg.svd(S)
        return left @ jnp.diag(s ** (1 / 3)) @ right

    direction = jnp.arange(9.0).reshape(3, 3)
    assert not np.isfinite(jax.jvp(plain, (core,), (direction,))[1]).all()
    spectrum, parameters = power_spectrum(3)
    results = jax.jvp(
        lambda S: core_functions(spectrum, parameters, S, core), (core,), (direction,)
    )[1]
    assert all(np.isfinite(part).all() for part in results)


@jax.jit
def of_retractions(primals, tangents):
    return [
        jax.jvp(lambda *args, function=function: to_matrix(function(*args)), primals, tangents)[1]
        for function in (retract, retract_orthographic)
    ]


@pytest.mark.parametrize("size", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["distinct", "tied"])
@pytest.mark.parametrize("shape", [(7, 6, 2), (3, 5, 2), (3, 3, 3), (5, 3, 3), (4, 4, 1)])
def test_retractions(shape, kind, size):
    """The product of what they return, beside the nearest matrix and the definition."""
    m, n, k = shape
    rng = np.random.default_rng(5)
    s = KINDS[kind][:k]
    u, v = (np.linalg.qr(rng.standard_normal((d, k)))[0] for d in (m, n))
    up, vp = rng.standard_normal((m, k)), rng.standard_normal((n, k))
    vector = Tangent(up - u @ (u.T @ up), rng.standard_normal((k, k)), vp - v @ (v.T @ vp))
    vector = Tangent(*(jnp.asarray(size / 3 * part) for part in vector))
    point = core_point(CorePoint(jnp.asarray(u), jnp.diag(jnp.array(s)), jnp.asarray(v)))
    moves = [
        jax.tree.map(lambda part: jnp.asarray(rng.standard_normal(part.shape)), tree)
        for tree in (point, vector)
    ]

    def at(t):
        return [
            jax.tree.map(lambda a, b: np.asarray(a + t * b), tree, move)
            for tree, move in zip((point, vector), moves, strict=True)
        ]

    def ambient(t):
        p, z = at(t)
        return p.u @ (p.core + z.m) @ p.v.T + z.up @ p.v.T + p.u @ z.vp.T

    def orthographic(t):
        p, z = at(t)
        inner = p.core + z.m
        left, right = p.u @ inner + z.up, inner @ p.v.T + z.vp.T
        return left @ np.linalg.solve(inner, right)

    # The way of the ambient matrix is not straight: the derivative at 0 is all that enters.
    step = derivative(lambda t: [ambient(t)])[0]
    wanted = derivative(lambda t: [nearest(ambient(0.0) + t * step, k)])[0]
    nearby, by_graph = of_retractions((point, vector), tuple(moves))
    np.testing.assert_allclose(nearby, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())
    wanted = derivative(lambda t: [orthographic(t)])[0]
    np.testing.assert_allclose(by_graph, wanted, rtol=0, atol=1e-9 * np.abs(wanted).max())
