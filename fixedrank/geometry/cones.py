r"""Geodesics between matrices of rank one, in closed form.

With r = sqrt(N) s^(1/N) the metric at s u v^T is that of a cone over two spheres,

    dr^2 + (r^2 / N) (|du|^2 + |dv|^2),

which is flat along each geodesic of the spheres: unrolled, a geodesic is a straight line in a
plane, where theta = sqrt(theta_u^2 + theta_v^2) is seen at the angle theta / sqrt(N). All below is
relative to the radius at the start, so that neither a large depth nor close points cancel.
"""

from __future__ import annotations

import math
import sys

import numpy as np

from fixedrank._checks import Array, RankLostError
from fixedrank.geometry.points import FixedRankPoint, FixedRankTangentVector

# A line that passes the apex of the cone at this part of its radius goes through it.
_ROUND_OFF = 1e-14
_LARGEST_LOG = math.log(sys.float_info.max)


class ApexError(ArithmeticError):
    """The straight line between two points runs through the apex of the cone."""


def exponential(
    point: FixedRankPoint, vector: FixedRankTangentVector, depth: float
) -> FixedRankPoint:
    """Return the end of the geodesic with the given start and velocity, at time 1."""
    s = float(point.s[0])
    sizes = float(np.linalg.norm(vector.Up)), float(np.linalg.norm(vector.Vp))
    speed = math.hypot(*sizes)
    radial, across = float(vector.M[0, 0]) / (depth * s), speed / (math.sqrt(depth) * s)
    along = math.hypot(radial, across)
    if -along * along <= radial < 0 and across <= _ROUND_OFF * along:
        raise _rank_lost(1 / along, s)
    if radial > -0.5:
        growth = math.log1p(radial * (2 + radial) + across * across) / 2
    else:
        growth = math.log(math.hypot(1 + radial, across))
    if not math.log(s) + depth * growth < _LARGEST_LOG:
        raise OverflowError(
            "the singular value at the end of the geodesic is beyond floating point; take a "
            f"shorter vector (its norm is {math.sqrt(depth) * along:.3g} times s^(1/N))"
        )
    end = point.s * math.exp(depth * growth)
    if end < sys.float_info.min:
        raise _rank_lost(min(1.0, 1 / along), s)
    turn = math.sqrt(depth) * math.atan2(across, 1 + radial) / speed if speed else 0.0
    u, v = (
        start * math.cos(turn * size) + (direction / size) * math.sin(turn * size)
        if size
        else start
        for start, direction, size in zip(
            (point.u, point.vt.T), (vector.Up, vector.Vp), sizes, strict=True
        )
    )
    return FixedRankPoint(u / np.linalg.norm(u), end, (v / np.linalg.norm(v)).T)


def _rank_lost(time: float, s: float) -> RankLostError:
    return RankLostError(
        f"the geodesic leaves the manifold of matrices of rank 1 at t = {time:.6g} of 1: "
        "the metric is not complete; take a shorter vector",
        np.zeros(1),
        _ROUND_OFF * s,
    )


def logarithm(a: FixedRankPoint, b: FixedRankPoint, depth: float) -> FixedRankTangentVector:
    """Return the velocity at A of the shortest geodesic that reaches B at time 1.

    Raises
    ------
    ApexError
        If the straight line runs through the apex, where the rank is zero.
    """
    # u v^T = (-u)(-v)^T: the shorter of the two ways around.
    ways = [[_arc(a.u, sign * b.u), _arc(a.vt.T, sign * b.vt.T)] for sign in (1, -1)]
    arcs = min(ways, key=lambda way: math.hypot(*(angle for _, angle in way)))
    angle = math.hypot(*(angle for _, angle in arcs))
    seen = angle / math.sqrt(depth)
    if not seen < math.pi * (1 - _ROUND_OFF):
        raise ApexError(
            "the straight line between the two matrices runs through zero, and the manifold is "
            "not complete"
        )
    s = float(a.s[0])
    growth = math.expm1(math.log1p(float(b.s[0] - s) / s) / depth)
    radial = growth - 2 * (1 + growth) * math.sin(seen / 2) ** 2
    across = (1 + growth) * math.sin(seen) / angle if angle else 0.0
    (u, u_angle), (v, v_angle) = arcs
    size = math.sqrt(depth) * s * across
    return FixedRankTangentVector(
        size * u_angle * u, np.array([[depth * s * radial]]), size * v_angle * v
    )


def _arc(start: Array, end: Array) -> tuple[Array, float]:
    """Return the direction, of length 1, and the length of a shortest arc between unit vectors."""
    cosine = (start.T @ end).item()
    away = end - cosine * start
    away -= (start.T @ away).item() * start
    sine = float(np.linalg.norm(away))
    if sine > 0:
        return away / sine, math.atan2(sine, cosine)
    if cosine > 0:
        return away, 0.0
    if len(start) == 1:
        return away, math.inf
    # Opposite ends: every direction is as good.
    away = np.zeros_like(start)
    least = int(np.abs(start).argmin())
    away[least] = 1
    away -= start[least] * start
    return away / np.linalg.norm(away), math.pi
