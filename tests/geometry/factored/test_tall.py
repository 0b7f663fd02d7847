"""Passes over tall blocks, in every memory layout, against the plain expressions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

import fixedrank
from fixedrank.geometry.factored import tall

LAYOUTS = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "strided": lambda block: np.repeat(block, 2, axis=1)[:, ::2],
    "long": lambda block: block.astype(np.longdouble),
}
layouts = st.sampled_from(sorted(LAYOUTS))
# Around the size where the ways part, with and without a remainder of rows.
rows = st.sampled_from([1, 31, 511, 512, 513, 544, 1000])
columns = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)


def block(seed, layout, m, k):
    return LAYOUTS[layout](np.random.default_rng(seed).standard_normal((m, k)))


@given(seeds, rows, columns, columns, layouts, layouts)
def test_sums_of_products(seed, m, k, r, of_tall, of_thin):
    blocks = [
        block(seed + i, of_tall, m, r) if i % 2 == 0 else block(seed + i, of_thin, r, k)
        for i in range(4)
    ]
    a, b, c, d = blocks
    for left, right in ((a, b), (a.T, c)):
        expected = np.einsum("il,lj->ij", left, right)
        np.testing.assert_allclose(tall.dot(left, right), expected, rtol=0, atol=1e-11)
    expected = np.einsum("il,lj->ij", a, b) + np.einsum("il,lj->ij", c, d)
    np.testing.assert_allclose(tall.sum_of_products(*blocks), expected, rtol=0, atol=1e-13)
    stacks = [np.stack((part, 2 * part)) for part in blocks]
    found = tall.sum_of_products(*stacks)
    np.testing.assert_allclose(found, np.stack((expected, 4 * expected)), rtol=0, atol=1e-12)


@given(seeds, rows, columns, columns, layouts, layouts, layouts)
def test_products_are_added_in_place(seed, m, k, r, of_result, of_tall, of_thin):
    result, start = block(seed, of_result, m, k), block(seed, "rows", m, k)
    left, thin = block(seed + 1, of_tall, m, r), block(seed + 2, of_thin, r, k)
    product = np.einsum("il,lj->ij", left, thin)
    tall.add_product(result, left, thin)
    np.testing.assert_allclose(result, start + product, rtol=0, atol=1e-13)
    tall.subtract_product(result, left, thin)
    tall.subtract_product(result, left, thin)
    np.testing.assert_allclose(result, start - product, rtol=0, atol=1e-13)


@given(seeds, rows, columns, layouts, st.booleans())
def test_scaled_columns(seed, m, k, layout, in_place):
    matrix = block(seed, layout, m, k)
    weights = 10.0 ** np.random.default_rng(seed).integers(-200, 200, k)
    expected = np.array(matrix) @ np.diag(weights)
    scaled = tall.scaled_columns(matrix, weights, in_place=in_place)
    np.testing.assert_allclose(scaled, expected, rtol=1e-15)
    assert (scaled is matrix) == in_place
    if not in_place:
        np.testing.assert_array_equal(matrix, block(seed, layout, m, k))


@given(seeds, rows, columns, layouts, layouts)
def test_column_products(seed, m, k, layout, other):
    a, b = block(seed, layout, m, k), block(seed + 1, other, m, k)
    np.testing.assert_allclose(tall.column_products(a, b), np.diagonal(a.T @ b), rtol=0, atol=1e-11)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("depth", [1, 2, 3, 2.5])
@pytest.mark.parametrize(("m", "n"), [(700, 9), (9, 700), (600, 530)])
def test_operations_on_tall_blocks_agree_with_dense_ones(m, n, depth, order):
    k = 3
    rng = np.random.default_rng(0)
    manifold = fixedrank.FixedRank(m, n, k, depth=depth)
    point, other = (
        tuple(np.array(part, order=order) for part in manifold.random_point(rng=rng))
        for _ in range(2)
    )
    gradient = np.array(rng.standard_normal((m, n)), order=order)
    u, _, vt = point
    left, right = u @ u.T, vt.T @ vt
    expected = left @ gradient + gradient @ right - left @ gradient @ right
    vector = manifold.projection(point, gradient)
    matrix = manifold.tangent_to_matrix(point, vector)
    np.testing.assert_allclose(matrix, expected, atol=1e-12)

    moved = manifold.transport(point, other, vector)
    u, _, vt = other
    left, right = u @ u.T, vt.T @ vt
    np.testing.assert_allclose(
        manifold.tangent_to_matrix(other, moved),
        left @ matrix + matrix @ right - left @ matrix @ right,
        atol=1e-12,
    )
    np.testing.assert_allclose(u.T @ moved.Up, 0, atol=1e-13)
    np.testing.assert_allclose(vt @ moved.Vp, 0, atol=1e-13)

    ours = manifold.euclidean_to_riemannian_gradient(point, gradient)
    # g(grad f, Z) = <G, Z>, whatever Z.
    assert manifold.inner_product(point, ours, vector) == pytest.approx(
        np.vdot(gradient, matrix), rel=1e-10
    )
    u, s, vt = point
    triple = (
        gradient @ vt.T * s,
        np.diagonal(u.T @ gradient @ vt.T),
        s[:, None] * (u.T @ gradient),
    )
    for part, same in zip(
        ours, manifold.euclidean_to_riemannian_gradient(point, triple), strict=True
    ):
        np.testing.assert_allclose(part, same, rtol=1e-9, atol=1e-10)

    nearest = manifold.retraction(point, 0.1 * vector)
    svd = np.linalg.svd((u * s) @ vt + 0.1 * matrix, full_matrices=False)
    np.testing.assert_allclose(nearest.s, svd[1][:k], rtol=1e-11)
    np.testing.assert_allclose(
        (nearest.u * nearest.s) @ nearest.vt, (svd[0][:, :k] * svd[1][:k]) @ svd[2][:k], atol=1e-11
    )
    np.testing.assert_allclose(nearest.u.T @ nearest.u, np.eye(k), atol=1e-14)
    np.testing.assert_allclose(nearest.vt @ nearest.vt.T, np.eye(k), atol=1e-14)


@pytest.mark.parametrize("method", ["projection", "euclidean_to_riemannian_gradient"])
def test_what_an_operator_returns_stays_as_it_is(method):
    m, k = 600, 2
    manifold = fixedrank.FixedRank(m, m, k, depth=3)
    point = manifold.random_point(rng=0)
    kept = np.ones((m, k))
    operator = LinearOperator(
        (m, m), matvec=lambda x: x, matmat=lambda x: kept, rmatmat=lambda x: x, dtype=float
    )
    u, vt = point.u.copy(), point.vt.copy()
    getattr(manifold, method)(point, operator)
    np.testing.assert_array_equal(kept, 1)
    np.testing.assert_array_equal(point.u, u)
    np.testing.assert_array_equal(point.vt, vt)


def test_what_operators_return_stays_as_it_is_in_a_hessian():
    m, k = 600, 2
    manifold = fixedrank.FixedRank(m, m, k, depth=3)
    point = manifold.random_point(rng=0)
    vector = manifold.random_tangent_vector(point, rng=1)
    kept = {columns: np.ones((m, columns)) for columns in (k, 2 * k)}
    operator = LinearOperator(
        (m, m),
        matvec=lambda x: x,
        matmat=lambda x: kept[x.shape[1]],
        rmatmat=lambda x: kept[x.shape[1]],
        dtype=float,
    )
    manifold.euclidean_to_riemannian_hessian(point, operator, operator, vector)
    for block in kept.values():
        np.testing.assert_array_equal(block, 1)


@pytest.mark.parametrize("method", ["projection", "to_tangent_space", "embedding", "transport"])
def test_inputs_are_not_changed(method):
    manifold = fixedrank.FixedRank(600, 700, 2, depth=3)
    point = manifold.random_point(rng=0)
    vector = manifold.random_tangent_vector(point, rng=1)
    before = [np.array(part) for part in (*point, *vector)]
    arguments = {
        "projection": (point, vector.Up @ vector.Vp.T),
        "transport": (point, manifold.random_point(rng=2), vector),
    }.get(method, (point, vector))
    getattr(manifold, method)(*arguments)
    for old, new in zip(before, (*point, *vector), strict=True):
        np.testing.assert_array_equal(old, new)
