"""Sums of ambient matrices of all kinds stand for the sum of the dense matrices."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from fixedrank import FixedRank, MatrixSum, balanced_factors, compare_flows, riemannian_flow
from tests.geometry import dense
from tests.strategies import points, seeds, tangent_vectors, well_conditioned_points

TERMS = ("array", "sparse", "matrix", "pair", "triple", "operator", "sum")


def term(kind, shape, rng):
    """A term of a kind, and the dense matrix that it stands for."""
    m, n = shape
    full = rng.standard_normal(shape)
    left, core, right = (rng.standard_normal(size) for size in ((m, 2), (2, 3), (n, 3)))
    low_rank = left @ core @ right.T
    holes = full * (rng.random(shape) < 0.3)
    return {
        "array": (full, full),
        "sparse": (scipy.sparse.csr_array(holes), holes),
        "matrix": (scipy.sparse.coo_matrix(holes), holes),
        "pair": ((left @ core, right), low_rank),
        "triple": ([left, core, right], low_rank),
        "operator": (aslinearoperator(full), full),
        "sum": (MatrixSum(holes, (left, core, right)), holes + low_rank),
    }[kind]


def random_sum(kinds, shape, seed):
    rng = np.random.default_rng(seed)
    terms, matrices = zip(*(term(kind, shape, rng) for kind in kinds), strict=True)
    return MatrixSum(*terms), sum(matrices)


kinds = st.lists(st.sampled_from(TERMS), min_size=1, max_size=4)


@given(kinds=kinds, shape=st.tuples(st.integers(1, 6), st.integers(1, 6)), seed=seeds)
def test_products(kinds, shape, seed):
    found, expected = random_sum(kinds, shape, seed)
    rng = np.random.default_rng(seed)
    v, u = rng.standard_normal((shape[1], 3)), rng.standard_normal((shape[0], 3))
    bound = {"rtol": 0, "atol": 1e-13 * (1 + np.linalg.norm(expected)) * 10}
    assert found.shape == shape
    assert not any(isinstance(part, MatrixSum) for part in found.terms)
    np.testing.assert_allclose(found.toarray(), expected, **bound)
    np.testing.assert_allclose(found @ v, expected @ v, **bound)
    np.testing.assert_allclose(found.T @ u, expected.T @ u, **bound)
    np.testing.assert_allclose(found @ v[:, 0], expected @ v[:, 0], **bound)
    np.testing.assert_allclose((2 * found + found) @ v, 3 * expected @ v, **bound)


def test_terms_are_left_as_they_are():
    array, block = np.ones((2, 2)), np.ones((2, 1))
    returned = np.ones((2, 1))
    shared = LinearOperator(
        (2, 2), matvec=lambda v: returned, matmat=lambda v: returned, rmatvec=lambda v: returned
    )
    MatrixSum(shared, array) @ block
    np.testing.assert_array_equal(array, 1)
    np.testing.assert_array_equal(returned, 1)


@given(data=st.data(), kinds=kinds, point=well_conditioned_points(), seed=seeds)
def test_wherever_an_ambient_matrix_is(data, kinds, point, seed):
    (m, k), n = point.u.shape, point.vt.shape[1]
    manifold = FixedRank(m, n, k, depth=3)
    found, expected = random_sum(kinds, (m, n), seed)
    hessian, dense_hessian = random_sum(kinds[::-1], (m, n), seed + 1)
    Z = data.draw(tangent_vectors(point, low=1e-3, high=1e3))
    W, size = dense.matrix(point), np.linalg.norm(expected) + 1
    for vector, matrix in (
        (manifold.projection(point, found), dense.projection(W, k, expected)),
        (
            manifold.euclidean_to_riemannian_gradient(point, found),
            dense.operator(W, k, expected, 3),
        ),
        (manifold.operator(point).apply(found), dense.operator(W, k, expected, 3)),
    ):
        np.testing.assert_allclose(dense.tangent(point, vector), matrix, rtol=0, atol=1e-11 * size)
    of_sums = manifold.euclidean_to_riemannian_hessian(point, found, hessian, Z)
    of_arrays = manifold.euclidean_to_riemannian_hessian(point, expected, dense_hessian, Z)
    scale = sum(np.abs(part).max() for part in of_arrays) + size + max(abs(Z[1]).max(), 1) * size
    for part, other in zip(of_sums, of_arrays, strict=True):
        np.testing.assert_allclose(part, other, rtol=0, atol=1e-9 * scale)


@given(point=points(low=0.5, high=2.0), seed=seeds)
def test_the_operator_takes_pairs(point, seed):
    (m, k), n = point.u.shape, point.vt.shape[1]
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((m, 2)), rng.standard_normal((n, 2))
    operator = FixedRank(m, n, k, depth=2).operator(point)
    found = dense.tangent(point, operator.apply((left, right)))
    expected = dense.operator(dense.matrix(point), k, left @ right.T, 2)
    bound = 1e-12 * np.linalg.norm(left) * np.linalg.norm(right)
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("k", [1, 3, 6])
def test_best_approximation(k):
    found, expected = random_sum(["sparse", "pair", "operator"], (7, 6), 5)
    point = FixedRank(7, 6, k, depth=1).point(found)
    u, s, vt = np.linalg.svd(expected)
    best = (u[:, :k] * s[:k]) @ vt[:k]
    np.testing.assert_allclose(dense.matrix(point), best, rtol=0, atol=1e-10)


def test_as_the_gradient_of_a_problem_in_both_flows():
    # |W - S - l r^T|^2 / 2 with a sparse S: the gradient is a sum of three kinds.
    rng = np.random.default_rng(0)
    S = scipy.sparse.csr_array(rng.standard_normal((6, 5)) * (rng.random((6, 5)) < 0.3))
    left, right = rng.standard_normal((6, 1)), rng.standard_normal((5, 1))
    target = S.toarray() + left @ right.T

    def as_sum(W):
        return MatrixSum(-S, (-left, right), (W[0] * W[1], W[2].T))

    def as_array(W):
        return (W[0] * W[1]) @ W[2] - target

    sums, arrays = (
        SimpleNamespace(
            loss=lambda W: float(np.linalg.norm((W[0] * W[1]) @ W[2] - target) ** 2 / 2),
            gradient=gradient,
        )
        for gradient in (as_sum, as_array)
    )
    point = FixedRank(6, 5, 2, depth=3).random_point(rng=1)
    layers = balanced_factors(point, [5, 2, 4, 6], rng=2)
    found, expected = (compare_flows(p, layers, [0.0, 0.3, 1.0]) for p in (sums, arrays))
    assert found.gap.max() < 1e-6
    for flow, other in (
        (found.factored, expected.factored),
        (found.riemannian, expected.riemannian),
    ):
        np.testing.assert_allclose(flow.singular_values, other.singular_values, rtol=1e-9)


def no_transpose():
    return LinearOperator((3, 2), matvec=lambda v: np.ones(3), dtype=float)


@pytest.mark.parametrize(
    ("terms", "error", "text"),
    [
        ((), ValueError, "at least one term"),
        ((np.ones((3, 2)), np.ones((2, 3))), ValueError, r"term 1.*\(3, 2\).*\(2, 3\)"),
        ((np.ones((3, 2)), "term"), TypeError, "term 1.*ambient matrix is.*str"),
        (("term",), TypeError, "term 0.*ambient matrix is.*str"),
        ((None,), TypeError, "term 0.*NoneType"),
        ((np.ones(3),), TypeError, "ambient matrix is"),
        ((1j * np.ones((3, 2)),), TypeError, "term 0.*real"),
        ((scipy.sparse.eye_array(2, dtype=complex),), TypeError, "term 0.*real"),
        ((np.ones((3, 2)), (np.ones((3, 1)), np.ones((2, 2)))), ValueError, "term 1.*low-rank"),
    ],
)
def test_bad_terms(terms, error, text):
    with pytest.raises(error, match=text):
        MatrixSum(*terms)


def test_what_is_not_finite_or_has_no_transpose():
    manifold = FixedRank(3, 2, 1, depth=2)
    point = manifold.random_point(rng=0)
    spoiled = MatrixSum(np.ones((3, 2)), (np.full((3, 1), np.nan), np.ones((2, 1))))
    with pytest.raises(ValueError, match="NaN"):
        manifold.projection(point, spoiled)
    with pytest.raises(TypeError, match="rmatvec or rmatmat"):
        manifold.projection(point, MatrixSum(np.ones((3, 2)), no_transpose()))
    with pytest.raises(TypeError, match="rmatvec or rmatmat"):
        manifold.projection(point, no_transpose())
    problem = SimpleNamespace(loss=lambda W: 0.0, gradient=lambda W: no_transpose())
    with pytest.raises(TypeError, match=r"gradient\(W\) returned: .*rmatvec or rmatmat"):
        riemannian_flow(problem, point, 2, [0.0, 1.0])
