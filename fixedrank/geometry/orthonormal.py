"""Orthonormal bases of tall thin matrices, and the SVD of small ones."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from fixedrank._checks import Array
from fixedrank.geometry.tall import add_product

# The orthogonality that Cholesky QR reaches is the round-off times the squared condition: the
# first pass may leave the second a condition of about 2, and itself stand one of about 1e7.
_FIRST_PIVOT, _SECOND_PIVOT = 1e-7, 0.5
# Squares of larger numbers overflow.
_LARGEST = 1e140
# Below this ratio of singular values the small ones are computed to relative accuracy.
GRADED = 1e-3
# Up to this size QR iteration beats divide and conquer on nearly diagonal matrices, as those of
# short steps are: 150 against 174 microseconds at 40 x 40 (2026-11).
_SMALL = 64
# Up to this many numbers in a block plain Householder QR has less overhead: 37 against 72
# microseconds for a whole retraction at 20 x 20, k = 2, 109 against 137 at 100 x 100, k = 10, but
# 447 against 399 at 200 x 200, k = 20 (2026-11).
_FEW = 2000


def orthonormal_columns(matrix: Array) -> Array:
    """Return Q of the QR factorisation with positive diagonal of R, for full column rank."""
    q, r = np.linalg.qr(matrix)
    return np.asarray(q * np.where(np.diagonal(r) < 0, -1.0, 1.0))


class JointBasis(NamedTuple):
    """An orthonormal basis of the range of [u, up], as blocks side by side @ triangle^{-1}.

    The basis itself is not formed: the caller needs only its products with thin matrices.
    """

    blocks: tuple[Array, ...]
    triangle: Array | None
    coefficients: Array

    def combine(self, thin: Array) -> Array:
        """Return the basis times a thin matrix."""
        if self.triangle is not None:
            thin = lapack.dtrtrs(self.triangle, thin)[0]
        first, *others = self.blocks
        if not others:
            return np.asarray(first @ thin)
        k = first.shape[1]
        result = np.asarray(first @ thin[:k])
        add_product(result, others[0], thin[k:])
        return result


def joint_basis(u: Array, up: Array) -> JointBasis:
    """Factor [u, up] = basis @ coefficients, for u with orthonormal columns.

    Notes
    -----
    2026-11: two Cholesky passes take a fifth of the time of Householder QR at 10000 x 20 and
    reach the same orthogonality. The first pass scales the columns of `up` and makes them
    well conditioned; the second works on u and up together, so that it also takes back the
    drift of a u that came out of many retractions. Where a pass meets a bad condition
    (fewer rows than columns, a zero column, dependent columns), and for few numbers, where it has
    less overhead, Householder QR does it.
    """
    m, k = u.shape
    tall, few = m >= 2 * k, m * k <= _FEW
    if tall and not few:
        gram = up.T @ up
        norms = np.sqrt(gram.diagonal())
        if norms.min() > 0 and norms.max() < _LARGEST:
            scaled, info = lapack.dpotrf(gram / (norms[:, None] * norms), clean=1)
            if info == 0 and scaled.diagonal().min() > _FIRST_PIVOT:
                first = scaled * norms
                conditioned = up @ lapack.dtrtri(first)[0]
                triangle, info = lapack.dpotrf(_joint_gram(u, conditioned), clean=1)
                if info == 0 and triangle.diagonal().min() > _SECOND_PIVOT:
                    coefficients = triangle.copy()
                    coefficients[:, k:] = triangle[:, k:] @ first
                    return JointBasis((u, conditioned), triangle, coefficients)
    both = np.concatenate((u, up), axis=1)
    q, r = _small_qr(both) if tall and few else np.linalg.qr(both)
    return JointBasis((q,), None, r)


def _small_qr(matrix: Array) -> tuple[Array, Array]:
    """Return the QR factorisation without blocks and the overhead of NumPy's."""
    factored, tau, _, _ = lapack.dgeqrf(matrix)
    q = lapack.dorgqr(factored, tau)[0]
    return q, factored[: tau.size] * _upper(tau.size)


@functools.lru_cache(maxsize=4)
def _upper(size: int) -> Array:
    return np.tri(size).T


def _joint_gram(first: Array, second: Array) -> Array:
    """Return the upper triangle of [first, second]^T [first, second]."""
    k = first.shape[1]
    gram = np.zeros((2 * k, 2 * k))
    np.matmul(first.T, first, out=gram[:k, :k])
    np.matmul(first.T, second, out=gram[:k, k:])
    np.matmul(second.T, second, out=gram[k:, k:])
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
        return _divided_svd(matrix)
    return _iterated_svd(matrix)


def _divided_svd(matrix: Array) -> tuple[Array, Array, Array]:
    """Return the SVD by divide and conquer.

    2026-11: it did not converge for a 200 x 200 core of a flow with r = 200, N = 20.
    """
    u, s, vt, info = lapack.dgesdd(matrix)
    return (u, s, vt) if info == 0 else _iterated_svd(matrix)


def _iterated_svd(matrix: Array) -> tuple[Array, Array, Array]:
    u, s, vt, info = lapack.dgesvd(matrix)
    if info != 0:
        raise np.linalg.LinAlgError(f"LAPACK found no SVD of a {matrix.shape} matrix, info {info}")
    return u, s, vt


def graded_svd(core: Array) -> tuple[Array, Array, Array]:
    """Return the SVD of a k x k core, small singular values to relative accuracy.

    2026-11: divide and conquer finds singular values to round-off of the largest. Where they
    are spread widely, one-sided Jacobi rotations (Drmac and Veselic, SIAM J. Matrix Anal. Appl.
    29, 2008) find those of a graded matrix each to its own round-off, at some three times the cost.
    """
    u, s, vt = _divided_svd(core)
    if s[-1] < GRADED * s[0]:
        values, left, right, work, _, info = lapack.dgejsv(core, joba=2, jobu=0, jobv=0)
        if info == 0:
            return left, values * (work[0] / work[1]), right.T
    return u, s, vt
