"""One regression in all the forms in which its data can be handed in, without a dense root."""

import numpy as np
import scipy.sparse
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from fixedrank import LinearRegression, MatrixSum
from tests.strategies import seeds


def _operator(matrix):
    """An operator that knows products with vectors only."""
    return LinearOperator(
        matrix.shape, matvec=matrix.__matmul__, rmatvec=matrix.T.__matmul__, dtype=float
    )


FORMS = {
    "sparse X and Y": lambda X, Y: LinearRegression(
        scipy.sparse.csr_array(X), scipy.sparse.csc_array(Y)
    ),
    "sparse X": lambda X, Y: LinearRegression(scipy.sparse.coo_array(X), Y),
    "sparse Y": lambda X, Y: LinearRegression(X, scipy.sparse.csr_matrix(Y)),
    "arrays": lambda X, Y: LinearRegression.from_moments(X @ X.T, Y @ X.T, np.vdot(Y, Y)),
    "sparse moments": lambda X, Y: LinearRegression.from_moments(
        scipy.sparse.csr_array(X @ X.T), scipy.sparse.lil_array(Y @ X.T), np.vdot(Y, Y)
    ),
    "pairs": lambda X, Y: LinearRegression.from_moments((X, X), (Y, X), np.vdot(Y, Y)),
    "sparse pairs": lambda X, Y: LinearRegression.from_moments(
        [scipy.sparse.csr_array(X)] * 2, (Y, scipy.sparse.csr_array(X)), np.vdot(Y, Y)
    ),
    "operators": lambda X, Y: LinearRegression.from_moments(
        _operator(X @ X.T), _operator(Y @ X.T), np.vdot(Y, Y)
    ),
    "sums": lambda X, Y: LinearRegression.from_moments(
        MatrixSum(X[:, :1] @ X[:, :1].T, (X[:, 1:], X[:, 1:])),
        MatrixSum(aslinearoperator(Y @ X.T)),
        np.vdot(Y, Y),
    ),
}


def zero_filled(seed, d_x, d_y, samples, density=0.4):
    """X and Y with Gaussian entries, most of them zero."""
    rng = np.random.default_rng(seed)
    X, Y = (
        rng.standard_normal((d, samples)) * (rng.random((d, samples)) < density) for d in (d_x, d_y)
    )
    return X, Y


@st.composite
def sparse_data(draw):
    """Draw (X, Y) with many zeros, X X^T singular or not, few samples or many."""
    d_x, d_y = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    return zero_filled(draw(seeds), d_x, d_y, draw(st.sampled_from([1, 2, 5, 40])))
