"""A_{W,N} against its definition with dense matrix powers, and as a SciPy LinearOperator."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator, cg, eigsh, minres

from fixedrank import DepthOperator
from tests.geometry import dense
from tests.strategies import (
    arrays,
    depths,
    frames,
    points,
    seeds,
    shapes,
    tangent_vectors,
    well_conditioned_points,
)

INTEGER_DEPTHS = st.sampled_from([1, 2, 3, 5, 20])


def frobenius(vector_a, vector_b):
    """The Frobenius inner product of two tangent vectors, and the sum of its absolute terms."""
    terms = [a * b for a, b in zip(vector_a, vector_b, strict=True)]
    return sum(term.sum() for term in terms), sum(np.abs(term).sum() for term in terms)


@given(data=st.data(), point=well_conditioned_points(), depth=INTEGER_DEPTHS)
def test_apply_is_the_definition(data, point, depth):
    Z = data.draw(tangent_vectors(point))
    image = DepthOperator(point, depth).apply(Z)
    expected = dense.operator(dense.matrix(point), point.s.size, dense.tangent(point, Z), depth)
    error = np.linalg.norm(dense.tangent(point, image) - expected)
    assert error <= 1e-12 * np.linalg.norm(expected)


@given(point=well_conditioned_points(), depth=INTEGER_DEPTHS, seed=seeds)
def test_apply_takes_ambient_matrices(point, depth, seed):
    k = point.s.size
    W = dense.matrix(point)
    Z = np.random.default_rng(seed).standard_normal(W.shape)
    expected = dense.operator(W, k, Z, depth)
    for kind in (np.asarray, scipy.sparse.csr_array, aslinearoperator):
        image = dense.tangent(point, DepthOperator(point, depth).apply(kind(Z)))
        assert np.linalg.norm(image - expected) <= 1e-12 * np.linalg.norm(expected)


@given(point=well_conditioned_points(), depth=INTEGER_DEPTHS)
def test_the_image_is_the_tangent_space(point, depth):
    k = point.s.size
    W = dense.matrix(point)
    m, n = W.shape
    full = DepthOperator(point, depth).aslinearoperator() @ np.eye(m * n)
    definition = dense.as_matrix(lambda Z: dense.operator(W, k, Z, depth), W.shape)
    scale = np.abs(definition).max()
    assert np.abs(full - definition).max() <= 1e-12 * scale
    assert np.linalg.matrix_rank(full, tol=1e-10 * scale) == (m + n - k) * k
    to_tangent_space = dense.as_matrix(lambda Z: dense.projection(W, k, Z), W.shape)
    assert np.abs(to_tangent_space @ full - full).max() <= 1e-12 * scale


@given(data=st.data(), point=points(), depth=depths())
def test_solve_inverts_apply(data, point, depth):
    Z = data.draw(tangent_vectors(point))
    operator = DepthOperator(point, depth)
    for back in (operator.solve(operator.apply(Z)), operator.apply(operator.solve(Z))):
        for part, original in zip(back, Z, strict=True):
            np.testing.assert_allclose(part, original, rtol=4 * dense.EPS, atol=0)


@given(data=st.data(), point=points(), depth=depths())
def test_self_adjoint_and_positive(data, point, depth):
    first, second = data.draw(tangent_vectors(point)), data.draw(tangent_vectors(point))
    operator = DepthOperator(point, depth)
    left, scale = frobenius(operator.apply(first), second)
    right, _ = frobenius(first, operator.apply(second))
    terms = sum(part.size for part in first)
    assert abs(left - right) <= (terms + 4) * dense.EPS * scale
    smallest = operator.eigenvalues()[0]
    energy, _ = frobenius(operator.apply(first), first)
    assert energy >= (1 - (terms + 4) * dense.EPS) * smallest * dense.factor_norm(first) ** 2


@given(point=points(low=1e-3, high=1e3), depth=depths(), seed=seeds)
def test_the_linear_operator_is_symmetric(point, depth, seed):
    operator = DepthOperator(point, depth)
    linear = operator.aslinearoperator()
    x, y = np.random.default_rng(seed).standard_normal((2, linear.shape[0]))
    scale = operator.eigenvalues()[-1] * np.linalg.norm(x) * np.linalg.norm(y)
    assert abs(y @ (linear @ x) - x @ (linear @ y)) <= 50 * dense.EPS * scale
    np.testing.assert_array_equal(linear.rmatvec(x), linear.matvec(x))


@given(point=well_conditioned_points(), depth=INTEGER_DEPTHS)
def test_eigenvalues_and_logdet_are_those_of_the_restriction(point, depth):
    operator = DepthOperator(point, depth)
    restriction = dense.restricted_operator(dense.matrix(point), point.s.size, depth)
    expected = np.linalg.eigvalsh(restriction)
    eigenvalues = operator.eigenvalues()
    assert eigenvalues.shape == expected.shape
    assert np.abs(eigenvalues - expected).max() <= 1e-12 * expected[-1]
    sign, logdet = np.linalg.slogdet(restriction)
    assert sign == 1
    assert abs(operator.logdet() - logdet) <= 1e-12 * (1 + np.abs(np.log(expected)).sum())


@given(data=st.data(), shape=shapes(), depth=depths())
def test_orthogonal_changes_of_the_frames(data, shape, depth):
    m, n, _ = shape
    u, s, vt = data.draw(points(shape, low=1e-3, high=1e3))
    left, right = data.draw(frames(m, m)), data.draw(frames(n, n))
    Z = data.draw(arrays((m, n), 1e-3, 1e3))
    here = DepthOperator((u, s, vt), depth)
    there = DepthOperator((left @ u, s, vt @ right.T), depth)
    image = dense.tangent(here.point, here.apply(Z))
    moved = dense.tangent(there.point, there.apply(left @ Z @ right.T))
    scale = here.eigenvalues()[-1] * np.linalg.norm(Z)
    assert np.linalg.norm(left @ image @ right.T - moved) <= 100 * dense.EPS * scale


@given(data=st.data(), point=points(), depth=depths())
def test_transposition(data, point, depth):
    u, s, vt = point
    up, core, vp = data.draw(tangent_vectors(point))
    image = DepthOperator(point, depth).apply((up, core, vp))
    transposed = DepthOperator((vt.T, s, u.T), depth).apply((vp, core.T, up))
    for part, other in zip(image, (transposed.Vp, transposed.M.T, transposed.Up), strict=True):
        np.testing.assert_allclose(part, other, rtol=4 * dense.EPS, atol=0)


@given(data=st.data(), shape=shapes(square=True))
def test_infinite_depth_is_an_average_over_powers(data, shape):
    # The sum (7) over N is a Riemann sum of the integral of (W W^T)^(1-t) Z (W^T W)^t over [0, 1].
    n = shape[0]
    point = data.draw(well_conditioned_points((n, n, n)))
    W, Z = dense.matrix(point), data.draw(arrays((n, n), 1e-3, 1e3))
    nodes, gauss = np.polynomial.legendre.leggauss(20)
    expected = sum(
        weight / 2 * dense.power(W @ W.T, n, 1 - t) @ Z @ dense.power(W.T @ W, n, t)
        for t, weight in zip((1 + nodes) / 2, gauss, strict=True)
    )
    image = dense.tangent(point, DepthOperator(point, np.inf).apply(Z))
    assert np.linalg.norm(image - expected) <= 1e-12 * np.linalg.norm(expected)


@given(point=well_conditioned_points(), depth=st.floats(1.1, 20), seed=seeds)
def test_real_depth_solves_the_telescoped_equation(point, depth, seed):
    # The sum (7) telescopes: (W W^T)^(1/N) A(Z) - A(Z) (W^T W)^(1/N) = W W^T Z - Z W^T W.
    k = point.s.size
    W = dense.matrix(point)
    Z = np.random.default_rng(seed).standard_normal(W.shape)
    operator = DepthOperator(point, depth)
    image = dense.tangent(point, operator.apply(Z))
    left, right = dense.power(W @ W.T, k, 1 / depth), dense.power(W.T @ W, k, 1 / depth)
    residual = left @ image - image @ right - (W @ W.T @ Z - Z @ W.T @ W)
    assert np.linalg.norm(residual) <= 1e-12 * operator.eigenvalues()[-1] * np.linalg.norm(Z)


@pytest.fixture
def example():
    rng = np.random.default_rng(5)
    u, v = (np.linalg.qr(rng.standard_normal((size, 2)))[0] for size in (7, 5))
    return DepthOperator((u, np.array([2.0, 0.7]), v.T), depth=3)


def test_eigsh_finds_the_largest_eigenvalues(example):
    found = eigsh(example.aslinearoperator(), k=4, which="LA", return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(found), example.eigenvalues()[-4:], rtol=1e-10)


@pytest.mark.parametrize("solver", [cg, minres])
def test_krylov_solvers_agree_with_solve(example, solver):
    point = example.point
    right_side = example.apply(np.random.default_rng(6).standard_normal(example.shape))
    flat, info = solver(
        example.aslinearoperator(), dense.tangent(point, right_side).ravel(), rtol=1e-12
    )
    assert info == 0
    expected = dense.tangent(point, example.solve(right_side))
    np.testing.assert_allclose(flat.reshape(example.shape), expected, atol=1e-9)
