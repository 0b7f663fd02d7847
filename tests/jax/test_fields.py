"""The flows' velocities beside their definitions on dense matrices, and beside each other."""

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
    riemannian_field,
)
from tests.jax.adapter import distance
from tests.jax.cases import point_and_vectors, rotation
from tests.jax.reference import dense, dense_operator

TARGET = np.random.default_rng(0).standard_normal((5, 4))


def loss(W):
    return jnp.sum((W - TARGET) ** 4) / 4


def thin_loss(L, R):
    return loss(L @ R.T)


def gradient(W):
    return (W - TARGET) ** 3


def full_point(depth, kind="distinct", seed=0):
    """Return a point in frames that are no singular vectors."""
    point = from_fixedrank(point_and_vectors((5, 4, 3), depth, kind, seed)[0])
    left, right = rotation(3, seed), rotation(3, seed + 1)
    return CorePoint(point.u @ left, left.T @ jnp.diag(point.s) @ right, point.v @ right)


def product_velocity(point, velocity):
    """Return the velocity of the product, from those of the factors."""
    u, core, v = map(np.asarray, point)
    du, dcore, dv = map(np.asarray, velocity)
    return du @ core @ v.T + u @ dcore @ v.T + u @ core @ dv.T


@pytest.mark.parametrize("kind", ["distinct", "tied"])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_flow_9_by_its_definition(depth, kind):
    point = full_point(depth, kind)
    u, core, v = map(np.asarray, point)
    W = u @ core @ v.T
    F = -dense_operator(W, gradient(W), depth, rank=3)
    if depth == 1:
        F = F - (np.eye(5) - u @ u.T) @ F @ (np.eye(4) - v @ v.T)
    inverse = np.linalg.inv(core)
    expected = (
        (np.eye(5) - u @ u.T) @ F @ v @ inverse,
        u.T @ F @ v,
        (np.eye(4) - v @ v.T) @ F.T @ u @ inverse.T,
    )
    for of in (loss, thin_loss):
        velocity = riemannian_field(of, depth)(0.0, point)
        assert distance(velocity, expected) < 1e-12
        assert distance(product_velocity(point, velocity), F) < 1e-12


@pytest.mark.parametrize("widths", [[4, 3, 5], [4, 3, 3, 3, 5], [4, 6, 3, 7, 5]])
def test_flow_5_by_differences(widths):
    rng = np.random.default_rng(1)
    layers = [rng.standard_normal(shape) / 2 for shape in zip(widths[1:], widths, strict=False)]

    def product(parts):
        W = parts[0]
        for part in parts[1:]:
            W = part @ W
        return W

    directions = [rng.standard_normal(layer.shape) for layer in layers]
    h = 1e-3
    values = [
        float(loss(product([w + j * h * d for w, d in zip(layers, directions, strict=True)])))
        for j in (-2, -1, 1, 2)
    ]
    slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    squares = sum(np.vdot(w, d) for w, d in zip(layers, directions, strict=True))
    for of in (loss, thin_loss):
        for decay in (0.0, 0.3):
            velocity = factored_field(of, weight_decay=decay)(
                0.0, [jnp.asarray(layer) for layer in layers]
            )
            along = sum(np.vdot(f, d) for f, d in zip(velocity, directions, strict=True))
            assert along == pytest.approx(-slope - decay * squares, rel=1e-6)


def layers_of(depth, imbalance=None):
    """Return layers of width 3, balanced or out of balance by multiples of the identity."""
    rng = np.random.default_rng(2)
    if imbalance is None:
        return fixedrank.random_balanced_factors([4, *[3] * (depth - 1), 5], rng=1)
    mu = np.concatenate([[0.0], np.cumsum(imbalance)])
    x = np.array([3.0, 2.0, 2.0]) - mu.min()
    frames = [np.linalg.qr(rng.standard_normal((d, 3)))[0] for d in [4, *[3] * (depth - 1), 5]]
    pairs = zip(frames, frames[1:], mu, strict=False)
    return [(b * np.sqrt(x + shift)) @ a.T for a, b, shift in pairs]


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("imbalance", [None, [3.0], [0.7, -0.4]])
def test_both_flows_move_the_product_alike(imbalance, decay):
    depth = 3 if imbalance is None else len(imbalance) + 1
    layers = layers_of(depth, imbalance)
    W = layers[0]
    for layer in layers[1:]:
        W = layer @ W
    point = core_point(from_fixedrank(fixedrank.FixedRank(5, 4, 3, depth=depth).point(W)))
    field = riemannian_field(loss, depth, weight_decay=decay, imbalance=imbalance)
    by_point = product_velocity(point, field(0.0, point))
    parts = factored_field(loss, weight_decay=decay)(0.0, [jnp.asarray(w) for w in layers])
    by_layers = np.zeros((5, 4))
    for index in range(depth):
        moved = np.eye(4)
        for j, layer in enumerate(layers):
            moved = (np.asarray(parts[j]) if j == index else layer) @ moved
        by_layers += moved
    assert distance(by_point, by_layers) < 1e-12


def test_an_imbalance_decays():
    """At a later time it is that of the layers then."""
    point, time, decay = full_point(2), 0.7, 0.3
    later = riemannian_field(loss, 2, weight_decay=decay, imbalance=[3.0])(time, point)
    share = np.exp(-2 * decay * time)
    now = riemannian_field(loss, 2, weight_decay=decay, imbalance=[3.0 * share])(0.0, point)
    assert distance(later, now) < 1e-14
    balanced = riemannian_field(loss, 3, imbalance=[0.0, 0.0])(0.0, full_point(3))
    assert distance(balanced, riemannian_field(loss, 3)(0.0, full_point(3))) < 1e-13


def test_a_traced_depth_and_decay():
    point = full_point(3)
    both = jax.jit(lambda depth, decay: riemannian_field(loss, depth, weight_decay=decay)(0, point))
    expected = riemannian_field(loss, 3, weight_decay=0.2)(0.0, point)
    assert distance(both(3.0, 0.2), expected) < 1e-13


def test_a_square_frame_does_not_move():
    point = from_fixedrank(fixedrank.FixedRank(5, 4, 4, depth=3).random_point(rng=0))
    velocity = riemannian_field(loss, 3)(0.0, core_point(point))
    assert not np.asarray(velocity.v).any()
    assert np.asarray(velocity.u).any()


@pytest.mark.parametrize("depth", [1.5, 2.5, 20, 1000])
def test_flow_9_descends_by_the_square_of_its_gradient(depth):
    """d/dt loss = -g(grad, grad), also of depths that no network has."""
    point, _, _ = point_and_vectors((5, 4, 3), depth)
    manifold = fixedrank.FixedRank(5, 4, 3, depth=depth)
    full = core_point(from_fixedrank(point))
    velocity = product_velocity(full, riemannian_field(loss, depth)(0.0, full))
    slope = np.vdot(gradient(dense(point)), velocity)
    vector = manifold.operator(point).apply(gradient(dense(point)))
    assert slope == pytest.approx(-(manifold.norm(point, vector) ** 2), rel=1e-11)
