"""Riemannian gradient descent by optax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import fixedrank
from fixedrank.jax import CorePoint, Point, core_point, from_fixedrank, riemannian_sgd, to_matrix
from tests.jax.cases import EPS, point_and_vectors
from tests.jax.reference import dense

TARGET = np.random.default_rng(0).standard_normal((6, 5))


def loss(point):
    return jnp.sum((point.u @ point.core @ point.v.T - TARGET) ** 2) / 2


def descend(optimizer, start, count):
    def step(carry, _):
        point, state = carry
        updates, state = optimizer.update(jax.grad(loss)(point), state, point)
        point = optax.apply_updates(point, updates)
        return (point, state), loss(point)

    return jax.lax.scan(step, (start, optimizer.init(start)), length=count)


def start_of(depth, kind="distinct"):
    point = point_and_vectors((6, 5, 3), depth, kind)[0]
    return point, core_point(from_fixedrank(point))


@pytest.mark.parametrize("kind", ["distinct", "tied"])
@pytest.mark.parametrize("depth", [1, 2, 3.5])
def test_a_step_by_its_definition(depth, kind):
    """What it leaves of W - rate A(G) is normal at W, and the rank is kept."""
    point, start = start_of(depth, kind)
    rate = 0.02
    (end, _), _ = descend(riemannian_sgd(depth, rate), start, 1)
    manifold = fixedrank.FixedRank(6, 5, 3, depth=depth)
    gradient = manifold.operator(point).apply(dense(point) - TARGET)
    du, ds, dvt = manifold.embedding(point, gradient)
    along = (du * point.s + point.u * ds) @ point.vt + (point.u * point.s) @ dvt
    rest = np.asarray(to_matrix(end)) - (dense(point) - rate * along)
    scale = np.linalg.norm(dense(point))
    assert np.abs(rest @ point.vt.T).max() < 1e-13 * scale
    assert np.abs(point.u.T @ rest).max() < 1e-13 * scale
    assert np.linalg.matrix_rank(to_matrix(end), tol=1e-12 * scale) == 3


def test_frames_stay_orthonormal_and_the_loss_falls():
    _, start = start_of(2)
    (end, state), losses = jax.jit(lambda p: descend(riemannian_sgd(2, 0.02), p, 1000))(start)
    assert int(state.step) == 1000
    for frame in (end.u, end.v):
        # Nothing adds up over the steps.
        assert np.abs(frame.T @ frame - np.eye(3)).max() < 100 * EPS
    best = np.sum(np.linalg.svd(TARGET)[1][3:] ** 2) / 2
    assert (np.diff(losses) < 1e-12).all()
    assert losses[-1] == pytest.approx(best, rel=1e-9)


def test_schedules_chains_lanes_and_traced_rates():
    _, start = start_of(3)
    schedule = optax.linear_schedule(0.0, 0.02, 10)
    chain = optax.chain(optax.clip_by_global_norm(1.0), riemannian_sgd(3, schedule))
    (end, _), _ = descend(chain, start, 1)
    # The first rate is zero.
    assert np.abs(to_matrix(end) - to_matrix(start)).max() < 1e-14

    @jax.jit
    def last(rate):
        return descend(riemannian_sgd(2.5, rate), start, 5)[1][-1]

    rates = jnp.array([0.005, 0.01])
    lanes = jax.vmap(last)(rates)
    for rate, value in zip(rates, lanes, strict=True):
        assert float(last(rate)) == pytest.approx(float(value), rel=1e-12)


def test_gradients_through_training_from_a_tie():
    """With respect to the rate and the depth, beside differences."""
    _, start = start_of(2, "tied")

    def last(rate, depth):
        return descend(riemannian_sgd(depth, rate), start, 3)[1][-1]

    slopes = jax.jit(jax.grad(last, argnums=(0, 1)))(0.01, 2.5)
    value, h = jax.jit(last), 1e-4
    by_rate = (value(0.01 + h, 2.5) - value(0.01 - h, 2.5)) / (2 * h)
    by_depth = (value(0.01, 2.5 + h) - value(0.01, 2.5 - h)) / (2 * h)
    assert float(slopes[0]) == pytest.approx(float(by_rate), rel=1e-4)
    assert float(slopes[1]) == pytest.approx(float(by_depth), rel=1e-4)


def test_what_is_no_core_point_is_told():
    _, start = start_of(2)
    optimizer = riemannian_sgd(2, 0.1)
    state = optimizer.init(start)
    with pytest.raises(TypeError, match=r"parameters as a CorePoint.*NoneType"):
        optimizer.update(start, state)
    with pytest.raises(TypeError, match=r"gradient as a CorePoint.*got tuple"):
        optimizer.update(tuple(start), state, start)
    with pytest.raises(TypeError, match=r"got Point"):
        optimizer.init(Point(start.u, jnp.ones(3), start.v))
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        optimizer.init(CorePoint(start.u, start.core, start.v[:, :2]))
    with pytest.raises(ValueError, match=r"0.5"):
        riemannian_sgd(0.5, 0.1)
