"""Whether three arrays (Up, M, Vp) are a tangent vector."""

from __future__ import annotations

import numpy as np

from fixedrank._checks import Array
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
    if not np.isfinite(size):
        checked_tangent(point, vector, name)
    for part, basis, block in (("u^T Up", point.u, vector.Up), ("vt Vp", point.vt.T, vector.Vp)):
        overlap = _overlap(basis, block, size)
        if overlap > _TOLERANCE:
            raise ValueError(
                f"{name} is not tangent: {part} must be zero, but has entries up to {overlap:.3e} "
                f"times the largest one of the vector (tolerance {_TOLERANCE:.0e}); "
                "to_tangent_space(point, vector) makes it tangent"
            )
    return vector


def _overlap(basis: Array, block: Array, size: float) -> float:
    """Return the largest entry of basis^T block / size."""
    if size == 0:
        return 0.0
    return float(np.abs(basis.T @ (block / size)).max())
