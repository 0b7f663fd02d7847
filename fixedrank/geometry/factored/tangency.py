"""Whether three arrays are a point (u, s, vt), or a tangent vector (Up, M, Vp), at little cost."""

from __future__ import annotations

import math
import sys

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import (
    FixedRankPoint,
    FixedRankTangentVector,
    checked_point,
    checked_tangent,
)

# Of the largest entry of the vector: what is left of orthogonality after some thousand operations
# is far below, and what is not a tangent vector by mistake far above.
_TOLERANCE = 1e-8


def require_point(point: FixedRankPoint) -> FixedRankPoint:
    """Return the point, its s known to be finite, if s is positive and the frames orthonormal.

    Raises
    ------
    ValueError
        Which condition fails, and by how much.
    """
    u, s, vt = point
    # NaN in the frames fails as well.
    if min(s.tolist()) > 0 and _orthonormal(u.T @ u) and _orthonormal(vt @ vt.T):
        return point
    return checked_point(point)


def _orthonormal(gram: Array) -> bool:
    if gram.size == 1:
        return abs(gram.item() - 1) <= _TOLERANCE
    gram.flat[:: len(gram) + 1] -= 1
    return bool(np.abs(gram).max() <= _TOLERANCE)


def require_tangent(
    point: FixedRankPoint, vector: FixedRankTangentVector, name: str
) -> FixedRankTangentVector:
    """Return the vector, if it is finite and U^T Up = 0, V^T Vp = 0.

    Raises
    ------
    ValueError
        Which condition fails, by how much, and what to do about it.
    """
    sizes = [float(np.abs(part).max()) for part in vector]
    if not math.isfinite(sum(sizes)):
        checked_tangent(point, vector, name)
    size = max(sizes)
    # Below the least normal number all digits are lost.
    allowed = _TOLERANCE * size + sys.float_info.min
    for part, basis, block in (("u^T Up", point.u, vector.Up), ("vt Vp", point.vt.T, vector.Vp)):
        overlap = float(np.abs(basis.T @ block).max())
        if overlap > allowed:
            raise ValueError(
                f"{name} is not tangent: {part} must be zero, but has entries up to {overlap:.3e} "
                f"where the largest one of the vector is {size:.3e} (tolerance {_TOLERANCE:.0e} of "
                "it); to_tangent_space(point, vector) makes it tangent"
            )
    return vector


def require_finite_parts(vector: FixedRankTangentVector, source: str) -> FixedRankTangentVector:
    """Return the vector if it is finite."""
    # NaN and infinity in any entry reach these sums.
    if not math.isfinite(vector.M.sum() + vector.Up.sum() + vector.Vp.sum()):
        raise ValueError(f"{source} has NaN or infinite values, or its products overflow")
    return vector
