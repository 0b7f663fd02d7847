"""Sums of ambient matrices of any kind, times numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse

from fixedrank.geometry.factored.ambient import LowRank, LowRankPair, known_matrix
from fixedrank.geometry.factored.points import FixedRankPoint
from fixedrank.geometry.factored.sums import MatrixSum


def combined_matrix(terms: Sequence[tuple[float, Any]], point: FixedRankPoint | None = None) -> Any:
    """Return c_1 A_1 + c_2 A_2 + ... of ambient matrices, those of tangent vectors at a point.

    It is an array if all are, a sparse array if all are, the pair of a single one of low rank, and
    a MatrixSum otherwise.
    """
    scaled = [_scaled(factor, known_matrix(matrix, point)) for factor, matrix in terms]
    first = scaled[0]
    if len(scaled) == 1:
        return first
    if all(isinstance(matrix, np.ndarray) for matrix in scaled) or all(
        scipy.sparse.issparse(matrix) for matrix in scaled
    ):
        return sum(scaled[1:], first)
    return MatrixSum(*scaled)


def _scaled(factor: float, matrix: Any) -> Any:
    if isinstance(matrix, LowRank):
        left, right = matrix.pair()
        return LowRankPair(factor * left, right)
    if isinstance(matrix, MatrixSum):
        return MatrixSum(*(_scaled(factor, known_matrix(term)) for term in matrix.terms))
    return factor * matrix
