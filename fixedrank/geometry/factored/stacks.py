"""Many small matrices at once, along a first axis, where calls cost more than what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fixedrank import _linear_algebra
from fixedrank._checks import Array
from fixedrank.geometry.factored.orthonormal import GRADED, NEAR, graded_svd, point_of, svd_point
from fixedrank.geometry.factored.points import FixedRankPoint

# Of larger factors each is worth calls of its own.
_LARGE = 1 << 13


def transposed(stack: Array) -> Array:
    """Return the transposes of matrices."""
    return stack.swapaxes(-1, -2)


def matrix_times(matrix: Any, stack: Array) -> Array:
    """Return the products of one matrix of any kind with each of a stack, by a single product."""
    count, rows, columns = stack.shape
    beside = matrix.dot(stack.transpose(1, 0, 2).reshape(rows, count * columns))
    return np.asarray(beside).reshape(-1, count, columns).transpose(1, 0, 2)


def squared_norms(stack: Array) -> Array:
    """Return the squared norms of matrices, each by a product of a vector with itself."""
    count = len(stack)
    with np.errstate(over="ignore"):
        return np.asarray(stack.reshape(count, 1, -1) @ stack.reshape(count, -1, 1))[:, 0, 0]


def times_matrix(stack: Array, matrix: Array) -> Array:
    """Return the products of each of a stack with one matrix, by a single product."""
    rows = _linear_algebra.dot(stack.reshape(-1, stack.shape[-1]), matrix)
    return rows.reshape(*stack.shape[:-1], -1)


def stacked_points(
    left: Array,
    core: Array | None,
    right: Array,
    svd: Callable[[Array], tuple[Array, Array, Array]] = svd_point,
) -> FixedRankPoint:
    """Return left core right^T as `point_of` does, where all have an axis in front.

    The singular value decomposition is `svd_point` or `graded_svd`.
    """
    cores = [None] * len(left) if core is None else core
    if len(left) == 1 or max(left[0].size, right[0].size) > _LARGE:
        return _stacked(map(point_of, left, cores, right, [svd] * len(left)))
    qr = np.linalg.qr if core is None else _nearly_orthonormal_qr
    (left, first), (right, second) = qr(left), qr(right)
    inner = (first if core is None else first @ core) @ transposed(second)
    try:
        u, s, vt = np.linalg.svd(inner)
    except np.linalg.LinAlgError:
        u, s, vt = _stacked(map(svd, inner))
    if svd is graded_svd:
        for index in np.flatnonzero(s[:, -1] < GRADED * s[:, 0]):
            u[index], s[index], vt[index] = graded_svd(inner[index])
    return FixedRankPoint(left @ u, s, vt @ transposed(right))


def _stacked(triples: Iterable[tuple[Array, Array, Array]]) -> FixedRankPoint:
    return FixedRankPoint(*map(np.array, zip(*triples, strict=True)))


def _nearly_orthonormal_qr(blocks: Array) -> tuple[Array, Array]:
    """Return Q R by Cholesky's factorisation if all columns are nearly orthonormal, or by QR."""
    gram = transposed(blocks) @ blocks
    if np.square(gram - np.eye(gram.shape[-1])).sum((-1, -2)).max() < NEAR**2:
        triangle = transposed(np.linalg.cholesky(gram))
        return blocks @ np.linalg.inv(triangle), triangle
    return np.linalg.qr(blocks)
