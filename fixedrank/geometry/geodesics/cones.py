r"""M_k with a homogeneous metric is a cone, and so every geodesic is a straight line in a plane.

With g_{cW}(cZ, cZ) = c^(2/N) g_W(Z, Z), which at depth N is the depth, the radius is
r = N sqrt(sum_i s_i^2 / c_ii), at depth N the length sqrt(N sum_i s_i^(2/N)) of any balanced
layers, and W -> c W are the rays. Their velocity E = N W, of length r, is the gradient of r^2 / 2,
whose Hessian is g. A ray and a geodesic through it span a flat sector; unrolled, the geodesic with
velocity Z is the line

    (x, y) = (1 + t a, t b),    a = g(E, Z) / r^2,    a^2 + b^2 = g(Z, Z) / r^2,

in units of the radius at the start: r^2(t) = r^2 + 2 t g(E, Z) + t^2 g(Z, Z). Two geodesics in one
sector end on the same ray if the lines do, so that for all f > 0

    exp(W, f Z + (f - 1) E) = f^(-N) exp(W, Z),    f = 1 / |(x, y)| at time 1.

With this f the line ends at the radius at which it starts: what is left to solve is a
chord, no longer than 2 r, however long Z is. Parallel transport is the same along both, since a
sector is flat and the curvature vanishes on its planes, up to the ray: there vectors keep their
lengths, and W -> c W takes them to c^(1-1/N) times themselves.

Where the metric does not change with c, N is infinite and W is a parallel field of its own:
exp(W, Z + c W) = e^c exp(W, Z). Where it is not homogeneous, there is no cone, and the chord is the
geodesic.
"""

from __future__ import annotations

import abc
import math
import sys
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from fixedrank._checks import Array, RankLostError
from fixedrank.geometry.factored.binary import Binary, exponential
from fixedrank.geometry.factored.points import FixedRankTangentVector
from fixedrank.geometry.factored.units import shifted
from fixedrank.geometry.metric.spectral import SpectralMetric

# A line that passes the apex of the cone at this part of its radius goes through it.
_ROUND_OFF = 1e-14
# A logarithm of a quotient of singular values that is beyond all numbers in floating point.
_FAR = 1500.0


def squared_radius(s: Array, metric: SpectralMetric) -> float:
    """Return r^2, and r^2 / N^2 for infinite N."""
    return _ray(metric) ** 2 * float(metric.radial_weights(s).sum())


def radial_part(s: Array, vector: FixedRankTangentVector, metric: SpectralMetric) -> float:
    """Return g(E, Z) / r^2, and g(W, Z) N^2 / r^2 for infinite N."""
    weights = metric.radial_weights(s)
    return float((np.diagonal(vector.M) / s * weights).sum() / (_ray(metric) * weights.sum()))


def with_ray(
    s: Array, vector: FixedRankTangentVector, multiple: float, ray: float
) -> FixedRankTangentVector:
    """Return the vector plus a multiple of E, which is `ray` times W."""
    core = vector.M.copy()
    core.flat[:: s.size + 1] += multiple * ray * s
    return vector._replace(M=core)


def _ray(metric: SpectralMetric) -> float:
    """Return the E / W of a cone: N, and 1 for infinite N."""
    homogeneity = metric.homogeneity
    return 1.0 if homogeneity is None or math.isinf(homogeneity) else homogeneity


class Line(abc.ABC):
    """What is known of a geodesic beforehand: its chord is all that is left to solve."""

    @classmethod
    def along(
        cls, s: Array, vector: FixedRankTangentVector, exponent: int, metric: SpectralMetric
    ) -> Line:
        """Return the line of 2^exponent times a vector.

        Where there is a cone, s and the vector are about one.
        """
        if metric.homogeneity is None:
            return Unknown(exponent)
        with np.errstate(all="ignore"):
            radial = radial_part(s, vector, metric)
            rest = with_ray(s, vector, -radial, _ray(metric))
            value, shift = metric.inner_product(s, rest, rest)
            square = float(np.ldexp(value, -shift))
            across = math.sqrt(square / squared_radius(s, metric))
        return cls.of(radial, across, exponent, metric.homogeneity)

    @classmethod
    def of(cls, radial: float, across: float, exponent: int, homogeneity: float) -> Line:
        """Return the line with 2^exponent times a velocity, in radii."""
        if not math.isfinite(radial + across):
            raise OverflowError(
                "the length of the tangent vector is beyond floating point, beside singular "
                "values that are so small or so far apart"
            )
        shift = max(exponent, 0)
        unit = math.ldexp(1.0, max(exponent - shift, -2000))
        if math.isinf(homogeneity):
            return Spiral(radial * unit, unit, shift)
        return Straight(radial * unit, across * unit, unit, shift, homogeneity)

    @property
    def time_at_apex(self) -> float | None:
        """The time at which the line runs into the apex, or None."""
        return None

    @abc.abstractmethod
    def dilation(self, lost: int = 0) -> Binary:
        """Return by how much vectors grow along the ray, divided by `lost` lengths."""

    @abc.abstractmethod
    def chord(self, s: Array, vector: FixedRankTangentVector) -> FixedRankTangentVector:
        """Return the velocity, at the same start, that ends on the same ray at the same radius."""

    @abc.abstractmethod
    def seen(self, t: float, exponent: int = 0) -> tuple[float, float]:
        """Return when the line is on the ray on which its chord is at time t, and how far along.

        The second number is the quotient of the matrices there, times 2^exponent.
        """

    def grown(self, s: Array, exponent: int) -> Array:
        """Return the singular values at the end, from those of the chord over 2^exponent.

        Raises
        ------
        OverflowError, RankLostError
            If the largest or the smallest is beyond floating point.
        """
        factor = self.dilation()
        result = factor.shifted(exponent).times(s)
        if not np.isfinite(result).all():
            raise OverflowError(
                "the singular values at the end of the geodesic are beyond floating point: the "
                f"largest is about 2^{factor.exponent + exponent}; take a shorter vector"
            )
        if result.min() < sys.float_info.min:
            start = math.ldexp(float(s.max()), exponent)
            raise rank_lost(self.seen(1.0)[0], result, _ROUND_OFF * start)
        return result


