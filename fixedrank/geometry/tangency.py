"""Whether three arrays (Up, M, Vp) are a tangent vector."""

from __future__ import annotations

import math
import sys

import numpy as np

from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector, checked_tangent

# Of the largest entry of the vector: what is left of orthogonality after some thousand operations
# is far below, and what is not a tangent vector by mistake far above.
_TOLERANCE = 1e-8


def require_tangent(
    point: FixedRankPoint, vector: FixedRankTangentVector, name: str
) -> FixedRankTangentVector:
    """Return the vector, if it is finite and U^T Up = 0, V^T Vp = 0.

    Raises
    ------
    ValueError
        Which condition fails, by how much, and what to do about it.
    """
    size = max(float(np.abs(part).max(initial=0.0)) for part in vector)
    if not math.isfinite(size):
        checked_tangent(point, vector, name)
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
