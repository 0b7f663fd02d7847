"""The retraction to the nearest matrix of rank k, and best approximations by rank k."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, svds

from fixedrank._checks import Array, RankLostError, require_finite
from fixedrank.geometry.ambient import LowRank, as_ambient
from fixedrank.geometry.orthonormal import joint_basis, small_svd
from fixedrank.geometry.points import FixedRankPoint

_EPS = float(np.finfo(float).eps)


def retract(point: FixedRankPoint, vector: Any) -> FixedRankPoint:
    """Return the point of M_k nearest to W + Z, in thin products only."""
    u, s, vt = point
    up, core, vp = vector
    k = s.size
    with np.errstate(over="ignore", invalid="ignore"):
        columns, rows = joint_basis(u, up), joint_basis(vt.T, vp)
    # W + Z = [U, Up] [[S + M, I], [I, 0]] [V, Vp]^T.
    inner = np.array(core)
    inner.flat[:: k + 1] += s
    left_u, left_up = columns.coefficients[:, :k], columns.coefficients[:, k:]
    right_v, right_vp = rows.coefficients[:, :k].T, rows.coefficients[:, k:].T
    left, values, right = small_svd(left_u @ (inner @ right_v + right_vp) + left_up @ right_v)
    require_rank(values, k, "the step leaves the manifold of rank-{k} matrices; take a shorter one")
    return FixedRankPoint(
        columns.combine(left[:, :k]), np.array(values[:k]), rows.combine(right[:k].T).T
    )


def nearest_point(matrix: Any, m: int, n: int, k: int) -> FixedRankPoint:
    """Return the best rank-k approximation of an m x n matrix as a point."""
    if not isinstance(matrix, (LinearOperator, tuple)) and not scipy.sparse.issparse(matrix):
        matrix = np.asarray(matrix) if np.ndim(matrix) == 2 else matrix
    known = as_ambient(matrix, (m, n))
    if isinstance(known, LowRank):
        for part in known:
            require_finite("W", np.zeros(0) if part is None else part)
        q_left, r_left = np.linalg.qr(known.left)
        q_right, r_right = np.linalg.qr(known.right)
        core = r_left @ known.after_middle(r_right.T)
        u, s, vt = np.linalg.svd(core, full_matrices=False)
        u, vt = q_left @ u, vt @ q_right.T
    elif isinstance(known, np.ndarray):
        require_finite("W", known)
        u, s, vt = np.linalg.svd(known, full_matrices=False)
    elif 2 * k >= min(m, n):
        dense = known.toarray() if scipy.sparse.issparse(known) else known @ np.eye(n)
        return nearest_point(np.asarray(dense, dtype=float), m, n, k)
    else:
        generator = np.random.default_rng(0)
        probe = np.asarray(known @ generator.standard_normal(n))
        require_finite("the product of W with a vector", probe)
        if probe.any():
            u, s, vt = svds(known, k, rng=generator)
            order = np.argsort(s)[::-1]
            u, s, vt = u[:, order], s[order], vt[order]
        else:
            u, s, vt = np.zeros((m, k)), np.zeros(k), np.zeros((k, n))
    if s.size < k:
        s = np.concatenate((s, np.zeros(k - s.size)))
    require_rank(s, k, "the matrix has a rank below k = {k}; choose a smaller k")
    return FixedRankPoint(np.array(u[:, :k]), np.array(s[:k]), np.array(vt[:k]))


def require_rank(values: Array, k: int, message: str) -> None:
    """Raise a RankLostError if the k-th of the descending singular values is round-off."""
    tolerance = values.size * _EPS * float(values[0])
    if not values[k - 1] > tolerance:
        raise RankLostError(message.format(k=k), np.array(values[:k]), tolerance)