@dataclass(frozen=True)
class Straight(Line):
    """The line from (start, 0) to (start + radial, across), in units of 2^shift radii.

    The shift is such that neither the start, which is 2^-shift, nor the end overflows. The vector
    that it belongs to counts in units of `unit`, and N is `power`.
    """

    radial: float
    across: float
    unit: float
    shift: int
    power: float

    @property
    def start(self) -> float:
        """The radius at the start."""
        return math.ldexp(1.0, max(-self.shift, -2000))

    @property
    def angle(self) -> float:
        """The angle under which the end is seen from the start, at the apex."""
        return math.atan2(self.across, self.start + self.radial)

    @property
    def length(self) -> float:
        """The radius at the end."""
        return math.hypot(self.start + self.radial, self.across)

    @property
    def growth(self) -> float:
        """The logarithm of the quotient of the two radii."""
        radial, across = (float(Binary(part, self.shift)) for part in (self.radial, self.across))
        if abs(radial) < 0.5 and across < 0.5:
            return math.log1p(radial * (2 + radial) + across * across) / 2
        return math.log(self.length) + self.shift * math.log(2)

    @property
    def time_at_apex(self) -> float | None:
        """Return when the line runs into the apex, or None."""
        if self.start + self.radial > 0:
            return None
        through = self.across <= _ROUND_OFF * math.hypot(self.radial, self.across)
        return self.start / -self.radial if through else None

    def dilation(self, lost: int = 0) -> Binary:
        """Return the power N - lost of the quotient of the two radii."""
        growth, exponent = self.growth, Fraction(self.power) - lost
        if abs(growth) < 1 or abs(growth) * self.power > _FAR:
            return exponential(growth * float(exponent))
        return Binary(self.length, self.shift).power(exponent)

    def chord(self, s: Array, vector: FixedRankTangentVector) -> FixedRankTangentVector:
        """Return the velocity that ends where the size is that at the start."""
        growth, length = self.growth, self.length
        ray = math.expm1(-growth) if abs(growth) < 1 else self.start / length - 1
        return with_ray(s, vector * (self.unit / length), ray, self.power)

    def seen(self, t: float, exponent: int = 0) -> tuple[float, float]:
        """Return the time on the geodesic, and the quotient of the matrices."""
        quotient = self.start / self.length
        between = 1 + (quotient - 1) * t
        factor = exponential(-self.power * math.log(between)).shifted(exponent)
        return quotient * t / between, float(factor)


@dataclass(frozen=True)
class Spiral(Line):
    """What takes the place of the line for infinite N, where W grows by e^radial."""

    radial: float
    unit: float
    shift: int

    @property
    def growth(self) -> float:
        """The logarithm of the quotient of the matrices."""
        return float(Binary(self.radial, self.shift))

    def dilation(self, lost: int = 0) -> Binary:
        """Return e^growth."""
        return exponential(self.growth)

    def chord(self, s: Array, vector: FixedRankTangentVector) -> FixedRankTangentVector:
        """Return the velocity that ends where the size is that at the start."""
        factor = float(Binary(self.unit, self.shift))
        return with_ray(s, vector * factor, -self.growth, 1.0)

    def seen(self, t: float, exponent: int = 0) -> tuple[float, float]:
        """Return the time on the geodesic, and the quotient of the matrices."""
        return t, float(exponential(self.growth * t).shifted(exponent))


@dataclass(frozen=True)
class Unknown(Line):
    """A geodesic of a metric that is not homogeneous, with 2^exponent times a velocity."""

    exponent: int

    def dilation(self, lost: int = 0) -> Binary:
        """Return 1."""
        return Binary(1.0, 0)

    def chord(self, s: Array, vector: FixedRankTangentVector) -> FixedRankTangentVector:
        """Return the velocity itself."""
        return shifted(vector, self.exponent)

    def seen(self, t: float, exponent: int = 0) -> tuple[float, float]:
        """Return the time on the geodesic, and the quotient of the matrices."""
        return t, math.ldexp(1.0, exponent)


def rank_lost(time: float, s: Array, tolerance: float) -> RankLostError:
    """Return the error of a geodesic that leaves the manifold."""
    return RankLostError(
        f"the geodesic leaves the manifold of matrices of rank {s.size} at t = {time:.6g} of 1: "
        "the metric is not complete; take a shorter vector",
        s,
        tolerance,
    )
