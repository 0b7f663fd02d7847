"""The retraction to the nearest matrix of rank k, and best approximations by rank k."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse

from fixedrank._checks import Array, RankLostError, require_finite, round_off
from fixedrank.geometry.factored.ambient import LowRank, as_ambient
from fixedrank.geometry.factored.leading import leading_svd
from fixedrank.geometry.factored.orthonormal import joint_basis, point_of, small_svd, svd_point
from fixedrank.geometry.factored.points import (
    FixedRankPoint,
    FixedRankTangentVector,
    is_factor_derivative,
)
from fixedrank.geometry.factored.units import exponent_of, moderate, restored_values, shifted

# Below one, so that I + S^(-1/2) M S^(-1/2) stays positive definite in its symmetric part.
_BOUND = 0.9


def retract(point: FixedRankPoint, vector: Any) -> FixedRankPoint:
    """Return the point of M_k nearest to W + Z, in thin products only."""
    exponent = 0
    if not moderate(point.s):
        exponent = exponent_of("the point or the tangent vector", point.s, *vector)
        point = FixedRankPoint(point.u, np.ldexp(point.s, -exponent), point.vt)
        vector = shifted(vector, -exponent)
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
    if exponent != 0:
        values = restored_values("the singular values of W + Z", values, exponent)
    require_rank(values, k, "the step leaves the manifold of rank-{k} matrices; take a shorter one")
    return FixedRankPoint(
        columns.combine(left[:, :k]), np.array(values[:k]), rows.combine(right[:k].T).T
    )


def bounded(point: FixedRankPoint, vector: Any) -> Any:
    """Return Z, shortened where |S^(-1/2) M S^(-1/2)| is above its bound."""
    _, core, _ = vector
    largest = float(np.abs(core).max())
    if not 0 < largest < math.inf:
        return vector
    roots = np.sqrt(point.s)
    # Of M in a unit of its own, so that the quotient alone has to fit into floating point.
    with np.errstate(over="ignore"):
        ratio = core / largest / np.outer(roots, roots)
        # The Frobenius norm is above the spectral one, and takes no decomposition.
        if np.linalg.norm(ratio) * largest <= _BOUND:
            return vector
    share = min(_BOUND / float(np.linalg.norm(ratio, 2)) / largest, 1.0)
    return FixedRankTangentVector(*(part * share for part in vector))


def nearest_point(matrix: Any, m: int, n: int, k: int) -> FixedRankPoint:
    """Return the best rank-k approximation of an m x n matrix as a point."""
    if is_factor_derivative(matrix):
        # A point by its shapes; its factors may be orthonormal to float32 only.
        matrix = FixedRankPoint(*matrix)
    known = as_ambient(matrix, (m, n))
    if isinstance(known, LowRank):
        for part in known:
            require_finite("W", np.zeros(0) if part is None else part)
        u, s, vt = point_of(*known)
    elif isinstance(known, np.ndarray):
        require_finite("W", known)
        u, s, vt = svd_point(known)
    elif 2 * k >= min(m, n):
        dense = known.toarray() if scipy.sparse.issparse(known) else known @ np.eye(n)
        return nearest_point(np.asarray(dense, dtype=float), m, n, k)
    else:
        u, s, vt = leading_svd(known, k, "W")
    if s.size < k:
        s = np.concatenate((s, np.zeros(k - s.size)))
    require_rank(s, k, "the matrix has a rank below k = {k}; choose a smaller k")
    return FixedRankPoint(np.array(u[:, :k]), np.array(s[:k]), np.array(vt[:k]))


def require_rank(values: Array, k: int, message: str) -> None:
    """Raise a RankLostError if the k-th of the descending singular values is round-off."""
    tolerance = round_off(values.size, float(values[0]))
    if not values[k - 1] > tolerance:
        raise RankLostError(message.format(k=k), np.array(values[:k]), tolerance)
