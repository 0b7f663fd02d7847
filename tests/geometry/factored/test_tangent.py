"""Projection, transport, embedding and dense form of tangent vectors."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from fixedrank import FixedRank
from tests.geometry import dense
from tests.strategies import arrays, points, seeds, shapes, tangent_vectors


def manifold_of(point, depth=3):
    return FixedRank(point[0].shape[0], point[2].shape[1], point[1].size, depth=depth)


def horizontality_defect(point, vector):
    """The Frobenius norms of U^T Up and V^T Vp."""
    u, _, vt = point
    return np.linalg.norm(u.T @ vector[0]) + np.linalg.norm(vt @ vector[2])


@given(data=st.data(), point=points())
def test_projection_of_an_array(data, point):
    manifold = manifold_of(point)
    Z = data.draw(arrays((manifold.m, manifold.n)))
    projected = manifold.projection(point, Z)
    # The projectors from the frames, as the dense W may have singular values at round-off.
    left, right = point.u @ point.u.T, point.vt.T @ point.vt
    expected = left @ Z + Z @ right - left @ Z @ right
    bound = 100 * dense.EPS * np.linalg.norm(Z)
    assert np.linalg.norm(dense.tangent(point, projected) - expected) <= bound
    assert horizontality_defect(point, projected) <= bound


@given(point=points(low=0.5, high=2.0), seed=seeds)
def test_projection_of_every_kind(point, seed):
    manifold = manifold_of(point)
    rng = np.random.default_rng(seed)
    left, core, right = (
        rng.standard_normal(shape) for shape in ((manifold.m, 2), (2, 3), (manifold.n, 3))
    )
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    left, core = np.hstack((left, left[:, :1])), np.vstack((core, core[:1]))
    Z = left @ core @ right.T
    expected = dense.projection(dense.matrix(point), manifold.k, Z)
    bound = 1e-13 * np.linalg.norm(left) * np.linalg.norm(core) * np.linalg.norm(right)
    kinds = {
        "array": Z,
        "sparse array": scipy.sparse.csr_array(Z),
        "sparse matrix": scipy.sparse.coo_matrix(Z),
        "pair": (left @ core, right),
        "triple": (left, core, right),
        "square nonsymmetric triple": (left, core @ turn, right @ turn),
        "list": [left, core, right],
        "operator": aslinearoperator(Z),
    }
    for name, kind in kinds.items():
        projected = dense.tangent(point, manifold.projection(point, kind))
        assert np.linalg.norm(projected - expected) <= bound, name


@given(data=st.data(), point=points())
def test_projection_leaves_tangent_vectors(data, point):
    manifold = manifold_of(point)
    Z = data.draw(tangent_vectors(point))
    again = manifold.projection(point, manifold.tangent_to_matrix(point, Z))
    assert dense.factor_norm(again - Z) <= 100 * dense.EPS * dense.factor_norm(Z)


@given(data=st.data(), point=points())
def test_dense_form(data, point):
    manifold = manifold_of(point)
    Z = data.draw(tangent_vectors(point))
    difference = manifold.tangent_to_matrix(point, Z) - dense.tangent(point, Z)
    assert np.linalg.norm(difference) <= 50 * dense.EPS * dense.factor_norm(Z)


@given(data=st.data(), shape=shapes())
def test_transport_is_the_projection_at_the_other_point(data, shape):
    manifold = FixedRank(*shape, depth=2)
    start, end = data.draw(points(shape)), data.draw(points(shape))
    Z = data.draw(tangent_vectors(start))
    moved = manifold.transport(start, end, Z)
    left, right = end.u @ end.u.T, end.vt.T @ end.vt
    ambient = dense.tangent(start, Z)
    expected = left @ ambient + ambient @ right - left @ ambient @ right
    bound = 100 * dense.EPS * dense.factor_norm(Z)
    assert np.linalg.norm(dense.tangent(end, moved) - expected) <= bound
    assert horizontality_defect(end, moved) <= bound


@given(data=st.data(), point=points())
def test_to_tangent_space(data, point):
    manifold = manifold_of(point)
    m, n, k = manifold.m, manifold.n, manifold.k
    triple = tuple(data.draw(arrays(shape)) for shape in ((m, k), (k, k), (n, k)))
    result = manifold.to_tangent_space(point, triple)
    bound = 50 * dense.EPS * dense.factor_norm(triple)
    assert horizontality_defect(point, result) <= bound
    np.testing.assert_array_equal(result.M, triple[1])
    # What was taken away lies in the ranges of U and V.
    for basis, part, original in ((point.u, 0, triple[0]), (point.vt.T, 2, triple[2])):
        removed = original - result[part]
        assert np.linalg.norm(removed - basis @ (basis.T @ removed)) <= bound


@given(data=st.data(), point=points())
def test_embedding_moves_the_factors_along_the_vector(data, point):
    u, s, vt = point
    manifold = manifold_of(point)
    Z = data.draw(tangent_vectors(point))
    du, ds, dvt = manifold.embedding(point, Z)
    assert (du.shape, ds.shape, dvt.shape) == (u.shape, s.shape, vt.shape)
    moved = du @ np.diag(s) @ vt + u @ np.diag(ds) @ vt + u @ np.diag(s) @ dvt
    error = np.linalg.norm(moved - dense.tangent(point, Z))
    assert error <= 100 * dense.EPS * dense.factor_norm(Z)


@pytest.mark.parametrize("s", [(2.0, 1.0), (1.0, 2.0), (1.0, 1.0)])
def test_embedding_with_autodiff(s):
    rng = np.random.default_rng(0)
    manifold = FixedRank(4, 3, 2, depth=2)
    u, _, vt = manifold.random_point(rng=rng)
    point = (u, np.array(s), vt)
    Z = manifold.random_tangent_vector(point, rng=rng)
    weights = rng.standard_normal((4, 3))

    def cost(u, s, vt):
        return anp.sum(weights * anp.cos((u * s) @ vt))

    along = sum(
        np.vdot(autograd.grad(cost, i)(*point), direction)
        for i, direction in enumerate(manifold.embedding(point, Z))
    )
    W, t = dense.matrix(point), 1e-30
    moved = W + 1j * t * dense.tangent(point, Z)
    assert along == pytest.approx(np.sum(weights * np.cos(moved)).imag / t, rel=1e-13)


def test_a_product_of_ranges_is_dropped_exactly_where_nothing_is_normal():
    manifold = FixedRank(3, 3, 3, depth=2)
    point = manifold.random_point(rng=0)
    for vector in (
        manifold.projection(point, np.ones((3, 3))),
        manifold.random_tangent_vector(point, rng=1),
        manifold.transport(manifold.random_point(rng=2), point, manifold.zero_vector(point)),
    ):
        assert not vector.Up.any()
        assert not vector.Vp.any()


def test_arithmetic():
    manifold = FixedRank(5, 4, 2, depth=2)
    point = manifold.random_point(rng=0)
    X, Y = (manifold.random_tangent_vector(point, rng=seed) for seed in (1, 2))
    combined = np.float64(2) * X - Y / np.float64(4) + (-X) * 3
    assert type(combined) is type(X)
    for part, x, y in zip(combined, X, Y, strict=True):
        np.testing.assert_allclose(part, -x - y / 4, atol=1e-15)
    for scalar in (np.int64(2), np.array(2.0), 2):
        np.testing.assert_array_equal((scalar * X).M, 2 * X.M)
    np.testing.assert_array_equal((X + tuple(Y)).Up, X.Up + Y.Up)
    np.testing.assert_array_equal((X - tuple(Y)).Vp, X.Vp - Y.Vp)


@pytest.mark.parametrize("other", [1.0, (1.0, 2.0), "Z"])
def test_sums_with_something_else(other):
    manifold = FixedRank(5, 4, 2, depth=2)
    Z = manifold.zero_vector(manifold.random_point(rng=0))
    with pytest.raises(TypeError, match="unsupported operand"):
        Z + other
    with pytest.raises(TypeError, match="unsupported operand"):
        Z - other
