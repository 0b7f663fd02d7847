"""The retraction to the nearest matrix of rank k, and best approximations by rank k."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, svds

from fixedrank._checks import Array, RankLostError, finite_array, require_finite
from fixedrank.geometry.ambient import KINDS
from fixedrank.geometry.orthonormal import joint_factor, small_svd
from fixedrank.geometry.points import FixedRankPoint

_EPS = float(np.finfo(float).eps)


def retract(point: FixedRankPoint, vector: Any) -> FixedRankPoint:
    """Return the point of M_k nearest to W + Z, in thin products only."""
    u, s, vt = point
    up, core, vp = vector
    k = s.size
    tall_u, solve_u, factor_u = joint_factor(u, up)
    tall_v, solve_v, factor_v = joint_factor(vt.T, vp)
    middle = np.zeros((2 * k, 2 * k))
    middle[:k, :k] = core
    middle.flat[: k * 2 * k : 2 * k + 1] += s
    middle.flat[k : k * 2 * k : 2 * k + 1] = 1
    middle.flat[2 * k * k :: 2 * k + 1] = 1
    left, values, right = small_svd(factor_u @ middle @ factor_v.T)
    require_rank(values, k, "the step leaves the manifold of rank-{k} matrices; take a shorter one")
    return FixedRankPoint(
        tall_u @ (solve_u @ left[:, :k]),
        np.array(values[:k]),
        (tall_v @ (solve_v @ right[:k].T)).T,
    )


def nearest_point(matrix: Any, m: int, n: int, k: int) -> FixedRankPoint:
    """Return the best rank-k approximation of an m x n matrix as a point."""
    if isinstance(matrix, (tuple, list)) and len(matrix) in (2, 3) and np.ndim(matrix[0]) == 2:
        left, *middle, right = (finite_array("W", part, 2) for part in matrix)
        _require_shape((left.shape[0], right.shape[0]), (m, n))
        q_left, r_left = np.linalg.qr(left)
        q_right, r_right = np.linalg.qr(right)
        core = r_left @ middle[0] @ r_right.T if middle else r_left @ r_right.T
        u, s, vt = scipy.linalg.svd(core, full_matrices=False)
        u, vt = q_left @ u, vt @ q_right.T
    elif scipy.sparse.issparse(matrix) or isinstance(matrix, LinearOperator):
        _require_shape(matrix.shape, (m, n))
        if scipy.sparse.issparse(matrix):
            require_finite("W", np.asarray(matrix.tocoo().data, dtype=float))
        if 2 * k >= min(m, n):
            dense = matrix.toarray() if scipy.sparse.issparse(matrix) else matrix @ np.eye(n)
            return nearest_point(np.asarray(dense), m, n, k)
        u, s, vt = svds(matrix, k, rng=np.random.default_rng(0))
        order = np.argsort(s)[::-1]
        u, s, vt = u[:, order], s[order], vt[order]
    else:
        try:
            array = finite_array("W", matrix, 2)
        except TypeError as error:
            raise TypeError(f"W must be {KINDS}: {error}") from error
        _require_shape(array.shape, (m, n))
        u, s, vt = scipy.linalg.svd(array, full_matrices=False)
    if s.size < k:
        s = np.concatenate((s, np.zeros(k - s.size)))
    require_rank(s, k, "the matrix has a rank below k = {k}; choose a smaller k")
    return FixedRankPoint(np.array(u[:, :k]), np.array(s[:k]), np.array(vt[:k]))


def require_rank(values: Array, k: int, message: str) -> None:
    """Raise a RankLostError if the k-th of the descending singular values is round-off."""
    tolerance = values.size * _EPS * float(values[0])
    if not values[k - 1] > tolerance:
        raise RankLostError(message.format(k=k), np.array(values[:k]), tolerance)


def _require_shape(found: tuple[int, ...], expected: tuple[int, int]) -> None:
    if tuple(found) != expected:
        raise ValueError(f"W must be an m x n matrix of shape {expected}, got {tuple(found)}")
