"""Points and tangent vectors as the m x n arrays that they stand for."""

from __future__ import annotations

import numpy as np

from fixedrank._checks import Array, require_finite
from fixedrank.geometry.factored import tangent
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector


def point_to_matrix(point: FixedRankPoint) -> Array:
    """Return W = u diag(s) vt, if it is finite."""
    u, s, vt = point
    return _finite(np.asarray((u * s) @ vt))


def tangent_to_matrix(point: FixedRankPoint, vector: FixedRankTangentVector) -> Array:
    """Return Z = u M vt + Up vt + u Vp^T, if it is finite."""
    return _finite(tangent.to_matrix(point, vector))


def _finite(matrix: Array) -> Array:
    require_finite("the matrix", matrix)
    return matrix
