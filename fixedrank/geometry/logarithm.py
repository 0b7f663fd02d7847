r"""The inverse of the exponential map.

Collocation finds a geodesic between the two points, in the small space of their singular vectors;
the exponential map, which integrates the geodesic equation step by step, then says whether it
really ends where it should, without leaving M_k on the way.
"""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import RankLostError
from fixedrank.geometry import cones
from fixedrank.geometry.collocation import NotJoinedError, joined
from fixedrank.geometry.geodesics import Frame, follow
from fixedrank.geometry.paths import balanced_paths
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.spectrum import inner_product
from fixedrank.geometry.tangent import project

# Points that differ by less, relative to their size, are the same to round-off.
_SAME = 1e-14
# What the verification allows, in tolerances: the geodesic may spread errors of its velocity.
_MISS = 100


class GeodesicNotFoundError(RuntimeError):
    """No geodesic between two points was found.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> manifold = fixedrank.FixedRank(2, 2, 2, depth=2)
    >>> a, b = manifold.point(np.eye(2)), manifold.point(np.diag([1.0, -1.0]))
    >>> manifold.dist(a, b)
    Traceback (most recent call last):
    ...
    fixedrank.geometry.logarithm.GeodesicNotFoundError: the determinants of the two matrices ...
    """


def logarithm(
    a: FixedRankPoint, b: FixedRankPoint, depth: float, rtol: float
) -> FixedRankTangentVector:
    """Return the velocity at A of a geodesic that reaches B at time 1."""
    m, n, k = a.u.shape[0], a.vt.shape[1], a.s.size
    if not all(math.isfinite(part.sum()) for part in (*a, *b)):
        raise ValueError("a point has NaN or infinite values")
    if m == n == k and np.linalg.det(a.u @ a.vt) * np.linalg.det(b.u @ b.vt) < 0:
        raise GeodesicNotFoundError(
            "the determinants of the two matrices have opposite signs: "
            f"no path in the {m}x{n} matrices of rank {k} joins them"
        )
    if k == 1 and math.isfinite(depth):
        try:
            return cones.logarithm(a, b, depth)
        except cones.ApexError as error:
            raise GeodesicNotFoundError(f"no geodesic joins the two points: {error}") from error
    frame = Frame([a.u, b.u], [a.vt.T, b.vt.T])
    # Homogeneity: the metric of W / c is that of W up to a constant.
    scale = float(a.s.max())
    start, end = (point._replace(s=point.s / scale) for point in (frame.point(a), frame.point(b)))
    return frame.lift_vector(_velocity(start, end, depth, rtol)) * scale


def _velocity(
    a: FixedRankPoint, b: FixedRankPoint, depth: float, rtol: float
) -> FixedRankTangentVector:
    target = (b.u * b.s) @ b.vt
    straight = target - (a.u * a.s) @ a.vt
    size = float(max(a.s.max(), b.s.max()))
    if np.abs(straight).max() <= _SAME * size:
        return project(a, straight)
    found: list[tuple[float, FixedRankTangentVector]] = []
    failures: list[str] = []
    for path in balanced_paths(a, b, depth):
        if found and found[0][0] <= path.detour():
            break
        for direct in (True, False):
            try:
                velocity = project(a, joined(path, a.s.size, depth, rtol, direct))
                end = follow(a, [velocity], depth, rtol)[0]
            except (NotJoinedError, RankLostError) as error:
                failures.append(str(error))
                continue
            miss = float(np.abs((end.u * end.s) @ end.vt - target).max())
            if miss <= _MISS * rtol * size:
                length = math.sqrt(inner_product(a.s, velocity, velocity, depth))
                found.append((length, velocity))
                break
            failures.append(f"one that was found misses the second point by {miss:.1e}")
    if not found:
        raise GeodesicNotFoundError(
            f"no geodesic between the two points was found: {failures[0]}. Either they are far "
            "apart, or every way leads out of the manifold, which is not complete; take points "
            "between them"
        )
    return min(found, key=lambda pair: pair[0])[1]
