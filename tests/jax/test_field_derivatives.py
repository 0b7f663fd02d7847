"""Derivatives of the velocity of flow (9), beside differences of what NumPy computes of it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fixedrank.jax import CorePoint, riemannian_field
from tests.jax.cases import rotation
from tests.jax.reference import core_functions, derivative, metric_of

M, N, K = 4, 5, 3
TARGET = np.random.default_rng(0).standard_normal((M, N))
KINDS = {
    "distinct": [3.0, 2.0, 1.0],
    "tied": [2.0, 2.0, 2.0],
    "a pair": [2.0, 2.0, 1.0],
    "near": [1.0, 1.0 - 1e-12, 0.5],
}
# Differences of six points in double precision: measured 3e-11 of the largest entry.
CLOSE = 1e-9


def by_numpy(u, core, v, metric, decay):
    """Return the velocity, of half the sum of squares of W minus the target."""
    gradient = u @ core @ v.T - TARGET
    gv, gtu = gradient @ v, gradient.T @ u
    m = u.T @ gv
    image, _, _, up_turn, vp_turn = core_functions(core, m, metric)
    return -(gv - u @ m) @ up_turn, -image - decay * core, -(gtu - v @ m.T) @ vp_turn.T


def point_and_direction(kind):
    """Return a point in frames that are no singular vectors, and a direction of all its parts."""
    rng = np.random.default_rng(1)
    u, v = (np.linalg.qr(rng.standard_normal((d, K)))[0] for d in (M, N))
    s = np.array(KINDS[kind])
    point = u, rotation(K, 0) @ np.diag(s) @ rotation(K, 1), v
    return point, tuple(s.min() * rng.standard_normal(part.shape) for part in point)


def loss(W):
    return jnp.sum((W - TARGET) ** 2) / 2


@jax.jit
def of_depth(point, direction, depth, by_depth, decay):
    def velocity(p, number):
        return riemannian_field(loss, number, weight_decay=decay)(0.0, CorePoint(*p))

    return jax.jvp(velocity, (point, depth), (direction, by_depth))


@jax.jit
def of_imbalance(point, direction, imbalance, change):
    def velocity(p, lambdas):
        return riemannian_field(loss, len(imbalance) + 1, imbalance=lambdas)(0.0, CorePoint(*p))

    return jax.jvp(velocity, (point, imbalance), (direction, change))


@jax.jit
def slopes_of_sum(point, depth, weights):
    def total(p, number):
        velocity = riemannian_field(loss, number)(0.0, CorePoint(*p))
        return sum(jnp.vdot(w, part) for w, part in zip(weights, velocity, strict=True))

    return jax.grad(total, argnums=(0, 1))(point, depth)


def compare(results, function):
    """Compare values and derivatives with those of a function of one number, part by part."""
    values, slopes = results
    expected, changes = function(0.0), derivative(function)
    for value, slope, wanted, change in zip(values, slopes, expected, changes, strict=True):
        scale = np.abs(wanted).max()
        np.testing.assert_allclose(value, wanted, rtol=0, atol=1e-13 * scale)
        scale = max(scale, np.abs(change).max())
        np.testing.assert_allclose(slope, change, rtol=0, atol=CLOSE * scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1.5, 2.0, 3.0, 20.5])
def test_in_point_and_depth(depth, kind):
    point, direction = point_and_direction(kind)
    change, decay = 0.3, 0.2

    def function(t):
        parts = (part + t * move for part, move in zip(point, direction, strict=True))
        number = depth + t * change
        return by_numpy(*parts, metric_of(number), number * decay)

    compare(of_depth(point, direction, depth, change, decay), function)


@pytest.mark.parametrize("kind", ["distinct", "tied", "near"])
@pytest.mark.parametrize("imbalance", [[3.0], [0.0], [0.5, -0.2], [0.0, 0.0], [0.3, -0.3]])
def test_in_point_and_imbalance(imbalance, kind):
    """Also where some layers are balanced, and which one is the least changes."""
    point, direction = point_and_direction(kind)
    change = np.random.default_rng(2).standard_normal(len(imbalance)) / 2

    def function(t):
        parts = (part + t * move for part, move in zip(point, direction, strict=True))
        return by_numpy(*parts, metric_of(imbalance=list(imbalance + t * change)), 0.0)

    compare(of_imbalance(point, direction, np.array(imbalance), change), function)


@pytest.mark.parametrize("kind", ["distinct", "tied"])
def test_backwards(kind):
    """The gradient of a weighted sum is what the derivatives along directions add up to."""
    point, direction = point_and_direction(kind)
    rng = np.random.default_rng(3)
    weights = [rng.standard_normal(part.shape) for part in point]

    slopes, by_depth = slopes_of_sum(point, 2.5, weights)
    backwards = sum(np.vdot(a, b) for a, b in zip(slopes, direction, strict=True)) + by_depth
    _, moved = of_depth(point, direction, 2.5, 1.0, 0.0)
    forwards = sum(np.vdot(w, part) for w, part in zip(weights, moved, strict=True))
    scale = sum(np.abs(a * b).sum() for a, b in zip(slopes, direction, strict=True))
    assert abs(float(backwards) - forwards) < 1e-13 * scale
