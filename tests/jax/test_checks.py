"""The checks that the library gives to users, on what the companion computes."""

import jax
import jax.numpy as jnp
import numpy as np
import pymanopt
import pytest

from fixedrank.jax import from_fixedrank, retract_orthographic, riemannian_gradient
from fixedrank.testing import (
    check_connection,
    check_gradient,
    check_positive_definite,
    check_retraction,
    check_self_adjoint,
)
from tests.jax.adapter import CompanionManifold, of_library
from tests.jax.cases import SHAPES, point_and_vectors

TARGET = np.random.default_rng(0).standard_normal((5, 4))


@pytest.mark.parametrize("shape", SHAPES)
def test_operator_and_retraction(shape):
    manifold = CompanionManifold(*shape, depth=3)
    point, _, _ = point_and_vectors(shape, 3)
    check_self_adjoint(manifold, manifold.apply, point=point, rng=0)
    check_positive_definite(manifold, manifold.apply, point=point, rng=0)
    check_retraction(manifold, point=point, rng=0)


@pytest.mark.parametrize("kind", ["distinct", "a pair"])
@pytest.mark.parametrize("depth", [2, 2.5])
def test_christoffel_term_and_transport(depth, kind):
    manifold = CompanionManifold(5, 4, 3, depth=depth)
    point, _, _ = point_and_vectors((5, 4, 3), depth, kind)
    assert check_connection(manifold, point=point, trials=1, rng=0).passed


@pytest.mark.parametrize("kind", ["distinct", "tied"])
@pytest.mark.parametrize("depth", [1, 2.5])
def test_gradient(depth, kind):
    manifold = CompanionManifold(5, 4, 3, depth=depth)
    point, _, _ = point_and_vectors((5, 4, 3), depth, kind)
    gradient = jax.jit(riemannian_gradient(lambda W: jnp.sum((W - TARGET) ** 4), depth))

    @pymanopt.function.numpy(manifold)
    def cost(u, s, vt):
        return float(np.sum(((u * s) @ vt - TARGET) ** 4))

    @pymanopt.function.numpy(manifold)
    def slope(u, s, vt):
        return of_library(gradient(from_fixedrank((u, s, vt))))

    problem = pymanopt.Problem(manifold, cost, riemannian_gradient=slope)
    assert check_gradient(problem, point=point, rng=0).passed


def test_retractions_are_of_second_order_in_the_embedded_metric():
    """Both: that of the nearest matrix, and the orthographic one."""
    manifold = CompanionManifold(5, 4, 3, depth=1)
    point, _, _ = point_and_vectors((5, 4, 3), 1)
    orthographic = jax.jit(retract_orthographic)

    def by_graph(at, vector):
        return of_library(orthographic(from_fixedrank(at), from_fixedrank(vector)))

    for retraction in (manifold.retraction, by_graph):
        assert check_retraction(manifold, retraction=retraction, order=2, point=point, rng=0).passed
