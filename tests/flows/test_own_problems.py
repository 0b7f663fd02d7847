"""A loss of the user's own: matrix completion with sparse gradients.

All that a flow asks for is an object with ``loss(W)`` and ``gradient(W)``, where W is a point
(u, s, vt), singular values descending, W = (u * s) @ vt.
"""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from fixedrank import (
    FixedRank,
    balanced_factors,
    compare_flows,
    factored_flow,
    riemannian_flow,
)
from tests.geometry.dense import matrix, orthonormal


class MatrixCompletion:
    """Half the sum of squares of W_ij - values over the observed entries (i, j)."""

    def __init__(self, rows, columns, values, shape):
        self.rows, self.columns, self.values, self.shape = rows, columns, values, shape

    def residual(self, W):
        u, s, vt = W
        return np.einsum("ij,ij->i", u[self.rows] * s, vt.T[self.columns]) - self.values

    def loss(self, W):
        return 0.5 * np.sum(self.residual(W) ** 2)

    def gradient(self, W):
        entries = (self.residual(W), (self.rows, self.columns))
        return scipy.sparse.csr_array(entries, shape=self.shape)


M, N, K = 12, 10, 2


@pytest.fixture(scope="module")
def truth():
    rng = np.random.default_rng(0)
    return (orthonormal(rng, M, K) * [3.0, 2.0]) @ orthonormal(rng, N, K).T


@pytest.fixture(scope="module")
def problem(truth):
    rows, columns = np.nonzero(np.random.default_rng(1).random((M, N)) < 0.7)
    return MatrixCompletion(rows, columns, truth[rows, columns], (M, N))


@pytest.fixture(scope="module")
def start():
    point = FixedRank(M, N, K, depth=3).random_point(rng=2)
    return point._replace(s=np.array([0.3, 0.3]))


def test_the_riemannian_flow_completes_the_matrix(problem, start, truth):
    flow = riemannian_flow(problem, start, 3, np.linspace(0, 60, 7))
    assert flow.complete
    assert (np.diff(flow.loss) <= 1e-12).all()
    np.testing.assert_allclose(matrix(flow.points[-1]), truth, rtol=0, atol=1e-5)


def test_so_does_a_network(problem, start, truth):
    factors = balanced_factors(start, [N, K, 4, M], rng=3)
    flow = factored_flow(problem, factors, np.linspace(0, 60, 7))
    np.testing.assert_allclose(flow.product[-1], truth, rtol=0, atol=1e-5)


@pytest.mark.parametrize("depth", [2, 3, 6])
def test_the_two_are_one(problem, start, depth):
    factors = balanced_factors(start, [N, *[K] * (depth - 1), M], rng=4)
    comparison = compare_flows(problem, factors, np.linspace(0, 3, 7), rtol=1e-10)
    assert (comparison.gap <= 1e-8 * comparison.norm).all()
    assert "one" in comparison.verdict


def as_array(sparse):
    return sparse.toarray()


def as_list(sparse):
    return sparse.toarray().tolist()


def as_operator(sparse):
    return LinearOperator(sparse.shape, matvec=sparse.dot, rmatvec=sparse.T.dot)


def as_pair(sparse):
    u, s, vt = np.linalg.svd(sparse.toarray(), full_matrices=False)
    return u * s, vt.T


@pytest.mark.parametrize(
    "kind",
    [as_array, as_list, as_operator, as_pair, scipy.sparse.coo_array, scipy.sparse.csc_matrix],
)
def test_gradients_of_other_kinds(problem, start, kind):
    class Other:
        loss = staticmethod(problem.loss)

        def gradient(self, W):
            return kind(problem.gradient(W))

    t = [0, 0.5, 1]
    expected = riemannian_flow(problem, start, 3, t)
    found = riemannian_flow(Other(), start, 3, t)
    factored = factored_flow(Other(), balanced_factors(start, [N, K, K, M], rng=5), t)
    for a, b, c in zip(expected.points, found.points, factored.points, strict=True):
        np.testing.assert_allclose(matrix(b), matrix(a), rtol=0, atol=1e-7)
        np.testing.assert_allclose(matrix(c), matrix(a), rtol=0, atol=1e-6)


def test_a_gradient_of_the_wrong_shape(problem, start):
    class Transposed:
        loss = staticmethod(problem.loss)

        def gradient(self, W):
            return problem.gradient(W).T

    with pytest.raises(ValueError, match=r"\(10, 12\)"):
        riemannian_flow(Transposed(), start, 3, [0, 1])


def test_a_problem_without_a_gradient(start):
    class Nothing:
        def loss(self, W):
            return 0.0

    with pytest.raises((AttributeError, TypeError), match="gradient"):
        riemannian_flow(Nothing(), start, 3, [0, 1])
