r"""The inverse of the exponential map.

Collocation finds a geodesic between the two points, in the small space of their singular vectors;
the exponential map, which integrates the geodesic equation step by step, then says whether it
really ends where it should, without leaving M_k on the way.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from fixedrank._checks import Array, RankLostError
from fixedrank.geometry.factored.binary import Binary
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.tangent import project
from fixedrank.geometry.factored.units import restored
from fixedrank.geometry.geodesics import rank_one
from fixedrank.geometry.geodesics.collocation import NotJoinedError, joined
from fixedrank.geometry.geodesics.cones import Line, Straight, squared_radius, with_ray
from fixedrank.geometry.geodesics.exponential import (
    Frame,
    TooManyStepsError,
    checked_tolerance,
    reached,
)
from fixedrank.geometry.geodesics.paths import balanced_paths
from fixedrank.geometry.metric.products import length
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import point_in_unit

# Points that differ by less, relative to their size, are the same to round-off.
_SAME = 1e-14
# Largest singular values of two matrices of similar size differ at most by this power of two.
_SIMILAR = 1
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
    fixedrank...GeodesicNotFoundError: the determinants of the two matrices ...
    """


def logarithm(
    a: FixedRankPoint, b: FixedRankPoint, metric: SpectralMetric, rtol: float
) -> FixedRankTangentVector:
    """Return the velocity at A of a geodesic that reaches B at time 1."""
    rtol = checked_tolerance(rtol)
    _require_joined(a, b)
    cone = rank_one.Cone.of(metric) if a.s.size == 1 else None
    if cone is not None:
        with _through_zero():
            return rank_one.logarithm(a, b, cone)
    frame = Frame([a.u, b.u], [a.vt.T, b.vt.T])
    join = _Join.of(frame.point(a), frame.point(b), metric, rtol)
    return frame.lift_vector(join.velocity())


def distance(a: FixedRankPoint, b: FixedRankPoint, metric: SpectralMetric, rtol: float) -> float:
    """Return the length of that geodesic, from the smaller singular values to the larger ones."""
    rtol = checked_tolerance(rtol)
    a, b = sorted((a, b), key=lambda point: tuple(point.s))
    _require_joined(a, b)
    cone = rank_one.Cone.of(metric) if a.s.size == 1 else None
    if cone is not None:
        with _through_zero():
            return rank_one.distance(a, b, cone)
    frame = Frame([a.u, b.u], [a.vt.T, b.vt.T])
    return _Join.of(frame.point(a), frame.point(b), metric, rtol).length()


@contextlib.contextmanager
def _through_zero() -> Iterator[None]:
    """Say of a straight line through the apex that no geodesic joins its ends."""
    try:
        yield
    except rank_one.ApexError as error:
        raise GeodesicNotFoundError(f"no geodesic joins the two points: {error}") from error


def _require_joined(a: FixedRankPoint, b: FixedRankPoint) -> None:
    m, n, k = a.u.shape[0], a.vt.shape[1], a.s.size
    if m == n == k and np.linalg.det(a.u @ a.vt) * np.linalg.det(b.u @ b.vt) < 0:
        raise GeodesicNotFoundError(
            "the determinants of the two matrices have opposite signs: "
            f"no path in the {m}x{n} matrices of rank {k} joins them"
        )


class _Join(NamedTuple):
    """A geodesic from 2^exponent A to 2^(exponent + shift) B, from the velocity Z of that to B.

    The three lie in one sector of a cone: with f = 2^(shift / N), the velocity is f Z + (f-1) N A,
    and Z + shift ln(2) A for infinite N. Without a cone the shift is zero.
    """

    start: FixedRankPoint
    to_unscaled: FixedRankTangentVector
    exponent: int
    shift: int
    metric: SpectralMetric

    @classmethod
    def of(cls, a: FixedRankPoint, b: FixedRankPoint, metric: SpectralMetric, rtol: float) -> _Join:
        """Find the geodesic by collocation, where both matrices are of similar size."""
        start, there, exponent = point_in_unit(a, metric)
        if metric.homogeneity is None:
            end, shift = b._replace(s=np.ldexp(b.s, -exponent)), 0
        else:
            end, _, other = point_in_unit(b, metric)
            shift = other - exponent
        if abs(shift) <= _SIMILAR:
            end, shift = end._replace(s=np.ldexp(end.s, shift)), 0
        return cls(start, _velocity(start, end, there, rtol), exponent, shift, there)

    def velocity(self) -> FixedRankTangentVector:
        """Return the velocity at 2^exponent A."""
        start, vector, exponent, shift, metric = self
        power = metric.homogeneity
        if shift == 0 or power is None or math.isinf(power):
            return restored("the velocity", self._on_infinite_cone(), exponent, may_vanish=True)
        f = Binary(1.0, shift).power(1 / Fraction(power))
        # f and 1 in units in which neither overflows.
        top = max(f.exponent, 0)
        factor, one = float(f._replace(exponent=f.exponent - top)), math.ldexp(1.0, -top)
        growth = shift * math.log(2) / power
        ray = one * math.expm1(growth) if abs(growth) < 1 else factor - one
        velocity = with_ray(start.s, vector * factor, ray, power)
        return restored("the velocity", velocity, exponent + top, may_vanish=True)

    def length(self) -> float:
        """Return the length of the geodesic."""
        start, vector, exponent, shift, metric = self
        power = metric.degree
        if power is None or math.isinf(power):
            return length(start.s, self._on_infinite_cone(), metric)
        inverse = 1 / Fraction(power)
        unit = float(Binary(1.0, exponent).power(inverse))
        if shift == 0:
            return unit * length(start.s, vector, metric)
        line = Line.along(start.s, vector, 0, metric)
        assert isinstance(line, Straight)
        radius = math.sqrt(squared_radius(start.s, metric))
        far = float(Binary(1.0, exponent + shift).power(inverse))
        return math.hypot(
            far * radius * (1 + line.radial) - unit * radius, far * radius * line.across
        )

    def _on_infinite_cone(self) -> FixedRankTangentVector:
        return with_ray(self.start.s, self.to_unscaled, self.shift * math.log(2), 1.0)


def _velocity(
    a: FixedRankPoint, b: FixedRankPoint, metric: SpectralMetric, rtol: float
) -> FixedRankTangentVector:
    target = (b.u * b.s) @ b.vt
    straight = target - (a.u * a.s) @ a.vt
    size = float(max(a.s.max(), b.s.max()))
    if np.abs(straight).max() <= _SAME * size:
        return project(a, straight)
    found: list[tuple[float, FixedRankTangentVector]] = []
    known: list[Array] = []
    failures: list[str] = []
    for path in balanced_paths(a, b, metric):
        if found and found[0][0] <= path.detour():
            break
        for direct in (True, False):
            try:
                derivative = joined(path, a.s.size, metric, rtol, direct, known)
                if derivative is None:
                    break
                velocity = project(a, derivative)
                end = reached(a, velocity, metric, rtol)
            except (NotJoinedError, RankLostError, TooManyStepsError) as error:
                failures.append(str(error))
                continue
            miss = float(np.abs((end.u * end.s) @ end.vt - target).max())
            if miss <= _MISS * rtol * size:
                found.append((length(a.s, velocity, metric), velocity))
                known.append(derivative)
                break
            failures.append(f"one that was found misses the second point by {miss:.1e}")
    if not found:
        raise GeodesicNotFoundError(
            f"no geodesic between the two points was found: {failures[0]}. Either they are far "
            "apart, or every way leads out of the manifold, which is not complete; take points "
            "between them"
        )
    return min(found, key=lambda pair: pair[0])[1]
