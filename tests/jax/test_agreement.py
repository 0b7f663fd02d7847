"""Every function beside the one of the library, with a static and with a traced depth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import fixedrank
from fixedrank.jax import (
    CorePoint,
    Tangent,
    apply_operator,
    christoffel,
    core_point,
    from_fixedrank,
    inner_product,
    norm,
    project,
    retract,
    riemannian_gradient,
    solve_operator,
    to_fixedrank,
    to_matrix,
    transport,
)
from tests.jax.adapter import compiled, distance
from tests.jax.cases import DEPTHS, SHAPES, SPECTRA, point_and_vectors, rotation
from tests.jax.reference import dense

# Measured: 4e-15 at most.
CLOSE = 1e-13


@jax.jit
def traced(point, a, b, depth):
    return (
        apply_operator(point, a, depth),
        solve_operator(point, a, depth),
        christoffel(point, a, b, depth),
    )


@pytest.mark.parametrize("kind", SPECTRA)
@pytest.mark.parametrize("depth", DEPTHS)
def test_operator_inverse_and_christoffel(depth, kind):
    shape = (6, 5, 4)
    manifold = fixedrank.FixedRank(*shape, depth=depth)
    point, a, b = point_and_vectors(shape, depth, kind)
    operator = manifold.operator(point)
    expected = operator.apply(a), operator.solve(a), manifold.christoffel(point, a, b)
    given = [from_fixedrank(part) for part in (point, a, b)]
    found = [traced(*given, float(depth))]
    if depth in (1, 1.5, 2, 3):
        functions = compiled(float(depth))
        found.append(
            (
                functions.apply_operator(*given[:2]),
                functions.solve_operator(*given[:2]),
                functions.christoffel(*given),
            )
        )
    for results in found:
        for result, wanted in zip(results, expected, strict=True):
            assert distance(result, wanted) < CLOSE
    product = inner_product(*given, depth)
    scale = float(norm(*given[:2], depth) * norm(given[0], given[2], depth))
    assert abs(float(product) - manifold.inner_product(point, a, b)) < CLOSE * scale


@pytest.mark.parametrize("shape", SHAPES)
def test_all_shapes(shape):
    depth = 3
    manifold = fixedrank.FixedRank(*shape, depth=depth)
    point, a, b = point_and_vectors(shape, depth)
    end = manifold.random_point(rng=9)
    P, A, B, E = map(from_fixedrank, (point, a, b, end))
    matrix = np.random.default_rng(0).standard_normal(shape[:2])
    scale = np.linalg.norm(matrix)
    np.testing.assert_allclose(to_matrix(P), dense(point), atol=CLOSE)
    du, ds, dvt = manifold.embedding(point, a)
    along = (du * point.s + point.u * ds) @ point.vt + (point.u * point.s) @ dvt
    np.testing.assert_allclose(to_matrix(P, A), along, atol=CLOSE)
    assert distance(project(P, matrix), manifold.projection(point, matrix)) < CLOSE
    low_rank = (matrix[:, :2], np.random.default_rng(1).standard_normal((shape[1], 2)))
    wanted = manifold.projection(point, low_rank[0] @ low_rank[1].T)
    assert distance(project(P, low_rank), wanted) < CLOSE * scale
    assert distance(transport(P, E, A), manifold.transport(point, end, a)) < CLOSE
    retracted = manifold.retraction(point, a)
    assert distance(to_matrix(retract(P, A)), dense(retracted)) < CLOSE
    assert distance(to_fixedrank(retract(P, A)).s, retracted.s) < CLOSE
    assert float(inner_product(P, A, B, depth)) == pytest.approx(
        manifold.inner_product(point, a, b), rel=CLOSE, abs=CLOSE * manifold.norm(point, a)
    )
    assert float(norm(P, A, depth)) == pytest.approx(manifold.norm(point, a), rel=CLOSE)


def turned(point, vector, seed):
    """Return the same point and vector in frames that are no singular vectors."""
    k = point.s.size
    left, right = rotation(k, seed), rotation(k, seed + 1)
    core = left.T @ jnp.diag(point.s) @ right
    return (
        CorePoint(point.u @ left, core, point.v @ right),
        Tangent(vector.up @ right, left.T @ vector.m @ right, vector.vp @ left),
    )


@pytest.mark.parametrize("depth", [1.5, 2, 3])
@pytest.mark.parametrize("kind", ["distinct", "tied", "a pair", "near"])
def test_frames_do_not_matter(depth, kind):
    """At a full core the same matrices come out as in the frame of singular vectors."""
    point, a, _ = map(from_fixedrank, point_and_vectors((6, 5, 3), depth, kind))
    full, vector = turned(point, a, 0)
    for function in (apply_operator, solve_operator):
        expected = to_matrix(point, function(point, a, depth))
        assert distance(to_matrix(full, function(full, vector, depth)), expected) < CLOSE
    lengths = float(norm(full, vector, depth)), float(norm(point, a, depth))
    assert lengths[0] == pytest.approx(lengths[1], rel=CLOSE)
    assert distance(to_matrix(retract(full, vector)), to_matrix(retract(point, a))) < CLOSE
    moved = to_matrix(point, transport(full, point, vector))
    assert distance(moved, to_matrix(point, a)) < CLOSE


@pytest.mark.parametrize("depth", [1, 2, 2.5])
def test_gradients_of_dense_and_thin_losses(depth):
    """Beside the Riemannian gradient of the library, of the Euclidean one by hand."""
    point, _, _ = point_and_vectors((6, 5, 3), depth)
    target = np.random.default_rng(4).standard_normal((6, 5))
    manifold = fixedrank.FixedRank(6, 5, 3, depth=depth)
    expected = manifold.operator(point).apply(4 * (dense(point) - target) ** 3)
    P = from_fixedrank(point)
    of_dense = riemannian_gradient(lambda W: jnp.sum((W - target) ** 4), depth)
    of_thin = riemannian_gradient(lambda L, R: jnp.sum((L @ R.T - target) ** 4), depth)
    for result in (of_dense(P), of_thin(P), of_dense(core_point(P)), of_thin(core_point(P))):
        assert distance(result, expected) < CLOSE


def test_maps_over_points_and_depths():
    shape = (5, 4, 2)
    each = [point_and_vectors(shape, 3, seed=seed) for seed in range(3)]
    parts = [[from_fixedrank(part) for part in one] for one in each]
    points, vectors, _ = (
        jax.tree.map(lambda *leaves: jnp.stack(leaves), *column)
        for column in zip(*parts, strict=True)
    )
    depths = jnp.array([1.5, 2.0, 7.0])
    images = jax.vmap(apply_operator)(points, vectors, depths)
    for index, (point, vector, _) in enumerate(each):
        manifold = fixedrank.FixedRank(*shape, depth=float(depths[index]))
        result = jax.tree.map(lambda part, index=index: part[index], images)
        assert distance(result, manifold.operator(point).apply(vector)) < CLOSE
