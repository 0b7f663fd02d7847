"""Conversion between the library and the companion."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fixedrank
from fixedrank.jax import CorePoint, Point, Tangent, core_point, from_fixedrank, to_fixedrank
from tests.jax.cases import SHAPES, point_and_vectors
from tests.jax.reference import dense


@pytest.mark.parametrize("shape", SHAPES)
def test_round_trips(shape):
    point, vector, _ = point_and_vectors(shape, 2)
    for value in (point, vector):
        back = to_fixedrank(from_fixedrank(value))
        assert type(back) is type(value)
        for part, other in zip(back, value, strict=True):
            np.testing.assert_array_equal(part, other)
    same = to_fixedrank(core_point(from_fixedrank(point)))
    np.testing.assert_allclose(dense(same), dense(point), atol=1e-14)
    assert (np.diff(same.s) <= 0).all()
    assert same.s.flags.writeable


def test_stacks_and_plain_tuples():
    manifold = fixedrank.FixedRank(5, 4, 2, depth=2)
    points = [manifold.random_point(rng=seed) for seed in range(3)]
    stack = fixedrank.FixedRank(5, 4, 2, depth=2).random_point(rng=0)
    stack = type(stack)(*(np.stack(parts) for parts in zip(*points, strict=True)))
    given = from_fixedrank(stack)
    assert (given.u.shape, given.s.shape, given.v.shape) == ((3, 5, 2), (3, 2), (3, 4, 2))
    for part, other in zip(to_fixedrank(given), stack, strict=True):
        np.testing.assert_array_equal(part, other)
    cores = jax.vmap(core_point)(given)
    np.testing.assert_allclose(to_fixedrank(cores).s, stack.s, rtol=1e-14)
    assert isinstance(from_fixedrank(tuple(points[0])), Point)
    zero = manifold.zero_vector(points[0])
    assert isinstance(from_fixedrank(tuple(zero)), Tangent)


def test_precision():
    point, _, _ = point_and_vectors((5, 4, 2), 2)
    assert from_fixedrank(point).s.dtype == jnp.float64
    single = jax.tree.map(lambda part: part.astype(jnp.float32), from_fixedrank(point))
    assert to_fixedrank(single).s.dtype == np.float64
    jax.config.update("jax_enable_x64", False)
    assert from_fixedrank(point).s.dtype == jnp.float32  # and no warning


def test_the_order_is_made_descending():
    back = to_fixedrank(Point(jnp.eye(3, 2), jnp.array([1.0, 2.0]), jnp.eye(2)))
    np.testing.assert_array_equal(back.s, [2.0, 1.0])
    np.testing.assert_array_equal(dense(back), np.eye(3, 2) * [1.0, 2.0])


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (3, TypeError, "three arrays, got int"),
        ((np.eye(2), np.eye(2)), TypeError, "three arrays, got tuple"),
        ((np.eye(3, 2), np.ones(3), np.eye(2)), ValueError, r"a point.*\(3, 2\), \(3,\), \(2, 2\)"),
        ((np.eye(3, 2), np.eye(2), np.eye(3)), ValueError, r"a tangent vector.*\(3, 3\)"),
    ],
)
def test_what_is_no_point(value, error, words):
    with pytest.raises(error, match=words):
        from_fixedrank(value)


def test_what_is_not_of_the_companion():
    with pytest.raises(TypeError, match="a CorePoint is of JAX already"):
        from_fixedrank(CorePoint(jnp.eye(2), jnp.eye(2), jnp.eye(2)))
    with pytest.raises(TypeError, match="got ndarray"):
        to_fixedrank(np.eye(2))
    with pytest.raises(TypeError, match="got tuple"):
        core_point((np.eye(3, 2), np.ones(2), np.eye(2)))
    with pytest.raises(ValueError, match=r"\(3, 2\), \(2,\) and \(2, 2\)"):
        core_point(CorePoint(jnp.eye(3, 2), jnp.ones(2), jnp.eye(2)))
