"""Ambient m x n matrices of any kind, of which only products with thin blocks are formed."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from fixedrank._checks import Array

KINDS = (
    "an array, a SciPy sparse array, a low-rank pair (L, R) for L @ R.T, "
    "a triple (L, S, R) for L @ S @ R.T, or a scipy.sparse.linalg.LinearOperator"
)


def ambient_products(matrix: Any, u: Array, v: Array) -> tuple[Array, Array]:
    """Return the products G V (m x k) and G^T U (n x k) of an m x n matrix G.

    Raises
    ------
    TypeError, ValueError
        If G is of an unknown kind or its shape is not (m, n).
    """
    shape = (u.shape[0], v.shape[0])
    if isinstance(matrix, np.ndarray) or scipy.sparse.issparse(matrix):
        _require_shape(matrix.shape, shape)
        return np.asarray(matrix @ v), np.asarray(matrix.T @ u)
    if isinstance(matrix, LinearOperator):
        _require_shape(matrix.shape, shape)
        return np.asarray(matrix.matmat(v)), np.asarray(matrix.rmatmat(u))
    if isinstance(matrix, (tuple, list)) and len(matrix) in (2, 3):
        left, *middle, right = (np.asarray(part, dtype=float) for part in matrix)
        inner = (left.shape[-1], right.shape[-1])
        if left.ndim != 2 or right.ndim != 2 or any(core.shape != inner for core in middle):
            raise ValueError(
                "a low-rank matrix has parts of shapes (m, r), (n, r) or (m, r), (r, q), (n, q), "
                f"got {', '.join(str(np.shape(part)) for part in matrix)}"
            )
        if not middle and inner[0] != inner[1]:
            raise ValueError(f"a low-rank pair needs equal ranks, got {left.shape}, {right.shape}")
        _require_shape((left.shape[0], right.shape[0]), shape)
        right_v, left_u = right.T @ v, left.T @ u
        if middle:
            right_v, left_u = middle[0] @ right_v, middle[0].T @ left_u
        return left @ right_v, right @ left_u
    raise TypeError(f"an ambient matrix is {KINDS}; got {type(matrix).__name__}")


def _require_shape(found: tuple[int, ...], expected: tuple[int, int]) -> None:
    if tuple(found) != expected:
        raise ValueError(f"the ambient matrix must have shape {expected}, got {tuple(found)}")
