r"""Geodesics between matrices of rank one, in closed form.

Where a metric is homogeneous the one at s u v^T is that of a cone over two spheres,

    dr^2 + r^2 (a_u^2 |du|^2 + a_v^2 |dv|^2),    a_u = sqrt(c / c_u) / N,

with r = N s / sqrt(c), the weights c of M and c_u of Up, and likewise a_v; at depth N both are
1 / sqrt(N). Arcs theta_u, theta_v are seen at the angle sqrt((a_u theta_u)^2 + (a_v theta_v)^2) in
the plane in which geodesics are straight lines. Roots of quotients are formed from logarithms
where they are near one, and elsewhere as s_A^(1-1/N) s_B^(1/N): neither a large depth, nor
close points, nor very different ones cancel.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.binary import (
    Binary,
    log_ratio,
)
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.units import restored, unit_vector
from fixedrank.geometry.geodesics.cones import Line, Straight, rank_lost
from fixedrank.geometry.metric.spectral import SpectralMetric

_ROUND_OFF = 1e-14
# Squares of this and of its inverse are far inside of floating point.
_SQUARABLE = 1e-130


class ApexError(ArithmeticError):
    """The straight line between two points runs through the apex of the cone."""


class Cone(NamedTuple):
    """The cone of the matrices of rank one: N, the radius at s = 1, and a_u, a_v."""

    power: float
    radius: float
    u_share: float
    v_share: float

    @classmethod
    def of(cls, metric: SpectralMetric) -> Cone | None:
        """Return the cone of a metric, or None where it has none."""
        power = metric.homogeneity
        if power is None or math.isinf(power):
            return None
        one = np.ones(1)
        weight = float(metric.tangential(one)[0, 0])
        shares = (math.sqrt(weight / float(side[0])) / power for side in metric.normal(one))
        return cls(power, power / math.sqrt(weight), *shares)


def exponential(
    point: FixedRankPoint, vector: FixedRankTangentVector, cone: Cone
) -> FixedRankPoint:
    """Return the end of the geodesic with the given start and velocity, at time 1."""
    s, exponent = _size(point)
    direction, size = vector, 0
    sizes = _lengths(direction)
    if not _SQUARABLE < max(*sizes, abs(float(vector.M[0, 0]))) < 1 / _SQUARABLE:
        direction, size = unit_vector(vector)
        sizes = _lengths(direction)
    speed = math.hypot(cone.u_share * sizes[0], cone.v_share * sizes[1])
    line = Line.of(
        float(direction.M[0, 0]) / (cone.power * s), speed / s, size - exponent, cone.power
    )
    assert isinstance(line, Straight)
    if line.time_at_apex is not None:
        raise rank_lost(line.time_at_apex, np.zeros(1), _ROUND_OFF * float(point.s[0]))
    turn = line.angle
    u, v = (
        old * math.cos(turn * part / speed) + new * (math.sin(turn * part / speed) / part)
        if part
        else old
        for old, new, part in zip(
            (point.u, point.vt.T), (direction.Up, direction.Vp), sizes, strict=True
        )
    )
    return FixedRankPoint(
        u / np.linalg.norm(u), line.grown(np.array([s]), exponent), (v / np.linalg.norm(v)).T
    )


class _Sector(NamedTuple):
    """The flat sector between A and B: the arcs of u and v, its angle, and ln(s_B / s_A) / N."""

    u: Array
    u_angle: float
    v: Array
    v_angle: float
    angle: float
    growth: float


def _sector(a: FixedRankPoint, b: FixedRankPoint, cone: Cone) -> _Sector:
    # u v^T = (-u)(-v)^T: the shorter of the two ways around.
    ways = [[_arc(a.u, sign * b.u), _arc(a.vt.T, sign * b.vt.T)] for sign in (1, -1)]

    def seen(way: list[tuple[Array, float]]) -> float:
        (_, u_angle), (_, v_angle) = way
        return math.hypot(cone.u_share * u_angle, cone.v_share * v_angle)

    arcs = min(ways, key=seen)
    (u, u_angle), (v, v_angle) = arcs
    angle = seen(arcs)
    if not angle < math.pi * (1 - _ROUND_OFF):
        raise ApexError(
            "the straight line between the two matrices runs through zero, and the manifold is "
            "not complete"
        )
    return _Sector(u, u_angle, v, v_angle, angle, log_ratio(_size(b), _size(a)) / cone.power)


def logarithm(a: FixedRankPoint, b: FixedRankPoint, cone: Cone) -> FixedRankTangentVector:
    """Return the velocity at A of the shortest geodesic that reaches B at time 1.

    Raises
    ------
    ApexError
        If the straight line runs through the apex, where the rank is zero.
    OverflowError
        If the velocity is beyond floating point.
    """
    sector = _sector(a, b, cone)
    first, second = _size(a), _size(b)
    quotient = Binary(second.mantissa / first.mantissa, second.exponent - first.exponent)
    root = quotient.power(1 / Fraction(cone.power))
    # s_A and s_A^(1-1/N) s_B^(1/N), in units in which neither overflows.
    exponent = first.exponent + max(root.exponent, 0)
    s = float(Binary(first.mantissa, first.exponent - exponent))
    mixed = float(Binary(first.mantissa * root.mantissa, first.exponent + root.exponent - exponent))
    radial, across = _difference(s, mixed, sector)
    size = across / sector.angle if sector.angle else 0.0
    velocity = FixedRankTangentVector(
        size * sector.u_angle * sector.u,
        np.array([[cone.power * radial]]),
        size * sector.v_angle * sector.v,
    )
    return restored("the velocity", velocity, exponent, may_vanish=True)


def distance(a: FixedRankPoint, b: FixedRankPoint, cone: Cone) -> float:
    """Return the length of the shortest geodesic.

    Raises
    ------
    ApexError
        If the straight line runs through the apex, where the rank is zero.
    """
    inverse = 1 / Fraction(cone.power)
    first, second = (cone.radius * float(_size(point).power(inverse)) for point in (a, b))
    return math.hypot(*_difference(first, second, _sector(a, b, cone)))


def _difference(first: float, second: float, sector: _Sector) -> tuple[float, float]:
    """Return the line between two points in the plane, along the ray of the first and across."""
    if abs(sector.growth) < 1:
        radial = first * math.expm1(sector.growth)
    else:
        radial = second - first
    radial -= 2 * second * math.sin(sector.angle / 2) ** 2
    return radial, second * math.sin(sector.angle)


def _lengths(vector: FixedRankTangentVector) -> tuple[float, float]:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.linalg.norm(vector.Up)), float(np.linalg.norm(vector.Vp))


def _size(point: FixedRankPoint) -> Binary:
    return Binary(*math.frexp(float(point.s[0])))


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
