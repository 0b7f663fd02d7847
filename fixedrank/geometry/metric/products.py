"""The inner product at any scale of W and of the vectors."""

from __future__ import annotations

import math

import numpy as np

from fixedrank._checks import Array
from fixedrank.geometry.factored.points import FixedRankPoint, FixedRankTangentVector
from fixedrank.geometry.factored.units import power, restored_number, unit_vector
from fixedrank.geometry.metric.spectral import SpectralMetric
from fixedrank.geometry.metric.tables import point_in_unit

# Products of two numbers that leave floating point are below this by the precision.
_SAFE = 1e-250


def length(s: Array, vector: FixedRankTangentVector, metric: SpectralMetric) -> float:
    """Return the length of a vector, where s and the vector are about one."""
    square, exponent = metric.inner_product(s, vector, vector)
    return math.sqrt(float(np.ldexp(square, -exponent)))


def inner_product(
    point: FixedRankPoint,
    a: FixedRankTangentVector,
    b: FixedRankTangentVector,
    metric: SpectralMetric,
) -> float:
    """Return g_W(A, B)."""
    value, of_point, exponent = _scaled(point, a, b, metric)
    if of_point == exponent == 0:
        return value
    factor, shift = power(of_point, -2, 2, metric.degree)
    return restored_number("the inner product", value * factor, exponent + shift)


def norm(point: FixedRankPoint, vector: FixedRankTangentVector, metric: SpectralMetric) -> float:
    """Return the length of a vector."""
    square, of_point, exponent = _scaled(point, vector, vector, metric)
    if of_point == exponent == 0:
        return math.sqrt(square)
    # The square may be beyond floating point where the length is not.
    factor, shift = power(of_point, -1, 1, metric.degree)
    return restored_number("the length", math.sqrt(square) * factor, exponent // 2 + shift)


def _scaled(
    point: FixedRankPoint,
    a: FixedRankTangentVector,
    b: FixedRankTangentVector,
    metric: SpectralMetric,
) -> tuple[float, int, int]:
    """Return v, p and e with g_W(A, B) = v 2^e times the power 2/N - 2 of 2^p.

    Both are 0 unless W or the vectors are far from one.
    """
    # NumPy warns of an overflow here, but to turn warnings off takes a sixth of the time.
    value, exponent = metric.inner_product(point.s, a, b)
    # What is lost of smaller terms does not count beside such a value.
    if exponent == 0 and _SAFE < abs(value) < math.inf:
        return value, 0, 0
    unit, there, of_point = point_in_unit(point, metric)
    (a, of_a), (b, of_b) = unit_vector(a), unit_vector(b)
    value, exponent = there.inner_product(unit.s, a, b)
    value = float(np.ldexp(value, -exponent))
    if not math.isfinite(value):
        s = point.s
        raise ValueError(
            f"the inner product is {value}: the singular values of the point "
            f"({s.min():.3e} to {s.max():.3e}) must be positive"
        )
    return value, of_point, of_a + of_b
