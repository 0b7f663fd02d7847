"""A point, a tangent vector and FactorDirections stand for their matrices: their types tell."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from fixedrank import (
    FactorDirections,
    FixedRank,
    FixedRankPoint,
    FixedRankTangentVector,
    LinearRegression,
    MatrixCompletion,
    MatrixSum,
    rank_increase,
    riemannian_flow,
)
from tests.geometry import dense
from tests.strategies import seeds, tangent_vectors, well_conditioned_points

M, N, K = 6, 5, 2
MANIFOLD = FixedRank(M, N, K, depth=3)
POINT = MANIFOLD.random_point(rng=0)
Z = MANIFOLD.random_tangent_vector(POINT, rng=1)
DIRECTIONS = MANIFOLD.embedding(POINT, Z)
MATRIX = MANIFOLD.tangent_to_matrix(POINT, Z)
OTHER = np.random.default_rng(2).standard_normal((M, N))


def close(found, expected, size=1.0):
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13 * size)


@given(data=st.data(), point=well_conditioned_points())
def test_a_projection_leaves_tangent_vectors_as_they_are(data, point):
    manifold = FixedRank(point.u.shape[0], point.vt.shape[1], point.s.size, depth=2)
    vector = FixedRankTangentVector(*data.draw(tangent_vectors(point, low=1e-3, high=1e3)))
    size = 1 + max(float(np.abs(part).max()) for part in vector)
    # The directions have quotients by singular values, and by no smaller ones.
    blurred = size * float(point.s.max() / point.s.min())
    directions = manifold.embedding(point, vector)
    close(manifold.projection(point, vector), vector, size)
    close(manifold.projection(point, directions), vector, blurred)
    both = MatrixSum(vector, directions, (3 * point.u * point.s, point.vt.T))
    expected = 2 * vector + manifold.projection(point, 3 * dense.matrix(point))
    close(manifold.projection(point, both), expected, blurred + 10 * float(point.s.max()))


KINDS = {
    "vector": (Z, MATRIX),
    "directions": (DIRECTIONS, MATRIX),
    "point": (POINT, dense.matrix(POINT)),
    "sum": (MatrixSum(OTHER, Z, POINT), OTHER + MATRIX + dense.matrix(POINT)),
    "sum of sums": (MatrixSum(MatrixSum(Z, OTHER), MatrixSum(DIRECTIONS)), OTHER + 2 * MATRIX),
}


@pytest.mark.parametrize("name", KINDS)
def test_wherever_an_ambient_matrix_is_at_a_point(name):
    typed, matrix = KINDS[name]
    problem = MatrixCompletion(OTHER)
    for call in (
        lambda A: MANIFOLD.projection(POINT, A),
        lambda A: MANIFOLD.euclidean_to_riemannian_gradient(POINT, A),
        lambda A: MANIFOLD.euclidean_to_riemannian_hessian(POINT, A, OTHER, Z),
        lambda A: MANIFOLD.euclidean_to_riemannian_hessian(POINT, OTHER, A, Z),
        lambda A: [problem.hessian_product(POINT, A).toarray()],
        lambda A: [np.array(problem.line_minimum(POINT, A))],
    ):
        close(call(typed), call(matrix), 100)
    operator = MANIFOLD.operator(POINT)
    projected = MANIFOLD.projection(POINT, matrix)
    close(operator.apply(typed), operator.apply(projected), 100)


def test_gradients_of_a_users_loss_may_be_of_these_types():
    """The loss |W|^2 / 2 has the gradient W: its flow at depth 1 is W(0) exp(-t)."""

    class Decay:
        def loss(self, W):
            return float(W[1] @ W[1]) / 2

        def gradient(self, W):
            return W

    flow = riemannian_flow(Decay(), POINT, 1, [0.0, 1.0])
    np.testing.assert_allclose(flow.points[-1].s, np.exp(-1) * POINT.s, rtol=1e-6)
    problem = MatrixCompletion(OTHER)

    class Wrapped:
        loss = staticmethod(problem.loss)

        def gradient(self, W):
            return MatrixSum(problem.gradient(W), 0 * MANIFOLD.projection(W, OTHER))

    found, expected = (rank_increase(p, POINT, step=0.5) for p in (Wrapped(), problem))
    np.testing.assert_allclose(dense.matrix(found), dense.matrix(expected), rtol=0, atol=1e-12)


def test_without_a_point_they_are_no_matrices():
    for call in (
        MANIFOLD.point,
        lambda A: MANIFOLD.point(MatrixSum(OTHER, A)),
        lambda A: MatrixSum(A, OTHER).toarray(),
        lambda A: MatrixSum(A, OTHER) @ np.eye(N),
        lambda A: MatrixSum(A, OTHER).T @ np.eye(M),
        MatrixCompletion(OTHER).loss,
        LinearRegression(np.eye(N), OTHER).loss,
        lambda A: MatrixCompletion(OTHER).hessian_product(OTHER, A),
    ):
        for typed in (Z, DIRECTIONS):
            with pytest.raises(
                (TypeError, ValueError), match=r"tangent_to_matrix\(point, Z\)|a way of moving"
            ):
                call(typed)


def test_a_triple_of_no_type():
    triple = tuple(POINT)
    message = r"a point, directions of its factors, or derivatives .*FactorDirections\(\*triple\)"
    for call in (
        lambda: MANIFOLD.projection(POINT, triple),
        lambda: MatrixSum(OTHER, triple),
    ):
        with pytest.raises(TypeError, match=message):
            call()
    np.testing.assert_allclose(MANIFOLD.point(triple).s, POINT.s, rtol=1e-14)
    # A cost <G, W> has the derivatives (G V S, diag(U^T G V), S U^T G).
    u, s, vt = POINT
    derivatives = OTHER @ vt.T * s, np.diag(u.T @ OTHER @ vt.T), s[:, None] * (u.T @ OTHER)
    close(
        MANIFOLD.euclidean_to_riemannian_gradient(POINT, derivatives),
        MANIFOLD.euclidean_to_riemannian_gradient(POINT, OTHER),
        10,
    )
    # The same shapes of another type are a matrix: that of the directions, or of the point.
    close(
        MANIFOLD.euclidean_to_riemannian_gradient(POINT, FactorDirections(*DIRECTIONS)),
        MANIFOLD.euclidean_to_riemannian_gradient(POINT, MATRIX),
        10,
    )


@given(seed=seeds)
def test_a_point_that_was_saved_in_float32_is_mended(seed):
    manifold = FixedRank(9, 7, 3, depth=2)
    point = manifold.random_point(rng=seed)
    saved = tuple(part.astype(np.float32) for part in point)
    mended = manifold.check_point(manifold.point(saved))
    assert all(part.dtype == np.float64 for part in mended)
    np.testing.assert_allclose(mended.u.T @ mended.u, np.eye(3), rtol=0, atol=1e-14)
    # Its matrix is the one that was saved.
    u, s, vt = (part.astype(np.float64) for part in saved)
    np.testing.assert_allclose(dense.matrix(mended), (u * s) @ vt, rtol=0, atol=1e-14)


def test_factors_in_float32_are_not_taken_for_orthonormal():
    manifold = FixedRank(9, 7, 3, depth=2)
    point = manifold.random_point(rng=0)
    saved = tuple(part.astype(np.float32) for part in point)
    vector = manifold.random_tangent_vector(point, rng=1)
    for call in (
        lambda: manifold.check_point(saved),
        lambda: manifold.exp(saved, vector),
        lambda: manifold.retraction(saved, vector),
        lambda: manifold.projection(saved, np.ones((9, 7))),
    ):
        with pytest.raises(ValueError, match=r"orthonormal.*manifold\.point\(\(u, s, vt\)\)"):
            call()


SPARSE = ("csr_array", "csc_matrix", "coo_array", "dok_array", "lil_array", "dia_array")
TYPES = (np.float32, np.bool_, np.int8, np.int64, np.uint16, np.longdouble)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("kind", [*SPARSE, "operator"])
def test_points_and_gradients_are_float64(kind, dtype):
    rng = np.random.default_rng(3)
    whole = np.where(rng.random((40, 30)) < 0.2, rng.integers(1, 9, (40, 30)), 0).astype(dtype)
    make = aslinearoperator if kind == "operator" else getattr(scipy.sparse, kind)
    require_float64(make(whole), whole.astype(np.float64), 1e-12)


def test_of_an_operator_that_computes_in_float32():
    matrix = np.random.default_rng(4).standard_normal((40, 30)).astype(np.float32)
    operator = LinearOperator(
        (40, 30),
        matvec=lambda v: matrix @ v.astype(np.float32),
        rmatvec=lambda v: matrix.T @ v.astype(np.float32),
        dtype=np.float32,
    )
    require_float64(operator, matrix.astype(np.float64), 1e-5)


def require_float64(given, array, precision):
    """Points and gradients of a matrix are those of the array, orthonormal to float64."""
    manifold = FixedRank(*array.shape, 3, depth=2)
    point, expected = manifold.point(given), manifold.point(array)
    gradient = manifold.euclidean_to_riemannian_gradient(expected, given)
    assert all(part.dtype == np.float64 for part in (*point, *gradient))
    for frame in (point.u, point.vt.T):
        np.testing.assert_allclose(frame.T @ frame, np.eye(3), rtol=0, atol=1e-12)
    np.testing.assert_allclose(point.s, expected.s, rtol=precision)
    size = float(expected.s[0]) ** 2
    wanted = manifold.euclidean_to_riemannian_gradient(expected, array)
    for one, other in zip(gradient, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=precision * size)


def test_an_operator_whose_products_are_not_numbers():
    operator = LinearOperator((M, N), matvec=lambda v: v[:1] * np.ones(M) * 1j, dtype=float)
    with pytest.raises(TypeError, match="product with a LinearOperator must be real"):
        MANIFOLD.projection(POINT, operator)


def test_directions_are_vectors():
    """They add and scale part by part, and only with their like; and survive a pickle."""
    other = MANIFOLD.embedding(POINT, MANIFOLD.random_tangent_vector(POINT, rng=4))
    total = np.float64(2) * DIRECTIONS - other / 4 + (-other)
    assert type(total) is FactorDirections
    for found, one, two in zip(total, DIRECTIONS, other, strict=True):
        np.testing.assert_allclose(found, 2 * one - 1.25 * two, rtol=1e-14, atol=1e-15)
    again = pickle.loads(pickle.dumps(DIRECTIONS))
    assert type(again) is FactorDirections
    close(again, DIRECTIONS)
    for first, second in ((DIRECTIONS, Z), (Z, DIRECTIONS), (Z, POINT), (DIRECTIONS, POINT)):
        with pytest.raises(TypeError):
            first + second
        with pytest.raises(TypeError):
            first - second


@pytest.mark.parametrize("library", ["jax.numpy", "torch"])
def test_arrays_of_other_libraries(library):
    other = pytest.importorskip(library)
    make = other.asarray if library == "jax.numpy" else other.as_tensor
    matrix = OTHER.astype(np.float32)
    expected = MANIFOLD.euclidean_to_riemannian_gradient(POINT, matrix.astype(float))
    close(MANIFOLD.euclidean_to_riemannian_gradient(POINT, make(matrix)), expected, 10)
    np.testing.assert_allclose(
        MANIFOLD.point(make(matrix)).s, MANIFOLD.point(matrix.astype(float)).s, rtol=1e-14
    )
    if library == "torch":
        with pytest.raises(TypeError, match="detach"):
            MANIFOLD.point(make(matrix).requires_grad_())


def test_a_tensor_that_is_to_be_differentiated_is_refused():
    """As torch does, with a RuntimeError, where it is asked for an array."""

    class Tensor:
        ndim, shape = 2, (M, N)

        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use detach()")

    for call in (MANIFOLD.point, lambda A: MANIFOLD.projection(POINT, A)):
        with pytest.raises(TypeError, match=r"the matrix must be an array .*detach"):
            call(Tensor())


def test_points_have_their_own_type_wherever_they_stand():
    assert isinstance(MANIFOLD.embedding(POINT, Z), FactorDirections)
    assert FactorDirections._fields == ("du", "ds", "dvt")
    bad = FixedRankPoint(POINT.u, POINT.s[:1], POINT.vt)
    with pytest.raises(ValueError, match=r"\(6, 2\), \(1,\), \(2, 5\)"):
        MANIFOLD.projection(POINT, bad)
    with pytest.raises(ValueError, match="shapes of the point"):
        MANIFOLD.projection(POINT, FactorDirections(POINT.u[1:], POINT.s, POINT.vt))
