"""The second moments C = X X^T and B = Y X^T, as matrices of the kind that is cheapest to apply."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, svds

from fixedrank._checks import Array, finite_array
from fixedrank.geometry.factored.ambient import (
    BlockOperator,
    as_ambient,
    times,
    to_array,
    transposed_times,
)
from fixedrank.losses.data import digest_of, finite_matrix

# Up to this, relative to all that enters them, two products count as equal.
_ROUND_OFF = 1e-8
# Factors pay if they have this many times fewer columns; in small matrices calls cost more.
_FEWER, _SMALL, _MOST = 8, 64, 256
# How far white data may be from a multiple of the identity, relative to it.
_WHITE = 1e-10
# Relative sizes, of a column and of a matrix, that are round-off of the sums in them.
_NOISE, _REST = 1e-13, 2e-15


class MatrixProduct(BlockOperator):
    """The matrix left @ right.T as an operator, made once for many products with it.

    Unlike those of a LowRank its factors may be sparse, and have many columns.
    """

    def __init__(self, left: Any, right: Any) -> None:
        super().__init__((left.shape[0], right.shape[0]))
        self.left, self.right = left, right
        self._left_transposed, self._right_transposed = left.T, right.T

    def _matmat(self, block: Array) -> Array:
        return np.asarray(self.left.dot(self._right_transposed.dot(block)))

    def _rmatmat(self, block: Array) -> Array:
        return np.asarray(self.right @ (self._left_transposed @ block))

    def _transpose(self) -> MatrixProduct:
        return MatrixProduct(self.right, self.left)


def product_of_data(left: Any, right: Any) -> Any:
    """Return left @ right.T as an array, a csr_array or a MatrixProduct.

    An array if it has no more entries than the factors have nonzero ones; sparse if that holds for
    its nonzero entries; and else the factors.
    """
    allowed = _nonzero(left) + _nonzero(right)
    if left.shape[0] * right.shape[0] <= allowed:
        product = left @ right.T
        return product.toarray() if scipy.sparse.issparse(product) else product
    if scipy.sparse.issparse(left) and scipy.sparse.issparse(right):
        product = _sparse_product(left, right, allowed)
        if product is not None:
            return product
    return MatrixProduct(left, right)


def _nonzero(matrix: Any) -> int:
    return int(matrix.nnz if scipy.sparse.issparse(matrix) else matrix.size)


def _sparse_product(left: Any, right: Any, allowed: int) -> Any:
    """Return the csr_array left @ right.T, or None as soon as it has too many entries.

    It is multiplied in blocks of rows that make at most as many entries as are allowed.
    """
    samples, other = left.shape[1], right.T.tocsr()
    in_sample = np.diff(other.indptr)
    pattern = scipy.sparse.csr_array(
        (np.ones(left.nnz), left.indices, left.indptr), (left.shape[0], samples)
    )
    work = np.cumsum(pattern @ in_sample)
    blocks, start, entries = [], 0, 0
    while start < left.shape[0]:
        done = work[start - 1] if start else 0.0
        end = max(start + 1, int(np.searchsorted(work, done + allowed, side="right")))
        block = left[start:end] @ other
        entries += block.nnz
        if entries > allowed:
            return None
        blocks.append(block)
        start = end
    return scipy.sparse.vstack(blocks, format="csr")


def in_factors(matrix: Any) -> Any:
    """Return a matrix; for an array of low rank the factors, of which products cost less.

    The range is found by products with random columns (Halko, Martinsson and Tropp, SIAM Review
    53, 2011). What is left of the matrix outside of it must be round-off.
    """
    if not isinstance(matrix, np.ndarray) or min(matrix.shape) < _SMALL:
        return matrix
    columns = min(min(matrix.shape) // _FEWER, _MOST)
    basis = np.random.default_rng(0).standard_normal((matrix.shape[1], columns))
    for _ in range(2):
        basis, upper, _ = scipy.linalg.qr(matrix @ basis, mode="economic", pivoting=True)
        sizes = np.abs(np.diagonal(upper))
        rank = int((sizes > _NOISE * sizes[0]).sum())
        if rank == columns:
            return matrix
        basis = basis[:, :rank]
        right = matrix.T @ basis
        if np.linalg.norm(matrix - basis @ right.T) <= _REST * np.linalg.norm(matrix):
            return MatrixProduct(basis, right)
        basis = scipy.linalg.qr(right, mode="economic")[0]
    return matrix


def spectral_norm(matrix: Any) -> float:
    """Return the largest singular value of an array, a csr_array or a LinearOperator."""
    if not isinstance(matrix, np.ndarray) and min(matrix.shape) <= _SMALL:
        matrix = to_array(matrix) if matrix.shape[1] <= _SMALL else to_array(matrix.T)
    if isinstance(matrix, np.ndarray):
        return float(np.linalg.norm(matrix, 2))
    generator = np.random.default_rng(0)
    size = float(np.abs(times(matrix, generator.standard_normal((matrix.shape[1], 1)))).max())
    if size == 0:
        return 0.0
    # Of a matrix of norm near 1, whatever the unit: squares neither underflow nor overflow.
    found = svds(matrix * (1 / size), 1, return_singular_vectors=False, rng=generator)
    return float(found[0]) * size


def nearest_white(C: Array) -> tuple[float, bool, float]:
    """Return the c of the multiple c I that is nearest to C, whether C is it, and the distance."""
    c = float(np.trace(C)) / len(C)
    spread = float(np.linalg.norm(C - c * np.eye(len(C)), 2))
    return c, spread <= _WHITE * c, spread


def as_moment(name: str, matrix: Any) -> Any:
    """Return a matrix that a user hands in as an array, a csr_array or a LinearOperator.

    Raises
    ------
    TypeError, ValueError
        If it is of no known kind, or has entries that are not finite.
    """
    if isinstance(matrix, LinearOperator):
        return as_ambient(matrix, matrix.shape)
    low_rank = isinstance(matrix, (tuple, list)) and matrix and np.ndim(matrix[0]) == 2
    if not low_rank:
        return finite_matrix(name, matrix)
    if len(matrix) != 2:
        raise TypeError(
            f"{name} in factors is a pair (L, R) for L @ R.T, got {len(matrix)} parts; "
            "multiply a middle one into L or R"
        )
    left, right = (finite_matrix(f"a factor of {name}", part) for part in matrix)
    if left.shape[1] != right.shape[1]:
        raise ValueError(
            f"the factors (L, R) of {name} must have as many columns, got {left.shape} and "
            f"{right.shape}"
        )
    return MatrixProduct(left, right)


def digest_of_moments(C: Any, B: Any, squared_norm: float) -> str | None:
    """Return a hash of the moments, or None if one is an operator of unknown entries."""
    parts = [part for m in (C, B) for part in ((m.left, m.right) if _factored(m) else (m,))]
    if any(isinstance(part, LinearOperator) for part in parts):
        return None
    return digest_of(*parts, np.array([squared_norm]))


def _factored(matrix: Any) -> bool:
    return isinstance(matrix, MatrixProduct)


def require_moments(C: Any, B: Any, squared_norm: float) -> None:
    """Raise unless C, B and ||Y||_F^2 fit together, as far as products with vectors tell.

    C must be symmetric and x^T C x >= 0. From B x = Y X^T x it follows that
    ||B x||^2 <= ||Y||^2 x^T C x.

    Raises
    ------
    TypeError, ValueError
        Which condition fails, with the numbers.
    """
    if C.shape[0] != C.shape[1] or B.shape[1] != C.shape[0]:
        raise ValueError(
            f"C must have shape (d_x, d_x) and B (d_y, d_x), got {C.shape} and {B.shape}"
        )
    if 0 in B.shape:
        raise ValueError(f"C and B must not be empty, got shapes {C.shape} and {B.shape}")
    if not 0 <= squared_norm < np.inf:
        raise ValueError(f"squared_norm must be finite and >= 0, got {squared_norm}")
    if not isinstance(C, LinearOperator) and not (C.diagonal() >= 0).all():
        raise ValueError(
            f"C must be positive semidefinite, but has {C.diagonal().min():.3e} on its diagonal"
        )
    generator = np.random.default_rng(0)
    x = generator.standard_normal((C.shape[0], 2))
    y = generator.standard_normal((B.shape[0], 1))
    cx, bx, bty = times(C, x), times(B, x), transposed_times(B, y)
    for name, image in (("C", cx), ("B", bx), ("the transpose of B", bty)):
        finite_array(f"the product of {name} with a vector", image, 2)
    # In units of C and of B, in which no square of a small or a large moment leaves float64.
    unit_c, unit_b = (float(np.abs(image).max()) or 1.0 for image in (cx, np.append(bx, bty)))
    cx, bx, bty = cx / unit_c, bx / unit_b, bty / unit_b
    gram, size = x.T @ cx, float(np.linalg.norm(x) * np.linalg.norm(cx))
    if abs(gram[0, 1] - gram[1, 0]) > _ROUND_OFF * size:
        raise ValueError(
            f"C must be symmetric, but y^T C x = {gram[1, 0] * unit_c:.6e} and "
            f"x^T C y = {gram[0, 1] * unit_c:.6e} for some vectors x and y"
        )
    if gram.trace() < -_ROUND_OFF * size:
        raise ValueError(
            f"C must be positive semidefinite, but x^T C x = {gram.trace() * unit_c:.3e} for some x"
        )
    ratio = squared_norm / unit_b * (unit_c / unit_b)
    square, bound = float(np.vdot(bx, bx)), ratio * float(gram.trace())
    if square > bound + _ROUND_OFF * ratio * size:
        raise ValueError(
            "C, B and squared_norm do not belong together: ||B x||^2 <= ||Y||^2 x^T C x for all x, "
            f"but for some x the left side is {square:.3e} and the right one {bound:.3e}, in units "
            f"of {unit_b:.3e} squared"
        )
    ends = float(np.vdot(y, bx[:, 0])), float(np.vdot(bty, x[:, 0]))
    if abs(ends[0] - ends[1]) > _ROUND_OFF * np.linalg.norm(y) * np.linalg.norm(bx):
        raise ValueError(
            f"rmatvec of B is not its transpose: y^T (B x) = {ends[0] * unit_b:.6e} and "
            f"(B^T y)^T x = {ends[1] * unit_b:.6e} for some x and y"
        )
