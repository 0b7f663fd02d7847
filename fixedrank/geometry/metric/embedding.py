"""How the factors of W move where W moves along a tangent vector."""

from __future__ import annotations

from fixedrank.geometry.factored.points import (
    FactorDirections,
    FixedRankPoint,
    FixedRankTangentVector,
)
from fixedrank.geometry.factored.tall import add_product, scaled_columns
from fixedrank.geometry.factored.tangency import require_finite_parts
from fixedrank.geometry.metric.hessians import rotations


def factor_directions(point: FixedRankPoint, vector: FixedRankTangentVector) -> FactorDirections:
    """Return (du, ds, dvt) with du diag(s) vt + u diag(ds) vt + u diag(s) dvt = Z."""
    (u, s, vt), (up, core, vp) = point, vector
    to_left, ds, to_right = rotations(s, core)
    du, dv = scaled_columns(up, 1 / s), scaled_columns(vp, 1 / s)
    add_product(du, u, to_left)
    add_product(dv, vt.T, to_right.T)
    require_finite_parts(FixedRankTangentVector(du, core, dv), "the point or the tangent vector")
    return FactorDirections(du, ds, dv.T)
