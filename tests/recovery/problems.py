"""Problems of all kinds with their measurement matrices as one dense array, and directions."""

import numpy as np
import scipy.sparse
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from fixedrank import MatrixCompletion, MatrixSensing
from tests.strategies import points, seeds, shapes

KINDS = ("entries", "dense", "rank one", "sparse", "operator")


def make(kind, shape, count, seed):
    """A problem with `count` measurements (as many entries at most), its A (p, m, n), and y."""
    rng = np.random.default_rng(seed)
    m, n = shape
    if kind == "entries":
        count = min(count, m * n)
        rows, cols = np.unravel_index(rng.permutation(m * n)[:count], shape)
        values = rng.standard_normal(count)
        matrices = np.zeros((count, m, n))
        matrices[np.arange(count), rows, cols] = 1
        return MatrixCompletion(rows, cols, values, shape), matrices, values
    values = rng.standard_normal(count)
    matrices = rng.standard_normal((count, m, n))
    if kind == "dense":
        return MatrixSensing(matrices, values), matrices, values
    if kind == "rank one":
        left, right = rng.standard_normal((count, m)), rng.standard_normal((count, n))
        matrices = np.array([np.outer(a, b) for a, b in zip(left, right, strict=True)])
        return MatrixSensing((left, right), values), matrices, values
    matrices *= rng.random(matrices.shape) < 0.3
    flat = scipy.sparse.coo_array(matrices.reshape(count, m * n))
    if kind == "operator":
        flat = aslinearoperator(flat)
    return MatrixSensing(flat, values, shape), matrices, values


@st.composite
def problems(draw, kind):
    """Draw (problem, A, y, point)."""
    shape = draw(shapes())
    count = draw(st.integers(1, 2 * shape[0] * shape[1]))
    return *make(kind, shape[:2], count, draw(seeds)), draw(points(shape, low=1e-3, high=1e3))


def measured(matrices, W):
    """<A_i, W>, one by one."""
    return np.array([np.sum(A * W) for A in matrices])


def dense_loss(matrices, values, W):
    return 0.5 * np.sum((measured(matrices, W) - values) ** 2)


def combined(matrices, weights):
    """The sum of weights[i] A_i."""
    return sum(weight * A for weight, A in zip(weights, matrices, strict=True))


def dense(matrix):
    """The array of a gradient: an array, a sparse array or a pair."""
    if isinstance(matrix, tuple):
        return matrix[0] @ matrix[1].T
    return matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)
