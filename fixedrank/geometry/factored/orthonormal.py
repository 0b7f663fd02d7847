"""Orthonormal bases of tall thin matrices, and the SVD of small ones."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fixedrank import _linear_algebra
from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.tall import add_product, dot

# The orthogonality that Cholesky QR reaches is the round-off times the squared condition: the
# first pass may leave the second a condition of about 2, and itself stand one of about 1e7.
_FIRST_PIVOT, _SECOND_PIVOT = 1e-7, 0.5
# Squares of larger numbers overflow.
_LARGEST = 1e140
# Columns whose Gram matrix is within this of the identity have a condition below 2.
NEAR = 0.5
# Below this ratio of singular values the small ones are computed to relative accuracy.
GRADED = 1e-3
# Up to this size QR iteration beats divide and conquer on nearly diagonal matrices, as those of
# short steps are: 150 against 174 microseconds at 40 x 40 (2026-11).
_SMALL = 64
# Up to this k, or this m k^2, Householder QR is the faster one: basis and product take 10 against
# 23 microseconds at 20 x 2, 108 against 204 at 10000 x 2, 36 against 41 at 200 x 10, but 99 against
# 76 at 200 x 20 (2026-11).
_FEW_COLUMNS, _FEW_OPERATIONS = 2, 30_000


def orthonormal_columns(matrix: Array) -> Array:
    """Return Q of the QR factorisation with positive diagonal of R, for full column rank."""
    q, r = _linear_algebra.tall_qr(matrix)
    return np.asarray(q * np.where(np.diagonal(r) < 0, -1.0, 1.0))


class CholeskyBasis(NamedTuple):
    """An orthonormal basis of the range of [u, up], as [first, second] @ triangle^{-1}.

    The basis itself is not formed: the caller needs only its products with thin matrices.
    """

    first: Array
    second: Array
    triangle: Array
    coefficients: Array

    def combine(self, thin: Array) -> Array:
        """Return the basis times a thin matrix."""
        thin = _linear_algebra.triangular_solve(self.triangle, thin)
        k = self.first.shape[1]
        result = dot(self.first, thin[:k])
        add_product(result, self.second, thin[k:])
        return result


class HouseholderBasis(NamedTuple):
    """The same as a product of Householder reflectors, in the form that LAPACK gives them."""

    reflectors: Array
    scales: Array
    coefficients: Array

    def combine(self, thin: Array) -> Array:
        """Return the basis times a thin matrix."""
        rows, columns = thin.shape
        result = np.zeros((self.reflectors.shape[0], columns), order="F")
        result[:rows] = thin
        _linear_algebra.reflected(self.reflectors, self.scales, result)
        return result


def joint_basis(u: Array, up: Array) -> CholeskyBasis | HouseholderBasis:
    """Factor [u, up] = basis @ coefficients, for u with orthonormal columns.

    Notes
    -----
    2026-11: two Cholesky passes take a fifth of the time of Householder QR at 10000 x 20 and
    reach the same orthogonality. The first pass scales the columns of `up` and makes them
    well conditioned; the second works on u and up together, so that it also takes back the
    drift of a u that came out of many retractions. Where a pass meets a bad condition
    (fewer rows than columns, a zero column, dependent columns), and for small or very thin blocks,
    Householder QR does it.
    """
    m, k = u.shape
    if m >= 2 * k > 2 * _FEW_COLUMNS and (
        m * k * k > _FEW_OPERATIONS or not _linear_algebra.reflects_alone(m, 2 * k)
    ):
        basis = _cholesky_basis(u, up)
        if basis is not None:
            return basis
    block = np.empty((m, 2 * k), order="F")
    block[:, :k], block[:, k:] = u, up
    reflectors, scales = _linear_algebra.reflectors(block)
    coefficients = reflectors[: scales.size] * _upper(2 * k)[: scales.size]
    return HouseholderBasis(reflectors, scales, coefficients)


def _cholesky_basis(u: Array, up: Array) -> CholeskyBasis | None:
    """Return the basis by two Cholesky passes, or None where one meets a bad condition."""
    gram = dot(up.T, up)
    norms = np.sqrt(gram.diagonal())
    if not 0 < norms.min() <= norms.max() < _LARGEST:
        return None
    scaled = _linear_algebra.cholesky(gram / (norms[:, None] * norms))
    if scaled is None or not scaled.diagonal().min() > _FIRST_PIVOT:
        return None
    first = scaled * norms
    conditioned = dot(up, _linear_algebra.triangular_inverse(first))
    triangle = _linear_algebra.cholesky(_joint_gram(u, conditioned))
    if triangle is None or not triangle.diagonal().min() > _SECOND_PIVOT:
        return None
    k = norms.size
    coefficients = triangle.copy()
    coefficients[:, k:] = triangle[:, k:] @ first
    return CholeskyBasis(u, conditioned, triangle, coefficients)


@functools.lru_cache(maxsize=4)
def _upper(size: int) -> Array:
    return np.tri(size).T


def _joint_gram(first: Array, second: Array) -> Array:
    """Return the upper triangle of [first, second]^T [first, second]."""
    k = first.shape[1]
    gram = np.zeros((2 * k, 2 * k))
    gram[:k, :k] = dot(first.T, first)
    gram[:k, k:] = dot(first.T, second)
    gram[k:, k:] = dot(second.T, second)
    return gram


def small_svd(matrix: Array) -> tuple[Array, Array, Array]:
    """Return the SVD of a small square matrix, with little overhead.

    Raises
    ------
    ValueError
        If the matrix has entries that are NaN or infinite.
    """
    if not np.isfinite(matrix.sum()):
        raise ValueError("NaN or infinite values reached the singular value decomposition")
    if matrix.shape[0] > _SMALL:
        return _linear_algebra.divided_svd(matrix)
    return _linear_algebra.iterated_svd(matrix)


def graded_svd(core: Array) -> tuple[Array, Array, Array]:
    """Return the SVD of a k x k core, small singular values to relative accuracy.

    2026-11: divide and conquer finds singular values to round-off of the largest. Where they
    are spread widely, one-sided Jacobi rotations (Drmac and Veselic, SIAM J. Matrix Anal. Appl.
    29, 2008) find those of a graded matrix each to its own round-off, at some three times the cost.
    """
    parts = _linear_algebra.divided_svd(core)
    s = parts[1]
    if s[-1] < GRADED * s[0]:
        return _linear_algebra.rotated_svd(core) or parts
    return parts


def svd_point(matrix: Array) -> FixedRankPoint:
    """Return a matrix as (u, s, vt) by its thin SVD; singular values may vanish."""
    return FixedRankPoint(*np.linalg.svd(matrix, full_matrices=False))


def point_of(
    left: Array,
    core: Array | None,
    right: Array,
    svd: Callable[[Array], tuple[Array, Array, Array]] = svd_point,
) -> FixedRankPoint:
    """Return left core right^T (no core: the identity) as (u, s, vt); singular values may vanish.

    The factors need not be orthonormal; where a core is given they often nearly are, as those of a
    flow inside of its steps. Of the core, in orthonormal frames, `svd` is the decomposition.
    """
    qr = _linear_algebra.tall_qr if core is None else _nearly_orthonormal_qr
    (left, first), (right, second) = qr(left), qr(right)
    inner = first if core is None else first.dot(core)
    u, s, vt = svd(inner.dot(second.T))
    return FixedRankPoint(dot(left, u), s, dot(vt, right.T))


def _nearly_orthonormal_qr(block: Array) -> tuple[Array, Array]:
    """Return Q R by Cholesky's factorisation if the columns are nearly orthonormal, or by QR."""
    gram = dot(block.T, block)
    # The squared distance from the identity, whose round-off is far below.
    distance = float(np.vdot(gram, gram)) - 2 * float(gram.trace()) + len(gram)
    triangle = _linear_algebra.cholesky(gram) if distance < NEAR**2 else None
    if triangle is None:
        return _linear_algebra.tall_qr(block)
    return dot(block, _linear_algebra.triangular_inverse(triangle)), triangle
