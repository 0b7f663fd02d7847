"""The linear algebra of hot paths, divided so that the threads of two libraries do not fight.

NumPy's and SciPy's wheels each bring an OpenBLAS with threads of its own, which spin for some 15 ms
after a call that woke them. Where calls to both alternate, each takes the cores from the other: on
two cores a retraction at m = n = 2000, k = 20 took 16 ms in place of 1.1. Costs of users call
NumPy. So NumPy gets what is large, and SciPy, which costs less a call and has what NumPy lacks
(products added in place, solves with triangles, QR iteration, Jacobi rotations), only what its
OpenBLAS does in the thread that calls it, in pieces if need be. NumPy gets products in pieces too,
where its threads would cost more than they save.

2026-11-29, from the processor time of SciPy's threads: they wake, in SciPy 1.15 and 1.18 alike, in
gemm from 2^19 multiplications on, in axpy beyond 10,000 numbers, in trsm from 1024 numbers on the
right, in geqrf beyond 8192 numbers beside the first of five columns or more, in potrf from 128
rows, trtri 66, gesvd 92, gesdd 34 and gejsv 32 (and with row pivoting, joba = 2, at any size, like
trtrs and getrs).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import blas, lapack

from fixedrank._checks import Array

# Multiplications of a product, numbers of a vector, and numbers on the right of a triangle that
# stay in the calling thread, in NumPy too; a block times itself wakes threads from 420,000 on.
# Pieces of a product with fewer rows than _ROWS do not pay.
_PRODUCT, _VECTOR, _RIGHT, _ROWS = 400_000, 10_000, 1023, 64
# From so many multiplications on NumPy's threads pay: below, waking them takes longer than the work
# of one (2000 x 20 times 20 x 20, two cores, 2026-11: 140 microseconds, 82 in two pieces).
_SHARED = 1 << 21
# Rows of small matrices, and numbers beside the first column in Householder QR, that stay there.
_FACTORED, _DIVIDED, _REFLECTED = 64, 32, 8192
# Numbers in a temporary array of a product that is added by NumPy.
_TEMPORARY = 1 << 16
# The largest number of reflectors that LAPACK takes together.
_BLOCK = 64


def inner(a: Array, b: Array) -> float:
    """Return the inner product of two vectors, in pieces: threads would save less than they cost.

    They spin for some milliseconds, in which whatever comes next shares the cores with them.
    """
    if a.size <= _VECTOR:
        return float(a.dot(b))
    return sum(
        float(a[start : start + _VECTOR].dot(b[start : start + _VECTOR]))
        for start in range(0, a.size, _VECTOR)
    )


def dot(a: Array, b: Array) -> Array:
    """Return a @ b by NumPy, in pieces where its threads would not pay."""
    rows, between = a.shape
    columns = b.shape[1]
    if not _PRODUCT < rows * between * columns < _SHARED or columns > max(rows, between):
        return np.asarray(a.dot(b))
    if rows < between:
        step = max(1, _PRODUCT // (rows * columns))
        result = np.asarray(a[:, :step].dot(b[:step]))
        for start in range(step, between, step):
            result += a[:, start : start + step].dot(b[start : start + step])
        return result
    step = max(1, _PRODUCT // (between * columns))
    result = np.empty((rows, columns), np.result_type(a, b))
    for start in range(0, rows, step):
        here = slice(start, start + step)
        np.dot(a[here], b, out=result[here])
    return result


def add_product(sign: float, result: Array, tall: Array, thin: Array) -> None:
    """Add sign * tall @ thin to the result, in place; all of float64, and the thin one small."""
    inner, columns = thin.shape
    rows = _PRODUCT // max(1, inner * columns)
    if rows < _ROWS:
        rows = max(_ROWS, _TEMPORARY // max(1, columns))
        change = np.add if sign > 0 else np.subtract
        for start in range(0, result.shape[0], rows):
            here = slice(start, start + rows)
            change(result[here], tall[here].dot(thin), out=result[here])
        return
    by_rows = result.flags.c_contiguous
    for start in range(0, result.shape[0], rows):
        piece, block = result[start : start + rows], tall[start : start + rows]
        # BLAS takes arrays by columns; what lies by rows is its transpose there. Pieces of what
        # lies by columns are copied, which costs less than a product beside the result.
        target = piece.T if by_rows else np.asfortranarray(piece)
        if not block.flags.c_contiguous:
            block = np.asfortranarray(block)
        first, second = (thin.T, block.T) if by_rows else (block, thin)
        (first, trans_a), (second, trans_b) = _by_columns(first), _by_columns(second)
        blas.dgemm(
            sign, first, second, 1.0, target, trans_a=trans_a, trans_b=trans_b, overwrite_c=1
        )
        if not by_rows:
            piece[...] = target


def _by_columns(array: Array) -> tuple[Array, bool]:
    return (array, False) if array.flags.f_contiguous else (array.T, True)


def combine(target: Array, scale: float, *terms: tuple[float, Array]) -> None:
    """Set target to scale * target + the sum of factor * vector, in place.

    By BLAS, three times faster than array arithmetic on a long vector.
    """
    if target.size <= _VECTOR:
        blas.dscal(scale, target)
        for factor, vector in terms:
            blas.daxpy(vector, target, a=factor)
        return
    for start in range(0, target.size, _VECTOR):
        length = min(_VECTOR, target.size - start)
        blas.dscal(scale, target, length, start)
        for factor, vector in terms:
            blas.daxpy(vector, target, length, factor, start, 1, start)


def cholesky(gram: Array) -> Array | None:
    """Return the upper triangle R with R^T R = gram, or None where there is none.

    Of gram only the upper triangle is read.
    """
    if gram.shape[0] <= _FACTORED:
        triangle, info = lapack.dpotrf(gram, clean=1)
        return np.asarray(triangle) if info == 0 else None
    try:
        return np.linalg.cholesky(gram.T).T
    except np.linalg.LinAlgError:
        return None


def triangular_inverse(triangle: Array) -> Array:
    """Return the inverse of an upper triangle with a diagonal without zeros."""
    if triangle.shape[0] <= _FACTORED:
        return np.asarray(lapack.dtrtri(triangle)[0])
    # Below the diagonal there is nothing to eliminate, so that this is substitution.
    return np.linalg.inv(triangle)


def triangular_solve(triangle: Array, right: Array) -> Array:
    """Return the inverse of an upper triangle, with a diagonal without zeros, times a matrix."""
    rows, columns = right.shape
    together = max(1, _RIGHT // rows)
    if columns <= together:
        return np.asarray(blas.dtrsm(1.0, triangle, right))
    solution = np.empty((rows, columns), order="F")
    for start in range(0, columns, together):
        here = slice(start, start + together)
        solution[:, here] = blas.dtrsm(1.0, triangle, right[:, here])
    return solution


def reflects_alone(rows: int, columns: int) -> bool:
    """Say whether Householder QR of a block of this shape stays in the calling thread."""
    return columns <= 4 or rows * (columns - 1) <= _REFLECTED


def reflectors(block: Array) -> tuple[Array, Array]:
    """Return the QR factorisation of a block by columns, in the form that LAPACK gives it."""
    parts, scales, _, _ = lapack.dgeqrf(block, lwork=block.shape[1] * _BLOCK, overwrite_a=1)
    return parts, scales


def reflected(parts: Array, scales: Array, block: Array) -> None:
    """Multiply a block that lies by columns by the reflectors, in place."""
    size = _BLOCK * block.shape[1]
    lapack.dormqr("L", "N", parts[:, : scales.size], scales, block, size, overwrite_c=1)


def tall_qr(matrix: Array) -> tuple[Array, Array]:
    """Return the QR factorisation Q R, for tall thin matrices by that of pieces.

    Householder QR of each piece stays in the calling thread; a second one, of their triangles,
    joins them, and is as stable (J. Demmel, L. Grigori, M. Hoemmen, J. Langou, SIAM J. Sci. Comput.
    34, 2012). 2026-11, one thread: 0.8 against 0.6 ms at 2000 x 20, 17 against 48 at 100000 x 10.
    """
    rows, columns = matrix.shape
    step = _REFLECTED // max(columns, 1)
    if rows <= step or step < 4 * columns:
        return np.linalg.qr(matrix)
    count = -(-rows // step)
    step = rows // count
    pieces, rest = matrix[: count * step].reshape(count, step, columns), matrix[count * step :]
    bases, triangles = np.linalg.qr(pieces)
    joined, triangle = tall_qr(np.concatenate((triangles.reshape(-1, columns), rest)))
    q = np.empty((rows, columns), matrix.dtype)
    np.matmul(
        bases,
        joined[: count * columns].reshape(count, columns, columns),
        out=q[: count * step].reshape(count, step, columns),
    )
    q[count * step :] = joined[count * columns :]
    return q, triangle


def divided_svd(matrix: Array) -> tuple[Array, Array, Array]:
    """Return the SVD of a square matrix by divide and conquer.

    2026-11: it did not converge for a 200 x 200 core of a flow with r = 200, N = 20.
    """
    if matrix.shape[0] > _DIVIDED:
        try:
            u, s, vt = np.linalg.svd(matrix)
        except np.linalg.LinAlgError:
            return iterated_svd(matrix)
        return u, s, vt
    u, s, vt, info = lapack.dgesdd(matrix)
    return (u, s, vt) if info == 0 else iterated_svd(matrix)


def iterated_svd(matrix: Array) -> tuple[Array, Array, Array]:
    """Return the SVD of a square matrix by QR iteration; for large ones a last resort."""
    u, s, vt, info = lapack.dgesvd(matrix)
    if info != 0:
        raise np.linalg.LinAlgError(f"LAPACK found no SVD of a {matrix.shape} matrix, info {info}")
    return u, s, vt


def rotated_svd(matrix: Array) -> tuple[Array, Array, Array] | None:
    """Return the SVD of a square matrix by Jacobi rotations, or None where they fail.

    Rows are sorted here, as LAPACK would do it: its way to exchange rows wakes its threads. Beyond
    some 30 rows they wake in any case.
    """
    order = np.argsort(-np.abs(matrix).max(1))
    values, left, right, work, _, info = lapack.dgejsv(matrix[order], joba=0, jobu=0, jobv=0)
    if info != 0:
        return None
    u = np.empty_like(left)
    u[order] = left
    return u, values * (work[0] / work[1]), right.T
